"""X-ray spectra photon by photon: what a silicon drift detector counts of each pixel of an electron beam's scan.

Every photon is drawn: how many of each line, with Poisson statistics, and where the detector puts each, by the noise of
its charge. Bremsstrahlung follows Kramers' law behind a thin window. Absorption and shadowing are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.edx.x_ray_lines import line_family
from drivers.frames import Photons

Map = NDArray[np.float64]
_PAIR_EV, _FANO = 3.65, 0.115
_WINDOW_KEV = 0.6
"""Below, the detector's window and dead layer take most photons."""
_LOWEST_KEV = 0.1


@dataclass(frozen=True)
class XRayDetector:
    """Energies and noise of the detector's channels."""

    channels: int = 1024
    channel_ev: float = 20.0
    offset_ev: float = 0.0
    fwhm_mn_ev: float = 130.0


@dataclass(frozen=True)
class Emission:
    """What a beam makes: photons expected in every pixel."""

    lines: Mapping[str, Map]
    """Photons (y, x) of each main line, such as ``Ag_La``; the others of its family follow in proportion."""
    bremsstrahlung: Map
    """Photons (y, x) of all energies."""
    beam_kev: float
    stray: Mapping[str, float] = field(default_factory=dict)
    """Photons of other main lines, the same in every pixel: grid, pole piece, support."""


def spectrum_image(emission: Emission, detector: XRayDetector, rng: np.random.Generator) -> NDArray[np.uint32]:
    """Counts (y, x, channel)."""
    shape = (*emission.bremsstrahlung.shape, detector.channels)
    counted = np.bincount(photons(emission, detector, rng), minlength=int(np.prod(shape)))
    return counted.reshape(shape).astype(np.uint32)


def photons(emission: Emission, detector: XRayDetector, rng: np.random.Generator) -> Photons:
    """Every photon that is counted: its pixel's number times the number of channels, plus its channel."""
    even = np.ones(emission.bremsstrahlung.shape)
    found: list[Photons] = []
    sources = {**emission.lines, **{name: n * even for name, n in emission.stray.items()}}
    for name, expected in sources.items():
        for line in line_family(name, emission.beam_kev).lines:
            drawn = rng.poisson(expected * line.strength).ravel()
            pixels = np.repeat(np.arange(drawn.size), drawn)
            found.append(_counted(pixels, line.energy_kev * 1e3, detector, rng))
    drawn = rng.poisson(emission.bremsstrahlung).ravel()
    energies_ev = 1e3 * _kramers_kev(int(drawn.sum()), emission.beam_kev, rng)
    found.append(_counted(np.repeat(np.arange(drawn.size), drawn), energies_ev, detector, rng))
    return np.sort(np.concatenate(found))


def _counted(
    pixels: NDArray[np.intp], energy_ev: float | NDArray[np.float64], detector: XRayDetector, rng: np.random.Generator
) -> Photons:
    electronic_ev2 = (detector.fwhm_mn_ev / 2.35482) ** 2 - _FANO * _PAIR_EV * 5895.0
    sigma_ev = np.sqrt(electronic_ev2 + _FANO * _PAIR_EV * energy_ev)
    measured_ev = energy_ev + sigma_ev * rng.standard_normal(pixels.size)
    channel = np.rint((measured_ev - detector.offset_ev) / detector.channel_ev).astype(int)
    inside = (channel >= 0) & (channel < detector.channels)
    return np.asarray(pixels[inside] * detector.channels + channel[inside], np.uint32)


def _kramers_kev(n: int, beam_kev: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Energies drawn from ``(E0 - E) / E`` behind the window, by its tabulated distribution."""
    energy_kev = np.geomspace(_LOWEST_KEV, beam_kev, 4000)
    density = (beam_kev - energy_kev) / energy_kev * np.exp(-((_WINDOW_KEV / energy_kev) ** 3))
    below = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(energy_kev))])
    return np.asarray(np.interp(rng.random(n), below / below[-1], energy_kev), np.float64)
