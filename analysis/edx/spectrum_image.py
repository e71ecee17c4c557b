"""A spectrum image: an X-ray spectrum in every pixel, and what is known about how it was taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.x_ray_lines import LineFamily
from drivers.errors import ConfigError

Counts = NDArray[np.generic]
_BEAM_KEV = 1.0, 3500.0
"""From the lowest scanning microscopes to the highest transmission ones: beyond is another unit."""


@dataclass(frozen=True)
class SpectrumImage:
    """Counts (y, x, channel)."""

    counts: Counts
    axis: EnergyAxis
    pixel_nm: float
    beam_kev: float
    tilt_deg: float = 0.0
    title: str = ""
    simulated: bool = False
    notes: tuple[str, ...] = ()
    """What a person should know of how it came about."""

    def __post_init__(self) -> None:
        problems = []
        if self.counts.ndim != 3 or 0 in self.counts.shape:
            problems.append(f"a spectrum image is (y, x, channel), this one is {self.counts.shape}")
        elif not _are_counts(self.counts):
            problems.append("its values are no counts: whole numbers, none below 0; export it as it was recorded")
        problems.extend(self.axis.problems())
        if not (self.pixel_nm > 0.0 and np.isfinite(self.pixel_nm)):
            problems.append(f"the pixel size is {self.pixel_nm:g} nm; calibrate it")
        if not _BEAM_KEV[0] <= self.beam_kev <= _BEAM_KEV[1]:
            low, high = _BEAM_KEV
            words = f"the beam energy {self.beam_kev:g} keV is none of a microscope, which has {low:g} to {high:g} keV"
            problems.append(f"{words}; give it with --beam-kev")
        if problems:
            raise ConfigError(self.title or "spectrum image", problems)

    @property
    def total(self) -> NDArray[np.float64]:
        """Spectrum of all pixels together."""
        return np.asarray(self.counts.sum(axis=(0, 1), dtype=np.float64))

    def binned(self, pixels: int = 1, channels: int = 1) -> SpectrumImage:
        """Counts of neighbouring pixels and channels summed; rests at the ends are dropped."""
        if pixels == channels == 1:
            return self
        rows, columns, size = (n // b for n, b in zip(self.counts.shape, (pixels, pixels, channels), strict=True))
        kept = self.counts[: rows * pixels, : columns * pixels, : size * channels]
        summed = kept.reshape(rows, pixels, columns, pixels, size, channels).sum(axis=(1, 3, 5), dtype=np.uint32)
        return replace(self, counts=summed, axis=self.axis.binned(channels), pixel_nm=pixels * self.pixel_nm)

    def spectrum_of(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Sum of the spectra under a mask (y, x)."""
        return np.asarray(self.counts[mask].sum(axis=0, dtype=np.float64))

    def lines_map(self, families: Iterable[LineFamily]) -> NDArray[np.float64]:
        """Counts (y, x) within the full widths at half maximum of some main lines."""
        found = np.zeros(self.counts.shape[:2])
        for family in families:
            half_kev = 0.5 * self.axis.fwhm_kev(family.main_kev)
            first, last = (self.axis.channel_of(family.main_kev + e) for e in (-half_kev, half_kev))
            found += self.counts[..., max(0, first) : max(0, last + 1)].sum(axis=-1, dtype=np.float64)
        return found


def _are_counts(values: Counts) -> bool:
    """All errors are those of counting: what was averaged, scaled or denoised would be given wrong ones."""
    if np.issubdtype(values.dtype, np.unsignedinteger):
        return True
    numbers = np.asarray(values, np.float64)
    return bool(np.isfinite(numbers).all() and numbers.min() >= 0.0 and (numbers == np.rint(numbers)).all())
