"""Single images in files: TIFF, MRC and PNG, and, where RosettaSciIO is installed, Velox and Gatan ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.files.foreign_file import NM_PER, signals_in
from analysis.files.reader import Reader
from drivers.errors import ConfigError
from drivers.recorded.foreign_stack import read_mrc, read_tiff

_OTHERS = {".emd": "emd", ".dm3": "digitalmicrograph", ".dm4": "digitalmicrograph", ".hspy": "hspy"}


def read_image(path: Path) -> tuple[NDArray[np.generic], float | None]:
    """An image (y, x) and its pixel size in nm, where the file tells it; of a stack the mean.

    Raises
    ------
    ConfigError
        For a file that is not there, is of another kind or damaged, or holds no image.
    """
    if not path.is_file():
        raise ConfigError(str(path), ["there is no such file"])
    suffix, pixel_nm = path.suffix.lower(), None
    try:
        if suffix in (".tif", ".tiff"):
            image = read_tiff(path)
        elif suffix == ".png":
            import imageio.v3 as imageio

            image = np.asarray(imageio.imread(path))
            image = image[..., :3].mean(axis=2) if image.ndim == 3 else image
        elif suffix in (".mrc", ".st"):
            image, pixel_nm = read_mrc(path)
        elif suffix in _OTHERS:
            image, pixel_nm = _other(path, _OTHERS[suffix])
        else:
            kinds = ".tif, .png, .mrc, " + ", ".join(_OTHERS)
            raise ConfigError(str(path), [f"files ending in {path.suffix!r} are not read; give one of {kinds}"])
    except (ValueError, OSError, IndexError, TypeError) as error:
        raise ConfigError(str(path), [f"is not a readable {suffix} image ({error})"]) from error
    if image.dtype.kind not in "buif":
        raise ConfigError(str(path), [f"holds {image.dtype} pixels; give integers or floats"])
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ConfigError(str(path), ["holds NaN or infinite pixels; export it again without them"])
    if image.ndim == 3 and image.size:
        image = image.mean(axis=0, dtype=np.float64)
    if image.ndim != 2 or min(image.shape) < 16:
        raise ConfigError(str(path), [f"holds {image.shape}, not an image (y, x) of at least 16 x 16 pixels"])
    return image, pixel_nm


def _summed(map_: dict[str, Any]) -> dict[str, Any]:
    """Of a map with a spectrum at each pixel, all counts."""
    return {"data": np.asarray(map_["data"].sum(axis=-1), np.float64), "axes": map_["axes"][:2]}


def _other(path: Path, reader: str) -> tuple[NDArray[np.generic], float | None]:
    with signals_in(path, reader) as signals:
        images = [s for s in signals if s["data"].ndim == 2]
        if not images:
            images = [_summed(s) for s in signals if [a["navigate"] for a in s["axes"]] == [True, True, False]]
        if not images:
            shapes = ", ".join(str(s["data"].shape) for s in signals) or "nothing"
            raise ConfigError(str(path), [f"holds no image (y, x), only {shapes}"])
    largest = max(images, key=lambda s: int(s["data"].size))
    axis = largest["axes"][-1]
    per_nm = NM_PER.get(str(axis.get("units", "")).lower())
    return np.asarray(largest["data"]), None if per_nm is None else float(axis["scale"]) * per_nm


READER = Reader("image", (".tif", ".tiff", ".png", ".mrc", ".st", *_OTHERS), read_image)
