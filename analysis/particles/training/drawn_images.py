"""Images to learn outlines from: HAADF images of particles on a support, drawn, so that every outline is known.

Spheres, rods, cubes, hollow cubes, bipyramids and octahedra of 8 to 120 px, core-shell or even, bare or coated,
touching and overlapping; supports with gradients, grain, edges and liquid-cell windows; blur, scan noise, detector
tails, noise to 5 dB. Nothing of it is shared with the simulators, which test what was learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.particles.training.drawn_shapes import SHAPES, Array, Shape, sampled

_MARGIN_PX = 40
"""Drawn beyond the field, so that some particles are cut by its edge."""
_MOST = 400
_HIDDEN = 0.35
"""Of a particle: more of it never lies under others."""
_SMALLEST_PX, _LARGEST_PX = 8.0, 120.0
_LOWEST_DB, _HIGHEST_DB = 4.5, 32.0
_CORES, _COATS = 0.5, 0.3
"""Of the scenes."""
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
    kind = rng.choice(list(SHAPES))
    covered, crowd = rng.uniform(0.03, 0.35) * side**2, rng.choice([0.0, 0.3, 0.7])
    uneven, core = rng.choice([0.0, 0.15, 0.4]), _core(rng)
    signal, thickest_px = np.zeros((side, side)), np.zeros((side, side))
    labels, areas, last = np.zeros((side, side), np.int32), [0.0], None
    for _ in range(_MOST):
        size = float(np.clip(typical_px * np.exp(rng.normal(0.0, spread)), 0.8 * _SMALLEST_PX, 1.1 * _LARGEST_PX))
        shape = SHAPES[rng.choice(list(SHAPES)) if mixed else kind](size, rng)
        thickness = sampled(shape, size)
        reach = thickness.shape[0] // 2
        if last is not None and rng.random() < crowd:
            far, angle = 0.5 * (size + last[2]) * rng.uniform(0.75, 1.1), rng.uniform(0.0, 2.0 * np.pi)
            y, x = (int(last[k] + far * part) % side for k, part in enumerate((np.sin(angle), np.cos(angle))))
        else:
            y, x = (int(v) for v in rng.integers(0, side, 2))
        rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
        inner = slice(max(0, reach - y), reach - y + side), slice(max(0, reach - x), reach - x + side)
        here_px = size * thickness[inner]
        body = here_px > 0.0
        if not body.any() or _hides(body, labels[rows, columns], areas):
            continue
        metal_px = here_px if core is None else here_px + core.brighter * core.within(shape, size, thickness)[inner]
        signal[rows, columns] += np.exp(rng.normal(0.0, uneven)) * metal_px
        labels[rows, columns][body & (here_px > thickest_px[rows, columns])] = len(areas)
        thickest_px[rows, columns] = np.maximum(thickest_px[rows, columns], here_px)
        last = (y, x, size)
        areas.append(float(body.sum()))
        if sum(areas) > covered:
            break
    if len(areas) > 1 and rng.random() < _COATS:
        deep_px, dim = typical_px * rng.uniform(0.05, 0.7), np.exp(rng.uniform(np.log(0.01), np.log(0.08)))
        signal += dim * _coat_px(labels, thickest_px, deep_px)
    top = float(np.percentile(signal[labels > 0], 95)) if labels.any() else 1.0
    return signal / max(top, 1e-9), labels


@dataclass(frozen=True)
class _Core:
    """Of another metal, in the middle of its particle."""

    scale: float
    """Of the particle's size."""
    brighter: float
    """Than the shell, times the shell."""
    round: bool
    """Or the shape of its particle."""

    def within(self, shape: Shape, size: float, shell: Array) -> Array:
        """Thickness in pixels, of its particle's thickness over its size (y, x)."""
        if not self.round:
            return np.minimum(self.scale * sampled(shape, size, self.scale), shell) * size
        y, x = ((np.arange(n) - n // 2) / size for n in shell.shape)
        across = 0.5 * self.scale * float(shell.max())
        ball = 2.0 * np.sqrt(np.maximum(across**2 - y[:, None] ** 2 - x**2, 0.0))
        return np.asarray(np.minimum(ball, shell) * size, np.float64)


def _core(rng: np.random.Generator) -> _Core | None:
    if rng.random() > _CORES:
        return None
    # Gold in silver is 1.4 brighter, silver in gold 0.6 dimmer.
    return _Core(rng.uniform(0.3, 0.85), rng.uniform(-0.6, 2.0), rng.random() < 0.2)


def _coat_px(labels: NDArray[np.int32], metal_px: Array, deep_px: float) -> Array:
    """Thickness, metal apart, of a coat so deep around every particle, each taken for as round as it is wide."""
    from scipy.ndimage import distance_transform_edt, maximum

    inside_px = np.asarray(distance_transform_edt(labels > 0))
    outside_px, (rows, columns) = distance_transform_edt(labels == 0, return_indices=True)
    radius_px = np.r_[0.0, maximum(inside_px, labels, np.arange(1, labels.max() + 1))][labels[rows, columns]]
    from_middle_px = np.maximum(radius_px - inside_px + outside_px, 0.0)
    chord_px = 2.0 * np.sqrt(np.maximum((radius_px + deep_px) ** 2 - from_middle_px**2, 0.0))
    return np.asarray(np.maximum(chord_px - metal_px, 0.0), np.float64)


def _hides(body: NDArray[np.bool_], labels: NDArray[np.int32], areas: Sequence[float]) -> bool:
    """Whether one or the other would be too much covered."""
    shared = np.bincount(labels[body], minlength=len(areas))[1:]
    return bool(shared.sum() > _HIDDEN * body.sum() or np.any(shared > _HIDDEN * np.array(areas[1:])))


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
    for number, place in enumerate(find_objects(labels), 1):
        if place is None:
            continue
        body = np.pad(labels[place] == number, 1)
        distance = np.asarray(distance_transform_edt(body))[1:-1, 1:-1]
        found[place] = np.maximum(found[place], distance / distance.max())
    return found
