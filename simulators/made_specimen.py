"""A particle of any metals, shape and size, as a session file describes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.toml_file import Strict
from simulators.metals import METALS
from simulators.shapes import Shape, cube, octahedron, pentagonal_bipyramid, pentagonal_rod, rod, sphere
from simulators.specimens import Specimen, volume_of

Outline = Literal["sphere", "cube", "octahedron", "rod", "pentagonal-rod", "bipyramid"]
_ROUND: dict[str, Callable[[float], Shape]] = {
    "sphere": lambda d: sphere(0.5 * d),
    "cube": cube,
    "octahedron": octahedron,
}
_LONG: dict[str, Callable[[float, float], Shape]] = {
    "rod": rod,
    "pentagonal-rod": pentagonal_rod,
    "bipyramid": pentagonal_bipyramid,
}
_SLIMMER = 1.3
"""A core's length over its width, over that of its particle: shells grow evenly."""
_IN_PLANE_DEG = 10.0
"""Between tilt axis and long axis, unless a place says otherwise."""


class MadeSpecimen(Strict):
    """A core in a shell. Its true D is silver's and gold's until it is told: nobody knows it of all metals."""

    shape: Outline = "cube"
    width_nm: float = Field(50.0, gt=2.0, le=500.0)
    """Edge, or diameter."""
    length_nm: float | None = Field(None, gt=2.0, le=2000.0)
    """Of a long one, tip to tip."""
    core: str = "Au"
    shell: str = "Ag"
    core_shape: Outline | None = None
    """By default that of the particle."""
    core_percent: float = Field(30.0, gt=1.0, lt=90.0)
    """Of the atoms."""
    d_450_m2_per_s: float = Field(2.4e-19, gt=0.0, le=1e-12)
    """True diffusion coefficient at 450 C."""
    q_j_per_mol: float = Field(208e3, gt=0.0, le=1e6)
    """True activation energy."""
    silica_nm: float = Field(0.0, ge=0.0, le=100.0)
    """Thickness of a mesoporous silica coat."""

    @field_validator("core", "shell")
    @classmethod
    def _known(cls, metal: str) -> str:
        if metal not in METALS:
            raise ValueError(f"the twin has no metal {metal!r}; it has {', '.join(METALS)}")
        return metal

    @model_validator(mode="after")
    def _fits(self) -> Self:
        long = self.shape in _LONG
        if long and (self.length_nm is None or self.length_nm <= 1.1 * self.width_nm):
            raise ValueError(f"a {self.shape} needs a length_nm above its width_nm of {self.width_nm:g}")
        if not long and self.length_nm is not None:
            raise ValueError(f"a {self.shape} has no length_nm; leave it out, or choose {', '.join(_LONG)}")
        if self.core_shape in _LONG and not long:
            raise ValueError(f"a {self.core_shape} does not fit into a {self.shape}; leave core_shape out")
        if self.core == self.shell:
            raise ValueError(f"core and shell are both {self.core}: there would be nothing to see")
        return self

    @property
    def aspect(self) -> float:
        """Length over width."""
        return 1.0 if self.length_nm is None else self.length_nm / self.width_nm

    def specimen(self, name: str) -> Specimen:
        """As the twin lays it."""
        outer = _sized(self.shape, self.aspect)
        return Specimen(
            name=name,
            outer=outer,
            core=_sized(self.core_shape or self.shape, _SLIMMER * self.aspect),
            volume_nm3=volume_of(outer(self.width_nm), self.width_nm, self.aspect),
            aspect=self.aspect,
            gold_fraction=0.01 * self.core_percent,
            d_450_m2_per_s=self.d_450_m2_per_s,
            q_j_per_mol=self.q_j_per_mol,
            in_plane_deg=_IN_PLANE_DEG,
            silica_nm=self.silica_nm,
            metals=(self.core, self.shell),
        )


def _sized(shape: str, aspect: float) -> Callable[[float], Shape]:
    """That shape for a width in nm."""
    if shape in _ROUND:
        return _ROUND[shape]
    made = _LONG[shape]
    return lambda width_nm: made(width_nm, aspect)
