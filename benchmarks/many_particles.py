"""Old data of several particles: one process, two, and dask clusters of one and two workers, one dying half way.

    python -m benchmarks.many_particles [PARTICLES] [STATES]

Each particle is a manifest of its own, every second tilt of one of the twin's sessions.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np

from benchmarks.row import HEAD, Row
from drivers.frames import Frame
from simulators.rehearsal import SimulatedRehearsal

_ALLOYSCOPE = (sys.executable, "-m", "controller.cli")
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("NUMBA", "OPENBLAS", "OMP")}
_STARTS_S = 60.0


def written(folder: Path, particles: int, states: int) -> None:
    """Manifests and their stacks."""
    for seed in range(1, particles + 1):
        series: dict[str, list[Frame]] = {}
        for item in SimulatedRehearsal().session("NC2", seed, "standard").items:
            if isinstance(item, Frame):
                series.setdefault(item.header.step, []).append(item)
        text, known = [f'[[particle]]\nname = "P{seed}"\ncore = "Au"\nshell = "Ag"'], 0
        for number, frames in enumerate(list(series.values())[:states]):
            name, taken = f"p{seed}_{number}", frames[::2]
            mrcfile.write(folder / f"{name}.mrc", np.stack([f.image for f in taken]))
            (folder / f"{name}.tlt").write_text("\n".join(f"{f.header.tilt_deg:.3f}" for f in taken))
            heat = frames[0].header.heat
            pulses = ", ".join(
                f"{{temperature_c = {p.temperature_c}, duration_s = {p.duration_s}}}" for p in heat[known:]
            )
            known = len(heat)
            pixel = frames[0].header.pixel_nm
            text.append(
                f'[[particle.state]]\ntilt_series = "{name}.mrc"\nangles = "{name}.tlt"\npixel_nm = {pixel}\n'
                f"heat = [{pulses}]"
            )
        (folder / f"p{seed}.toml").write_text("\n".join(text))


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers of one thread; gives the address."""
    at = folder / "scheduler.json"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | _ONE_THREAD | {"XDG_CACHE_HOME": str(folder / "cache")}
    options = ("--scheduler-file", str(at), "--no-dashboard")

    def started(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "dask", *words, *options], env=environment, cwd=folder, **quiet)

    running = [started("scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        until_s = time.monotonic() + _STARTS_S
        while not at.exists() and time.monotonic() < until_s:
            time.sleep(0.1)
        alone = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        running += [started("worker", *alone) for _ in range(workers)]
        yield json.loads(at.read_text())["address"], running[1:]
    finally:
        for process in running:
            process.kill()
            process.wait()


def took_s(data: Path, folder: Path, *options: str) -> tuple[float, dict[str, Any]]:
    """Seconds of the command, and what it told."""
    told = folder / "told.json"
    environment = os.environ | _ONE_THREAD | {"XDG_CACHE_HOME": str(folder / "cache")}
    began = time.perf_counter()
    command = [*_ALLOYSCOPE, "analyse", str(data), "--json", str(told), *options]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - began, json.loads(told.read_text())["sources"]


def rows(particles: int = 8, states: int = 3) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (data := base / "data").mkdir()
        written(data, particles, states)

        def fresh(of: str) -> Path:
            (folder := base / of).mkdir()
            return folder

        what = f"{particles} particles, {states} states of 128^2 x 36"
        one_s, told = took_s(data, fresh("one"), "--processes", "1")
        yield Row(f"{what}, one process", one_s, "s")
        two_s, again = took_s(data, fresh("two"), "--processes", "2")
        yield _beside(f"{what}, two processes", two_s, one_s, again == told)
        for workers in (1, 2):
            folder = fresh(f"dask{workers}")
            with cluster(folder, workers) as (address, _):
                dask_s, again = took_s(data, folder, "--scheduler", address)
            beside = f"{what}, dask with {workers} worker{'s' if workers > 1 else ''}"
            if workers == 1:
                over = dask_s / one_s - 1.0
                yield Row(beside, dask_s, "s", "one process", one_s, bar="<= 5 % over", held=over <= 0.05)
            else:
                yield _beside(beside, dask_s, one_s, again == told)
        folder = fresh("killed")
        with cluster(folder, 2) as (address, workers_of):
            dying = f"sleep {0.5 * two_s:.0f}; kill -9 {workers_of[0].pid}"
            killer = subprocess.Popen(["sh", "-c", dying])
            killed_s, again = took_s(data, folder, "--scheduler", address)
            killer.wait()
        yield Row(f"{what}, one of two workers killed half way", killed_s, "s", bar="the same told", held=again == told)


def _beside(work: str, s: float, alone_s: float, same: bool) -> Row:
    held = alone_s / s >= 1.8 and same
    return Row(work, s, "s", "one process", alone_s, bar=">= 1.8 times faster, the same told", held=held)


if __name__ == "__main__":
    print(HEAD)
    for row in rows(*map(int, sys.argv[1:])):
        print(row, flush=True)
