"""What the analysis says: values with one standard deviation, a unit in the name, and a quality in words."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from drivers.frames import plain


class Estimate(msgspec.Struct, frozen=True):
    """A value and its standard deviation."""

    value: float
    std: float

    def __str__(self) -> str:
        return pretty(self.value, self.std)


def pretty(value: float, std: float) -> str:
    """Value +- std with one common power of ten: ``(2.41 +- 0.05)e-19``."""
    if not (math.isfinite(value) and math.isfinite(std)):
        return f"{value:g} +- {std:g}"
    size = max(abs(value), std)
    exponent = math.floor(math.log10(size)) if size > 0 else 0
    if -3 <= exponent < 4:
        exponent = 0
    scale = 10.0**exponent
    digits = 2 if std <= 0 else min(6, max(0, 1 - math.floor(math.log10(std / scale))))
    text = f"{value / scale:.{digits}f} +- {std / scale:.{digits}f}"
    return text if exponent == 0 else f"({text})e{exponent:d}"


class StateResult(msgspec.Struct, frozen=True, kw_only=True, tag="state"):
    """One tilt series of one particle."""

    step: str
    particle: str
    state: int
    """0 = before any heat."""
    heated_s: float
    """Total time at temperature so far."""
    frames: int
    planned: int
    rejected: tuple[str, ...] = ()
    """Tilts left out, each with the reason."""
    alloying: Estimate | None = None
    alloying_by_spread: dict[str, float] = {}
    """The degree of alloying by each measure of spread: std, variance, mad, iqr, histogram."""
    volume_nm3: float | None = None
    surface_to_volume_per_nm: float | None = None
    aspect_ratio: float | None = None
    """Length over width, by second moments."""
    shape_change: float | None = None
    """Part of the volume that is elsewhere than before any heat, beyond what alloying makes seem so."""
    gold_fraction: float | None = None
    """Atomic fraction of the core's element over the whole particle."""
    quality: str
    simulated: bool
    shifts_px: tuple[tuple[float, float], ...] = ()
    """Alignment (y, x), in order of acquisition; rejected tilts excluded."""
    tilt_axis_deg: float = 0.0
    """The tilt axis from the images' x axis, counter-clockwise on the screen; taken out before the shifts."""
    analysis_s: float = 0.0


class Onset(msgspec.Struct, frozen=True):
    """Between which temperatures alloying began to be seen."""

    below_c: float | None
    """The hottest stair without; None when the first one had it already."""
    above_c: float
    """The first stair with it."""

    @property
    def estimate_c(self) -> Estimate | None:
        """The middle, and the standard deviation of what lies evenly between."""
        if self.below_c is None:
            return None
        return Estimate(0.5 * (self.below_c + self.above_c), (self.above_c - self.below_c) / math.sqrt(12.0))


class ImageResult(msgspec.Struct, frozen=True, kw_only=True, tag="image"):
    """One image of one particle, compared with its first one."""

    step: str
    particle: str
    heated_c: float | None
    """The highest temperature so far; None before any heat."""
    heated_s: float
    contrast_lost: Estimate | None
    """Part of the contrast inside the particle that is gone."""
    onset: Onset | None
    """None while no loss of contrast is seen."""
    quality: str
    simulated: bool


class Diffusivity(msgspec.Struct, frozen=True):
    temperature_c: float
    value: float
    std: float
    """m2/s"""
    bound: float | None = None
    """The least std that counting noise allows (Cramer-Rao), the particle unknown as well; m2/s."""

    @property
    def known(self) -> bool:
        """A number with an error; otherwise D is only bounded, or nothing was told."""
        return math.isfinite(self.value) and math.isfinite(self.std) and self.value > 0.0


class DiffusivityOfComposition(msgspec.Struct, frozen=True):
    """``D(c) = D exp(ln_slope (c - gold_fraction))``, c the atomic fraction of the core's element."""

    ln_slope: Estimate
    gold_fraction: float
    """Of the whole particle."""
    diffusivities: tuple[Diffusivity, ...]
    """At that composition."""


class IntervalDiffusivity(msgspec.Struct, frozen=True):
    """D between two neighbouring states alone (paper 004)."""

    temperature_c: float
    from_s: float
    to_s: float
    """Total time at temperature."""
    value: float
    std: float
    """m2/s"""


class DiffusivityResult(msgspec.Struct, frozen=True, kw_only=True, tag="diffusivity"):
    """D of one particle from all its states so far."""

    particle: str
    window: str = "centre"
    states: int
    diffusivities: tuple[Diffusivity, ...]
    """Maximum likelihood of the projections."""
    by_curve: tuple[Diffusivity, ...] = ()
    """From the alloying curve, as papers 002 and 004 do it."""
    heated_s: tuple[float, ...]
    measured: tuple[Estimate, ...]
    """Alloying degree per state."""
    uncorrected: tuple[float, ...] = ()
    """The same with the last state taken for fully alloyed, as without simulated reference (paper 002, Figure S8)."""
    d_of_c: DiffusivityOfComposition | None = None
    """Only when asked for."""
    by_interval: tuple[IntervalDiffusivity, ...] = ()
    seconds: tuple[float, ...] = ()
    """Total time at each of the temperatures of `diffusivities`."""
    tau_nm2: tuple[float, ...] = ()
    tau_ln_std: tuple[float, ...] = ()
    """tau = D t as each state that told it showed, and the standard deviation of its logarithm."""
    course_tau_nm2: tuple[float, ...] = ()
    course_degree: tuple[float, ...] = ()
    course_measured: tuple[float, ...] = ()
    """The degree of alloying to come, as simulated for this particle: of the metals themselves, and as measured. Blur
    makes the two differ by some per cent."""
    curve_s: tuple[float, ...]
    curve: tuple[float, ...]
    """The fitted alloying curve, for drawing."""
    quality: str
    simulated: bool


