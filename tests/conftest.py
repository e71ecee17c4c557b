"""What every test may use."""

import os

# Two workers of pytest have two cores between them, and so have the processes that a test starts, which inherit this:
# more threads would only wait for each other. It is read when numpy and numba are imported, so it comes before them.
os.environ |= {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# What a session survives must fail a test, also in the processes that it starts.
os.environ["ALLOYSCOPE_RAISE_FAULTS"] = "1"

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from xdist.scheduler import LoadScopeScheduling

from drivers.clock import SteppedClock
from tests.leftovers import nothing_is_left, own_temporary_folder  # noqa: F401  # autouse
from tests.torture.conftest import TORTURE

# A shell's background ignores Ctrl-C, and so would all processes that a test starts there, and wants to interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

T = TypeVar("T")

SESSION = """
title = "small"
seed = 3
report = false

[chip]
backend = "simulated"
ramp_c_per_s = 1000.0
limits = {{ max_c = 600.0 }}

[microscope]
backend = "simulated"
[microscope.options]
particles = [{{ specimen = "NC2" }}]
voxels_across = 36.0
current_pa = 400.0

[scan]
pixel_nm = 2.0
shape = [48, 48]

[tilt]
mode = "{mode}"
from_deg = -70.0
to_deg = 70.0
step_deg = {step_deg}
rate_deg_per_s = 10.0

[[particles]]
name = "NC2"
core = "Au"
shell = "Ag"

[[plan]]
kind = "tilt-series"

[[plan]]
kind = "pulses"
temperature_c = 450.0
durations_s = {durations_s}
"""


REAL_TIME = (
    "test_processes.py",
    "test_blows.py",
    "test_killed_sessions.py",
    "test_killed_ledgers.py",
    "test_hanging_drivers.py",
    "test_vendor_drivers.py",
    "test_deputy.py",
    "test_conformance_on_wires.py",
    "test_lab_rehearsal.py",
    "test_remote.py",
    "test_device_host.py",
    "test_nion.py",
    "test_remote_session.py",
    "test_keithley.py",
    "test_keithley_session.py",
    "test_mqtt_heater.py",
    "test_shared_analysis.py",
)
"""Their limits are real seconds: never beside each other."""

ONE_FIXTURE = ("test_needle_peers.py", "test_leftovers.py")
"""Their fixtures take longer than their tests."""


class _Groups(LoadScopeScheduling):
    """What one worker of pytest takes; else test by test. Marks of pytest-xdist 3.8 do not arrive with pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        if "[UMAP" in nodeid:
            return "UMAP"  # compiled once
        if any(name in nodeid for name in ONE_FIXTURE):
            return nodeid.partition("::")[0]
        return "real time" if any(name in nodeid for name in REAL_TIME) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "_Groups | None":
    return _Groups(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests may take longer; whole sessions begin, so that no worker is left with one at the end."""
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.timeout(300 * max(1.0, TORTURE)))
    items.sort(key=lambda item: "flows" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What an interrupted test leaves goes on nowhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20211)


@pytest.fixture(autouse=True)
def strict_numbers() -> Iterator[None]:
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        yield


@pytest.fixture
def stepped() -> Callable[[Callable[[SteppedClock], Coroutine[Any, Any, T]]], T]:
    """Run a coroutine on a stepped clock; fails when it leaves a task behind."""

    def run(main: Callable[[SteppedClock], Coroutine[Any, Any, T]]) -> T:
        clock = SteppedClock()

        async def checked() -> T:
            result = await main(clock)
            left = [t.get_name() for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            assert not left, f"tasks left running: {left}"
            return result

        return clock.run(checked())

    return run


@pytest.fixture
def session_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a small session file; keyword arguments change it."""

    def write(
        durations_s: str = "[60.0, 120.0]", mode: str = "stepped", step_deg: float = 5.0, more: str = "", **swap: str
    ) -> Path:
        text = SESSION.format(durations_s=durations_s, mode=mode, step_deg=step_deg) + more
        for old, new in swap.items():
            assert old in text, f"{old} is not in the session text"
            text = text.replace(old, new)
        path = tmp_path / "session.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real microscope data beside the project, or where ALLOYSCOPE_DATA says."""
    named = os.environ.get("ALLOYSCOPE_DATA")
    path = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"no real data at {path}: set ALLOYSCOPE_DATA to a folder that holds etspy_needle_76")
    return path


@pytest.fixture(scope="session")
def core_shell() -> Callable[..., NDArray[np.float32]]:
    """A ball in a block, off-centre a little, as intensities (z, y, x)."""

    def draw(n: int, shell: float = 4.0, core: float = 9.0) -> NDArray[np.float32]:
        z, y, x = np.meshgrid(*[np.arange(n) - 0.5 * (n - 1)] * 3, indexing="ij")
        a = 0.28 * n
        block = (abs(z) < a) & (abs(y + 1) < a) & (abs(x) < a)
        ball = (z - 1) ** 2 + y**2 + (x + 2) ** 2 < (0.16 * n) ** 2
        return np.where(ball, core, np.where(block, shell, 0.0)).astype(np.float32)

    return draw
