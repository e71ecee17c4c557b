"""The screen on a terminal: what it sends and costs while frames stream, how soon it comes, and how soon a key acts."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.live.settings import AnalysisSettings
from analysis.results import AnyResult, Estimate, Preview, StateResult
from analysis.tomography.projector import Volume
from benchmarks import screen_memory
from benchmarks.row import Row
from controller import events as ev
from controller.record.recorder import Recorder
from controller.stream.shares import Shares
from controller.stream.streams import Streams
from drivers.clock import WallClock
from drivers.recorded.folder import SessionFolder

FRAMES_PER_S, READINGS_PER_S = 25, 10
TILTS, PLANNED_S = 71, 3600.0
STARTS = 9
SETTLES_S = 5.0
"""Before anything is counted: the first screen is drawn once."""


@dataclass(frozen=True)
class Watched:
    """What a screen did."""

    first_s: float
    """From the start of its process to the session's title."""
    kb_per_s: float
    cores: float
    """Of its process, while frames streamed."""
    keys_s: tuple[float, ...]
    """From a key to the words that answer it."""


class _NoAnalysis:
    """Nothing is analysed here."""

    settings, token, is_complete = AnalysisSettings(), "", True

    def __init__(self) -> None:
        self.shares = Shares(lambda _: None)

    def take(self, result: AnyResult, after: int = 0) -> None: ...

    async def take_volume(self, step: str, volume: Volume, voxel_nm: float) -> None: ...


async def watch(columns: int, lines: int, for_s: float, keys: int) -> Watched:
    """Through real sockets and a real pseudo-terminal, fed as a real session feeds it; 0 s: until it is seen."""
    with tempfile.TemporaryDirectory(prefix="screen") as folder:
        events = ev.Events()
        (Path(folder) / "frames").mkdir()
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def on_command(command: str) -> str:
            heard.put_nowait(command)
            return f"answered {command}"

        streams = Streams(Recorder(SessionFolder(Path(folder)), WallClock()), events, _NoAnalysis(), on_command)
        serving = asyncio.create_task(streams.serve())
        feeding = asyncio.create_task(_feed(events, folder))
        try:
            return await _on_terminal(streams.endpoints["requests"], columns, lines, for_s, keys)
        finally:
            for task in (feeding, serving):
                task.cancel()
            await asyncio.wait([feeding, serving])
            streams.close()


async def _feed(events: ev.Events, folder: str) -> None:
    """An hour's plan from its middle: tilts by the second, the chip cold, a new result every tilt series."""
    began, rng = time.monotonic(), np.random.default_rng(1)
    y, x = np.indices((64, 64))
    ball = 255.0 * np.exp(-((y - 32) ** 2 + (x - 32) ** 2) / 300)
    events.tell(ev.Started("streamed", folder, True, ("NC2",), 19, {"NC2": 1e6}, True))
    events.tell(ev.PlanTold(tuple(ev.PlannedStep(f"c{n:02d}/NC2/tilt", "tilt NC2", 190.0) for n in range(19))))
    events.tell(ev.RunStateChanged(0.0, "running"))
    for n in range(1800):
        events.tell(ev.ChipReading(float(n), 450.0 if n % 300 > 270 else 25.0, 450.0 if n % 300 > 270 else 25.0, 10.0))
    tick = 0
    while True:
        now_s = 1800.0 + time.monotonic() - began
        step = f"c{9 + tick // TILTS % 10:02d}/NC2/tilt"
        noisy = np.clip(ball + rng.normal(0.0, 12.0, ball.shape), 0, 255).astype(np.uint8)
        tilt_deg = -70.0 + 2.0 * (tick % TILTS)
        events.tell(ev.Picture(step, tilt_deg, noisy.shape, noisy.tobytes(), tick % TILTS, 0.6))
        left_s = PLANNED_S - now_s
        progress = ev.StepProgress(
            now_s, step, 9, 19, tick % TILTS, TILTS, left_s, tilt_deg, {"NC2": 5e5 + 100.0 * tick}
        )
        events.tell(progress)
        if tick % TILTS == TILTS - 1:
            _tell_results(events, step, noisy)
        if tick * READINGS_PER_S // FRAMES_PER_S != (tick - 1) * READINGS_PER_S // FRAMES_PER_S:
            events.tell(ev.ChipReading(now_s, 25.0 + rng.normal(0.0, 0.05), 25.0, 0.0, 2.3))
        tick += 1
        await asyncio.sleep(max(0.0, began + tick / FRAMES_PER_S - time.monotonic()))


