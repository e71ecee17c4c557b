"""Whole sessions on the stepped clock: real sockets, real files, a real analysis process."""

import asyncio
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.reanalysis.offline import analyse
from analysis.results import DiffusivityResult, StateResult
from controller import events as ev
from controller.engine import FinishReason
from controller.stream.streams import Streams
from drivers.errors import InterlockTripped
from drivers.frames import Frame, SeriesEnd
from drivers.recorded.journal import records_of
from drivers.recorded.records import AnalysisStarted, FrameRecorded, Heated
from drivers.recorded.session import read_session
from tests.flows.recording import session_in

FEW_TILTS = {"durations_s": "[90.0]", "step_deg": 10.0}
"""For laws that hold for any two tilt series."""
ONLY_HEAT = {"step_deg": 10.0, "from_deg = -70.0": "from_deg = -10.0", "to_deg = 70.0": "to_deg = 10.0"}
"""For laws of the pulse, whatever its tilt series tell."""


def test_a_session_ends_with_d_and_the_recording_gives_the_same_numbers(session_file, tmp_path, recorded):
    run = recorded(session_file(), tmp_path / "s")
    heard = run.heard
    assert run.reason is FinishReason.COMPLETED
    live = run.told["particles"]
    states = live["NC2"]["states"]
    assert [s["heated_s"] for s in states] == pytest.approx([0.0, 60.0, 180.0], abs=0.2)
    degrees = [s["alloying"]["value"] for s in states]
    assert degrees[0] == 0.0 < degrees[1] < degrees[2] < 1.0
    truth = json.loads((tmp_path / "s" / "truth" / "truth.json").read_text())["particles"]["NC2"]
    assert live["NC2"]["diffusivity_m2_per_s"]["value"] == pytest.approx(truth["d_450_m2_per_s"], rel=0.2)
    assert analyse(tmp_path / "s", lambda _: None)["particles"] == live
    items = read_session(tmp_path / "s")
    assert [i.header.seq if isinstance(i, Frame) else i.seq for i in items] == list(range(len(items)))
    assert sum(isinstance(i, SeriesEnd) for i in items) == 3
    kinds = {type(e) for e in heard}
    assert {ev.Started, ev.StepProgress, ev.ChipReading, ev.Picture, ev.Finished, ev.RunStateChanged} <= kinds
    told = [e.result for e in heard if isinstance(e, ev.ResultReceived)]
    assert any(isinstance(r, DiffusivityResult) for r in told)
    pulses = records_of(tmp_path / "s", Heated)
    assert [p.duration_s for p in pulses] == pytest.approx([60.0, 120.0], abs=0.01)
    with (tmp_path / "s" / "chip.csv").open() as file:
        readings = np.genfromtxt(file, delimiter=",", names=True)
    spans_s = np.diff(readings["time_s"])
    assert spans_s[readings["temperature_c"][1:] > 60.0].max() <= 0.11
    assert spans_s.max() <= 1.11
    at_temperature_s = 0.1 * np.count_nonzero(np.abs(readings["temperature_c"] - 450.0) < 1.0)
    assert at_temperature_s == pytest.approx(180.0, abs=0.5)
    hot = readings[readings["temperature_c"] > 440.0]
    assert hot["resistance_ohm"].mean() > 1.3 * readings["resistance_ohm"][0]


@pytest.mark.parametrize(("ramp_c_per_s", "worth_s"), [(1000.0, 10.0), (5.0, 14.0)])
def test_the_heat_booked_is_the_diffusion_that_took_place(session_file, tmp_path, ramp_c_per_s, worth_s):
    swap = ONLY_HEAT | {"ramp_c_per_s = 1000.0": f"ramp_c_per_s = {ramp_c_per_s}"}
    path = session_file(durations_s="[10.0]", **swap)
    session, clock = session_in(path, tmp_path / "s")
    clock.run(session.run())
    truth = json.loads((tmp_path / "s" / "truth" / "truth.json").read_text())["particles"]["NC2"]
    states = (tmp_path / "s" / "truth" / "states.jsonl").read_text().splitlines()
    true_s = json.loads(states[-1])["particles"]["NC2"]["tau_nm2"] / (1e18 * truth["d_450_m2_per_s"])
    (pulse,) = records_of(tmp_path / "s", Heated)
    assert pulse.duration_s == pytest.approx(10.0, abs=0.11)
    assert pulse.worth_s == pytest.approx(true_s, abs=0.03)
    assert true_s == pytest.approx(worth_s, abs=0.5)


