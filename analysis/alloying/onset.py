"""At which temperature alloying begins, from one image after each stair of temperature.

The experiment is that of Mychinko et al., Small 2021, Figure S1. The bright core fades and the shell brightens, so the
contrast inside a particle is lost: each image is the first one with its contrast about the mean reduced by a part, plus
noise, and that part is a linear least-squares unknown. Rims, where reshaping and shifts rule, are left out. It says
whether and when alloying begins, not how far it has come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.images.main_body import main_body
from analysis.results import Estimate, ImageResult, Onset
from analysis.tomography.noise import Noise, estimate_noise
from analysis.tomography.tilt_series import intensity
from drivers.frames import Frame, SeriesEnd

_SMOOTH_PX = 1.0
_PARTICLE = 0.3
"""Of the brightest."""
_RIM_PX = 4
_FEWEST_PIXELS = 60
_BRIGHTEST_FIELD = 0.5
"""Around a particle, of its own mean."""
_FLOOR = 0.004
"""Of the contrast lost, by what noise does not tell: sub-pixel shifts, drift within a scan, residual tilt."""
_SEEN_SIGMAS = 3.0
_SHIFT_PARTS = 20
_HEATED_FIRST = "the first image was taken after heating"
_SHIFT_PX, _WEDGE, _STRETCH = 0.1, 0.01, 0.005
"""How much, by one standard deviation, two images of one particle may differ besides: left over by the alignment;
thickness across it, by a tilt that was not the same; size and angle."""


@dataclass(frozen=True)
class _First:
    """The image that all later ones are compared with."""

    frame: Frame
    smooth: NDArray[np.float64]
    inside: NDArray[np.bool_]
    noise: Noise


class OnsetAnalysis:
    """Takes the images of one particle in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._first: _First | None = None
        self._steps: list[tuple[float | None, Estimate]] = []
        """Hottest temperature so far, contrast lost."""

    def add_image(self, frames: list[Frame], end: SeriesEnd) -> ImageResult:
        """Analyse one image; never raises for a poor one."""
        frame = frames[-1] if frames else None
        if frame is None or not np.isfinite(frame.image).all():
            return self._result(end, frame, None, ["no usable image"])
        if self._first is None:
            first = _as_first(frame)
            if first is None:
                return self._result(end, frame, None, ["no particle larger than its rim is seen"])
            self._first = first
            problems = [_HEATED_FIRST] if frame.header.heat else []
            return self._result(end, frame, Estimate(0.0, _FLOOR), problems)
        problem = _differs(self._first.frame, frame)
        if problem:
            return self._result(end, frame, None, [problem])
        lost = _contrast_lost(self._first, frame)
        self._steps.append((_hottest_c(frame), lost))
        return self._result(end, frame, lost, [_HEATED_FIRST] if self._first.frame.header.heat else [])

    def _onset(self) -> Onset | None:
        """Between the last stair without and the first with a loss that is seen and stays."""
        without = [n for n, (_, lost) in enumerate(self._steps) if lost.value <= _SEEN_SIGMAS * lost.std]
        first = without[-1] + 1 if without else 0
        above_c = self._steps[first][0] if first < len(self._steps) else None
        if above_c is None:
            return None
        cooler_c = [t for t, _ in self._steps[:first] if t is not None and t < above_c]
        return Onset(below_c=max(cooler_c, default=None), above_c=above_c)

    def _result(self, end: SeriesEnd, frame: Frame | None, lost: Estimate | None, problems: list[str]) -> ImageResult:
        heat = frame.header.heat if frame is not None else ()
        return ImageResult(
            step=end.step,
            particle=self.name,
            heated_c=None if frame is None else _hottest_c(frame),
            heated_s=sum(p.duration_s for p in heat),
            contrast_lost=lost,
            onset=self._onset(),
            quality="good" if not problems else "poor: " + "; ".join(problems),
            simulated=frame is not None and frame.header.simulated,
        )


def _hottest_c(frame: Frame) -> float | None:
    return max((p.temperature_c for p in frame.header.heat), default=None)


