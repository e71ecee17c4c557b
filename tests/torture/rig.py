"""A whole session whose devices fail on purpose, on the stepped clock, and what must hold whatever happens to it."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis.diffusion.time_at_temperature import USUAL_Q_J_PER_MOL, time_at_temperature_s
from controller import events as ev
from controller.engine import RunState
from controller.plan.dose import Dose
from controller.plan.session_file import SessionFile
from controller.plan.steps import Plan
from controller.session import Session
from controller.stream.live_analysis import LiveAnalysis
from drivers.clock import SteppedClock
from drivers.errors import AlloyscopeError
from drivers.interfaces import HeaterReading
from drivers.recorded.chip_readings import readings_of_chip
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import records_of
from drivers.recorded.records import End, FrameRecorded, HeatAsked, StepDone
from drivers.recorded.step_file import read_headers
from simulators.faults import Fault, FaultyMicroscope
from simulators.thermal_history import ThermalHistory

MOST_C, OVERSHOOT_C = 600.0, 15.0
HEATED_C = 450.0
COLD_C = 60.0
ASKED_AGAIN_S = 6.0
"""A call's limit, and the pause before the next one."""
REAL_LIMIT_S = 60.0
"""A session takes some tenths of a second."""
SESSION_LIMIT_S = 3600.0
FRAME_S = 0.1
HEAT_S = 0.1
"""How well heat is booked; never less than there was, and more only where no reading came for a while."""


class NoAnalysis(LiveAnalysis):
    """Nothing is analysed: the images show nothing."""

    async def keep_running(self, endpoints: dict[str, str]) -> None:
        return

    @property
    def is_complete(self) -> bool:
        return True

    @property
    def missing(self) -> list[str]:
        return []


def file_of(
    chip: Sequence[Fault], microscope: Sequence[Fault], mode: str = "stepped", to_deg: float = 20.0
) -> SessionFile:
    """Two particles, three tilt series each of three tilts, two pulses."""
    return SessionFile.model_validate(
        {
            "title": "torture",
            "seed": 1,
            "chip": {
                "backend": "faulty",
                "ramp_c_per_s": 500.0,
                "limits": {"max_c": MOST_C},
                "options": {"faults": [asdict(f) for f in chip]},
            },
            "microscope": {
                "backend": "faulty",
                "options": {"of": "bare", "faults": [asdict(f) for f in microscope]},
            },
            "scan": {"pixel_nm": 1.0, "shape": [32, 32], "dwell_us": 1e6 * FRAME_S / 1024, "current_pa": 100.0},
            "tilt": {"mode": mode, "from_deg": -20.0, "to_deg": to_deg, "step_deg": 20.0, "rate_deg_per_s": 10.0},
            "particles": [{"name": "A", "x_nm": 0.0}, {"name": "B", "x_nm": 500.0}],
            "plan": [
                {"kind": "tilt-series"},
                {"kind": "pulses", "temperature_c": HEATED_C, "durations_s": [20.0, 40.0]},
            ],
        }
    )


@dataclass
class Outcome:
    """What became of a session, and everything that must not have happened."""

    reason: str = ""
    told: str = ""
    state: RunState = RunState.RUNNING
    struck: int = 0
    broken: list[str] = field(default_factory=list)


def run(
    folder: Path,
    chip: Sequence[Fault] = (),
    microscope: Sequence[Fault] = (),
    *,
    mode: str = "stepped",
    to_deg: float = 20.0,
    commands: Sequence[tuple[float, str]] = (),
) -> Outcome:
    """Run to the end, with commands at times of the session."""
    file, clock, outcome = file_of(chip, microscope, mode, to_deg), SteppedClock(), Outcome()
    source = folder / "session.toml"
    folder.mkdir(parents=True, exist_ok=True)
    source.write_text("# made by a test\n")
    said: list[str] = []

    def hear(event: ev.Event) -> None:
        if isinstance(event, ev.Log):
            said.append(event.text)

    session = Session(file, source, SessionFolder(folder / "s"), clock, [hear])

    async def command() -> None:
        for at_s, name in commands:
            await clock.sleep(max(0.0, at_s - clock.now()))
            await session.command(name)
            while name == "pause" and session.engine.state is RunState.PAUSING:  # noqa: ASYNC110  # it has no event for it
                await asyncio.sleep(0.001)
            if name == "pause":
                await session.command("resume")

    async def whole() -> None:
        async with asyncio.timeout(REAL_LIMIT_S):
            running = asyncio.create_task(session.run())
            await asyncio.sleep(0)  # it is open then
            commanding = asyncio.create_task(command())
            try:
                outcome.reason = (await running).value
            finally:
                commanding.cancel()
                await asyncio.gather(commanding, return_exceptions=True)

    try:
        clock.run(whole())
    except AlloyscopeError as error:
        outcome.reason, outcome.told = "failed", str(error)
    except TimeoutError:
        outcome.broken.append(f"did not end within {REAL_LIMIT_S:g} s of real time")
    outcome.state = session.engine.state
    if session.folder.path.exists():
        outcome.broken += list(_broken(session, clock, outcome))
    elif outcome.reason != "failed":
        outcome.broken.append(f"its folder is gone, and it says {outcome.reason!r}")
    return outcome


