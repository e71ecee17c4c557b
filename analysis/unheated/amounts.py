"""How much of a particle there is, and of what: its volume and composition, with errors by cause."""

from __future__ import annotations

import math

import numpy as np

from analysis.diffusion.state_equations import BOW_PRIOR
from analysis.diffusion.uncertainty import Uncertainty
from analysis.results import Estimate
from analysis.results.state import RECONSTRUCTIONS_COMPARED
from analysis.tomography.tilt_series import AlignedSeries
from analysis.unheated.reference import SURFACE_PX, Reference

_AROUND_NM = 0.12
"""By which what lies around a particle moves its surface: membranes, films, a coat."""
_STRETCHED = 0.0075
"""Of a volume, where images are larger along the tilt axis than across it by twice that."""
_COMPARED = 0.005
"""Of a volume, where two reconstructions are compared: a film under them changes them by so much."""
_CM3_PER_MOL = {"Au": 10.21, "Ag": 10.27, "Pd": 8.86, "Pt": 9.09, "Cu": 7.11, "Ni": 6.59, "Fe": 7.09, "Co": 6.67}
_CM3_PER_MOL |= {"Rh": 8.28, "Ir": 8.52, "Ru": 8.17, "Al": 10.00}
"""Room of the atoms of a pure metal (CRC Handbook of Chemistry and Physics: atomic weight over density)."""
_OTHER_ROOM = 0.2
"""By which two metals may differ in it that are not there."""


def volume_of(reference: Reference, uncertainty: Uncertainty, growth: float | None = None) -> Estimate:
    """Volume in nm3 of a particle before any heat, or after it has grown by a factor.

    The statistical part is what the counts of the first tilt series leave open of D, taken as if it were all of a
    length: D goes with its square, volume with its cube. A later state's own counts are in none of it.
    """
    per_px = 1.5 * reference.per_surface_px  # D goes with the power of 2/3
    parts = {
        "pixel size": 0.03 * uncertainty.pixel_size_percent,
        "edges on the voxel grid": SURFACE_PX * per_px,
        "what lies around it": _AROUND_NM / reference.pixel_nm * per_px,
        "stretched images": _STRETCHED,
    }
    if growth is not None:
        parts[RECONSTRUCTIONS_COMPARED] = _COMPARED
    value = reference.volume_nm3 * (1.0 if growth is None else growth)
    return Estimate(value, 1.5 * reference.first_ln_std * value, {cause: value * p for cause, p in parts.items()})


def first_composition(reference: Reference, series: AlignedSeries) -> Estimate:
    """Atomic fraction of the core's element over the whole particle before any heat, by the volumes of core and all.

    Atoms of both metals are taken to need the same room, as in published fractions.
    """
    particle = reference.measurement.particle
    part = particle.core_fraction
    # The core's surface over its volume, as of one shape: of what is smaller there is more.
    per_px = part * 1.5 * reference.per_surface_px * math.hypot(part ** (-1.0 / 3.0), 1.0)
    room = [_CM3_PER_MOL.get(metal or "") for metal in (series.header.core, series.header.shell)]
    apart = _OTHER_ROOM if room[0] is None or room[1] is None else abs(math.log(room[0] / room[1]))
    budget = {
        "edges on the voxel grid": SURFACE_PX * per_px,
        "response and interface": 1.5 * reference.response_ln_std * part,
        "room of an atom": apart * part * (1.0 - part),
    }
    return Estimate(part, 1.5 * reference.first_ln_std * part, budget)


def later_composition(
    reference: Reference, series: AlignedSeries, uncertainty: Uncertainty, degree: float, growth: float
) -> Estimate | None:
    """After some heat, by the sum of the projections; nothing where the detector clips, which hides most of the change.

    A beam current that changed in between changes that sum as well, and so does a particle that lost some of itself,
    or a mixture that scatters more than in proportion. D's prior stands for that one, whatever the states tell of it.

    Parameters
    ----------
    degree : of alloying, by the standard deviation
    growth : of the volume since the first state, as a factor
    """
    if reference.measurement.ceiling is not None or series.ceiling is not None:
        return None
    first, particle = first_composition(reference, series), reference.measurement.particle
    seen = series.aligned[:, reference.crop[0], reference.crop[1]]
    per_sum = reference.mass_per_tilt / (particle.volume_px * particle.core_step)
    gained = float(seen.sum()) / len(seen) / reference.mass_per_tilt - 1.0
    # Of c (1 - c) the mean over all voxels; a degree is how much of their spread is gone.
    mixed = first.value * (1.0 - first.value) * (1.0 - (1.0 - float(np.clip(degree, 0.0, 1.0))) ** 2)
    changed = {
        "beam current": 0.01 * uncertainty.beam_current_percent * per_sum,
        "change of volume": max(_COMPARED, abs(growth - 1.0)) * per_sum,
        "law of composition": 4.0 * BOW_PRIOR * mixed,
    }
    return Estimate(first.value + gained * per_sum, first.std, (first.budget or {}) | changed)
