"""A core-shell particle to calculate with: its shape, its sizes and the voxels it is put on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from alloyscope import inputs
from alloyscope.card import card

if TYPE_CHECKING:
    from analysis.particle_model.model import ParticleModel

Shape = Literal["sphere", "cube", "rod"]
_SHAPES = ("sphere", "cube", "rod")
_MARGIN_PX = 3
_FEWEST_ACROSS = 4
"""Voxels to the core's width: with fewer there is no core."""
_MOST_VOXELS = 4e7


@dataclass(frozen=True)
class CoreShell:
    """A particle of one metal around a core of another, both pure, before any heat.

    Parameters
    ----------
    shape : of the outside; ``sphere``, ``cube`` (around a ball, as Mychinko et al.'s) or ``rod`` with round ends
        (around a rod)
    outer_nm : diameter, edge, or ``(length, width)`` of a rod, in nm
    core_nm : diameter, or ``(length, width)`` of the core of a rod, in nm
    voxel_nm : edge of a voxel; a tenth of the core's width is fine, a quarter the least

    Raises
    ------
    ValueError
        For sizes that are not above 0, a core that does not fit, or voxels too coarse or too many.

    Examples
    --------
    >>> import alloyscope as al
    >>> rod = al.CoreShell("rod", outer_nm=(50.0, 20.0), core_nm=(36.0, 11.0), voxel_nm=1.0)
    >>> round(rod.core_fraction, 2)
    0.23
    """

    shape: Shape
    outer_nm: float | tuple[float, float]
    core_nm: float | tuple[float, float]
    voxel_nm: float = 1.0

    def __post_init__(self) -> None:
        inputs.one_of(self.shape, "shape", _SHAPES)
        outer, core = self._sizes("outer_nm"), self._sizes("core_nm")
        voxel_nm = inputs.above_zero(self.voxel_nm, "voxel_nm", "nm")
        if not all(c < o for c, o in zip(core, outer, strict=True)):
            raise ValueError(
                f"core_nm: asked for a core inside {outer} nm, found {core} nm; make it smaller on all sides"
            )
        if min(core) < _FEWEST_ACROSS * voxel_nm:
            raise ValueError(
                f"voxel_nm: asked for at most a quarter of the core's {min(core):g} nm, found {voxel_nm:g}; "
                "make the voxels finer"
            )
        if float(np.prod([n / voxel_nm for n in (max(outer), min(outer), min(outer))])) > _MOST_VOXELS:
            raise ValueError(f"voxel_nm: {voxel_nm:g} gives more than {_MOST_VOXELS:.0e} voxels; make them coarser")

    def _sizes(self, name: str) -> tuple[float, ...]:
        value: Any = getattr(self, name)
        if self.shape != "rod":
            return (inputs.above_zero(value, name, "nm"),)
        if np.ndim(value) != 1 or len(value) != 2:
            raise ValueError(f"{name}: asked for (length, width) of a rod in nm, found {value!r}; give two numbers")
        length, width = (inputs.above_zero(v, name, "nm") for v in value)
        if length < width:
            raise ValueError(f"{name}: asked for (length, width), found {value!r}; the length comes first")
        return length, width

    @property
    def core_fraction(self) -> float:
        """Atomic fraction of the core's element: by volume, as gold and silver have one atomic density."""
        return float(self.model().core_fraction)

    def model(self) -> ParticleModel:
        """On voxels (z, y, x), the long axis along x, as the analysis takes it."""
        from analysis.particle_model.model import ParticleModel

        outer = self._sizes("outer_nm")
        half_px = [int(np.ceil(0.5 * size / self.voxel_nm)) + _MARGIN_PX for size in (outer[-1], outer[-1], outer[0])]
        # An odd number of voxels each way: the middle one lies on the particle's centre.
        grid = np.meshgrid(*[np.arange(-n, n + 1) for n in half_px], indexing="ij", sparse=True)
        outside = _distance_px(self.shape, [0.5 * n / self.voxel_nm for n in outer], grid)
        inner = self.shape if self.shape == "rod" else "sphere"
        interface = _distance_px(inner, [0.5 * n / self.voxel_nm for n in self._sizes("core_nm")], grid)
        return ParticleModel(
            outside=outside,
            interface=interface,
            shell_level=1.0,
            core_step=1.0,
            blur_px=1.0,
            surroundings=np.zeros((1, 1, 1), np.float32),
            rows=outside.shape[1],
            first_column=0,
        )

    def _repr_html_(self) -> str:
        facts = [
            ("outside", f"{self.shape}, {_words(self._sizes('outer_nm'))} nm"),
            ("core", f"{_words(self._sizes('core_nm'))} nm, {100 * self.core_fraction:.1f} at%"),
            ("voxel", f"{self.voxel_nm:g} nm"),
        ]
        return card("core-shell particle", facts)


def _distance_px(shape: str, half_px: list[float], grid: tuple[NDArray[Any], ...]) -> NDArray[np.float32]:
    """Signed distance to a surface in voxels, negative inside; exact at the surface."""
    z, y, x = grid
    if shape == "cube":
        (half,) = half_px
        found = np.maximum(np.maximum(np.abs(z), np.abs(y)), np.abs(x)) - half
    elif shape == "rod":
        half_length, radius = half_px
        beyond = np.maximum(np.abs(x) - (half_length - radius), 0.0)
        found = np.sqrt(z**2 + y**2 + beyond**2) - radius
    else:
        found = np.sqrt(z**2 + y**2 + x**2) - half_px[0]
    return np.asarray(found, np.float32)


def _words(sizes: tuple[float, ...]) -> str:
    return " x ".join(f"{n:g}" for n in sizes)
