"""Shapes of drawn particles, as thickness along the beam: what images to learn outlines from are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_FINE, _FINE_BELOW_PX = 2, 24.0
"""Points to a pixel, each way, of a particle smaller than this; larger ones have one in its middle."""
Shape = Callable[[Array, Array], Array]
"""Thickness over the size, at (y, x) in units of the size."""


def sampled(shape: Shape, size: float, scale: float = 1.0) -> Array:
    """Thickness (y, x) around its middle, a pixel empty when less than half of it is covered."""
    reach, points = int(np.ceil(0.8 * size)) + 1, _FINE if size < _FINE_BELOW_PX else 1
    fine = ((np.arange((2 * reach + 1) * points) + 0.5) / points - 0.5 - reach) / (size * scale)
    thickness = shape(fine[:, None], fine[None, :])
    if points == 1:
        return thickness
    blocks = thickness.reshape(2 * reach + 1, points, 2 * reach + 1, points)
    covered = (blocks > 0.0).mean(axis=(1, 3))
    return np.where(covered >= 0.5, blocks.mean(axis=(1, 3)), 0.0)


def _turned(y: Array, x: Array, angle: float) -> tuple[Array, Array]:
    return np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x


def _ellipsoid(size: float, rng: np.random.Generator) -> Shape:
    """A sphere, more or less."""
    flat, angle = rng.choice([1.0, rng.uniform(0.75, 1.0)]), rng.uniform(0.0, np.pi)

    def thickness(y: Array, x: Array) -> Array:
        v, u = _turned(y, x, angle)
        return np.asarray(np.sqrt(np.maximum(1.0 - 4.0 * (v**2 / flat**2 + u**2), 0.0)), np.float64)

    return thickness


def _rod(size: float, rng: np.random.Generator) -> Shape:
    """A cylinder with round ends, lying."""
    radius, angle = 0.5 / rng.uniform(1.6, max(1.7, min(8.0, size / 7.0))), rng.uniform(0.0, np.pi)

    def thickness(y: Array, x: Array) -> Array:
        v, u = _turned(y, x, angle)
        beyond = np.maximum(np.abs(u) - (0.5 - radius), 0.0)
        return np.asarray(2.0 * np.sqrt(np.maximum(radius**2 - v**2 - beyond**2, 0.0)), np.float64)

    return thickness


def _hollow_cube(size: float, rng: np.random.Generator) -> Shape:
    """A cube with hollow faces, lying on one."""
    sides, face, angle = rng.uniform(0.05, 0.25), rng.uniform(0.0, 0.5), rng.uniform(0.0, np.pi)

    def thickness(y: Array, x: Array) -> Array:
        v, u = (2.2 * w for w in _turned(y, x, angle))
        inside = (np.abs(u) < 1.0 - sides * (1.0 - v**2)) & (np.abs(v) < 1.0 - sides * (1.0 - u**2))
        return np.where(inside, 1.0 - face * np.maximum(1.0 - u**2, 0.0) * np.maximum(1.0 - v**2, 0.0), 0.0)

    return thickness


def _cube(size: float, rng: np.random.Generator) -> Shape:
    """With edges and corners cut a little; mostly lying on a face."""
    edges = [[a, b, 0.0] for a in (1, -1) for b in (1, -1)]
    edges += [[a, 0.0, b] for a in (1, -1) for b in (1, -1)] + [[0.0, a, b] for a in (1, -1) for b in (1, -1)]
    normals = np.concatenate([np.eye(3), -np.eye(3), np.array(edges) / np.sqrt(2.0)])
    far = np.r_[np.full(6, 0.45), np.full(12, 0.45 * np.sqrt(2.0) * rng.uniform(0.86, 0.99))]
    return _polyhedron(normals, far, rng, lying=rng.random() < 0.7)


def _bipyramid(size: float, rng: np.random.Generator) -> Shape:
    """Two pyramids of four or five sides base to base, lying or about to."""
    sides, slender = int(rng.choice([4, 5])), rng.uniform(1.3, 3.0)
    around = 2.0 * np.pi * (np.arange(sides) + rng.random()) / sides
    slope = np.arctan(slender)
    up = np.stack([np.cos(around) * np.sin(slope), np.full(sides, np.cos(slope)), np.sin(around) * np.sin(slope)], 1)
    normals = np.concatenate([up, up * [1.0, -1.0, 1.0]])
    far = np.full(2 * sides, 0.5 * np.cos(slope))
    return _polyhedron(normals, far, rng, lying=rng.random() < 0.7)


def _octahedron(size: float, rng: np.random.Generator) -> Shape:
    """More or less cut at its corners, any way up."""
    corners = np.array([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)]) / np.sqrt(3.0)
    normals = np.concatenate([corners, np.eye(3), -np.eye(3)])
    far = np.r_[np.full(8, 0.42), np.full(6, 0.42 * np.sqrt(3.0) * rng.uniform(0.6, 1.0))]
    return _polyhedron(normals, far, rng, lying=False)


def _polyhedron(normals: Array, far: Array, rng: np.random.Generator, *, lying: bool) -> Shape:
    """A body with flat faces, by its normals (y, x, z) and their distances; lying ones turn in the plane alone."""
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    if lying:
        angle = rng.uniform(0.0, 2.0 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    turned = normals @ turn.T

    def thickness(y: Array, x: Array) -> Array:
        top, bottom = np.array(2.0), np.array(-2.0)
        for normal, distance in zip(turned, far, strict=True):
            left = (distance - normal[0] * y) - normal[1] * x
            if abs(normal[2]) < 1e-6:
                bottom = np.where(left < 0.0, 2.0, bottom)
            elif normal[2] > 0.0:
                top = np.minimum(top, left / normal[2])
            else:
                bottom = np.maximum(bottom, left / normal[2])
        return np.asarray(np.maximum(top - bottom, 0.0), np.float64)

    return thickness


SHAPES: dict[str, Callable[[float, np.random.Generator], Shape]] = {
    "sphere": _ellipsoid,
    "rod": _rod,
    "cube": _cube,
    "hollow cube": _hollow_cube,
    "bipyramid": _bipyramid,
    "octahedron": _octahedron,
}
