"""HAADF images of many particles on a support, with every outline known: for finding, outlining and following them.

A particle is as bright as it is thick. SNR is that of Zhang et al., arXiv:2409.16637 (2024): ten times the decimal
logarithm of the noiseless image's variance over the noise's, in dB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_TRIES = 4000
_FINE = 2
"""Points to a pixel, each way."""


@dataclass(frozen=True)
class Drawn:
    """An image and what is in it."""

    image: Array
    """(y, x), the brightest particle about 1 above the support."""
    masks: tuple[NDArray[np.bool_], ...]
    """(y, x) of each particle: all that lies under it, also where another covers it."""
    places_px: Array
    """(particle, 2): y, x."""


def sphere(across: Array, along: Array, size_px: float) -> Array:
    """Thickness over the largest one; `size_px` is the diameter."""
    r2 = (across**2 + along**2) / (0.5 * size_px) ** 2
    return np.asarray(np.sqrt(np.maximum(1.0 - r2, 0.0)), np.float64)


def rod(across: Array, along: Array, size_px: float, slenderness: float = 6.5) -> Array:
    """A cylinder with round ends, lying; `size_px` is its length."""
    radius = 0.5 * size_px / slenderness
    beyond = np.maximum(np.abs(along) - (0.5 * size_px - radius), 0.0)
    return np.asarray(np.sqrt(np.maximum(1.0 - (across**2 + beyond**2) / radius**2, 0.0)), np.float64)


def cube(across: Array, along: Array, size_px: float) -> Array:
    """Lying on a face; `size_px` is its edge. The corners are a little round."""
    return np.asarray((np.abs(across) ** 8 + np.abs(along) ** 8) < (0.5 * size_px) ** 8, np.float64)


def concave_cube(across: Array, along: Array, size_px: float) -> Array:
    """Its faces are hollow: thinnest in their middles, at the outline as in the depth."""
    u, v = across / (0.5 * size_px), along / (0.5 * size_px)
    hollow = 0.18
    inside = (np.abs(u) < 1.0 - hollow * (1.0 - v**2)) & (np.abs(v) < 1.0 - hollow * (1.0 - u**2))
    thickness = 1.0 - 2.0 * hollow * (1.0 - np.maximum(u**2, v**2))
    return np.where(inside, thickness, 0.0)


def bipyramid(across: Array, along: Array, size_px: float) -> Array:
    """Two pyramids base to base, lying; `size_px` is its length."""
    width = 0.36 * size_px * np.maximum(1.0 - np.abs(along) / (0.5 * size_px), 0.0)
    return np.maximum(width - np.abs(across), 0.0) / (0.36 * size_px)


SHAPES: dict[str, Callable[[Array, Array, float], Array]] = {
    "sphere": sphere,
    "rod": rod,
    "cube": cube,
    "concave cube": concave_cube,
    "bipyramid": bipyramid,
}


def draw(
    shape: str,
    size_px: float,
    number: int,
    rng: np.random.Generator,
    *,
    side_px: int = 512,
    snr_db: float | None = None,
    overlap: float | None = None,
    spread: float = 0.0,
    gradient: float = 0.1,
) -> Drawn:
    """So many particles of one shape and about one size.

    Parameters
    ----------
    snr_db : None is without noise
    overlap : None keeps them apart; else about half of them lie against another, over so much of its size at most
    spread : of sizes, one standard deviation over their mean
    gradient : by how much the support brightens across the field
    """
    sizes = size_px * np.maximum(rng.normal(1.0, spread, number), 0.3)
    places, turns = _laid(sizes, side_px, overlap, rng), rng.uniform(0.0, np.pi, number)
    image = np.zeros((side_px, side_px))
    masks = []
    for place, size, turn in zip(places, sizes, turns, strict=True):
        thickness, mask = _one(SHAPES[shape], size, place, turn, side_px)
        image += thickness
        masks.append(mask)
    y, x = np.indices((side_px, side_px)) / side_px
    image = image + gradient * (0.7 * x + 0.3 * y)
    if snr_db is not None:
        image = image + rng.normal(0.0, np.sqrt(image.var() / 10.0 ** (0.1 * snr_db)), image.shape)
    return Drawn(image, tuple(masks), places)


def _one(
    shape: Callable[[Array, Array, float], Array], size: float, place: Array, turn: float, side_px: int
) -> tuple[Array, NDArray[np.bool_]]:
    """Its thickness and its mask, both (y, x); a pixel is its when half of it is."""
    reach = int(np.ceil(0.75 * size)) + 2
    first = np.maximum(np.floor(place).astype(int) - reach, 0)
    last = np.minimum(np.floor(place).astype(int) + reach, side_px)
    offsets = (np.arange(_FINE) + 0.5) / _FINE - 0.5
    thickness, mask = np.zeros((side_px, side_px)), np.zeros((side_px, side_px), np.bool_)
    rows, columns = np.mgrid[first[0] : last[0], first[1] : last[1]]
    found, covered = np.zeros(rows.shape), np.zeros(rows.shape)
    for dy in offsets:
        for dx in offsets:
            y, x = rows + dy - place[0], columns + dx - place[1]
            here = shape(np.cos(turn) * y - np.sin(turn) * x, np.sin(turn) * y + np.cos(turn) * x, size)
            found += here / _FINE**2
            covered += (here > 0.0) / _FINE**2
    window = slice(first[0], last[0]), slice(first[1], last[1])
    thickness[window], mask[window] = found, covered >= 0.5
    return thickness, mask


def _laid(sizes: Array, side_px: int, overlap: float | None, rng: np.random.Generator) -> Array:
    """Places (particle, 2) within the field.

    Raises
    ------
    ValueError
        When there is no room for so many.
    """
    places: list[Array] = []
    for number, size in enumerate(sizes):
        against = overlap is not None and number % 2 == 1
        for _ in range(_TRIES):
            if against:
                far = (1.0 - rng.uniform(0.0, overlap or 0.0)) * 0.5 * (size + sizes[number - 1])
                angle = rng.uniform(0.0, 2.0 * np.pi)
                place = places[-1] + far * np.array([np.sin(angle), np.cos(angle)])
            else:
                place = rng.uniform(0.6 * size, side_px - 0.6 * size, 2)
            others = [
                (p, s) for n, (p, s) in enumerate(zip(places, sizes, strict=False)) if not against or n != number - 1
            ]
            inside = np.all((place > 0.6 * size) & (place < side_px - 0.6 * size))
            if inside and all(np.hypot(*(place - p)) > 0.55 * (size + s) + 4.0 for p, s in others):
                places.append(place)
                break
        else:
            raise ValueError(f"no room for {len(sizes)} particles of {sizes.mean():.0f} px in {side_px} px")
    return np.array(places)