def test_one_seed_gives_the_same_session_twice(session_file, tmp_path, recorded):
    first = recorded(session_file(**FEW_TILTS), tmp_path / "a")
    session, clock = session_in(session_file(**FEW_TILTS), tmp_path / "b")
    clock.run(session.run())
    assert session.json()["particles"] == first.told["particles"]
    images = [[i.image.tobytes() for i in read_session(tmp_path / name) if isinstance(i, Frame)] for name in ("a", "b")]
    assert len(images[0]) == 30
    assert images[0] == images[1]


def test_a_continuous_sweep_is_recorded_and_analysed(session_file, tmp_path):
    session, clock = session_in(session_file(**FEW_TILTS, mode="continuous"), tmp_path / "s")
    clock.run(session.run())
    states = session.json()["particles"]["NC2"]["states"]
    assert [s["frames"] for s in states] == [15, 15]
    assert states[1]["alloying"]["value"] > 0.1


def test_frames_lost_on_the_way_are_asked_for_again(session_file, tmp_path, monkeypatch):
    send = Streams._send_item
    lost: list[int] = []

    def lossy(self, item) -> None:
        seq = item.header.seq if isinstance(item, Frame) else item.seq
        if seq % 4 == 1 or 18 < seq < 30:
            lost.append(seq)
        else:
            send(self, item)

    monkeypatch.setattr(Streams, "_send_item", lossy)
    session, clock = session_in(session_file(**FEW_TILTS), tmp_path / "s")
    clock.run(session.run())
    assert len(lost) > 15
    states = [r for r in session.results if isinstance(r, StateResult)]
    assert [s.frames for s in states] == [15, 15]
    assert analyse(tmp_path / "s", lambda _: None)["particles"] == session.json()["particles"]


@pytest.mark.parametrize("when_tilts", [10, pytest.param(20, marks=pytest.mark.slow)])
def test_an_abort_keeps_what_was_recorded_and_analyses_it(session_file, tmp_path, when_tilts):
    seen = 0

    def hear(event: ev.Event) -> None:
        nonlocal seen
        seen += isinstance(event, ev.Picture)
        if seen == when_tilts:
            seen += 1
            session.engine.abort("test")

    session, clock = session_in(session_file(**FEW_TILTS), tmp_path / "s", hear)
    assert clock.run(session.run()) is FinishReason.ABORTED
    frames = [i for i in read_session(tmp_path / "s") if isinstance(i, Frame)]
    assert when_tilts <= len(frames) <= when_tilts + 1
    assert len(analyse(tmp_path / "s", lambda _: None)["particles"]["NC2"]["states"]) == (1 if when_tilts < 15 else 2)


def test_an_emergency_stop_in_a_pulse_quenches_books_the_heat_and_says_so(session_file, tmp_path):
    def hear(event: ev.Event) -> None:
        told.append(event)
        if (
            isinstance(event, ev.ChipReading)
            and event.temperature_c > 440
            and event.time_s > hot.setdefault("at", event.time_s) + 20
        ):
            hot.setdefault("stop", asyncio.ensure_future(session.command("stop")))

    hot: dict = {}
    told: list[ev.Event] = []
    session, clock = session_in(session_file(durations_s="[90.0]", **ONLY_HEAT), tmp_path / "s", hear)
    with pytest.raises(InterlockTripped, match="emergency stop"):
        clock.run(session.run())
    # What a screen shows at last is the chip as its guard reads it, and that it was stopped.
    *_, last = (e for e in told if isinstance(e, ev.ChipReading))
    assert last.temperature_c < 60.0
    assert any(e.level == "error" and "the chip is off" in e.text for e in told if isinstance(e, ev.Log))
    (pulse,) = records_of(tmp_path / "s", Heated)
    assert 19.0 < pulse.duration_s < 23.0
    guard = [json.loads(line) for line in (tmp_path / "s" / "guard.jsonl").read_text().splitlines()]
    assert [r["what"] for r in guard if r["what"] in ("made_safe", "cold")] == ["made_safe", "cold"]


