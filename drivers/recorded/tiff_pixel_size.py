"""The pixel size that a TIFF's tags tell, in the ways of ImageJ, OME, FEI, Zeiss, TVIPS, Olympus and Gatan."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from drivers.recorded.foreign_file import nm_per, square_pixel_nm

if TYPE_CHECKING:
    from tifffile import TiffFile

Size = tuple[float | None, float | None]
"""Of a pixel in nm: (y, x)."""

_NM_PER_RESOLUTION_UNIT = {2: 2.54e7, 3: 1e7}
"""Inch and cm."""
_COARSEST_NM = 1000.0
"""No printer is finer: of a resolution in plain tags, above this it is meant for paper."""
_GATAN_UNITS, _GATAN_SCALES = (65004, 65003), (65010, 65009)
"""Tags that Digital Micrograph writes, for y and x."""


def pixel_nm(path: Path, file: TiffFile) -> float | None:
    """The edge of a pixel, where a tag tells it; raises `ConfigError` for oblong ones."""
    for told in (_imagej, _ome, _fei, _zeiss, _tvips, _olympus, _gatan, _plain):
        size = _tried(told, file)
        if any(size):
            return square_pixel_nm(path, *size)
    return None


def acquired(file: TiffFile, count: int) -> tuple[datetime, ...] | None:
    """When each image was taken, where each page has its own date."""
    pages: list[Any] = list(file.pages)
    tags = [page.tags.get("DateTime") for page in pages if hasattr(page, "tags")]
    if len(pages) != count or len(tags) != count or not all(tags):
        return None
    try:
        return tuple(datetime.strptime(str(tag.value)[:19], "%Y:%m:%d %H:%M:%S") for tag in tags)
    except ValueError:
        return None


def _tried(told: Callable[[TiffFile], Size], file: TiffFile) -> Size:
    """Tags that are not as their writers' manuals say tell nothing."""
    try:
        return told(file)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ZeroDivisionError, ElementTree.ParseError):
        return None, None


def _times(size: Any, unit: Any) -> float | None:
    per = nm_per(unit)
    return None if per is None or size is None else float(size) * per


def _resolution(file: TiffFile) -> tuple[float, float]:
    """Units of length per pixel: (y, x)."""
    tags: Any = file.pages.first.tags
    (x, per_x), (y, per_y) = tags["XResolution"].value, tags["YResolution"].value
    return per_y / y, per_x / x


def _imagej(file: TiffFile) -> Size:
    unit = (file.imagej_metadata or {})["unit"]
    y, x = _resolution(file)
    return _times(y, unit), _times(x, unit)


def _ome(file: TiffFile) -> Size:
    pixels = next(e for e in ElementTree.fromstring(file.ome_metadata or "").iter() if e.tag.endswith("}Pixels"))
    sizes = [_times(pixels.get(f"PhysicalSize{a}"), pixels.get(f"PhysicalSize{a}Unit", "µm")) for a in "YX"]
    return sizes[0], sizes[1]


def _fei(file: TiffFile) -> Size:
    scan = (file.fei_metadata or {})["Scan"]
    return _times(scan["PixelHeight"], "m"), _times(scan["PixelWidth"], "m")


def _zeiss(file: TiffFile) -> Size:
    told = file.sem_metadata or {}
    _, size, unit = told.get("ap_image_pixel_size") or told["ap_pixel_size"]
    return _times(size, unit), None


def _tvips(file: TiffFile) -> Size:
    told = file.tvips_metadata or {}
    return _times(told["PixelSizeY"], "nm"), _times(told["PixelSizeX"], "nm")


def _olympus(file: TiffFile) -> Size:
    told = file.sis_metadata or {}
    return _times(told["pixelsizey"], "m"), _times(told["pixelsizex"], "m")


def _gatan(file: TiffFile) -> Size:
    tags: Any = file.pages.first.tags
    y, x = (_times(tags[s].value, tags[u].value) for s, u in zip(_GATAN_SCALES, _GATAN_UNITS, strict=True))
    return y, x


def _plain(file: TiffFile) -> Size:
    tags: Any = file.pages.first.tags
    per = _NM_PER_RESOLUTION_UNIT[int(tags["ResolutionUnit"].value)]
    y, x = (per * size for size in _resolution(file))
    return (y, x) if max(y, x) < _COARSEST_NM else (None, None)
