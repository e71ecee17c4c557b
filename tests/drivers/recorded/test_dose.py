"""Electrons of a beam that was on when its session was cut: until somebody blanked it, or the last sign of life."""

import pytest

from drivers.clock import SteppedClock
from drivers.recorded.dose import dose_of, left_on
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal, read_journal
from drivers.recorded.records import BeamBlanked, BeamOff, BeamOn, Begin, Exposed, MadeSafe

RATE = 100.0


@pytest.fixture
def written(tmp_path):
    """Journals with records at their times."""

    def write(session, guard=(), readings_s=(), *, simulated=False):
        folder = SessionFolder(tmp_path)
        for path, records in (
            (folder.journal, [(0.0, Begin(session="s", seed=1, simulated=simulated)), *session]),
            (folder.guard_journal, guard),
        ):
            for at_s, record in records:
                journal = Journal(path, SteppedClock(at_s))
                journal.write(record)
                journal.close()
        rows = [f"{t},25.0,25.0,," for t in readings_s]
        folder.chip_readings.write_text(
            "\n".join(["time_s,setpoint_c,temperature_c,resistance_ohm,power_mw", *rows]) + "\n"
        )
        return tmp_path, list(read_journal(tmp_path))

    return write


ON = (10.0, BeamOn(particle="A", electrons_per_nm2_per_s=RATE))
SCAN = (12.0, Exposed(particle="A", electrons_per_nm2=2.0 * RATE))


@pytest.mark.parametrize(
    ("session", "guard", "readings_s", "on_s", "sure"),
    [
        ([ON, SCAN], [(12.7, BeamBlanked(reason="died"))], [12.5, 20.0], 0.7, True),
        ([ON], [(10.4, BeamBlanked(reason="died"))], [], 0.4, True),
        ([ON, SCAN], [(3.0, BeamBlanked(reason="of an earlier life"))], [12.5, 13.1], 1.1, False),
        ([ON, SCAN], [], [11.0], 0.0, False),
    ],
)
def test_it_was_on_until_it_was_blanked_or_the_last_sign_of_life(written, session, guard, readings_s, on_s, sure):
    left = left_on(*written(session, guard, readings_s))
    assert (left.particle, left.sure) == ("A", sure)
    assert left.on_s == pytest.approx(on_s)
    assert left.electrons_per_nm2 == pytest.approx(RATE * on_s)


def test_a_simulated_one_went_with_its_process_which_the_guard_noticed(written):
    safe = MadeSafe(reason="no heartbeat", since_heartbeat_s=0.5, temperature_c=25.0)
    left = left_on(*written([ON, SCAN], [(12.5, safe)], [12.0, 19.0], simulated=True))
    assert left.on_s == pytest.approx(0.5)
    assert left.sure


def test_what_is_off_is_off_and_what_was_booked_is_not_booked_again(written):
    assert left_on(*written([ON, SCAN, (12.1, BeamOff())], readings_s=[30.0])) is None
    # As a session that goes on books it, before anything else.
    booked = [ON, SCAN, (40.0, Exposed(particle="A", electrons_per_nm2=70.0)), (40.0, BeamOff())]
    path, entries = written(booked, readings_s=[50.0])
    assert dose_of(path, entries[-5:])["A"] == pytest.approx(2.0 * RATE + 70.0)


def test_a_session_of_before_such_lines_has_what_was_booked(written):
    path, entries = written([SCAN], readings_s=[90.0])
    assert dose_of(path, entries) == {"A": 2.0 * RATE}