class WindowOffset(msgspec.Struct, frozen=True):
    """How much warmer a window truly is than the reference window, the nominal temperature being the same."""

    value: float
    std: float
    low: float
    high: float
    """68 % interval by profile likelihood."""
    sigmas: float
    """How surely it is not zero."""


class Arrhenius(msgspec.Struct, frozen=True, kw_only=True, tag="arrhenius"):
    """``D = D0 exp(-Q / R T)`` of all particles together, and the windows' temperatures."""

    q_j_per_mol: Estimate
    d0_m2_per_s: Estimate
    reference: str
    """The window whose nominal temperature is taken for true."""
    offsets_c: dict[str, WindowOffset]
    misfit: float
    """Squared misses per degree of freedom."""
    simulated: bool

    def words(self) -> list[str]:
        """What it says, for people."""
        q, lines = self.q_j_per_mol, []
        for window, d in self.offsets_c.items():
            if d.sigmas < 2.0:
                lines.append(
                    f"no difference between windows {window} and {self.reference} is seen: "
                    f"{pretty(d.value, d.std)} C ({d.sigmas:.1f} sigma)"
                )
            else:
                lines.append(
                    f"window {window} is {pretty(abs(d.value), d.std)} C {'colder' if d.value < 0 else 'warmer'} than "
                    f"{self.reference}; {d.sigmas:.1f} sigma"
                )
        lines.append(f"activation energy {pretty(1e-3 * q.value, 1e-3 * q.std)} kJ/mol")
        return lines


class Preview(msgspec.Struct, frozen=True, kw_only=True, tag="preview"):
    """An orthoslice of the running reconstruction, for the screen only."""

    step: str
    particle: str
    frames: int
    shape: tuple[int, int]
    pixels: bytes
    """uint8, (z, y)"""


class Outlined(msgspec.Struct, frozen=True, kw_only=True, tag="outlined"):
    """The particles in the last frame, for the screen only."""

    step: str
    particle: str
    frame: int
    found: int
    touching: int
    cut: int
    """By the edge of the field."""
    diameter_nm: Estimate | None
    """Of the one nearest to the middle."""
    happened: tuple[str, ...]
    """To particles since the frame before: new, lost, merged."""
    shape: tuple[int, int]
    rims: bytes
    """uint8 (y, x), as large as the thumbnail of the frame: 1 where an outline runs."""


class Provisional(msgspec.Struct, frozen=True, kw_only=True, tag="provisional"):
    """The degree of alloying from the tilts so far, for the screen only."""

    step: str
    particle: str
    frames: int
    alloying: Estimate
    simulated: bool


class EdxResult(msgspec.Struct, frozen=True, kw_only=True, tag="edx"):
    """An EDX map, or what there is of it so far."""

    step: str
    particle: str
    tilt_deg: float
    heated_c: float | None
    """The highest temperature so far; None before any heat."""
    heated_s: float
    frames: int
    planned: int
    """At most."""
    final: bool
    composition_at_pct: dict[str, Estimate]
    """Of the particles in the map, by element; empty when no line has counts."""
    drift_nm: float
    """How far the field wandered while the map was taken; taken out."""
    report: dict[str, Any]
    """All that it told, as ``alloyscope edx --json`` writes it."""
    words: tuple[str, ...]
    """What it told, one fact each."""
    spectrum: tuple[float, ...]
    """Counts of all pixels, in channels of `channel_kev` from `offset_kev`."""
    offset_kev: float
    channel_kev: float
    picture_shape: tuple[int, int]
    pictures: dict[str, bytes]
    """uint8 (y, x): the HAADF image and each line's counts."""
    quality: str
    simulated: bool
    analysis_s: float

    @property
    def known_at_pct(self) -> float:
        """Error of the worst-known element."""
        return max((e.std for e in self.composition_at_pct.values()), default=math.inf)


Result = StateResult | ImageResult | EdxResult | DiffusivityResult | Arrhenius | Preview | Provisional | Outlined
"""What a pipeline gives."""


def passing(result: Result) -> bool:
    """Whether a result is for the screen only: a later one takes its place."""
    return isinstance(result, Preview | Provisional | Outlined) or (isinstance(result, EdxResult) and not result.final)


_decoder = msgspec.msgpack.Decoder(Result)


def encode(result: Result) -> bytes:
    return msgspec.msgpack.encode(result, enc_hook=plain)


def decode(data: bytes) -> Result:
    result: Result = _decoder.decode(data)
    return result