def test_a_recorded_session_replays_to_the_same_numbers(session_file, tmp_path, recorded):
    path = session_file(**FEW_TILTS)
    first = recorded(path, tmp_path / "s")
    text = path.read_text()
    start, end = text.index("[microscope]"), text.index("[scan]")
    replayed = text[:start] + '[microscope]\nbackend = "replay"\noptions = { source = "s" }\n\n' + text[end:]
    replayed = replayed.replace('backend = "simulated"', 'backend = "replay"')
    path = tmp_path / "replay.toml"
    path.write_text(replayed)
    second, clock = session_in(path, tmp_path / "again")
    clock.run(second.run())
    one, two = first.told["particles"]["NC2"], second.json()["particles"]["NC2"]
    assert [s["alloying"] for s in one["states"]] == [s["alloying"] for s in two["states"]]


def test_a_dead_analysis_is_started_again_and_loses_nothing(session_file, tmp_path):
    """It also leaves the processor to the chip's controller, while it lives."""
    import os
    import signal

    def hear(event: ev.Event) -> None:
        if isinstance(event, ev.Picture) and event.step == "c01/NC2/tilt" and not killed:
            pids = [r.pid for r in records_of(tmp_path / "s", AnalysisStarted)]
            assert os.getpriority(os.PRIO_PROCESS, pids[-1]) > os.getpriority(os.PRIO_PROCESS, 0)
            os.kill(pids[-1], signal.SIGKILL)
            killed.append(pids[-1])

    killed: list[int] = []
    session, clock = session_in(session_file(**FEW_TILTS), tmp_path / "s", hear)
    clock.run(session.run())
    assert killed
    assert analyse(tmp_path / "s", lambda _: None)["particles"] == session.json()["particles"]


def test_an_abort_in_a_slow_ramp_quenches_at_once(session_file, tmp_path):
    hottest = 0.0

    def hear(event: ev.Event) -> None:
        nonlocal hottest
        if isinstance(event, ev.ChipReading):
            hottest = max(hottest, event.temperature_c)
            if event.temperature_c > 100.0:
                session.engine.abort("test")

    path = session_file(durations_s="[90.0]", **ONLY_HEAT, **{"ramp_c_per_s = 1000.0": "ramp_c_per_s = 2.0"})
    session, clock = session_in(path, tmp_path / "s", hear)
    assert clock.run(session.run()) is FinishReason.ABORTED
    assert hottest < 110.0
    (pulse,) = records_of(tmp_path / "s", Heated)
    assert pulse.duration_s == 0.0


def test_a_full_disk_stops_the_session_with_words_and_keeps_what_was_acknowledged(session_file, tmp_path, monkeypatch):
    from drivers.errors import RecordingError

    def hear(event: ev.Event) -> None:
        nonlocal pictures
        pictures += isinstance(event, ev.Picture)
        if pictures == 12:
            full = SimpleNamespace(f_bavail=0, f_frsize=4096, f_files=100, f_favail=100)
            monkeypatch.setattr(os, "statvfs", lambda _: full)

    pictures = 0
    session, clock = session_in(session_file(durations_s="[90.0]"), tmp_path / "s", hear)
    with pytest.raises(RecordingError, match="free space"):
        clock.run(session.run())
    acknowledged = [r.seq for r in records_of(tmp_path / "s", FrameRecorded)]
    assert [i.header.seq for i in read_session(tmp_path / "s") if isinstance(i, Frame)] == acknowledged
    assert len(acknowledged) == 12


def test_a_step_file_cut_before_its_first_frame_does_not_spoil_the_session(session_file, tmp_path, recorded):
    session = recorded(session_file(**FEW_TILTS), tmp_path / "s")
    (session.folder / "frames" / "c09_NC2_tilt.h5").write_bytes(b"\x89HDF cut")
    assert analyse(session.folder, lambda _: None)["particles"] == session.told["particles"]