def _as_first(frame: Frame) -> _First | None:
    from scipy.ndimage import binary_erosion, gaussian_filter

    signal = intensity([frame])
    smooth = gaussian_filter(signal[0].astype(np.float64), _SMOOTH_PX)
    body = main_body(smooth > _PARTICLE * np.percentile(smooth, 99.5))
    inside = np.asarray(binary_erosion(body, iterations=_RIM_PX), bool)
    field = float(smooth[~body].mean()) if not body.all() else np.inf
    if np.count_nonzero(inside) < _FEWEST_PIXELS or field > _BRIGHTEST_FIELD * float(smooth[inside].mean()):
        return None
    return _First(frame, smooth, inside, estimate_noise(signal, frame.header.gain))


def _differs(first: Frame, now: Frame) -> str:
    """Why an image cannot be compared with the first one; nothing when it can."""
    a, b = first.header, now.header
    if now.image.shape != first.image.shape or abs(b.pixel_nm / a.pixel_nm - 1.0) > 0.005:
        return f"pixel size or field differs from the first image's ({a.pixel_nm:g} nm)"
    if abs(b.tilt_deg - a.tilt_deg) > 0.5:
        return f"tilted to {b.tilt_deg:g} deg, the first image was taken at {a.tilt_deg:g} deg"
    return ""


def _contrast_lost(first: _First, frame: Frame) -> Estimate:
    """The part by which the first image's contrast about its mean has faded."""
    from scipy.ndimage import gaussian_filter, shift
    from skimage.registration import phase_cross_correlation

    smooth = gaussian_filter(intensity([frame])[0].astype(np.float64), _SMOOTH_PX)
    register: Any = phase_cross_correlation  # scikit-image ships no types
    moved = np.asarray(register(first.smooth, smooth, upsample_factor=_SHIFT_PARTS)[0], np.float64)
    now = shift(smooth, moved, order=3, mode="nearest")[first.inside]
    then = first.smooth[first.inside]
    now, then = now / now.mean(), then / then.mean()
    contrast = then - 1.0
    level = np.maximum(first.smooth[first.inside], 0.0)
    variance = (first.noise.gain * level + first.noise.read_variance) / float(level.mean()) ** 2
    return _kept(contrast, now - 1.0, variance, _other_changes(first))


def _kept(
    contrast: NDArray[np.float64],
    now: NDArray[np.float64],
    variance: NDArray[np.float64],
    others: NDArray[np.float64],
) -> Estimate:
    """Least squares: `now` is a part of `contrast`, plus other changes of unit prior variance, plus noise in both."""
    design = np.concatenate([contrast[:, None], others], axis=1)
    weighted = design / (2.0 * variance[:, None])
    normal = design.T @ weighted
    normal[1:, 1:] += np.eye(others.shape[1])
    # The first image's own noise, of which smoothing leaves 1 / (4 pi s^2), is no contrast that could be lost.
    normal[0, 0] -= min(len(contrast) / (8.0 * np.pi * _SMOOTH_PX**2), 0.5 * normal[0, 0])
    covariance = np.linalg.inv(normal)
    kept = float(covariance[0] @ (weighted.T @ now))
    return Estimate(1.0 - kept, float(np.hypot(np.sqrt(covariance[0, 0]), _FLOOR)))


def _other_changes(first: _First) -> NDArray[np.float64]:
    """(pixel, change): what a wrong shift, a little tilt, turn or stretch does to the first image, each as large as
    one standard deviation of it."""
    inside, image = first.inside, first.smooth / first.smooth[first.inside].mean()
    y, x = (g[inside] for g in np.gradient(image))
    at_y, at_x = (c[inside] - c[inside].mean() for c in np.indices(image.shape, float))
    wedges = [_WEDGE * at_y / np.abs(at_y).max(), _WEDGE * at_x / np.abs(at_x).max()]
    stretches = [_STRETCH * at * slope for at in (at_y, at_x) for slope in (y, x)]
    return np.stack([np.full_like(y, _WEDGE), _SHIFT_PX * y, _SHIFT_PX * x, *wedges, *stretches], axis=1)
