"""Cycles without end: memory, open files and the work that a cycle takes stay what they were."""

import cProfile
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
FLAT = 1.05
FIRST, COUNTED = 5, 6
"""Cycles that import and compile, and those of which the work is counted, early and at the end."""
MORE_BYTES = 700.0
"""A cycle more than the one before: the header of each of its six frames holds all pulses so far."""
PAGE_MB = 4096 / 2**20
SOME_MB = 8.0
"""What an allocator may keep."""


class Work:
    """Calls of functions and bytes written in a cycle: what a busy machine does not blur, as it does time."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.written: list[int] = []
        self._profile: cProfile.Profile | None = None
        self._before = 0

    def cycle(self, *, counted: bool) -> None:
        """One begins here; the one before ends."""
        if self._profile is not None:
            self._profile.disable()
            self.calls.append(sum(entry.callcount for entry in self._profile.getstats()))
            self.written.append(self._bytes() - self._before)
        self._profile, self._before = (cProfile.Profile() if counted else None), self._bytes()
        if self._profile is not None:
            self._profile.enable()

    @staticmethod
    def _bytes() -> int:
        return int(Path("/proc/self/io").read_text().split("wchar: ")[1].split()[0])


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_cycle_after_weeks_is_like_the_first(tmp_path, monkeypatch, tell):
    monkeypatch.setattr("controller.session.LiveAnalysis", NoAnalysis)
    seen: list[tuple[float, float, int]] = []
    work = Work()

    def hear(event: ev.Event) -> None:
        if isinstance(event, ev.StepProgress) and event.step.endswith("/heat") and not event.part:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen.append((time.process_time(), pages * PAGE_MB, len(list(Path("/proc/self/fd").iterdir()))))
            cycle = len(seen)
            work.cycle(counted=FIRST <= cycle < FIRST + COUNTED or CYCLES - COUNTED <= cycle < CYCLES)

    plan = [{"kind": "pulses", "temperature_c": 450.0, "durations_s": [HEAT_S] * CYCLES}]
    file = file_of((), ())
    file = type(file).model_validate(file.model_dump() | {"plan": plan})
    clock, source = SteppedClock(), tmp_path / "session.toml"
    source.write_text("# made by a test\n")
    session = Session(file, source, SessionFolder(tmp_path / "s"), clock, [hear])
    assert clock.run(session.run()) is FinishReason.COMPLETED
    assert len(seen) == CYCLES
    used_s, memory_mb, files = (np.array(v) for v in zip(*seen, strict=True))
    quarter = len(seen) // 4
    took_s = np.diff(used_s)
    early, late = took_s[FIRST + COUNTED : quarter + COUNTED], took_s[-quarter:-COUNTED]
    (calls, calls_late), (written, written_late) = (
        (float(np.median(v[:COUNTED])), float(np.median(v[COUNTED:]))) for v in (work.calls, work.written)
    )
    more_bytes = (written_late - written) / (CYCLES - COUNTED - FIRST)
    more_mb = float(memory_mb[-1] - memory_mb[quarter])
    memory = f"memory {more_mb:+.1f} MB of {memory_mb[-1]:.0f}"
    told = f"calls in a cycle x {calls_late / calls:.3f}, {more_bytes:+.0f} bytes written a cycle"
    told += f", {memory}, files {files[-1] - files[5]:+d}"
    # Its time is told, and judged by none: other work doubles it.
    time_x = np.percentile(late, 10) / np.percentile(early, 10)
    tell(f"cycles of {HEAT_S:g} s, {clock.now() / 86400:.1f} days", len(seen), f"{told}, time x {time_x:.2f}")
    assert files[-1] == files[5]
    assert more_mb < max(SOME_MB, (FLAT - 1.0) * memory_mb[-1]), told
    assert calls_late < FLAT * calls, told
    assert more_bytes < MORE_BYTES, told
