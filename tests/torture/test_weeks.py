"""Cycles without end: memory, open files and the time that a cycle takes stay what they were."""

import time
from pathlib import Path

import numpy as np
import pytest

from controller import events as ev
from controller.engine import FinishReason
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.recorded.folder import SessionFolder
from tests.torture.conftest import TORTURE
from tests.torture.rig import NoAnalysis, file_of

HEAT_S = 600.0
CYCLES = 60 if TORTURE <= 1 else round(14 * 86400 / HEAT_S)
"""By ``make torture`` two weeks of heating."""
FLAT, NOT_GROWING = 1.05, 1.25
"""Of memory; of time, which a busy machine blurs: what grows with the session would be far more."""
PAGE_MB = 4096 / 2**20
SOME_MB = 8.0
"""What an allocator may keep."""


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_cycle_after_weeks_is_like_the_first(tmp_path, monkeypatch, tell):
    monkeypatch.setattr("controller.session.LiveAnalysis", NoAnalysis)
    seen: list[tuple[float, float, int]] = []

    def hear(event: ev.Event) -> None:
        if isinstance(event, ev.StepProgress) and event.step.endswith("/heat") and not event.part:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen.append((time.process_time(), pages * PAGE_MB, len(list(Path("/proc/self/fd").iterdir()))))

    plan = [{"kind": "pulses", "temperature_c": 450.0, "durations_s": [HEAT_S] * CYCLES}]
    file = file_of((), ())
    file = type(file).model_validate(file.model_dump() | {"plan": plan})
    clock, source = SteppedClock(), tmp_path / "session.toml"
    source.write_text("# made by a test\n")
    session = Session(file, source, SessionFolder(tmp_path / "s"), clock, [hear])
    assert clock.run(session.run()) is FinishReason.COMPLETED
    used_s, memory_mb, files = (np.array(v) for v in zip(*seen, strict=True))
    quarter = len(seen) // 4
    # The first cycles import and compile.
    early, late = np.diff(used_s)[5:quarter], np.diff(used_s)[-quarter:]
    # Of those that other work disturbed least: what grows with the session is in every cycle.
    grown = float(np.percentile(late, 10) / np.percentile(early, 10))
    more_mb = float(memory_mb[-1] - memory_mb[quarter])
    memory = f"memory {more_mb:+.1f} MB of {memory_mb[-1]:.0f}"
    told = f"time of a cycle x {grown:.2f}, {memory}, files {files[-1] - files[5]:+d}"
    tell(f"cycles of {HEAT_S:g} s, {clock.now() / 86400:.1f} days", len(seen), told)
    assert files[-1] == files[5]
    assert more_mb < max(SOME_MB, (FLAT - 1.0) * memory_mb[-1]), told
    assert grown < NOT_GROWING, told
