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

from analysis.particles.tops import crowds, parted, tops_of, with_missed
from drivers.errors import ConfigError

SHIPPED = Path(__file__).with_name("outlines.onnx")
_MULTIPLE = 32
_SMOOTH_PX = 0.7
"""Of the logits: outlines are smoother than the noise in them."""
_EVERY = 2
"""Pixel looked at for the image's range: enough, and faster."""
_TILE_PX, _HALO_PX = 1024, 96
_PARTICLE, _CORE, _LEAST_PX, _SURE = 0.35, 0.45, 30, 0.7
"""Chance above which a pixel is a particle's, so that sizes are right in sharp images and in blurred ones; depth above
which a body is one for itself; the smallest body; and how sure the network must be of it, on average."""
_RIM_SMOOTHED = 0.65
"""Chance at the outline in images that were smoothed over 5 x 5 pixels, which widens all particles."""
_SEVERAL, _MANY, _FILLED, _FULL = 3, 6, 0.5, 0.93
"""Several bodies that fill half of a larger one, found in a smaller image, are no parts of it: it is a crowd. Unless
they fill it wholly, as shards do, and are not many; or no border between them is to be seen."""
_SPECK, _SEEN = 0.05, 0.1
"""Of the largest body there: what is smaller makes no crowd. Of the contrast: a border between two that are there."""
_RIM_PX = 4.0
"""Around a large body: specks there are of its rim."""
_BESIDE_PX = 2.0, 6.0
"""From a border: what it is compared with."""
_SMALL_PX, _MAGNIFIED, _ALL_TOPS = 10.0, (2, 3, 4), 0.97
"""Across, three of four of them: smaller particles are looked for in the image made larger by these, until there are as
many as bright tops."""
_MERGED, _FEWEST = 1.2, 5
"""So many tops for each body: small particles are taken together. In an empty field as few are noise."""
_SPECK_PX = 6
"""Of what is no body in any image."""
_LARGE_PX, _SMALLEST_SIDE_PX = 45.0, 64
"""Across, in an image made smaller: what is taken from there; and the smallest side of such an image."""


def normalised(values: NDArray[Any], every: int = 1) -> NDArray[np.float32]:
    """(y, x) with its median at 0, nearly all of it within 1 of another; by so manieth rows and columns."""
    low, middle, high = np.percentile(values[::every, ::every], (0.5, 50.0, 99.5))
    return np.asarray(np.clip((values - middle) / max(float(high - low), 1e-12), -3.0, 6.0), np.float32)


def by_network(values: NDArray[np.float64], *, smoothed: bool = False) -> NDArray[np.int32]:
    """Labels (y, x) from 1; 0 where there is no particle. The image may have been smoothed over 5 x 5 pixels.

    Raises
    ------
    ConfigError
        When onnxruntime is not installed.
    """
    runs, steps, rim = _network(), [values], _RIM_SMOOTHED if smoothed else _PARTICLE
    while min(steps[-1].shape) >= 2 * _SMALLEST_SIDE_PX:
        rows, columns = (n // 2 * 2 for n in steps[-1].shape)
        fine = steps[-1][:rows, :columns]
        steps.append(0.25 * (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]))
    chance, depth = _told(runs, normalised(values, _EVERY))
    found = np.where(chance > rim, _bodies(chance, depth), 0).astype(np.int32)
    tops = tops_of(values, found)
    single = int(crowds(found, tops).sum()) if found.any() else int(tops.max())
    if _are_small(found) or single > max(_MERGED * _number_of(found), _FEWEST):
        found = parted(values, _of_small(runs, values, found, single), tops)
    for level, step in enumerate(steps[1:], 1):
        chance, depth = _told(runs, normalised(step, _EVERY))
        large = _enlarged(_large(_bodies(chance, depth)), chance, rim, 2**level, values.shape)
        found = _with(found, large, values, tops)
    return _without_specks(with_missed(values, parted(values, found, tops), tops))


def _are_small(labels: NDArray[np.int32]) -> bool:
    areas = np.bincount(labels.ravel())[1:]
    return bool(areas.any()) and float(np.percentile(np.sqrt(4.0 * areas[areas > 0] / np.pi), 75.0)) < _SMALL_PX


