"""A detector's energy axis: which channel is which energy, and how wide a line is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.edx.x_ray_lines import Line

_MN_KA_KEV = 5.895
_CHANNEL_KEV = 0.0005, 0.15
"""Of silicon and germanium detectors, bins of several channels included; a line is about as wide as the most."""
_LOWEST_KEV, _HIGHEST_KEV = -5.0, 200.0


@dataclass(frozen=True)
class EnergyAxis:
    """Channel n counts the energies around ``offset_kev + n channel_kev``."""

    offset_kev: float
    channel_kev: float
    channels: int
    fwhm_mn_kev: float = 0.130
    """Full width at half maximum of a line at Mn K-alpha."""
    fano_kev: float = 2.5e-3
    """Of FWHM^2 per energy: 3.65 eV per pair in silicon, Fano factor 0.12, 8 ln 2."""

    def problems(self) -> list[str]:
        """Why it can be the axis of no X-ray detector, in words; mostly it is in another unit."""
        low_kev, high_kev = self.offset_kev, self.offset_kev + self.channel_kev * (self.channels - 1)
        if not _CHANNEL_KEV[0] <= self.channel_kev <= _CHANNEL_KEV[1]:
            ev, low, high = (1e3 * e for e in (self.channel_kev, *_CHANNEL_KEV))
            words = f"the energy per channel is {ev:g} eV, X-ray spectra have {low:g} to {high:g}"
            return [f"{words}; calibrate the energy axis"]
        if not low_kev >= _LOWEST_KEV or not high_kev <= _HIGHEST_KEV:
            return [f"the energy axis goes from {low_kev:.4g} to {high_kev:.4g} keV; calibrate the energy axis"]
        return []

    @property
    def energies_kev(self) -> NDArray[np.float64]:
        return np.asarray(self.offset_kev + self.channel_kev * np.arange(self.channels), np.float64)

    def fwhm_kev(self, energy_kev: float) -> float:
        """``FWHM^2 = FWHM_Mn^2 + 2.5 eV (E - E_Mn)``: statistics of charge in silicon and the electronics' noise."""
        return float(np.sqrt(max(self.fwhm_mn_kev**2 + self.fano_kev * (energy_kev - _MN_KA_KEV), 0.04**2)))

    def channel_of(self, energy_kev: float) -> int:
        """Nearest channel, also beyond the axis."""
        return round((energy_kev - self.offset_kev) / self.channel_kev)

    def peak(self, energy_kev: float) -> NDArray[np.float64]:
        """Part of a line's photons in each channel: a Gaussian, integrated over the channels."""
        from scipy.special import erf

        sigma = self.fwhm_kev(energy_kev) / np.sqrt(8.0 * np.log(2.0))
        edges = self.offset_kev + self.channel_kev * (np.arange(self.channels + 1) - 0.5)
        below = 0.5 * (1.0 + erf((edges - energy_kev) / (np.sqrt(2.0) * sigma)))
        return np.asarray(np.diff(below), np.float64)

    def peaks(self, lines: Iterable[Line]) -> NDArray[np.float64]:
        """Spectrum of some lines of one family, whose main line has area 1."""
        found = np.zeros(self.channels)
        for line in lines:
            found += line.strength * self.peak(line.energy_kev)
        return found

    def slopes(self, lines: Iterable[Line]) -> NDArray[np.float64]:
        """By how much `peaks` grows in each channel per keV that the lines go up."""
        edges = self.offset_kev + self.channel_kev * (np.arange(self.channels + 1) - 0.5)
        found = np.zeros(self.channels)
        for line in lines:
            sigma = self.fwhm_kev(line.energy_kev) / np.sqrt(8.0 * np.log(2.0))
            density = np.exp(-0.5 * ((edges - line.energy_kev) / sigma) ** 2) / (np.sqrt(2.0 * np.pi) * sigma)
            found -= line.strength * np.diff(density)
        return found

    def binned(self, n: int) -> EnergyAxis:
        """The axis when n channels at a time are summed; a rest at the end is dropped."""
        middle_kev = self.offset_kev + 0.5 * (n - 1) * self.channel_kev
        return replace(self, offset_kev=middle_kev, channel_kev=n * self.channel_kev, channels=self.channels // n)
