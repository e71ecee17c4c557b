"""A specimen after each pulse of a rehearsed session, and how the beam meets it there, imperfections and all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.diffusion import diffuse, regular_solution
from simulators.imaging import Response, attenuation, brightest, scatterers
from simulators.imperfect.beam_path import BeamPath, bright_tilts_deg, membranes, neighbours, radius_of, response
from simulators.imperfect.erosion import Void, eroded, with_margin
from simulators.imperfect.imperfections import Imperfections
from simulators.imperfect.surroundings import carbon
from simulators.imperfect.turning import rotation, turned
from simulators.reshaping import rounded
from simulators.specimens import Specimen, Voxels, build
from simulators.thermal_history import arrhenius

State = tuple[Voxels, NDArray[np.float32]]
"""Voxels and gold fraction (z, y, x)."""

_VOID_AT = 0.6
"""Radii of a ball as large as the particle."""
_MARGIN = 4
"""Voxels; a surface that moves outwards needs room."""


def taus_nm2(
    specimen: Specimen,
    pulses_s: tuple[float, ...],
    temperature_c: float,
    flaws: Imperfections,
    rng: np.random.Generator,
) -> tuple[float, ...]:
    """What D t each pulse truly does, in nm2."""
    d_m2_per_s = arrhenius(specimen.d_450_m2_per_s, specimen.q_j_per_mol)
    true_c = temperature_c + flaws.hotter_c + flaws.pulse_error_c * rng.normal(size=len(pulses_s))
    late_s = flaws.pulse_time_error_s * rng.normal(size=len(pulses_s))
    true_s = np.maximum(np.array(pulses_s) + late_s, 0.0)
    return tuple(float(d * 1e18 * s) for d, s in zip(d_m2_per_s(true_c), true_s, strict=True))


@lru_cache(maxsize=1)
def heated(
    specimen: Specimen, voxels_across: float, steps_nm2: tuple[float, ...], flaws: Imperfections
) -> tuple[State, ...]:
    """The specimen and its composition before and after each pulse."""
    voxels = build(specimen, voxels_across)
    moving = any((flaws.rounding_nm, flaws.silver_lost_percent, flaws.void_percent))
    law = regular_solution(voxels.gold_fraction(voxels.gold), flaws.ln_d_fall, flaws.interaction_rt)
    before_nm2 = (0.5 * flaws.interface_nm) ** 2
    gold = diffuse(voxels.gold, voxels, before_nm2, law)
    states, first_nm3, tau_nm2 = [(voxels, gold)], voxels.volume_nm3, 0.0
    if moving:
        voxels = with_margin(replace(voxels, gold=gold), _MARGIN)
        gold = voxels.gold
    for number, step_nm2 in enumerate(steps_nm2, 1):
        gold = diffuse(gold, voxels, step_nm2, law, before_nm2 + tau_nm2)
        tau_nm2 += step_nm2
        if moving:
            progress = number / len(steps_nm2)
            left_nm3 = (1.0 - 0.01 * flaws.silver_lost_percent * progress) * first_nm3
            void = _void(specimen, 0.01 * flaws.void_percent * progress * first_nm3)
            voxels, gold = eroded(voxels, gold, left_nm3, flaws.rounding_nm / len(steps_nm2) ** 0.5, void)
        states.append(rounded(specimen, voxels, gold, tau_nm2))
    return tuple(states)


def _void(specimen: Specimen, volume_nm3: float) -> Void | None:
    """On the long axis, about where core and shell meet."""
    if volume_nm3 <= 0.0:
        return None
    away_nm, turn = _VOID_AT * radius_of(specimen), np.radians(specimen.in_plane_deg)
    centre_nm = (0.0, away_nm * float(np.sin(turn)), away_nm * float(np.cos(turn)))
    return Void(centre_nm, float(np.cbrt(0.75 / np.pi * volume_nm3)))


@dataclass(frozen=True)
class Series:
    """How one state's tilt series is recorded."""

    path: BeamPath
    probe_sigma_nm: float
    response: Response | None


class SessionOptics:
    """What all series of one session have in common, and what each has of its own.

    Parameters
    ----------
    first : the first state
    """

    def __init__(self, specimen: Specimen, first: State, flaws: Imperfections, rng: np.random.Generator) -> None:
        self._flaws, self._rng = flaws, rng
        self._bow = 0.01 * flaws.composition_bow_percent
        self._beside = (*membranes(flaws, radius_of(specimen)), *neighbours(specimen, flaws))
        self._bright_deg = bright_tilts_deg(flaws, rng)
        self._brightest = brightest(scatterers(*first, self._bow)[0]) if flaws.told() else 0.0
        self.attenuation = attenuation(self._brightest, 0.01 * flaws.attenuation_percent)

    def series(self, state: State, progress: float, probe_sigma_nm: float) -> Series:
        """A state's; `progress` is the part of all pulses that it has behind it, 0..1."""
        flaws, rng = self._flaws, self._rng
        turned_deg = rng.uniform(-1.0, 1.0, 4) * (flaws.turned_about_beam_deg, *[flaws.turned_deg] * 3)
        blur_nm, gain = flaws.blur_nm * rng.uniform(), 1.0 + 0.01 * flaws.gain_percent * rng.normal()
        densities = list(scatterers(*state, self._bow))
        if progress > 0.0 and flaws.contamination_nm:
            densities.append(carbon(state[0], progress * flaws.contamination_nm))
        if progress > 0.0 and np.any(turned_deg):
            matrix = rotation(turned_deg[0]) @ rotation(*turned_deg[1:])
            densities = [(turned(density, matrix), voxel_nm) for density, voxel_nm in densities]
        metal, *coats = densities
        return Series(
            BeamPath(metal, tuple(coats), self._beside, self._bright_deg, 0.01 * flaws.diffraction_percent),
            float(np.hypot(probe_sigma_nm, blur_nm)),
            response(flaws, self._brightest, float(gain)),
        )
