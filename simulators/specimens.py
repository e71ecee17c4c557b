"""Particles to their published numbers.

Seven of Mychinko et al., Small 2021 (Tables 1 and 2, Figure S6), and one of Moreira et al., Small 2024.

Volume, aspect ratio and composition are met by scaling the shapes: first the outside to the volume, then the core
to the gold fraction (gold and silver have one atomic density: lattices 0.408 and 0.409 nm).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from simulators.shapes import (
    Array,
    Shape,
    cube,
    octahedron,
    pentagonal_bipyramid,
    pentagonal_rod,
    rod,
    rotated,
    sphere,
)

VOXELS_ACROSS = 113.0
"""Voxels of the twin to the cube root of a particle's volume: finer than any sensible analysis grid."""
_LEAST_PART = 0.02
"""Slivers of voxels are left out."""
_ACROSS = 50.0
"""Voxels of a grid on which a volume is found."""
_SIZED = 1e-9
"""How well a shape is scaled to a volume."""


@dataclass(frozen=True)
class Specimen:
    """One core-shell particle: what it looks like, and the truth about how it alloys."""

    name: str
    outer: Callable[[float], Shape]
    """Outside shape for a given size in nm."""
    core: Callable[[float], Shape] | None
    """Core shape for a given size in nm; None for a particle alloyed from the start."""
    volume_nm3: float
    aspect: float
    """Length over width of the outside."""
    gold_fraction: float
    """Atomic fraction of gold, or what else the core is of, in the whole particle, 0..1."""
    d_450_m2_per_s: float
    """True diffusion coefficient at 450 C."""
    q_j_per_mol: float = 208e3
    """True activation energy; Chen et al.'s (Part. Part. Syst. Charact. 2023) value."""
    in_plane_deg: float = 0.0
    about_axis_deg: float = 0.0
    rounding_nm2: float | None = None
    """tau = D t in which its elongation decays, for a particle that does not keep its shape."""
    segregating_nm2: float | None = None
    """tau = D t in which silver comes to its surface, for a particle where that costs less energy than a mixed one."""
    silica_nm: float = 20.0
    """Thickness of the mesoporous silica coat; 0 is none."""
    metals: tuple[str, str] = ("Au", "Ag")
    """Of the core and of the shell; atoms of both take up the same room."""


SPECIMENS: dict[str, Specimen] = {
    s.name: s
    for s in (
        Specimen("NC1", cube, octahedron, 195e3, 1.0, 0.22, 2.7e-19, in_plane_deg=17.0),
        Specimen("NC2", cube, lambda d: sphere(0.5 * d), 148e3, 1.0, 0.24, 2.4e-19, in_plane_deg=12.0),
        Specimen("NR1", lambda d: rod(d, 2.3), lambda d: rod(d, 3.0), 14.1e3, 2.3, 0.43, 3.4e-19, in_plane_deg=8.0),
        Specimen("NR2", lambda d: rod(d, 3.7), lambda d: rod(d, 5.0), 24.7e3, 3.7, 0.46, 2.9e-19, in_plane_deg=-11.0),
        Specimen(
            "NR3",
            lambda d: pentagonal_rod(d, 4.1),
            lambda d: pentagonal_rod(d, 5.6),
            17.5e3,
            4.1,
            0.43,
            6.0e-19,
            in_plane_deg=6.0,
            about_axis_deg=9.0,
        ),
        Specimen(
            "NR4",
            lambda d: pentagonal_rod(d, 3.1),
            lambda d: pentagonal_bipyramid(d, 3.0),
            27.5e3,
            3.1,
            0.44,
            6.3e-19,
            in_plane_deg=-7.0,
            about_axis_deg=9.0,
        ),
        # Its D was bounded between 1e-19 and 1e-18 only; the twin takes a value inside. It reshapes soon.
        Specimen(
            "SR",
            lambda d: rod(d, 2.4),
            lambda d: rod(d, 3.0),
            1.8e3,
            2.4,
            0.56,
            5.0e-19,
            in_plane_deg=10.0,
            rounding_nm2=12.0,
        ),
        # From Moreira et al.'s cluster source: mixed at random, full of defects, so that it changes at 300 C already.
        Specimen(
            "AgAu",
            lambda d: sphere(0.5 * d),
            None,
            381.0,
            1.0,
            0.5,
            2.4e-18,
            segregating_nm2=0.5,
            silica_nm=0.0,
        ),
    )
}


