"""How much of a particle there is, and of what: its volume and composition, with errors by cause."""

from __future__ import annotations

import numpy as np

from analysis.diffusion.state_equations import BOW_PRIOR
from analysis.diffusion.uncertainty import Uncertainty
from analysis.results import Estimate
from analysis.tomography.tilt_series import AlignedSeries
from analysis.unheated.reference import Reference

_SURFACE_PX, _AROUND_PX = 0.009, 0.15
"""What the voxel grid leaves open of a surface, and what lies around a particle: membranes, films, a coat."""
_STRETCHED = 0.0075
"""Of a volume, where images are larger along the tilt axis than across it by twice that."""
_COMPARED = 0.005
"""Of a volume, where two reconstructions are compared: a film under them changes them by so much."""
_ROOM_OF_ATOMS = 0.01
"""By which those of two metals differ that are taken to need the same room."""


def volume_of(reference: Reference, uncertainty: Uncertainty, growth: float = 1.0, *, first: bool = False) -> Estimate:
    """Volume in nm3 of a particle that has grown by a factor since the `first` state.

    The statistical part is what the counts of the first tilt series leave open of D, taken as if it were all of a
    length: D goes with its square, volume with its cube.
    """
    particle = reference.measurement.particle
    per_px = particle.surface_px2 / particle.volume_px * max(1.0, reference.misfit) ** 0.5
    parts = {
        "pixel size": 0.03 * uncertainty.pixel_size_percent,
        "edges on the voxel grid": _SURFACE_PX * per_px,
        "what lies around it": _AROUND_PX * per_px,
        "stretched images": _STRETCHED,
        "reconstructions compared": 0.0 if first else _COMPARED,
    }
    value = reference.volume_nm3 * growth
    return Estimate(value, 1.5 * reference.first_ln_std * value, {c: value * p for c, p in parts.items() if p > 0.0})


def composition_of(
    reference: Reference, uncertainty: Uncertainty, series: AlignedSeries | None = None, degree: float = 0.0
) -> Estimate | None:
    """Atomic fraction of the core's element over the whole particle, before any heat or in a later `series`.

    First by the volumes of core and particle, whose film or coat both have; later by the sum of the projections, which
    a beam current that changed in between changes as well, and so do metals whose mixture, to some `degree` of
    alloying, scatters more than in proportion. Nothing later where the detector clips, which hides most of that sum
    before the first heat.
    """
    particle = reference.measurement.particle
    part = particle.core_fraction
    core_px2 = particle.surface_px2 * part ** (2.0 / 3.0)  # as of one shape
    apart = part * np.hypot(core_px2 / (part * particle.volume_px), particle.surface_px2 / particle.volume_px)
    per_px = float(apart) * max(1.0, reference.misfit) ** 0.5
    first = Estimate(
        part,
        1.5 * reference.first_ln_std * part,
        {
            "edges on the voxel grid": _SURFACE_PX * per_px,
            "response and interface": 1.5 * reference.response_ln_std * part,
            "room of an atom": _ROOM_OF_ATOMS * part * (1.0 - part),
        },
    )
    if series is None:
        return first
    if reference.measurement.ceiling is not None or series.ceiling is not None:
        return None
    seen = series.aligned[:, reference.crop[0], reference.crop[1]]
    per_sum = reference.mass_per_tilt / (particle.volume_px * particle.core_step)
    gained = float(seen.sum()) / len(seen) / reference.mass_per_tilt - 1.0
    mixed = part * (1.0 - part) * (1.0 - (1.0 - float(np.clip(degree, 0.0, 1.0))) ** 2)
    changed = {
        "beam current": 0.01 * uncertainty.beam_current_percent * per_sum,
        "law of composition": 4.0 * BOW_PRIOR * mixed,
    }
    return Estimate(part + gained * per_sum, first.std, (first.budget or {}) | changed)
