"""What the tests of the façade share."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import alloyscope as al
from analysis.results import Estimate, StateResult
from drivers.frames import Frame, FrameHeader
from drivers.recorded.folder import SessionFolder
from drivers.recorded.records import Begin, Record, SeriesBegin
from drivers.recorded.step_file import StepFile

TILTS = np.arange(-70.0, 71.0, 10.0)


@pytest.fixture(scope="session")
def ball() -> NDArray[np.float64]:
    """A bright ball inside a dimmer one (z, y, x), a little off-centre along the tilt axis."""
    z, y, x = np.indices((32, 32, 32)) - 15.5
    r = np.sqrt(z**2 + y**2 + (x - 1.0) ** 2)
    return 4.0 * (r < 9.0) + 5.0 * (r < 5.0)


@pytest.fixture(scope="session")
def series(ball: NDArray[np.float64]) -> NDArray[np.int64]:
    """Its tilt series (tilt, y, x) with counting noise."""
    return np.random.default_rng(1).poisson(20.0 * al.project(ball, TILTS))


@pytest.fixture
def figures() -> Iterator[None]:
    """Figures without a screen, closed afterwards."""
    matplotlib = pytest.importorskip("matplotlib", reason="plots are an extra: pip install 'alloyscope[plots]'")
    matplotlib.use("Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture
def session_folder(tmp_path: Path) -> Path:
    """Two tilt series of a simulated session, and one result, as a controller would leave them."""
    at = SessionFolder(tmp_path / "session")
    at.path.mkdir()
    records: list[Record] = [Begin(session="small", seed=1, simulated=True, particles=("A",))]
    for cycle, step in enumerate(("c00/A/tilt", "c01/A/tilt")):
        frames = [
            Frame(
                FrameHeader(
                    seq=4 * cycle + n,
                    session="small",
                    step=step,
                    index=n,
                    particle="A",
                    core="Au",
                    shell="Ag",
                    time_s=0.0,
                    tilt_deg=10.0 * (n - 1),
                    pixel_nm=0.8,
                    simulated=True,
                ),
                (np.arange(256).reshape(16, 16) + 100 * cycle + n).astype(np.uint16),
            )
            for n in range(3)
        ]
        file = StepFile(at.step_file(step), frames[0])
        for frame in frames:
            file.append(frame)
        file.close()
        records.append(SeriesBegin(step=step, particle="A", planned=3))
    told = [{"n": n, "time_s": 0.0} | msgspec.to_builtins(r) for n, r in enumerate(records)]
    at.journal.write_text("".join(json.dumps(line) + "\n" for line in told))
    state = StateResult(
        step="c01/A/tilt",
        particle="A",
        state=1,
        heated_s=60.0,
        frames=3,
        planned=3,
        alloying=Estimate(0.25, 0.01),
        quality="good",
        simulated=True,
    )
    at.results.write_bytes(msgspec.json.encode(state) + b'\n{"type":"state","st')
    return at.path
