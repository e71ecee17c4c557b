"""An EDX map while it is taken: after each frame its composition, profile and components so far."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from analysis.edx import map_report
from analysis.edx.map_analysis import MapResult, analyse_map
from analysis.edx.map_components import FollowedComponents
from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.summed_map import SummedMap
from analysis.images.thumbnail import thumbnail
from analysis.results import EdxResult, Estimate
from drivers.errors import ConfigError
from drivers.frames import Frame

_PICTURE_SIDE = 64


class LiveMap:
    """One EDX map of one particle."""

    def __init__(self, first: Frame) -> None:
        self._sum = SummedMap(first)
        self.first = first.header
        asked = first.header.spectrum
        assert asked is not None, "SummedMap has looked"
        self._asked = asked
        self._components = FollowedComponents(len(asked.lines) + 1)

    @property
    def frames(self) -> int:
        return self._sum.frames

    def add(self, frame: Frame) -> None:
        self._sum.add(frame)

    def result(self, *, final: bool) -> EdxResult:
        """What the frames so far tell; the final word takes seconds, for its components' errors."""
        began = time.monotonic()
        quality, found = "good", None
        try:
            found = self._analysed(self._sum.image, final=final)
        except ConfigError as error:
            quality = f"no composition: {'; '.join(error.problems)}"
        except (ArithmeticError, ValueError) as error:  # numbers that no sound map has: the session goes on
            quality = f"no composition: it cannot be reckoned with ({error})"
        if found is not None and self._sum.blurred:
            quality = f"poor: {self._sum.blurred}"
        elif found is not None and found.impossible:
            quality = f"poor: {', '.join(found.impossible)} far below zero, the model does not hold"
        elif found is not None and not found.composition.above_limit[0].all():
            quality = "poor: a line is below the quantification limit"
        first = self.first
        haadf = thumbnail(self._sum.haadf, _PICTURE_SIDE)
        pictures = {"HAADF": haadf} | ({} if found is None else _element_maps(found))
        return EdxResult(
            step=first.step,
            particle=first.particle,
            tilt_deg=first.tilt_deg,
            heated_c=max((h.temperature_c for h in first.heat), default=None),
            heated_s=sum(h.duration_s for h in first.heat),
            frames=self._sum.frames,
            planned=self._asked.frames,
            final=final,
            composition_at_pct={} if found is None else _composition(found),
            drift_nm=self._sum.drift_nm,
            report={} if found is None else map_report.as_json(found),
            details=() if found is None else tuple(map_report.findings(found)),
            spectrum=tuple(float(n) for n in self._sum.total),
            offset_kev=self._sum.axis.offset_kev,
            channel_kev=self._sum.axis.channel_kev,
            picture_shape=haadf.shape,
            pictures={name: pixels.tobytes() for name, pixels in pictures.items()},
            quality=quality,
            simulated=first.simulated,
            analysis_s=time.monotonic() - began,
        )

    def _analysed(self, image: SpectrumImage, *, final: bool) -> MapResult:
        asked = self._asked
        follow = None if final else self._components
        return analyse_map(
            image, asked.lines, asked.k, basis=asked.k_basis, radial=True, decompose=final, follow=follow
        )


def _composition(found: MapResult) -> dict[str, Estimate]:
    told = found.composition
    each = zip(found.elements, told.fractions[0], told.noise_std[0], told.factor_std[0], strict=True)
    return {
        element: Estimate(100.0 * float(v), 100.0 * float(n), {"k-factors and shapes of lines": 100.0 * float(f)})
        for element, v, n, f in each
    }


def _element_maps(found: MapResult) -> dict[str, NDArray[np.uint8]]:
    from scipy.ndimage import gaussian_filter

    families = found.model.families[: len(found.elements)]
    return {f.name: thumbnail(gaussian_filter(found.image.lines_map([f]), 1.0), _PICTURE_SIDE) for f in families}
