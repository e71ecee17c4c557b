"""Images to learn outlines from: HAADF images of particles on a support, drawn, so that every outline is known.

Spheres, rods, cubes, hollow cubes, bipyramids and octahedra of 8 to 120 px, core-shell or even, touching and
overlapping; supports with gradients, grain, edges and liquid-cell windows; blur, scan noise, detector tails, noise to
5 dB. Nothing of it is shared with the simulators, which test what was learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_MARGIN_PX = 40
"""Drawn beyond the field, so that some particles are cut by its edge."""
_FINE, _FINE_BELOW_PX = 2, 24.0
"""Points to a pixel, each way, of a particle smaller than this; larger ones have one in its middle."""
_MOST = 400
_HIDDEN = 0.35
"""Of a particle: more of it never lies under others."""
_SMALLEST_PX, _LARGEST_PX = 8.0, 120.0
_LOWEST_DB, _HIGHEST_DB = 4.5, 32.0
_FEW = 20.0
"""Electrons a pixel, below which counting is not drawn from a normal distribution."""
_EMPTY = 0.03
"""Of the scenes."""


@dataclass(frozen=True)
class Scene:
    """Particles and their truth, before any support or noise."""

    signal: NDArray[np.float32]
    """(y, x), about 1 where the particles are brightest."""
    labels: NDArray[np.uint16]
    """(y, x): the particle that is thickest there, from 1; 0 is the support."""
    depth: NDArray[np.float16]
    """(y, x): the distance to the particle's outline over its largest, 0 to 1."""


def scene(seed: int, number: int, side_px: int = 256) -> Scene:
    """The so-manieth scene of a seed: always the same."""
    rng = np.random.default_rng([seed, number])
    side = side_px + 2 * _MARGIN_PX
    signal, labels = np.zeros((side, side)), np.zeros((side, side), np.int32)
    if rng.random() > _EMPTY:
        signal, labels = _particles(side, rng)
    field = slice(_MARGIN_PX, -_MARGIN_PX), slice(_MARGIN_PX, -_MARGIN_PX)
    depth = _depth(labels)[field]
    return Scene(signal[field].astype(np.float32), labels[field].astype(np.uint16), depth.astype(np.float16))


def recorded(drawn: Scene, rng: np.random.Generator) -> NDArray[np.float32]:
    """An image (y, x) of the scene, each time on another support and with other noise."""
    signal = drawn.signal.astype(np.float64)
    return _recorded(signal + _support(len(signal), rng), rng).astype(np.float32)


def _particles(side: int, rng: np.random.Generator) -> tuple[Array, NDArray[np.int32]]:
    """Brightness and labels of many particles of one kind, or of all kinds."""
    typical_px = float(np.exp(rng.uniform(np.log(_SMALLEST_PX), np.log(_LARGEST_PX))))
    spread, mixed = rng.uniform(0.0, 0.3), rng.random() < 0.25
    kind = rng.choice(list(_SHAPES))
    covered, crowd = rng.uniform(0.03, 0.35) * side**2, rng.choice([0.0, 0.3, 0.7])
    uneven = rng.choice([0.0, 0.15, 0.4])
    core = (rng.uniform(0.4, 0.8), rng.uniform(-0.5, 1.5)) if rng.random() < 0.5 else None
    signal, thickest = np.zeros((side, side)), np.zeros((side, side))
    labels, areas, last = np.zeros((side, side), np.int32), [0.0], None
    for _ in range(_MOST):
        size = float(np.clip(typical_px * np.exp(rng.normal(0.0, spread)), 0.8 * _SMALLEST_PX, 1.1 * _LARGEST_PX))
        shape = _SHAPES[rng.choice(list(_SHAPES)) if mixed else kind](size, rng)
        thickness = _window(shape, size)
        reach = thickness.shape[0] // 2
        if last is not None and rng.random() < crowd:
            far, angle = 0.5 * (size + last[2]) * rng.uniform(0.75, 1.1), rng.uniform(0.0, 2.0 * np.pi)
            y, x = (int(last[k] + far * part) % side for k, part in enumerate((np.sin(angle), np.cos(angle))))
        else:
            y, x = (int(v) for v in rng.integers(0, side, 2))
        rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
        here = thickness[max(0, reach - y) :, max(0, reach - x) :][: side - rows.start, : side - columns.start]
        body = here > 0.0
        if not body.any() or _hides(body, labels[rows, columns], areas):
            continue
        brightness = np.exp(rng.normal(0.0, uneven)) * (size / typical_px) * here
        if core is not None:
            inside = _window(shape, size, core[0])[max(0, reach - y) :, max(0, reach - x) :]
            brightness = brightness * (1.0 + core[1] * core[0] * inside[: here.shape[0], : here.shape[1]])
        signal[rows, columns] += brightness
        on_top = body & (here * size > thickest[rows, columns])
        labels[rows, columns][on_top] = len(areas)
        thickest[rows, columns] = np.maximum(thickest[rows, columns], here * size)
        last = (y, x, size)
        areas.append(float(body.sum()))
        if sum(areas) > covered:
            break
    top = float(np.percentile(signal[signal > 0], 95)) if (signal > 0).any() else 1.0
    return signal / max(top, 1e-9), labels


