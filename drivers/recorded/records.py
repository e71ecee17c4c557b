"""What a journal's lines are: one type per line of ``journal.jsonl`` and ``guard.jsonl``.

An action on hardware is written twice, before it (intent) and after it (effect), so that what happened is known
whatever ends the session.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from drivers.frames import SeriesEnd


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="what"):
    """Base of all."""


class Begin(Record, frozen=True, kw_only=True, tag="begin"):
    session: str
    """Its title."""
    seed: int
    simulated: bool = False
    particles: tuple[str, ...] = ()
    activation: dict[str, float] | None = None
    """Known of the activation energy from elsewhere."""
    uncertainty: dict[str, float] | None = None
    """How well temperature, magnification and time are known; sessions of before 2026-11-27 say nothing of it."""
    dry: bool = False
    """On the stepped clock."""
    origin: str = ""
    """Folder that relative paths in the session file start from."""
    utc: str = ""
    """Wall-clock time, ISO 8601; sessions of before 2026-11-27 have none."""
    microscope: str = ""
    """Backend that took the frames."""
    elements: tuple[str, ...] = ()
    """Of all particles."""
    imported_from: tuple[str, ...] = ()
    """Files of another program that hold what was recorded; empty where we recorded it."""


class Resumed(Record, frozen=True, kw_only=True, tag="resumed"):
    """The session goes on after it had ended, however that was."""

    found: tuple[str, ...]
    """What had been left open, in words."""
    utc: str = ""
    """Wall-clock time, ISO 8601."""


class FoundHot(Record, frozen=True, kw_only=True, tag="found_hot"):
    """The session was to go on, and the chip was not cold: since when is not known."""

    temperature_c: float


class CommandAsked(Record, frozen=True, kw_only=True, tag="command"):
    command: str


class PlanAmended(Record, frozen=True, kw_only=True, tag="plan_amended"):
    """A person changed what is left of the plan."""

    step: str
    how: Literal["skipped", "taken", "changed", "repeated"]
    """Taken: after all."""
    temperature_c: float | None = None
    duration_s: float | None = None
    """Of a pulse that was changed."""
    repeats: str = ""
    """The step that a repeated one is like."""
    after: str = ""
    """The step that it follows."""


class NoteWritten(Record, frozen=True, kw_only=True, tag="note"):
    """What a person wants to be remembered."""

    text: str


class StateChanged(Record, frozen=True, kw_only=True, tag="state"):
    state: str
    reason: str


class AnalysisStarted(Record, frozen=True, kw_only=True, tag="analysis"):
    pid: int


class HeatAsked(Record, frozen=True, kw_only=True, tag="heat"):
    """Intent: a pulse is about to be given."""

    step: str
    target_c: float
    duration_s: float


class Heated(Record, frozen=True, kw_only=True, tag="heated"):
    """Effect: the pulse as it happened."""

    step: str
    temperature_c: float
    duration_s: float
    """Held."""
    worth_s: float
    """Time at the temperature, ramp and all."""
    worth_std_s: float = 0.0
    """By the time between the instrument's readings."""


class Exposed(Record, frozen=True, kw_only=True, tag="exposed"):
    """Effect: electrons that a particle has had."""

    particle: str
    electrons_per_nm2: float


class BeamOn(Record, frozen=True, kw_only=True, tag="beam_on"):
    """Intent: the beam is about to come on, for a particle."""

    particle: str
    electrons_per_nm2_per_s: float


class BeamOff(Record, frozen=True, kw_only=True, tag="beam_off"):
    """Effect: it is known to be off, and all that it gave is booked."""


class StepDone(Record, frozen=True, kw_only=True, tag="step_done"):
    """A step of the plan is over and is not to come again."""

    step: str


class DecisionMade(Record, frozen=True, kw_only=True, tag="decision"):
    step: str
    decision: str
    why: str


class ParticleChosen(Record, frozen=True, kw_only=True, tag="chosen"):
    particle: str
    y_nm: float
    x_nm: float
    shape: str
    diameter_nm: float
    diameter_std_nm: float
    method: str


class Centred(Record, frozen=True, kw_only=True, tag="centred"):
    step: str
    off_nm: tuple[float, float]
    """(y, x) before it was brought back."""


class NotCentred(Record, frozen=True, kw_only=True, tag="not_centred"):
    step: str
    reason: str


class Eucentric(Record, frozen=True, kw_only=True, tag="eucentric"):
    step: str
    above_axis_nm: float
    """Before it was brought back."""


class NotEucentric(Record, frozen=True, kw_only=True, tag="not_eucentric"):
    step: str
    reason: str


class SeriesBegin(Record, frozen=True, kw_only=True, tag="series_begin"):
    """Intent: a tilt series, an image or a map is about to be taken."""

    step: str
    particle: str
    planned: int
    utc: str = ""
    """Wall-clock time, ISO 8601."""


class FrameRecorded(Record, frozen=True, kw_only=True, tag="frame"):
    """Effect: a frame is on disk."""

    seq: int
    step: str
    tilt_deg: float


class SeriesEnded(Record, frozen=True, kw_only=True, tag="series_end"):
    mark: SeriesEnd


class Audited(Record, frozen=True, kw_only=True, tag="audited"):
    """Frames of the whole session, and what is missing and why."""

    acquired: int
    recorded: int
    analysed: int
    missing: tuple[str, ...]


class CloseFailed(Record, frozen=True, kw_only=True, tag="close_failed"):
    message: str


class End(Record, frozen=True, kw_only=True, tag="end"):
    reason: str
    message: str
    dose_e_per_nm2: dict[str, float]


SessionRecord = (
    Begin
    | Resumed
    | FoundHot
    | CommandAsked
    | PlanAmended
    | NoteWritten
    | StateChanged
    | AnalysisStarted
    | HeatAsked
    | Heated
    | BeamOn
    | Exposed
    | BeamOff
    | StepDone
    | DecisionMade
    | ParticleChosen
    | Centred
    | NotCentred
    | Eucentric
    | NotEucentric
    | SeriesBegin
    | FrameRecorded
    | SeriesEnded
    | Audited
    | CloseFailed
    | End
)
"""Of ``journal.jsonl``."""


class RampAsked(Record, frozen=True, kw_only=True, tag="ramp"):
    target_c: float
    rate_c_per_s: float


class Quenched(Record, frozen=True, kw_only=True, tag="quench"):
    pass


class AwayBorne(Record, frozen=True, kw_only=True, tag="away"):
    """The chip was not held where it was asked to be, and by the session file it went on."""

    message: str


class MadeSafe(Record, frozen=True, kw_only=True, tag="made_safe"):
    reason: str
    since_heartbeat_s: float
    temperature_c: float | None


class MakeSafeFailed(Record, frozen=True, kw_only=True, tag="make_safe_failed"):
    message: str


class Cold(Record, frozen=True, kw_only=True, tag="cold"):
    temperature_c: float
    since_heartbeat_s: float


class BeamBlanked(Record, frozen=True, kw_only=True, tag="beam_blanked"):
    reason: str


class GuardEnd(Record, frozen=True, kw_only=True, tag="end"):
    tripped: str | None


GuardRecord = RampAsked | Quenched | AwayBorne | MadeSafe | MakeSafeFailed | Cold | BeamBlanked | GuardEnd
"""Of ``guard.jsonl``."""
