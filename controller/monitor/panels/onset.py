"""Contrast lost against temperature, image by image: where it leaves zero, alloying begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analysis.results import ImageResult
from controller.monitor.panels.arrhenius import MARKS, STYLES
from controller.monitor.panels.plot import Curve


def onset_curves(images: Mapping[str, Sequence[ImageResult]]) -> Iterator[Curve]:
    """A line through each particle's images and their points with errors."""
    for (name, of_particle), style, mark in zip(images.items(), STYLES, MARKS, strict=False):
        told = [(i.heated_c, i.contrast_lost) for i in of_particle if i.heated_c is not None and i.contrast_lost]
        x, y = [c for c, _ in told], [lost.value for _, lost in told]
        yield Curve(x, y, style)
        yield Curve(x, y, style, joined=False, std=[lost.std for _, lost in told], name=name, mark=mark)
