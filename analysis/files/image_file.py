"""Single images in files: TIFF, MRC and PNG, and, where RosettaSciIO is installed, Velox, TIA and Gatan ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.files.reader import Reader
from drivers.errors import ConfigError
from drivers.recorded.foreign_images import IMAGE_ENDINGS, read_images


def read_image(path: Path) -> tuple[NDArray[np.generic], float | None]:
    """An image (y, x) and its pixel size in nm, where the file tells it; of a stack the mean.

    Raises
    ------
    ConfigError
        For a file that is not there, is of another kind or damaged, holds no image, or one whose pixels are oblong.
    """
    found = read_images(path)
    image = found.data
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ConfigError(str(path), ["holds NaN or infinite pixels; export it again without them"])
    if image.ndim == 3 and image.size:
        image = image.mean(axis=0, dtype=np.float64)
    if image.ndim != 2 or min(image.shape) < 16:
        raise ConfigError(str(path), [f"holds {image.shape}, not an image (y, x) of at least 16 x 16 pixels"])
    if image.max() == image.min():
        raise ConfigError(str(path), ["every pixel has the same value; this is not an image"])
    return image, found.pixel_nm


READER = Reader("image", IMAGE_ENDINGS, read_image)
