"""What numbers and names of a session file may be: nothing that no instrument has and no file can be called."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from drivers.elements import why_no_material
from drivers.toml_file import NAME_PATTERN

PixelNm = Annotated[float, Field(ge=1e-3, le=1e5)]
DwellUs = Annotated[float, Field(ge=1e-3, le=1e6)]
CurrentPa = Annotated[float, Field(ge=1e-3, le=1e6)]
PlaceNm = Annotated[float, Field(ge=-5e6, le=5e6)]
"""On a stage that travels some millimetres."""
TiltDeg = Annotated[float, Field(ge=-90.0, le=90.0)]
RampCPerS = Annotated[float, Field(ge=1e-3, le=1e7)]
Seconds = Annotated[float, Field(ge=1e-3, le=1e6)]
"""Up to eleven days."""
HoldSeconds = Annotated[float, Field(ge=0.0, le=1e6)]
"""Of a pulse; 0 is a ramp alone."""
Temperature = Annotated[float, Field(gt=-273.15, le=3000.0)]

Name = Annotated[str, Field(min_length=1, max_length=60, pattern=NAME_PATTERN)]
"""Part of a file's name."""


def _material(name: str) -> str:
    why = why_no_material(name) if name else None
    if why is not None:
        raise ValueError(why)
    return name


Metal = Annotated[str, Field(max_length=60, pattern=r"^[A-Za-z0-9 .+-]*$"), AfterValidator(_material)]
Words = Annotated[str, Field(max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""On one line of the screen."""
