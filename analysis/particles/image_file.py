"""Single images in files: TIFF, MRC and PNG, and, where RosettaSciIO is installed, Velox and Gatan ones."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError

_OTHERS = {".emd": "emd", ".dm3": "digitalmicrograph", ".dm4": "digitalmicrograph", ".hspy": "hspy"}
_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "m": 1e9, "pm": 1e-3, "å": 0.1}


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
            import tifffile

            image = np.asarray(tifffile.imread(path))
        elif suffix == ".png":
            import imageio.v3 as imageio

            image = np.asarray(imageio.imread(path))
            image = image[..., :3].mean(axis=2) if image.ndim == 3 else image
        elif suffix in (".mrc", ".st"):
            import mrcfile

            with mrcfile.open(path, permissive=True) as file:
                image, size = np.array(file.data), float(file.voxel_size.x)
            pixel_nm = 0.1 * size if size > 0.0 else None
        elif suffix in _OTHERS:
            image, pixel_nm = _other(path, _OTHERS[suffix])
        else:
            kinds = ".tif, .png, .mrc, " + ", ".join(_OTHERS)
            raise ConfigError(str(path), [f"files ending in {path.suffix!r} are not read; give one of {kinds}"])
    except (ValueError, OSError, IndexError, TypeError) as error:
        raise ConfigError(str(path), [f"is not a readable {suffix} image ({error})"]) from error
    if image.ndim == 3:
        image = image.mean(axis=0)
    if image.ndim != 2 or min(image.shape) < 16:
        raise ConfigError(str(path), [f"holds {image.shape}, not an image (y, x) of at least 16 x 16 pixels"])
    return image, pixel_nm


def _other(path: Path, reader: str) -> tuple[NDArray[np.generic], float | None]:
    try:
        plugin: Any = import_module(f"rsciio.{reader}")
    except ModuleNotFoundError as error:
        words = f"reading {path.suffix} files needs the package {error.name!r}: pip install 'alloyscope[edx-files]'"
        raise ConfigError(str(path), [words]) from None
    try:
        signals = plugin.file_reader(str(path))
    except Exception as error:  # noqa: BLE001  # a reader of many formats raises many things; the user needs one sentence
        raise ConfigError(str(path), [f"cannot be read: {error}"]) from None
    images = [s for s in signals if s["data"].ndim == 2]
    if not images:
        shapes = ", ".join(str(s["data"].shape) for s in signals) or "nothing"
        raise ConfigError(str(path), [f"holds no image (y, x), only {shapes}"])
    largest = max(images, key=lambda s: int(s["data"].size))
    axis = largest["axes"][-1]
    per_nm = _NM.get(str(axis.get("units", "")).lower())
    return np.asarray(largest["data"]), None if per_nm is None else float(axis["scale"]) * per_nm