def _hides(body: NDArray[np.bool_], labels: NDArray[np.int32], areas: Sequence[float]) -> bool:
    """Whether one or the other would be too much covered."""
    shared = np.bincount(labels[body], minlength=len(areas))[1:]
    return bool(shared.sum() > _HIDDEN * body.sum() or np.any(shared > _HIDDEN * np.array(areas[1:])))


Shape = Callable[[Array, Array], Array]
"""Thickness over the size, at (y, x) in units of the size."""


def _window(shape: Shape, size: float, scale: float = 1.0) -> Array:
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


_SHAPES: dict[str, Callable[[float, np.random.Generator], Shape]] = {
    "sphere": _ellipsoid,
    "rod": _rod,
    "cube": _cube,
    "hollow cube": _hollow_cube,
    "bipyramid": _bipyramid,
    "octahedron": _octahedron,
}


def _support(side: int, rng: np.random.Generator) -> Array:
    """Carbon or nitride: even, sloping, grained, with an edge, or seen through a liquid-cell window."""
    from scipy.ndimage import gaussian_filter

    y, x = np.indices((side, side)) / side - 0.5
    found = np.full((side, side), rng.uniform(0.0, 1.0))
    if rng.random() < 0.6:
        slope = rng.normal(0.0, 0.15, 5)
        found += slope[0] * y + slope[1] * x + slope[2] * y * y + slope[3] * x * y + slope[4] * x * x
    if rng.random() < 0.3:
        grain = gaussian_filter(rng.normal(size=(side, side)), np.exp(rng.uniform(0.0, 2.5)))
        found += rng.uniform(0.0, 0.06) * grain / grain.std()
    if rng.random() < 0.1:
        angle, where = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(-0.4, 0.4)
        found += rng.uniform(0.05, 0.4) * (np.cos(angle) * y + np.sin(angle) * x > where)
    if rng.random() < 0.1:
        window = np.maximum(np.abs(y), np.abs(x)) if rng.random() < 0.5 else np.hypot(y, x)
        dark = 1.0 / (1.0 + np.exp((window - rng.uniform(0.3, 0.6)) / rng.uniform(0.005, 0.05)))
        found += rng.uniform(-0.5, 0.5) * dark
    return found


def _recorded(image: Array, rng: np.random.Generator) -> Array:
    """As a scan gives it: blurred, its lines shifted, with the detector's tails, and noisy."""
    from scipy.ndimage import gaussian_filter, gaussian_filter1d
    from scipy.signal import lfilter

    image = gaussian_filter(image, max(0.0, rng.uniform(-0.8, 1.5)))
    if rng.random() < 0.4:
        shift = np.cumsum(rng.normal(0.0, 0.03, len(image))) + rng.normal(0.0, rng.uniform(0.0, 0.5), len(image))
        columns = np.arange(image.shape[1])
        image = np.stack([np.interp(columns - s, columns, row) for s, row in zip(shift, image, strict=True)])
    if rng.random() < 0.25:
        lag = np.exp(-1.0 / rng.uniform(0.3, 2.5))
        image = np.asarray(lfilter([1.0 - lag], [1.0, -lag], image - image[:, :1], axis=1)) + image[:, :1]
    snr_db = rng.uniform(_LOWEST_DB, _HIGHEST_DB) if rng.random() > 0.08 else 60.0
    # A field without particles has noise as one with them would.
    noise_var = max(float(image.var()), 0.01) / 10.0 ** (0.1 * snr_db)
    by_counting = rng.uniform(0.0, 1.0)
    counted = image - image.min() + 0.02
    per_unit = float(counted.mean()) / max(by_counting * noise_var, 1e-7)
    if counted.mean() * per_unit < _FEW:
        noisy = rng.poisson(counted * per_unit) / per_unit
    else:
        noisy = counted + np.sqrt(counted / per_unit) * rng.standard_normal(image.shape, np.float32)
    noisy = noisy + np.sqrt((1.0 - by_counting) * noise_var) * rng.standard_normal(image.shape, np.float32)
    noisy = noisy + rng.normal(0.0, rng.choice([0.0, 0.2]) * np.sqrt(noise_var), (len(image), 1))
    if rng.random() < 0.15:
        noisy = gaussian_filter(noisy, rng.uniform(0.5, 2.0))
    elif rng.random() < 0.15:
        noisy = gaussian_filter1d(noisy, rng.uniform(0.4, 1.0), axis=1)
    if rng.random() < 0.1:
        noisy = np.minimum(noisy, np.percentile(noisy, rng.uniform(85.0, 99.0)))
    return np.asarray(noisy, np.float64)


def _depth(labels: NDArray[np.int32]) -> Array:
    """Distance to each particle's own outline over its largest."""
    from scipy.ndimage import distance_transform_edt, find_objects

    found = np.zeros(labels.shape)
    for number, window in enumerate(find_objects(labels), 1):
        if window is None:
            continue
        body = np.pad(labels[window] == number, 1)
        distance = np.asarray(distance_transform_edt(body))[1:-1, 1:-1]
        found[window] = np.maximum(found[window], distance / distance.max())
    return found
