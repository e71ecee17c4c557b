"""What real sessions have and the plain twin has not, each an option that is off by default.

A session of the twin with one of them shows what the analysis makes of it; `typical` draws all of them at once, as a
laboratory has them. Nothing here knows how the analysis treats an effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field, ValidationError

from drivers.errors import ConfigError
from drivers.toml_file import Strict

NONE = "none"
TYPICAL = "typical"


class Imperfections(Strict):
    """Sizes of the effects. "Brightest" is the linear signal of the longest path through the metal before any heat."""

    # Of the scattering
    attenuation_percent: float = Field(0.0, ge=0.0, le=50.0)
    """By how much the brightest signal is lowered where the beam is attenuated in proportion to what it has met."""
    composition_bow_percent: float = Field(0.0, ge=-40.0, le=40.0)
    """How much more a 50:50 alloy scatters than the mean of its metals, as part of their difference: 4 b c (1 - c)."""
    diffraction_tilts: int = Field(0, ge=0, le=40)
    """Orientations, each 2 deg of tilt wide, in which the crystal is near a zone axis; of 71 in 142 deg."""
    diffraction_percent: float = Field(15.0, ge=-50.0, le=100.0)
    """How much brighter the metal is in those."""

    # Of the detector
    compression_percent: float = Field(0.0, ge=-20.0, le=20.0)
    """By how much the detector lowers the brightest signal; in proportion to the square of the signal."""
    black_level_percent: float = Field(0.0, ge=-20.0, le=20.0)
    """Counts above the offset that the header tells, in parts of the brightest signal."""
    clipped_at_percent: float = Field(0.0, ge=0.0, le=200.0)
    """Signal at which the detector's range ends, in parts of the brightest; 0 is never."""
    gain_percent: float = Field(0.0, ge=0.0, le=20.0)
    """Error of the gain in each tilt series, one standard deviation."""

    # Of the geometry
    tilt_scale_percent: float = Field(0.0, ge=-10.0, le=10.0)
    """How much farther the stage tilts than it says."""
    tilt_offset_deg: float = Field(0.0, ge=-20.0, le=20.0)
    """True tilt where the stage says 0."""
    tilt_error_deg: float = Field(0.0, ge=0.0, le=5.0)
    """Error of each tilt, one standard deviation, beside that of the plain twin."""
    stretch_percent: float = Field(0.0, ge=-10.0, le=10.0)
    """How much larger images are along the tilt axis than across it."""
    shear_percent: float = Field(0.0, ge=-10.0, le=10.0)
    """Displacement along the tilt axis per way across it."""
    magnification_percent: float = Field(0.0, ge=-20.0, le=20.0)
    """How much larger a pixel is than the header tells."""
    blur_nm: float = Field(0.0, ge=0.0, le=5.0)
    """Focus of each series: further blur of up to this many nm (standard deviation of a Gaussian), in quadrature."""

    # Of the surroundings
    membrane_nm: float = Field(0.0, ge=0.0, le=200.0)
    """Silicon nitride below the particle; its path grows as one over the cosine of the tilt."""
    membrane_step_nm: float = Field(0.0, ge=0.0, le=100.0)
    """Height of two steps of the membrane that run aslant below the particle: it is thicker between them."""
    neighbour_at_deg: float = Field(0.0, ge=0.0, lt=85.0)
    """Tilt from which a ball beside the particle, as large as it, covers it; 0 is no neighbour."""
    contamination_nm: float = Field(0.0, ge=0.0, le=50.0)
    """Carbon that has grown on the metal by the last state, evenly from state to state."""

    # Of the particle
    turned_about_beam_deg: float = Field(0.0, ge=0.0, le=90.0)
    """Each heated state is turned about the beam by up to so much, either way."""
    turned_deg: float = Field(0.0, ge=0.0, le=90.0)
    """Each heated state is turned by up to so much about each of three axes, either way."""
    rounding_nm: float = Field(0.0, ge=0.0, le=20.0)
    """Length over which curvature has moved the surface by the last state, at constant volume (see `erosion`)."""
    silver_lost_percent: float = Field(0.0, ge=0.0, le=40.0)
    """Of the first volume, lost from the surface by the last state; no gold is lost."""
    void_percent: float = Field(0.0, ge=0.0, le=20.0)
    """Of the first volume: a hole between core and shell by the last state; the outside grows by as much."""
    interface_nm: float = Field(0.0, ge=0.0, le=20.0)
    """Core and shell are interdiffused over this length, twice the root of D t, before the first state."""
    ln_d_fall: float = Field(0.0, ge=-4.0, le=4.0)
    """By how much ln D falls from pure silver to pure gold; D is the stated one at the particle's mean composition."""
    interaction_rt: float = Field(0.0, ge=-6.0, le=1.9)
    """Interaction of a regular solution over R T: D has its thermodynamic factor 1 - 2 w c (1 - c), normalised alike.
    Silver and gold attract each other: negative, and D is largest in the middle."""

    # Of the chip
    hotter_c: float = Field(0.0, ge=-50.0, le=50.0)
    """How much hotter the particle is in every pulse than the header tells."""
    pulse_error_c: float = Field(0.0, ge=0.0, le=30.0)
    """Error of the temperature of each pulse, one standard deviation."""
    pulse_time_error_s: float = Field(0.0, ge=0.0, le=10.0)
    """Error of the duration of each pulse, one standard deviation."""

    def only(self, names: Sequence[str]) -> Imperfections:
        """These effects without all others."""
        return Imperfections.model_validate({k: v for k, v in self.told().items() if k in names})

    def told(self) -> dict[str, float]:
        """Those that are on, by name."""
        return {k: float(v) for k, v in self.model_dump(exclude_defaults=True).items()}