@dataclass(frozen=True)
class Voxels:
    """A specimen on the twin's grid, (z, y, x), centred on the particle."""

    metal: NDArray[np.float32]
    """Part of each voxel inside the particle."""
    face_fractions: tuple[NDArray[np.float32], ...]
    """Open part of the face between each voxel and the next along z, y and x."""
    gold: NDArray[np.float32]
    """Fraction of gold, or what else the core is of, in the metal of each voxel before any heat."""
    voxel_nm: float
    silica: NDArray[np.float32]
    """Occupancy of the coat and of all it encloses, on its own coarser grid; the metal takes its place."""
    silica_voxel_nm: float
    metals: tuple[str, str] = ("Au", "Ag")
    """Of the core and of the shell."""

    @property
    def volume_nm3(self) -> float:
        return float(self.metal.sum(dtype=np.float64)) * self.voxel_nm**3

    def gold_fraction(self, gold: NDArray[np.float32]) -> float:
        """Of the whole particle."""
        return float((self.metal * gold).sum(dtype=np.float64) / self.metal.sum(dtype=np.float64))

    def spread(self, gold: NDArray[np.float32]) -> float:
        """Standard deviation of the gold fraction over the particle."""
        away = gold - np.float32(self.gold_fraction(gold))
        return float(np.sqrt((self.metal * away**2).sum(dtype=np.float64) / self.metal.sum(dtype=np.float64)))


def build(specimen: Specimen, voxels_across: float = VOXELS_ACROSS) -> Voxels:
    """Put a specimen on a grid, scaled to its volume and composition."""
    h = float(round(np.cbrt(specimen.volume_nm3) / voxels_across, 3))

    def turned(shape: Shape) -> Shape:
        return rotated(shape, specimen.in_plane_deg, specimen.about_axis_deg)

    width_nm = float(np.cbrt(specimen.volume_nm3 / specimen.aspect))
    half_nm = _half_extents(width_nm, specimen.aspect, specimen.in_plane_deg)
    sizing = _grid(half_nm, 2.1 * h)
    outer_nm = _size_for(lambda d: turned(specimen.outer(d)), sizing, specimen.volume_nm3)
    outer = turned(specimen.outer(outer_nm))
    grid = _grid(_reach_nm(outer, sizing, half_nm, h), h)
    shape = specimen.core
    if shape is None:
        particle = voxels_of(outer, outer, grid, h)
        particle = replace(particle, gold=np.float32(specimen.gold_fraction) * (particle.metal > 0))
    else:
        core_nm = _size_for(lambda d: turned(shape(d)), sizing, specimen.gold_fraction * specimen.volume_nm3)
        particle = voxels_of(outer, turned(shape(core_nm)), grid, h)
    particle = replace(particle, metals=specimen.metals)
    if specimen.silica_nm <= 0.0:
        return particle
    coat_nm = 1.3
    coarse = _grid([a + specimen.silica_nm for a in half_nm], coat_nm)
    far = outer(*coarse)
    coat = np.clip(0.5 - (far - specimen.silica_nm) / coat_nm, 0, 1)
    return replace(particle, silica=np.ascontiguousarray(coat[_span(coat > 0)], np.float32), silica_voxel_nm=coat_nm)


def voxels_of(outer: Shape, core: Shape, grid: tuple[Array, ...], h: float) -> Voxels:
    """A bare particle on a grid of voxels of h nm.

    Raises
    ------
    ValueError
        When the core sticks out of the particle.
    """
    distance = outer(*grid)
    metal = _part_inside(outer, distance, grid, h)
    metal[metal < _LEAST_PART] = 0.0
    gold = _part_inside(core, core(*grid), grid, h)
    if np.any(gold > metal + 0.2):
        raise ValueError("the core does not fit into the particle")
    gold = np.divide(np.minimum(gold, metal), metal, out=np.zeros_like(metal), where=metal > 0)
    span = _span(metal > 0)
    face_fractions = tuple(_face_fraction(outer, distance, metal, grid, h, axis)[span] for axis in range(3))
    return Voxels(metal[span], face_fractions, gold[span], h, np.zeros((2, 2, 2), np.float32), h)