def _of_small(runs: Any, values: NDArray[np.float64], found: NDArray[np.int32], tops: int) -> NDArray[np.int32]:
    """Labels of an image whose particles are smaller than those learned from, by the image made larger.

    Noise that is made larger hides particles; then the image as it is shows more of them.
    """
    best = found
    for times in _MAGNIFIED:
        larger = _magnified(runs, values, times)
        if _are_small(larger) and _number_of(larger) >= _number_of(best):
            best = larger
        if _number_of(best) >= _ALL_TOPS * tops:
            break
    return best


def _number_of(labels: NDArray[np.int32]) -> int:
    """Of bodies."""
    return int(np.unique(labels[labels > 0]).size)


def _magnified(runs: Any, values: NDArray[np.float64], times: int) -> NDArray[np.int32]:
    from scipy.ndimage import zoom

    fine = np.asarray(zoom(values, times, order=3, grid_mode=True, mode="nearest"), np.float64)
    chance, depth = _told(runs, normalised(fine, _EVERY))
    # What blurs the image is made larger with it, as by smoothing.
    found = np.where(chance > _RIM_SMOOTHED, _bodies(chance, depth), 0).astype(np.int32)
    return found[times // 2 :: times, times // 2 :: times]


def _told(runs: Any, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How likely each pixel is a particle's, and its depth; by tiles, so that memory does not grow with the image."""
    from scipy.ndimage import gaussian_filter

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
            chance[top:bottom, left:right] = 1.0 / (1.0 + np.exp(-gaussian_filter(told[0], _SMOOTH_PX)[inner]))
            depth[top:bottom, left:right] = told[1][inner]
    return chance, depth


def _bodies(chance: NDArray[np.float32], depth: NDArray[np.float32]) -> NDArray[np.int32]:
    """Labels, each body grown from where it is deepest."""
    from scipy.ndimage import label
    from skimage.segmentation import watershed

    parted: Any = watershed  # scikit-image ships no types
    seeds, number = label((depth > _CORE) & (chance > _PARTICLE))
    if not number:
        return np.zeros(chance.shape, np.int32)
    labels = np.asarray(parted(-depth, seeds, mask=chance > _PARTICLE), np.int32)
    areas = np.bincount(labels.ravel(), minlength=number + 1)
    surety = np.bincount(labels.ravel(), weights=chance.ravel(), minlength=number + 1) / np.maximum(areas, 1)
    labels[((areas < _LEAST_PX) | (surety < _SURE))[labels]] = 0
    return labels


def _large(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    areas = np.bincount(labels.ravel())
    return np.where((np.sqrt(4.0 * areas / np.pi) < _LARGE_PX)[labels], 0, labels).astype(np.int32)


def _enlarged(
    labels: NDArray[np.int32], chance: NDArray[np.float32], rim: float, times: int, shape: tuple[int, ...]
) -> NDArray[np.int32]:
    """Labels at the full resolution, from those of an image so many times smaller."""
    from scipy.ndimage import grey_dilation, zoom

    if not labels.any():
        return np.zeros(shape, np.int32)
    # A pixel beyond the body: its outline runs where the chance, finely interpolated, says.
    wide = np.where(labels > 0, labels, grey_dilation(labels, (3, 3)))
    wide = np.repeat(np.repeat(wide, times, axis=0), times, axis=1)
    finely = np.asarray(zoom(chance, times, order=1, grid_mode=True, mode="nearest"))
    missing = [(0, n - m) for n, m in zip(shape, wide.shape, strict=True)]
    return np.pad(np.where(finely > rim, wide, 0), missing, "edge").astype(np.int32)


def _with(
    fine: NDArray[np.int32], coarse: NDArray[np.int32], values: NDArray[np.float64], tops: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The large bodies of a smaller image in the place of what the finer one shows there, unless that is a crowd."""
    if not coarse.any():
        return fine
    from scipy.ndimage import distance_transform_edt

    areas = np.bincount(fine.ravel())
    found = fine.copy()
    away_px, nearest = distance_transform_edt(coarse == 0, return_indices=True)
    reached = np.where(away_px <= _RIM_PX, coarse[tuple(nearest)], 0)
    for number in range(1, int(coarse.max()) + 1):
        body = coarse == number
        inside = np.bincount(fine[body], minlength=len(areas))
        within = (inside > 0.5 * areas) & (areas > 0)
        within[0] = False
        filled = inside[within].sum() / max(1, body.sum())
        parts = np.count_nonzero(inside[within] > _SPECK * inside[within].max(initial=0))
        several = parts >= (_SEVERAL if filled < _FULL else _MANY)
        crowd = several and filled > _FILLED and _parted(values, np.where(within[fine] & body, fine, 0), body)
        if not body.any() or crowd or crowds(body.astype(np.int32), tops)[1] > 1:
            continue
        around = np.bincount(fine[reached == number], minlength=len(areas)) > 0.5 * areas
        within |= around & (areas > 0) & (areas < _SPECK * body.sum())
        within[0] = False
        found[within[fine]] = 0
        found[body & (found == 0)] = len(areas) + number
    return found


def _parted(values: NDArray[np.float64], labels: NDArray[np.int32], body: NDArray[np.bool_]) -> bool:
    """Whether, midway between the labels in a body, the image (y, x) is mostly darker or brighter than on both sides.

    Shards of one particle have no such borders, however its brightness falls towards its rim.
    """
    from scipy.ndimage import distance_transform_edt

    apart_px, nearest = distance_transform_edt(labels == 0, return_indices=True)
    grown = labels[tuple(nearest)]
    other = grown.copy()
    other[:-1] = np.where(grown[1:] != grown[:-1], grown[1:], other[:-1])
    other[:, :-1] = np.where(grown[:, 1:] != grown[:, :-1], grown[:, 1:], other[:, :-1])
    border = (other != grown) & body
    if not border.any():
        return True
    from_border_px, at = distance_transform_edt(~border, return_indices=True)
    into_px = np.where(body & (labels > 0), from_border_px - apart_px[tuple(at)], 0.0)
    low, high = (side[tuple(at)] for side in (np.minimum(grown, other), np.maximum(grown, other)))
    pairs, pair = np.unique(low.astype(np.int64) * (int(labels.max()) + 1) + high, return_inverse=True)
    pair = pair.reshape(labels.shape)
    beside = (into_px > _BESIDE_PX[0]) & (into_px < _BESIDE_PX[1])

    def level(where: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Of each pair of labels."""
        held = np.bincount(pair[where], minlength=pairs.size)
        return np.bincount(pair[where], values[where], pairs.size) / np.where(held > 0, held, np.nan)

    between, sides = level(border), np.stack([level(beside & (labels == low)), level(beside & (labels == high))])
    seen = _SEEN * abs(float(values[body & (labels > 0)].mean()) - float(np.median(values[~body])))
    parted = (between < sides.min(axis=0) - seen) | (between > sides.max(axis=0) + seen)
    long_px = np.bincount(pair[border], minlength=pairs.size) * np.isfinite(sides).all(axis=0)
    return bool(long_px[parted].sum() >= 0.5 * long_px.sum())


def _without_specks(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Without what is left of bodies that lie in others."""
    areas = np.bincount(labels.ravel())
    return _numbered(np.where((areas < _SPECK_PX)[labels], 0, labels).astype(np.int32))


def _numbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """From 1, without gaps."""
    there = np.bincount(labels.ravel()) > 0
    there[0] = False
    return np.asarray(np.where(there, np.cumsum(there), 0)[labels], np.int32)


@cache
def _network() -> Any:
    try:
        import onnxruntime
    except ImportError:
        words = "takes onnxruntime, which is not installed: pip install 'alloyscope[learned]'"
        raise ConfigError("learned outlines", [words, "or ask for --method watershed or --method otsu"]) from None
    onnxruntime.disable_telemetry_events()  # it would tell its maker of every session
    options = onnxruntime.SessionOptions()
    # Threads that wait for the next image by turning round and round would take the cores from the session.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(SHIPPED, options, providers=["CPUExecutionProvider"])
