"""One state of a particle: a tilt series, and the heat since the state before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alloyscope import inputs
from alloyscope.card import card

if TYPE_CHECKING:
    from drivers.frames import Frame, SeriesEnd

_ASKED = "(temperature_c, duration_s)"


@dataclass(frozen=True, eq=False)
class ParticleState:
    """A tilt series of one particle in one state; checked when it is made.

    Parameters
    ----------
    images : (tilt, y, x) detector counts
    tilts_deg : (tilt,) degrees, in any order
    pixel_nm : pixel size, the same for all states of a particle
    heat : ``(temperature_c, duration_s)`` of each pulse since the state before, in order; empty for the first state
    gain, offset : counts per electron and counts without beam, where they are known
    swept_deg : tilt gone through during one exposure, of a continuous series
    simulated : True for images that no microscope took; every result then says so

    Raises
    ------
    ValueError
        Saying what was asked, what was found and what to do.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> images = np.random.default_rng(0).poisson(5.0, (3, 16, 16))
    >>> state = al.ParticleState(images, [-10, 0, 10], 0.8, heat=[(450, 60), (450, 30)])
    >>> state.heated_s
    90.0
    """

    images: ArrayLike = field(repr=False)
    tilts_deg: ArrayLike = field(repr=False)
    pixel_nm: float
    heat: Sequence[tuple[float, float]] = ()
    gain: float | None = None
    offset: float | None = None
    swept_deg: float = 0.0
    simulated: bool = False
    _stack: NDArray[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        stack = inputs.images(self.images)
        keep: dict[str, Any] = {
            "_stack": stack,
            "images": stack,
            "tilts_deg": inputs.tilts(self.tilts_deg, len(stack)),
            "pixel_nm": inputs.above_zero(self.pixel_nm, "pixel_nm", "nm"),
            "heat": _pulses(self.heat),
            "gain": None if self.gain is None else inputs.above_zero(self.gain, "gain", "counts per electron"),
            "offset": None if self.offset is None else inputs.number(self.offset, "offset", "counts"),
            "swept_deg": inputs.number(self.swept_deg, "swept_deg", "deg"),
        }
        if not 0.0 <= keep["swept_deg"] < 20.0:
            raise ValueError(
                f"swept_deg: asked for 0 to 20 deg, found {keep['swept_deg']:g}; give the tilt during one exposure"
            )
        for name, value in keep.items():
            object.__setattr__(self, name, value)

    @property
    def heated_s(self) -> float:
        """Time at temperature since the state before."""
        return float(sum(seconds for _, seconds in self.heat))

    def _repr_html_(self) -> str:
        tilts, rows, columns = self._stack.shape
        angles = np.asarray(self.tilts_deg)
        facts = [
            ("images", f"{tilts} of {rows} x {columns} px of {self.pixel_nm:g} nm"),
            ("tilts", f"{angles.min():g} to {angles.max():g} deg"),
            ("heat before", ", ".join(f"{s:g} s at {t:g} C" for t, s in self.heat) or "none"),
        ]
        return card("particle state", facts, simulated=self.simulated)

    def frames(self, step: str, seq: int, heat: Sequence[tuple[float, float]], **facts: Any) -> list[Frame | SeriesEnd]:
        """As a session's stream carries it; `heat` is all that the particle has had."""
        frames, end = frames_of(
            self._stack,
            np.asarray(self.tilts_deg, np.float64),
            step=step,
            seq=seq,
            pixel_nm=self.pixel_nm,
            swept_deg=self.swept_deg,
            gain=self.gain,
            offset=self.offset,
            simulated=self.simulated,
            heat=heat,
            **facts,
        )
        return [*frames, end]


def frames_of(
    images: NDArray[Any],
    tilts_deg: NDArray[np.float64],
    *,
    step: str = "tilt",
    seq: int = 0,
    heat: Sequence[tuple[float, float]] = (),
    **facts: Any,
) -> tuple[list[Frame], SeriesEnd]:
    """The frames of a tilt series and the mark of its end, as the analysis takes them."""
    from drivers.frames import Frame, FrameHeader, HeatPulse, SeriesEnd

    named = {"session": "notebook", "particle": "particle", "core": "", "shell": ""} | facts
    pulses = tuple(HeatPulse(t, s) for t, s in heat)
    frames = [
        Frame(
            FrameHeader(
                seq=seq + n, step=step, index=n, time_s=float(seq + n), tilt_deg=float(tilt_deg), heat=pulses, **named
            ),
            image,
        )
        for n, (image, tilt_deg) in enumerate(zip(images, tilts_deg, strict=True))
    ]
    count = len(frames)
    end = SeriesEnd(seq=seq + count, step=step, particle=str(named["particle"]), frames=count, planned=count)
    return frames, end


def _pulses(heat: Any) -> tuple[tuple[float, float], ...]:
    inputs.instance(heat, (list, tuple, np.ndarray), "heat", f"a list of {_ASKED}", "give one pair per pulse")
    found = []
    for place, pulse in enumerate(heat):
        if isinstance(pulse, (str, bytes)) or np.ndim(pulse) != 1 or len(pulse) != 2:
            raise ValueError(f"heat[{place}]: asked for {_ASKED}, found {pulse!r}; give one pair per pulse")
        temperature_c = inputs.celsius(pulse[0], f"heat[{place}] temperature_c")
        duration_s = inputs.above_zero(pulse[1], f"heat[{place}] duration_s", "s")
        found.append((temperature_c, duration_s))
    return tuple(found)