def _part_inside(
    shape: Shape, distance: Array, grid: tuple[Array, ...], h: float, normal: int | None = None
) -> NDArray[np.float32]:
    """Part of each cell inside, or of its face towards the next cell along the axis `normal`.

    Cells are sampled only where the surface, by the distance of their middles, can cut them: no distance of `shapes`
    changes faster than the way.
    """
    spread = [np.array([-h / 3, 0.0, h / 3]) if axis != normal else np.array([0.5 * h]) for axis in range(3)]
    samples = list(product(*spread))
    reach = max(float(np.linalg.norm(offset)) for offset in samples) + h / 6
    part = (distance < 0.0).astype(np.float32)
    near = np.nonzero(np.abs(distance) <= reach)
    at = [axis.ravel()[index] for axis, index in zip(grid, near, strict=True)]
    found = np.zeros(len(near[0]))
    for offset in samples:
        sampled = shape(*(a + o for a, o in zip(at, offset, strict=True)))
        found += np.clip(0.5 - 3.0 * sampled / h, 0.0, 1.0) / len(samples)
    part[near] = found
    return part


def _face_fraction(
    shape: Shape, distance: Array, metal: NDArray[np.float32], grid: tuple[Array, ...], h: float, axis: int
) -> NDArray[np.float32]:
    """Open part of the faces towards the next voxel along an axis."""
    joined = (metal > 0) & (np.roll(metal, -1, axis) > 0)
    return np.where(joined, _part_inside(shape, distance, grid, h, axis), 0.0)


def _half_extents(width_nm: float, aspect: float, in_plane_deg: float) -> list[float]:
    """Half the box (z, y, x) that holds a long particle turned in the plane."""
    turn = np.radians(in_plane_deg)
    across, along = 0.95 * width_nm, 0.75 * width_nm * aspect
    return [across, across + along * abs(np.sin(turn)), across * (0.3 + abs(np.sin(turn))) + along]


def _grid(half_nm: Sequence[float], h: float) -> tuple[Array, ...]:
    axes = [np.arange(-np.ceil(half / h), np.ceil(half / h) + 1) * h for half in half_nm]
    return tuple(np.meshgrid(*axes, indexing="ij", sparse=True))


def volume_of(shape: Shape, width_nm: float, aspect: float) -> float:
    """Of a shape as wide as that and so many times as long, along x."""
    h = width_nm / _ACROSS
    grid = _grid(_half_extents(width_nm, aspect, 0.0), h)
    return h**3 * float(_part_inside(shape, shape(*grid), grid, h).sum(dtype=np.float64))


def _size_for(shape: Callable[[float], Shape], grid: tuple[Array, ...], volume_nm3: float) -> float:
    """Size at which the shape has the wanted volume."""
    h = float(grid[2].flat[1] - grid[2].flat[0])
    size = float(np.cbrt(volume_nm3))
    for _ in range(8):
        sized = shape(size)
        found = h**3 * float(_part_inside(sized, sized(*grid), grid, h).sum(dtype=np.float64))
        larger = float(np.cbrt(volume_nm3 / max(found, h**3)))
        size *= larger
        if abs(larger - 1.0) < _SIZED:
            break
    return size


def _reach_nm(outer: Shape, sizing: tuple[Array, ...], half_nm: Sequence[float], h: float) -> list[float]:
    """Half the box, no larger than it must be: a point of the coarse grid lies within two voxels of each fine one."""
    near = np.nonzero(outer(*sizing) < 3.0 * h)
    reach_nm = (float(np.abs(a.ravel()[index]).max()) for a, index in zip(sizing, near, strict=True))
    return [min(half, reach + 6.0 * h) for half, reach in zip(half_nm, reach_nm, strict=True)]


def _span(inside: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Centred bounding box with two voxels of margin."""
    out = []
    for axis, n in enumerate(inside.shape):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(inside.any(axis=others))
        reach = max(n // 2 - hit[0], hit[-1] - n // 2) + 2
        out.append(slice(max(0, n // 2 - reach), n // 2 + reach + 1))
    return tuple(out)
