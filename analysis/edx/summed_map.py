"""An EDX map as it grows: each frame moved back to where the first one was, by its HAADF image, and summed.

Photons are moved by whole pixels, so that they stay counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.spectrum_image import SpectrumImage
from analysis.tomography.alignment import cross_correlation_shift
from drivers.frames import Frame, SpectrumHeader

_BIN_EV = 20.0
"""Finer channels are summed to about these (Moreira et al., Small 2024, Methods)."""
_MOST_CELLS = 2**26
"""Of the sum: larger maps are binned by pixels."""
_FARTHEST = 0.25
"""Of the field: a frame that seems farther off is taken where it lies."""
_ALIKE = 0.3
"""Correlation of smoothed HAADF images: noise alone reaches 0.2 somewhere in the field."""
_NOT_PLACED = 0.1
"""Of the frames: with more whose drift could not be told the map is blurred."""
_SMOOTH_PX = 1.0


class SummedMap:
    """The frames of one EDX map so far."""

    def __init__(self, first: Frame) -> None:
        if first.header.spectrum is None:
            raise ValueError("not a frame of an EDX map")
        self._header: SpectrumHeader = first.header.spectrum
        self._title, self._pixel_nm = first.header.step, first.header.pixel_nm
        self._tilt_deg, self._simulated = first.header.tilt_deg, first.header.simulated
        rows, columns = self._shape = first.image.shape
        self._per_bin = max(1, round(_BIN_EV / self._header.channel_ev))
        self._channels = self._header.channels // self._per_bin
        self._bin_px = 1
        while (rows // self._bin_px) * (columns // self._bin_px) * self._channels > _MOST_CELLS:
            self._bin_px *= 2
        binned = rows // self._bin_px, columns // self._bin_px, self._channels
        self._counts = np.zeros(binned, np.uint32)
        self._haadf = np.zeros(self._shape, np.float64)
        self.shifts_px: list[tuple[float, float]] = []
        """(y, x) by which each frame was moved, before rounding."""
        self._placed_px = (0.0, 0.0)
        """Of the last frame that could be placed."""
        self.not_placed = 0
        """Frames whose drift could not be told."""

    def add(self, frame: Frame) -> None:
        """Sum one more frame; its shape and channels must be those of the first."""
        if frame.photons is None or frame.image.shape != self._shape:
            raise ValueError("not a frame of this EDX map")
        shift_px = self._shift(np.asarray(frame.image, np.float64))
        dy, dx = (round(s) for s in shift_px)
        self._haadf += np.roll(np.asarray(frame.image, np.float64), (dy, dx), (0, 1))
        self.shifts_px.append(shift_px)
        pixel, channel = np.divmod(frame.photons.astype(np.int64), self._header.channels)
        y, x = np.divmod(pixel, self._shape[1])
        y, x, channel = (y + dy) // self._bin_px, (x + dx) // self._bin_px, channel // self._per_bin
        rows, columns, channels = self._counts.shape
        inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns) & (channel < channels)
        np.add.at(self._counts.reshape(-1), ((y * columns + x) * channels + channel)[inside], 1)

    @property
    def frames(self) -> int:
        return len(self.shifts_px)

    @property
    def blurred(self) -> str:
        """Why the sum is blurred, in words; empty when it is not."""
        if self.not_placed <= _NOT_PLACED * self.frames:
            return ""
        return f"the drift of {self.not_placed} of {self.frames} frames could not be told"

    @property
    def total(self) -> NDArray[np.float64]:
        """Spectrum of all pixels together."""
        return np.asarray(self._counts.sum(axis=(0, 1), dtype=np.float64))

    @property
    def axis(self) -> EnergyAxis:
        """Of the summed channels."""
        h = self._header
        axis = EnergyAxis(1e-3 * h.offset_ev, 1e-3 * h.channel_ev, h.channels, 1e-3 * h.fwhm_mn_ev)
        return axis.binned(self._per_bin)

    @property
    def drift_nm(self) -> float:
        """How far the field wandered, at most, from where it was at first."""
        return self._pixel_nm * float(np.max(np.hypot(*np.array(self.shifts_px).T), initial=0.0))

    @property
    def image(self) -> SpectrumImage:
        """The sum so far; it changes when frames are added."""
        return SpectrumImage(
            self._counts,
            self.axis,
            self._pixel_nm * self._bin_px,
            self._header.beam_kev,
            self._tilt_deg,
            self._title,
            self._simulated,
            notes=(self.blurred,) if self.blurred else (),
        )

    @property
    def haadf(self) -> NDArray[np.float64]:
        """(y, x) mean of the HAADF images."""
        return self._haadf / max(self.frames, 1)

    def _shift(self, image: NDArray[np.float64]) -> tuple[float, float]:
        from scipy.ndimage import gaussian_filter

        if not self.shifts_px:
            return 0.0, 0.0
        # Against the mean so far: one frame alone may hold few electrons, and errors must not add up.
        reference, moving = (
            np.asarray(gaussian_filter(a - np.median(a), _SMOOTH_PX), np.float32) for a in (self.haadf, image)
        )
        shift_px = cross_correlation_shift(reference, moving)
        moved = np.roll(moving, tuple(round(s) for s in shift_px), (0, 1))
        norm = float(np.linalg.norm(reference) * np.linalg.norm(moved))
        alike = float((reference * moved).sum()) / norm if norm > 0.0 else 0.0
        if alike < _ALIKE or np.any(np.abs(shift_px) > _FARTHEST * np.array(self._shape)):
            self.not_placed += 1
            return self._placed_px
        self._placed_px = float(shift_px[0]), float(shift_px[1])
        return self._placed_px