def _broken(session: Session, clock: SteppedClock, outcome: Outcome) -> list[str]:
    """What does not hold that must."""
    found: list[str] = []
    beam, chip = session.instruments.microscope, session.instruments.chip
    assert isinstance(beam, FaultyMicroscope), "it was asked for"
    faulty_chip: Any = chip._chip  # type: ignore[attr-defined]  # the guard's own
    outcome.struck = len(beam.faulty.struck) + len(faulty_chip.faulty.struck)
    history = ThermalHistory(session.folder.path).new()
    if history[:, 1].max() > MOST_C + OVERSHOOT_C:
        found.append(f"the chip was at {history[:, 1].max():.0f} C")
    if history[-1, 1] > COLD_C:
        found.append(f"the chip was left at {history[-1, 1]:.0f} C")
    if beam.beam_is_on:
        found.append("the beam was left on")
    if clock.now() > SESSION_LIMIT_S:
        found.append(f"it took {clock.now():.0f} s of session time")
    records = records_of(session.folder.path, End)
    if not records or outcome.state not in (RunState.DONE, RunState.FAILED):
        found.append(f"it ended in the state {outcome.state} with {len(records)} end records")
    found += _dose_broken(session, beam)
    found += _heat_broken(session, outcome)
    found += _frames_broken(session, beam, outcome)
    return found


def _dose_broken(session: Session, beam: FaultyMicroscope) -> list[str]:
    """The ledger holds what the beam gave, to one exposure."""
    one = Dose(session.file).of_frame()
    given, booked = beam.beam_on_s / FRAME_S * one, sum(session.ledger.dose_e_per_nm2.values())
    # Where the answer to unblanking was lost, the beam is taken to have been on.
    lost = sum(f.call == "set_beam_blank" and f.how == "hangs" for f in beam.faulty.struck)
    unknown = lost * ASKED_AGAIN_S / FRAME_S * one
    if not -1.01 * one <= booked - given <= 1.01 * one + unknown:
        return [f"the beam gave {given / one:.2f} exposures, {booked / one:.2f} are booked"]
    return []


def heat_given_s(folder: Path) -> float:
    """Seconds at the temperature of the pulses that a session's chip has truly had."""
    nan = float("nan")
    truth = [HeaterReading(float(t), float(c), nan, nan, nan) for t, c in ThermalHistory(folder).new()]
    return time_at_temperature_s(truth, HEATED_C, USUAL_Q_J_PER_MOL)


def _heat_broken(session: Session, outcome: Outcome) -> list[str]:
    """The ledger holds what the chip went through, and no pulse was given twice."""
    given_s = heat_given_s(session.folder.path)
    booked_s = sum(p.duration_s for p in session.ledger.heat)
    found = []
    read_s = [r.time_s for r in readings_of_chip(session.folder)]
    spans_s = np.diff(read_s)
    blind_s = 1.05 * spans_s[spans_s > HEAT_S].sum()
    lies = "above the limit" in outcome.told  # of the sensor: nobody can know better
    if not (lies or -HEAT_S <= booked_s - given_s <= HEAT_S + blind_s):
        found.append(f"the chip had {given_s:.2f} s of heat, {booked_s:.2f} s are booked")
    asked = [r.step for r in records_of(session.folder.path, HeatAsked)]
    if len(asked) != len(set(asked)):
        found.append(f"a pulse was given twice: {asked}")
    return found


def _frames_broken(session: Session, beam: FaultyMicroscope, outcome: Outcome) -> list[str]:
    """Every frame that was acknowledged is on disk, once; of those that came only failed ones are not kept."""
    found = []
    acknowledged = [r.seq for r in records_of(session.folder.path, FrameRecorded)]
    on_disk = [h.seq for path in session.folder.frames.glob("*.h5") for h in read_headers(path)]
    if sorted(acknowledged) != sorted(set(on_disk)) or len(on_disk) != len(set(on_disk)):
        found.append(f"{len(acknowledged)} frames were acknowledged, {len(on_disk)} are on disk")
    if session.file.tilt.mode == "stepped" and not 0 <= beam.scans_given - len(on_disk) <= outcome.struck + 1:
        found.append(f"{beam.scans_given} scans came, {len(on_disk)} are on disk")
    if outcome.reason == "completed":
        planned = sum(step.planned for step in Plan(session.file).recordings())
        steps = {step.id for step in Plan(session.file).steps()}
        if len(on_disk) != planned or steps != {r.step for r in records_of(session.folder.path, StepDone)}:
            found.append(f"it says completed with {len(on_disk)} of {planned} frames")
    elif outcome.reason == "failed" and len(outcome.told) < 20:
        found.append(f"it failed with {outcome.told!r}")
    return found
