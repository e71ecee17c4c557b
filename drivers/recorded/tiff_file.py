"""Images out of TIFF files, with what their tags say of colours, order and pixel size."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.recorded.foreign_file import ForeignImages, check_size, in_words
from drivers.recorded.tiff_pixel_size import acquired, pixel_nm

if TYPE_CHECKING:
    from tifffile import TiffPageSeries

TIFF_ENDINGS = (".tif", ".tiff")

_DAMAGE = ("TiffPages", "failed to reshape", "StripOffsets", "TileOffsets", "ByteCounts")
_WHITE_IS_ZERO, _COLOURS, _LUMINANCE = 0, 2, 6
"""Photometric interpretations."""
_CODECS = "pip install imagecodecs"


def read_tiff(path: Path) -> ForeignImages:
    """What a TIFF file holds: its largest images, of all series that have such; raises `ConfigError`.

    Where white is zero they are turned round; of colours the mean is taken.
    """
    import tifffile

    with in_words(path, "TIFF"), _damage_told(path), tifffile.TiffFile(path) as file:
        series = _largest(file.series)
        check_size(path, sum(int(s.size) * s.dtype.itemsize for s in series))
        stacks = [_images(path, s) for s in series]
        data = stacks[0] if len(stacks) == 1 else np.concatenate([s.reshape(-1, *s.shape[-2:]) for s in stacks])
        return ForeignImages(data, pixel_nm(path, file), None, acquired(file, 1 if data.ndim == 2 else len(data)))


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """What tifffile only logs: images that it cannot reach are missing from what it gives."""
    damage = _Damage()
    log = logging.getLogger("tifffile")
    log.addHandler(damage)
    try:
        yield
    finally:
        log.removeHandler(damage)
    if damage.found:
        raise ConfigError(str(path), [f"is damaged: {damage.found[0]}"])


class _Damage(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        if any(sign in words for sign in _DAMAGE):
            self.found.append(words.rpartition("> ")[2])


def _largest(all_series: list[TiffPageSeries]) -> list[TiffPageSeries]:
    """Those with the most pixels an image, as alike as one stack's images are: no preview is among them."""

    def kind(series: TiffPageSeries) -> tuple[int, ...]:
        page: Any = series.keyframe
        return int(page.imagelength) * int(page.imagewidth), int(page.imagelength), int(page.imagewidth)

    largest = max(kind(s) for s in all_series)
    return [s for s in all_series if kind(s) == largest]


def _images(path: Path, series: TiffPageSeries) -> NDArray[Any]:
    """(y, x) or (image, y, x) grey values, larger where it is brighter."""
    page: Any = series.keyframe
    try:
        data = np.asarray(series.asarray())
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        data = _by_pillow(path, series, str(error))
    if int(page.samplesperpixel) > 1:
        data = _grey(path, data, series)
    if int(page.photometric) == _WHITE_IS_ZERO:
        if data.dtype.kind not in "bu":
            raise ConfigError(str(path), [f"says of its {data.dtype} pixels that white is zero; save it anew"])
        data = (2 ** int(page.bitspersample) - 1 - data).astype(data.dtype)
    return data.reshape(-1, *data.shape[-2:]) if data.ndim > 3 else data


def _grey(path: Path, data: NDArray[Any], series: TiffPageSeries) -> NDArray[Any]:
    """Of an image with colours their mean; its opacity is no part of it."""
    place = series.axes.find("S")
    if place < 0 or int(series.keyframe.photometric) not in (_COLOURS, _LUMINANCE):
        words = f"holds {series.keyframe.samplesperpixel} samples a pixel, which are no colours; save it in grey"
        raise ConfigError(str(path), [words])
    colours = np.moveaxis(data, place, -1)[..., :3]
    alike = all(np.array_equal(colours[..., 0], colours[..., n]) for n in (1, 2))
    return np.ascontiguousarray(colours[..., 0]) if alike else np.asarray(colours.mean(axis=-1))


def _by_pillow(path: Path, series: TiffPageSeries, why: str) -> NDArray[Any]:
    """LZW and JPEG, which tifffile leaves to a package of its own; only where both mean the same by the pixels."""
    import imageio.v3 as imageio

    refused = ConfigError(str(path), [f"is packed in a way that needs another package ({why}): {_CODECS}"])
    page: Any = series.keyframe
    if int(page.photometric) == _WHITE_IS_ZERO or page.index is None:
        raise refused
    images = []
    with imageio.imopen(path, "r", plugin="pillow") as file:
        for one in series.pages:
            image = np.asarray(file.read(index=one.index)) if one is not None else None
            if image is None or image.dtype != page.dtype or image.shape != page.shape:
                raise refused
            images.append(image)
    return np.stack(images).reshape(series.shape)
