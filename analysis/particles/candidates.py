"""Which of the particles found would do for a session: "single, round, 40-60 nm, not touching"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from analysis.particles.measurement import Measured, ShapeClass

_SHAPES = get_args(ShapeClass)


@dataclass(frozen=True)
class Wanted:
    """What a particle must be; the field never may cut it."""

    shapes: tuple[str, ...] = ()
    """Any of these; none means any."""
    diameter_nm: tuple[float, float] | None = None
    touching: bool = True
    """Whether it may touch another."""
    single: bool = False
    """No other outline nearer than its own diameter."""

    @classmethod
    def parse(cls, words: str) -> Wanted:
        """From words with commas between.

        Raises
        ------
        ValueError
            For a word that is not understood; the message says which there are.
        """
        shapes, diameter_nm, touching, single = [], None, True, False
        for word in (w.strip().lower() for w in words.split(",")):
            size = re.fullmatch(r"([0-9.]+)\s*(?:-|to)\s*([0-9.]+)\s*nm", word)
            if size is not None:
                diameter_nm = float(size[1]), float(size[2])
            elif word in _SHAPES:
                shapes.append(word)
            elif word == "single":
                single, touching = True, False
            elif word == "not touching":
                touching = False
            else:
                known = ", ".join([*_SHAPES, "single", "not touching", "a range such as 40-60 nm"])
                raise ValueError(f"{word!r} is not understood; give, with commas between, any of {known}")
        if diameter_nm is not None and not diameter_nm[0] < diameter_nm[1]:
            raise ValueError(f"{diameter_nm[0]:g}-{diameter_nm[1]:g} nm is not a range: the smaller size comes first")
        return cls(tuple(shapes), diameter_nm, touching, single)


def candidates(bodies: Sequence[Measured], wanted: Wanted, pixel_nm: float, shape: tuple[int, ...]) -> list[Measured]:
    """Those in an image of that shape that are as wanted, the surest first: farthest from others for their size.

    What lies beyond the image's edge is not known, so that the edge counts as another particle.
    """
    apart = [min(_nearest_nm(body, bodies, pixel_nm), _edge_nm(body, shape, pixel_nm)) for body in bodies]
    found = [
        (distance_nm / body.diameter_nm.value, body)
        for body, distance_nm in zip(bodies, apart, strict=True)
        if not body.cut
        and (wanted.touching or not body.touching)
        and (not wanted.shapes or body.shape in wanted.shapes)
        and (wanted.diameter_nm is None or wanted.diameter_nm[0] <= body.diameter_nm.value <= wanted.diameter_nm[1])
        and (not wanted.single or distance_nm > body.diameter_nm.value)
    ]
    return [body for _, body in sorted(found, key=lambda pair: -min(pair[0], 10.0))]


def _edge_nm(body: Measured, shape: tuple[int, ...], pixel_nm: float) -> float:
    rows, columns = shape
    nearest_px = min(body.y_px, rows - 1 - body.y_px, body.x_px, columns - 1 - body.x_px)
    return pixel_nm * nearest_px - 0.5 * body.feret_nm.value


def _nearest_nm(body: Measured, bodies: Sequence[Measured], pixel_nm: float) -> float:
    """From its outline to the next one, each taken for a disc as long as the particle."""
    gaps = [
        pixel_nm * np.hypot(body.y_px - other.y_px, body.x_px - other.x_px)
        - 0.5 * (body.feret_nm.value + other.feret_nm.value)
        for other in bodies
        if other is not body
    ]
    return float(min(gaps, default=np.inf))
