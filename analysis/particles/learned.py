"""Outlines of particles by the network that `train.py` made, run by onnxruntime on the CPU.

The network tells where particles are and how deep inside one each pixel lies; bodies are parted where the depth says.
What is larger than it has learned is found in the image made smaller.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import AlloyscopeError

SHIPPED = Path(__file__).with_name("outlines.onnx")
_MULTIPLE = 32
_TILE_PX, _HALO_PX = 1024, 96
_CORE, _LEAST_PX, _SURE = 0.45, 30, 0.6
"""Depth above which a body is one for itself; the smallest body; and how sure the network must be of it, on average."""
_LARGE_PX, _SMALLEST_SIDE_PX = 60.0, 64
"""Across, in an image made smaller: what is taken from there; and the smallest side of such an image."""


class NoRuntime(AlloyscopeError):
    """The learned outlines were asked for where nothing can compute them."""


def normalised(values: NDArray[Any]) -> NDArray[np.float32]:
    """(y, x) with its median at 0, nearly all of it within 1 of another."""
    low, middle, high = np.percentile(values, (0.5, 50.0, 99.5))
    return np.asarray(np.clip((values - middle) / max(float(high - low), 1e-12), -3.0, 6.0), np.float32)


def by_network(values: NDArray[np.float64]) -> NDArray[np.int32]:
    """Labels (y, x) from 1; 0 where there is no particle.

    Raises
    ------
    NoRuntime
        When onnxruntime is not installed.
    """
    from skimage.measure import block_reduce

    runs = _network()
    reduced: Any = block_reduce  # scikit-image ships no types
    smaller, steps = values, [values]
    while min(smaller.shape) >= 2 * _SMALLEST_SIDE_PX:
        rows, columns = (n // 2 * 2 for n in smaller.shape)
        smaller = np.asarray(reduced(smaller[:rows, :columns], (2, 2), np.mean))
        steps.append(smaller)
    found = np.zeros(values.shape, np.int32)
    for level in reversed(range(len(steps))):
        labels = _bodies(*_told(runs, normalised(steps[level])), values.shape, 2**level)
        _add(found, labels, _LARGE_PX * 2**level if level else 0.0)
    return found


def _told(runs: Any, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How likely each pixel is a particle's, and its depth; by tiles, so that memory does not grow with the image."""
    rows, columns = image.shape
    chance, depth = np.zeros(image.shape, np.float32), np.zeros(image.shape, np.float32)
    for top in range(0, rows, _TILE_PX):
        for left in range(0, columns, _TILE_PX):
            bottom, right = min(top + _TILE_PX, rows), min(left + _TILE_PX, columns)
            first = max(0, top - _HALO_PX), max(0, left - _HALO_PX)
            tile = image[first[0] : bottom + _HALO_PX, first[1] : right + _HALO_PX]
            padded = np.pad(tile, [(0, -n % _MULTIPLE) for n in tile.shape], "symmetric")
            told = runs.run(None, {"image": padded[None, None]})[0][0]
            inner = slice(top - first[0], bottom - first[0]), slice(left - first[1], right - first[1])
            chance[top:bottom, left:right] = 1.0 / (1.0 + np.exp(-told[0][inner]))
            depth[top:bottom, left:right] = told[1][inner]
    return chance, depth


def _bodies(
    chance: NDArray[np.float32], depth: NDArray[np.float32], shape: tuple[int, ...], times: int
) -> NDArray[np.int32]:
    """Labels at the full resolution, from what was told of an image so many times smaller."""
    from scipy.ndimage import label, zoom
    from skimage.segmentation import watershed

    parted: Any = watershed  # scikit-image ships no types
    seeds, number = label((depth > _CORE) & (chance > 0.5))
    if not number:
        return np.zeros(shape, np.int32)
    if times > 1:
        seeds = np.repeat(np.repeat(seeds, times, axis=0), times, axis=1)
        chance, depth = (np.asarray(zoom(p, times, order=1, grid_mode=True, mode="nearest")) for p in (chance, depth))
    labels = np.asarray(parted(-depth, seeds, mask=(chance > 0.5) | (seeds > 0)), np.int32)
    areas = np.bincount(labels.ravel(), minlength=number + 1)
    surety = np.bincount(labels.ravel(), weights=chance.ravel(), minlength=number + 1) / np.maximum(areas, 1)
    labels[((areas < _LEAST_PX) | (surety < _SURE))[labels]] = 0
    missing = [(0, n - m) for n, m in zip(shape, labels.shape, strict=True)]
    return np.pad(labels, missing, "edge")


def _add(found: NDArray[np.int32], labels: NDArray[np.int32], at_least_px: float) -> None:
    """To what was found, the bodies that are large enough and mostly lie elsewhere."""
    areas = np.bincount(labels.ravel())
    free = np.bincount(labels[found == 0], minlength=len(areas))
    wanted = (np.sqrt(4.0 * areas / np.pi) >= at_least_px) & (free > 0.5 * areas)
    wanted[0] = False
    names = np.zeros(len(areas), np.int32)
    names[wanted] = found.max() + 1 + np.arange(wanted.sum())
    np.copyto(found, names[labels], where=(found == 0) & wanted[labels])


@cache
def _network() -> Any:
    try:
        import onnxruntime
    except ImportError:
        words = "learned outlines take onnxruntime: pip install 'alloyscope[learned]', or ask for --method watershed"
        raise NoRuntime(words) from None
    return onnxruntime.InferenceSession(SHIPPED, providers=["CPUExecutionProvider"])
