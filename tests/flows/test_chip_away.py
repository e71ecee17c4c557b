"""A chip that does not hold its temperature: the session does what its file asks, and books what the chip reads."""

from dataclasses import replace

import pytest

from controller import events as ev
from controller.engine import FinishReason
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.errors import InterlockTripped
from drivers.interfaces import HeaterReading
from drivers.recorded.folder import SessionFolder
from simulators.chip import SimulatedChip
from tests.torture.rig import HEATED_C, NoAnalysis, file_of

SOUND_S, OFF_C = 5.0, 30.0


class ReadsMoreAfterAWhile(SimulatedChip):
    """Held for some seconds, it reads 30 C more than it is set to."""

    _held_since_s = float("inf")

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        await super().ramp_to(target_c, rate_c_per_s)
        self._held_since_s = self._clock.now()

    async def quench(self) -> None:
        self._held_since_s = float("inf")
        await super().quench()

    async def read(self) -> HeaterReading:
        reading = await super().read()
        wrong = reading.time_s - self._held_since_s > SOUND_S and self._powered
        return replace(reading, temperature_c=reading.temperature_c + OFF_C) if wrong else reading


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run three tilt series and two pulses of 20 and 40 s; gives the session, what was said, and how it ended."""
    monkeypatch.setattr("controller.session.LiveAnalysis", NoAnalysis)

    def whole(when_away: str) -> tuple[Session, list[str], str]:
        source, said = tmp_path / "session.toml", []
        source.write_text("# made by a test\n")
        asked = file_of((), ()).model_dump()
        asked["chip"] |= {"backend": f"{__name__}:{ReadsMoreAfterAWhile.__name__}", "options": {}}
        asked["chip"]["limits"] |= {"when_away": when_away}
        asked["microscope"] = {"backend": "bare", "options": {}}
        session = Session(
            type(file_of((), ())).model_validate(asked), source, SessionFolder(tmp_path / "s"), clock := SteppedClock()
        )
        session.listeners.append(lambda event: said.append(event.text) if isinstance(event, ev.Log) else None)
        try:
            return session, said, clock.run(session.run()).value
        except InterlockTripped as error:
            return session, said, str(error)

    return whole


def test_it_may_be_held_on_with_one_warning_a_pulse_and_the_heat_that_was_read(run):
    session, said, ended = run("hold")
    assert ended == FinishReason.COMPLETED.value
    warned = [words for words in said if "is held, as chip.limits.when_away says" in words]
    assert len(warned) == 2
    assert f" C, {HEATED_C:.1f} C was asked" in warned[0]
    # Of 20 s, 15 are at 480 C, which at 208 kJ/mol are worth 1 / exp(-Q/R (1/753 - 1/723)) = 3.97 times as much.
    assert session.ledger.heat[0].duration_s == pytest.approx(5.0 + 15.0 * 3.97, rel=0.03)


@pytest.mark.parametrize(("when_away", "words"), [("quench", "safe"), ("ramp down", "ramped down at 20 C/s")])
def test_else_the_session_ends_with_a_cold_chip(run, when_away, words):
    session, _, ended = run(when_away)
    assert f" C, {HEATED_C:.1f} C was asked" in ended
    assert words in ended
    (pulse,) = session.ledger.heat
    assert pulse.duration_s > 5.0