def _tell_results(events: ev.Events, step: str, pixels: np.ndarray) -> None:
    shape = (pixels.shape[0], pixels.shape[1])
    events.tell(
        ev.ResultReceived(
            Preview(step=step, particle="NC2", frames=TILTS, shape=shape, pixels=pixels.tobytes(), pixel_nm=0.6)
        )
    )
    events.tell(
        ev.ResultReceived(
            StateResult(
                step=step,
                particle="NC2",
                state=int(step[1:3]),
                heated_s=15.0 * int(step[1:3]),
                frames=TILTS,
                planned=TILTS,
                alloying=Estimate(min(1.0, 0.06 * int(step[1:3])), 0.004),
                volume_nm3=148000.0,
                quality="good",
                simulated=True,
            )
        )
    )


async def _on_terminal(endpoint: str, columns: int, lines: int, for_s: float, keys: int) -> Watched:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    began = time.perf_counter()
    screen = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "controller.cli", "monitor", endpoint),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,  # where Textual draws
        env=os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
        start_new_session=True,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    drawn, came = bytearray(), asyncio.Event()

    def read() -> None:
        try:
            drawn.extend(os.read(ours, 1 << 20))
        except OSError:
            asyncio.get_running_loop().remove_reader(ours)
        came.set()

    async def until(words: str, start: int) -> float:
        async with asyncio.timeout(30.0):
            while words not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn[start:].decode(errors="replace")):
                came.clear()
                await came.wait()
        return time.perf_counter()

    asyncio.get_running_loop().add_reader(ours, read)
    try:
        first_s = await until("streamed", 0) - began
        if not for_s:
            return Watched(first_s, 0.0, 0.0, ())
        await asyncio.sleep(SETTLES_S)
        sent, used_s, since = len(drawn), _cpu_s(screen.pid), time.perf_counter()
        await asyncio.sleep(for_s)
        passed_s = time.perf_counter() - since
        rate, cores = (len(drawn) - sent) / passed_s, (_cpu_s(screen.pid) - used_s) / passed_s
        answers = []
        for n in range(keys):
            start, pressed = len(drawn), time.perf_counter()
            os.write(ours, b"42"[n % 2 : n % 2 + 1])
            answers.append(await until("starts" if n % 2 == 0 else "particle", start) - pressed)
            await asyncio.sleep(0.13)
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        os.killpg(screen.pid, signal.SIGKILL)
        await screen.wait()
        os.close(ours)
    return Watched(first_s, 1e-3 * rate, cores, tuple(answers))


def _cpu_s(pid: int) -> float:
    """Of all threads of a process so far."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def rows(short: bool) -> Iterator[Row]:
    for_s, keys = (3.0, 4) if short else (30.0, 200)
    for columns, lines, most_kb in ((80, 24, 5.0), (200, 60, None)):
        seen = asyncio.run(watch(columns, lines, for_s, keys))
        at = f"screen at {columns}x{lines}, {FRAMES_PER_S} frames/s"
        others = [asyncio.run(watch(columns, lines, 0.0, 0)).first_s for _ in range(0 if short else STARTS - 1)]
        first_s = float(np.median([seen.first_s, *others]))
        starts = f"first one after, median of {len(others) + 1}"
        yield Row(f"{at}: {starts}", first_s, "s", bar="<= 0.7 s", held=first_s <= 0.7)
        few = None if most_kb is None else seen.kb_per_s <= most_kb
        yield Row(f"{at}: sent", seen.kb_per_s, "kB/s", bar="" if most_kb is None else f"<= {most_kb:g} kB/s", held=few)
        yield Row(f"{at}: of a core", 100.0 * seen.cores, "%", bar="<= 5 %", held=seen.cores <= 0.05)
        slowest = float(np.percentile(seen.keys_s, 99.0))
        yield Row(f"{at}: from a key to its sheet, p99 of {keys}", slowest, "s", bar="<= 0.1 s", held=slowest <= 0.1)
    if not short:
        yield from screen_memory.rows()


if __name__ == "__main__":
    for row in rows("--short" in sys.argv):
        print(row, flush=True)