SIZES: dict[str, dict[str, float]] = {
    "attenuation": {"attenuation_percent": 10.0},
    "composition_bow": {"composition_bow_percent": 10.0},
    "diffraction": {"diffraction_tilts": 7, "diffraction_percent": 15.0},
    "compression": {"compression_percent": 5.0},
    "black_level": {"black_level_percent": 3.0},
    "clipping": {"clipped_at_percent": 90.0},
    "gain": {"gain_percent": 3.0},
    "tilt_scale": {"tilt_scale_percent": 1.0},
    "tilt_offset": {"tilt_offset_deg": 2.0},
    "tilt_errors": {"tilt_error_deg": 0.5},
    "stretch": {"stretch_percent": 1.5},
    "shear": {"shear_percent": 1.5},
    "magnification": {"magnification_percent": 2.0},
    "blur": {"blur_nm": 0.8},
    "membrane": {"membrane_nm": 20.0, "membrane_step_nm": 8.0},
    "neighbour": {"neighbour_at_deg": 60.0},
    "contamination": {"contamination_nm": 5.0},
    "turned_about_beam": {"turned_about_beam_deg": 10.0},
    "turned": {"turned_deg": 15.0},
    "rounding": {"rounding_nm": 3.0},
    "silver_lost": {"silver_lost_percent": 5.0},
    "void": {"void_percent": 2.0},
    "interface": {"interface_nm": 2.0},
    "d_falls_with_gold": {"ln_d_fall": 1.2},
    "thermodynamic_factor": {"interaction_rt": -2.0},
    "hotter_chip": {"hotter_c": 3.0},
    "pulse_temperatures": {"pulse_error_c": 3.0},
    "pulse_times": {"pulse_time_error_s": 0.5},
}
"""Each effect alone, at a size that is usual in a laboratory."""

_THIN = 0.5
"""A rod attenuates less than a cube: its gold is thinner."""
_EITHER_WAY = (
    "composition_bow_percent",
    "black_level_percent",
    "tilt_scale_percent",
    "tilt_offset_deg",
    "stretch_percent",
    "shear_percent",
    "magnification_percent",
    "hotter_c",
)
"""Drawn by `typical` from a normal distribution: half the size is one standard deviation, and its ends are cut."""
_TYPICAL_CLIP_PERCENT = (95.0, 110.0)
_TYPICAL_NEIGHBOUR_DEG = (60.0, 80.0)

