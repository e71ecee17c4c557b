"""A particle and its surroundings as the beam meets them, and the detector that counts what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulators.imaging import Aside, Density, Response, View
from simulators.imperfect.imperfections import Imperfections
from simulators.imperfect.surroundings import Membrane, Neighbour
from simulators.metals import scattering_per_nm
from simulators.specimens import Specimen

_ORIENTATIONS = 71
_HALF_WIDTH_DEG = 1.0


@dataclass(frozen=True)
class BeamPath:
    """What scatters."""

    metal: Density
    coats: tuple[Density, ...]
    beside: tuple[Aside, ...] = ()
    bright_deg: tuple[float, ...] = ()
    """True tilts at which the crystal diffracts onto the detector, each 2 deg wide."""
    brighter: float = 0.0
    """Part by which the metal is brighter there."""

    def seen(self, view: View, tilt_deg: float) -> NDArray[np.float32]:
        """Fraction of the beam scattered onto the detector per pixel, (y, x)."""
        density, voxel_nm = self.metal
        if any(abs(bright_deg - tilt_deg) < _HALF_WIDTH_DEG for bright_deg in self.bright_deg):
            density = density * np.float32(1.0 + self.brighter)
        return replace(view, tilt_deg=tilt_deg).of((density, voxel_nm), *self.coats, beside=self.beside)


def bright_tilts_deg(flaws: Imperfections, rng: np.random.Generator) -> tuple[float, ...]:
    """Tilts at which a crystal diffracts: so many of 71 that are 2 deg wide."""
    all_deg = 2.0 * _HALF_WIDTH_DEG * (np.arange(_ORIENTATIONS) - 0.5 * (_ORIENTATIONS - 1))
    return tuple(float(t) for t in np.sort(rng.choice(all_deg, flaws.diffraction_tilts, replace=False)))


def neighbours(specimen: Specimen, flaws: Imperfections) -> tuple[Aside, ...]:
    """A ball as large as the particle and of its metals, so far away that its rim meets the particle's in time."""
    if not flaws.neighbour_at_deg:
        return ()
    radius_nm = radius_of(specimen)
    away_nm = 2.0 * radius_nm / float(np.cos(np.radians(flaws.neighbour_at_deg)))
    core, shell = (scattering_per_nm(metal) for metal in specimen.metals)
    return (Neighbour(radius_nm, away_nm, shell + (core - shell) * specimen.gold_fraction),)


def membranes(flaws: Imperfections, band_nm: float) -> tuple[Aside, ...]:
    """The membrane, as far below a particle as its band is wide."""
    if not flaws.membrane_nm and not flaws.membrane_step_nm:
        return ()
    return (Membrane(flaws.membrane_nm, flaws.membrane_step_nm, below_nm=band_nm, band_nm=band_nm),)


def radius_of(specimen: Specimen) -> float:
    """Of a ball as large as the specimen, in nm."""
    return float(np.cbrt(0.75 / np.pi * specimen.volume_nm3))


def magnified(flaws: Imperfections) -> tuple[float, float]:
    """A `View`'s, of a stretched image."""
    return 1.0 - 0.005 * flaws.stretch_percent, 1.0 + 0.005 * flaws.stretch_percent


def response(flaws: Imperfections, brightest: float, gain: float = 1.0) -> Response | None:
    """The detector's, or None where it is as told."""
    found = Response(
        brightest=brightest,
        compression=0.01 * flaws.compression_percent,
        black_level=0.01 * flaws.black_level_percent,
        clipped_at=0.01 * flaws.clipped_at_percent,
        gain=gain,
    )
    return None if found == Response(brightest) else found
