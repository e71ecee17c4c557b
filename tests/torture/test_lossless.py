"""Many frames through an analysis that is slow and dies again and again: none missing, doubled or out of order."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from controller import events as ev
from controller.record.recorder import Recorder
from controller.stream.streams import Streams
from drivers.clock import WallClock
from drivers.frames import Frame, FrameHeader, SeriesEnd
from drivers.recorded.folder import SessionFolder
from tests.controller.stream.taken import Taken
from tests.torture.conftest import TORTURE

ROOT = Path(__file__).parents[2]
FRAMES = round(2000 * TORTURE)
LIVES = 5 if TORTURE <= 1.0 else 20
A_STEP = 200
LIMIT_S = 100.0 * max(1.0, TORTURE)
MOST_MB = 512.0

CONSUMER = """
import sys, time
from pathlib import Path
import zmq
from analysis.live.worker import Worker
from drivers.frames import Frame, seq_of
from drivers.requests import RequestSocket

class Counting:
    pending = False
    def __init__(self, path, slow_s):
        self.file, self.slow_s = open(path, "w", buffering=1), slow_s
    def feed(self, item):
        time.sleep(self.slow_s)
        if isinstance(item, Frame):
            assert (item.image == seq_of(item) % 60000).all(), seq_of(item)
        # Not ru_maxrss, which a process has from the one that started it.
        peak_mb = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
        self.file.write(f"{seq_of(item)} {peak_mb:.0f}\\n")
        return []

with zmq.Context() as context:
    counting = Counting(sys.argv[3], float(sys.argv[4]))
    sys.exit(Worker(context, sys.argv[1], RequestSocket(context, sys.argv[2]), counting).run())
"""


def frame(seq: int, step: str, side: int) -> Frame:
    header = FrameHeader(
        seq=seq,
        session="s",
        step=step,
        index=seq % A_STEP,
        particle="A",
        core="Au",
        shell="Ag",
        time_s=float(seq),
        tilt_deg=0.0,
        pixel_nm=1.0,
    )
    return Frame(header, np.full((side, side), seq % 60000, np.uint16))


@pytest.mark.slow
@pytest.mark.timeout(600 * max(1.0, TORTURE))
@pytest.mark.parametrize(("side", "frames"), [(64, FRAMES), (1024, max(40, FRAMES // 50))])
def test_no_frame_is_lost_on_the_way_to_an_analysis_that_dies(tmp_path, tell, side, frames):
    logs = [tmp_path / f"life{n}" for n in range(LIVES + 1)]

    async def main() -> None:
        folder = SessionFolder(tmp_path / "s")
        folder.frames.mkdir(parents=True)
        recorder = Recorder(folder, WallClock())
        streams = Streams(recorder, ev.Events(), Taken(), nobody)

        def start(n: int) -> subprocess.Popen:
            slow_s = 0.005 if n < LIVES else 0.0  # a tenth of the pace at which frames come, until its last life
            command = [sys.executable, "-c", CONSUMER, *(streams.endpoints[k] for k in ("frames", "requests"))]
            with (tmp_path / "consumer.log").open("a") as log:
                return subprocess.Popen([*command, str(logs[n]), str(slow_s)], cwd=ROOT, stderr=log)

        async def acquire() -> None:
            for seq in range(frames):
                step = f"c{seq // A_STEP:03d}/A/tilt"
                if streams.next_seq and seq % A_STEP == 0:
                    last = f"c{seq // A_STEP - 1:03d}/A/tilt"
                    mark = SeriesEnd(seq=streams.next_seq, step=last, particle="A", frames=A_STEP, planned=A_STEP)
                    streams.publish(mark)
                one = frame(streams.next_seq, step, side)
                await recorder.write(one)
                streams.publish(one)
            streams.closed = True

        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(streams.serve())
                acquiring = tasks.create_task(acquire())
                for n in range(LIVES):
                    consumer = start(n)
                    await written(logs[n], min(300, 2 * frames))
                    os.kill(consumer.pid, signal.SIGKILL)
                    consumer.wait()
                consumer = start(LIVES)
                code = await asyncio.to_thread(consumer.wait, LIMIT_S)
                await acquiring
                serving.cancel()
            assert code == 0
        finally:
            await recorder.close()
            streams.close()
        lines = [line.split() for line in logs[LIVES].read_text().splitlines()]
        seen = [int(line[0]) for line in lines]
        assert seen == list(range(streams.next_seq))
        consumer_mb = float(lines[-1][1])
        told = f"0 missing, doubled or out of order; consumer {consumer_mb:.0f} MB, test and recorder {own_mb():.0f} MB"
        tell(f"frames of {side} x {side} to a consumer that dies {LIVES} times", frames, told)
        assert consumer_mb < MOST_MB

    asyncio.run(main())


def own_mb() -> float:
    """The most that this process has had; alone, that is the recorder and little else."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


async def written(path: Path, size: int) -> None:
    until_s = time.monotonic() + 20.0
    while not (path.exists() and path.stat().st_size > size) and time.monotonic() < until_s:  # noqa: ASYNC110  # a file
        await asyncio.sleep(0.01)


async def nobody(_: str) -> str:
    return ""
