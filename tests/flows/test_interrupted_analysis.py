"""Old data whose analysis is cut: the same command goes on, and tells what it would have told."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.live.particle_history import ParticleHistory
from analysis.live.settings import AnalysisSettings
from analysis.reanalysis import checkpoint
from analysis.reanalysis.checkpoint import Checkpoint
from analysis.reanalysis.offline import Interrupted, analyse
from analysis.results import Result, StateResult
from drivers.recorded.session import read_session


@pytest.fixture
def folder(session_file, tmp_path, recorded, monkeypatch) -> Path:
    monkeypatch.setattr(checkpoint, "_EVERY_S", 0.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return recorded(session_file(durations_s="[30.0, 30.0]", step_deg=10.0), tmp_path / "s").folder


@pytest.fixture
def analysed(monkeypatch) -> list[str]:
    """Steps whose tilt series were truly analysed."""
    steps: list[str] = []
    add = ParticleHistory.add_series
    monkeypatch.setattr(
        ParticleHistory, "add_series", lambda self, frames, end: (steps.append(end.step), add(self, frames, end))[1]
    )
    return steps


def interrupted_at(state: int):
    def report(result: Result) -> None:
        if isinstance(result, StateResult) and result.state == state:
            raise KeyboardInterrupt

    return report


def test_it_goes_on_after_the_last_finished_series_and_tells_the_same(folder, tmp_path, analysed):
    heard: list[tuple[int, int]] = []
    whole = analyse(folder, lambda _: None, hear=lambda *told: heard.append(told))
    assert heard == [(n, 3) for n in range(4)]
    assert list((tmp_path / "cache/alloyscope/analyses").iterdir()) == []
    analysed.clear()
    with pytest.raises(Interrupted, match="goes on from its last"):
        analyse(folder, interrupted_at(1))
    (kept,) = (tmp_path / "cache/alloyscope/analyses").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    first, second, third = sorted(set(analysed) | {"c02/NC2/tilt"})
    assert analysed == [first, second]
    heard: list[Result] = []
    told = analyse(folder, heard.append)
    assert analysed == [first, second, second, third]
    assert [r.step for r in heard if isinstance(r, StateResult)] == [first, second, third]
    assert told == whole
    assert list(kept.parent.iterdir()) == []


def test_other_settings_other_data_and_a_damaged_checkpoint_begin_anew(folder, tmp_path, analysed):
    with pytest.raises(Interrupted):
        analyse(folder, interrupted_at(1))
    items = read_session(folder)
    assert Checkpoint(AnalysisSettings(), items).found()[0] == 0, "another seed than the session's"
    (kept,) = (tmp_path / "cache/alloyscope/analyses").iterdir()
    data = kept.read_bytes()
    kept.write_bytes(data[: len(data) // 2])
    analysed.clear()
    analyse(folder, lambda _: None)
    assert len(analysed) == 3


def test_ctrl_c_says_how_to_go_on(folder, tmp_path):
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    code = "import sys; from analysis.reanalysis import checkpoint; checkpoint._EVERY_S = 0.0; from controller.cli "
    code += "import main; sys.argv[1:] = ['analyse', sys.argv[1]]; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        until = time.monotonic() + 120.0
        while time.monotonic() < until and not list(tmp_path.glob("cache/alloyscope/analyses/*.pickle")):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == (
        "alloyscope: analyse was interrupted; the same command goes on from its last finished tilt series\n"
    )
