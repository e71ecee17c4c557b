"""What a particle must be like to be chosen, in words: "single, round, 40-60 nm, not touching"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

ShapeClass = Literal["round", "rod", "square", "hollow-sided", "other"]
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