OF_THE_PARTICLE = (
    "rounding_nm",
    "silver_lost_percent",
    "void_percent",
    "interface_nm",
    "ln_d_fall",
    "interaction_rt",
)
"""Those that change what a particle is like after a given D t."""
OF_THE_MICROSCOPE = (
    "attenuation_percent",
    "composition_bow_percent",
    "diffraction_tilts",
    "diffraction_percent",
    "compression_percent",
    "black_level_percent",
    "clipped_at_percent",
    "tilt_scale_percent",
    "tilt_offset_deg",
    "tilt_error_deg",
    "stretch_percent",
    "shear_percent",
    "magnification_percent",
    "membrane_nm",
    "membrane_step_nm",
    "neighbour_at_deg",
    "interface_nm",
    "ln_d_fall",
    "interaction_rt",
    "hotter_c",
)
"""Those that the simulated microscope has: the others need to know what a state, a series or a pulse is."""


def imperfections() -> Sequence[str]:
    """Names that `named` knows."""
    return [NONE, *SIZES, TYPICAL]


def named(name: str, rng: np.random.Generator, *, elongated: bool = False) -> Imperfections:
    """One effect alone at its usual size, all of them, or none.

    Raises
    ------
    ConfigError
        When there is none of that name.
    """
    if name == NONE:
        return Imperfections()
    if name == TYPICAL:
        return typical(rng, elongated=elongated)
    if name not in SIZES:
        raise ConfigError("imperfections", [f"no imperfection {name!r}; there are {', '.join(imperfections())}"])
    return Imperfections.model_validate(_sizes(name, elongated))


def typical(rng: np.random.Generator, *, elongated: bool = False) -> Imperfections:
    """All effects at once, each drawn up to the size in `SIZES`.

    Those that go either way are normal with half that size as standard deviation, cut at that size; all others are
    uniform between none and that size. The detector clips at 95 to 110 % of the brightest signal, the neighbour covers
    the particle from 60 to 80 deg on.
    """
    drawn: dict[str, float] = {}
    for name in SIZES:
        for field, size in _sizes(name, elongated).items():
            if field == "clipped_at_percent":
                value = rng.uniform(*_TYPICAL_CLIP_PERCENT)
            elif field == "neighbour_at_deg":
                value = rng.uniform(*_TYPICAL_NEIGHBOUR_DEG)
            elif field == "diffraction_tilts":
                value = float(rng.integers(0, int(size) + 1))
            elif field in _EITHER_WAY:
                value = np.clip(rng.normal(0.0, 0.5 * size), -size, size)
            else:
                value = size * rng.uniform()
            drawn[field] = float(value)
    return Imperfections.model_validate(drawn)


def of_the_microscope(asked: str | Mapping[str, Any], rng: np.random.Generator) -> Imperfections:
    """What a session file asks of the simulated microscope: a name, or a table of sizes.

    Raises
    ------
    ConfigError
        For names and sizes that do not exist, and for effects that the microscope has not.
    """
    where = "microscope.options.imperfections"
    try:
        found = named(asked, rng) if isinstance(asked, str) else Imperfections.model_validate(dict(asked))
    except ValidationError as error:
        raise ConfigError(where, [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]) from error
    lacking = [] if asked == TYPICAL else [f for f in found.told() if f not in OF_THE_MICROSCOPE]
    if lacking:
        words = f"{', '.join(lacking)}: only `alloyscope validate` has it; the microscope has"
        raise ConfigError(where, [f"{words} {', '.join(OF_THE_MICROSCOPE)}"])
    return found.only(OF_THE_MICROSCOPE)


def _sizes(name: str, elongated: bool) -> dict[str, float]:
    if elongated and name == "attenuation":
        return {field: _THIN * size for field, size in SIZES[name].items()}
    return SIZES[name]
