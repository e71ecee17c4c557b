"""One way to read images of any kind of file that people bring."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drivers.errors import ConfigError
from drivers.recorded.foreign_file import ForeignImages, in_words
from drivers.recorded.mrc_file import MRC_ENDINGS, read_mrc
from drivers.recorded.rosettasciio import READER_OF, read_signals
from drivers.recorded.tiff_file import TIFF_ENDINGS, read_tiff

STACK_ENDINGS = (*TIFF_ENDINGS, *MRC_ENDINGS, *READER_OF)
IMAGE_ENDINGS = (*STACK_ENDINGS, ".png")
_PACKED = (".gz", ".bz2")


def ending_of(path: Path) -> str:
    """In lower case, and of ``a.mrc.gz`` that of what is packed."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in _PACKED else suffix


def read_images(path: Path) -> ForeignImages:
    """What a file holds, by its ending: real numbers (y, x) or (image, y, x); raises `ConfigError` with what to do."""
    if not path.is_file():
        raise ConfigError(str(path), ["there is no such file; paths are relative to the file that names them"])
    found = _read(path)
    if found.data.dtype.kind not in "buif":
        raise ConfigError(str(path), [f"holds {found.data.dtype} pixels; give integers or floats"])
    return found


def _read(path: Path) -> ForeignImages:
    ending = ending_of(path)
    packed = path.suffix.lower() in _PACKED
    if ending in MRC_ENDINGS:
        return read_mrc(path)
    if ending in TIFF_ENDINGS and not packed:
        return read_tiff(path)
    if ending in READER_OF and not packed:
        return read_signals(path)
    if ending == ".png" and not packed:
        with in_words(path, "PNG"):
            import imageio.v3 as imageio

            image = np.asarray(imageio.imread(path))
            return ForeignImages(image[..., :3].mean(axis=2) if image.ndim == 3 else image)
    kinds = ", ".join(IMAGE_ENDINGS)
    raise ConfigError(str(path), [f"files ending in {path.suffix!r} are not read; give one of {kinds}"])
