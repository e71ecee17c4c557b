"""What NeXus's own validators say of recorded sessions, and what other programs see in them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  # registers the compression filter
import mrcfile
import numpy as np
import pytest

import alloyscope as al
from controller import events as ev
from controller.engine import FinishReason
from drivers.frames import Frame
from drivers.recorded.journal import records_of
from drivers.recorded.records import AnalysisStarted, Begin, FrameRecorded, SeriesBegin
from drivers.recorded.session import read_session
from tests.command import ALLOYSCOPE
from tests.flows.recording import MAPPED, SMALL, session_in


def peer(program: str, *arguments: str, cwd: Path) -> str:
    """Everything that a program of this environment says."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout + done.stderr


def faults(folder: Path) -> list[str]:
    """Of the index and all that it links to, by both validators: they end with 0 whatever they found."""
    with h5py.File(folder / "session.nxs") as file:
        entries = list(file)
    assert entries
    told = peer("pynx", "validate", "session.nxs", cwd=folder)  # links are followed from where it is started
    found = [line for line in told.splitlines() if re.search("WARNING|ERROR|NOT valid", line)]
    praise = "entry `{}` in file `session.nxs` is valid"
    found += [f"pynx does not find {e} valid" for e in entries if praise.format(e) not in told]
    for entry in entries:
        told = peer("nxvalidate", "-e", "-p", f"/{entry}", "session.nxs", cwd=folder)
        if "Total number of errors: 0" not in told:
            found.append(told)
    return found


def killed(session_file: Path, folder: Path, frames: int) -> None:
    """A dry run in a process of its own, which dies in the middle of a step, its analysis with it."""
    command = [*ALLOYSCOPE, "dry-run", str(session_file), "--no-screen", "--out", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90.0
    journal = folder / "journal.jsonl"
    while not journal.exists() or journal.read_bytes().count(b'"what": "frame"') < frames:
        assert process.poll() is None and time.monotonic() < deadline, "the session did not come so far"
        time.sleep(0.005)
    process.kill()
    process.wait()
    for started in records_of(folder, AnalysisStarted):
        os.kill(started.pid, signal.SIGKILL)
    for sockets in Path(tempfile.gettempdir()).glob("alloyscope-*"):
        shutil.rmtree(sockets)  # what was killed could not


def test_a_complete_session_is_valid_nexus_with_wall_clock_times(session_file, tmp_path, recorded):
    before = datetime.now(UTC)
    folder = recorded(session_file(**SMALL, **MAPPED), tmp_path / "s").folder
    assert faults(folder) == []
    (begin,) = records_of(folder, Begin)
    steps = records_of(folder, SeriesBegin)
    began = [datetime.fromisoformat(utc) for utc in (begin.utc, *(s.utc for s in steps))]
    assert began == sorted(began)
    assert began[0].utcoffset().total_seconds() == 0.0
    assert abs((began[0] - before).total_seconds()) < 3600.0  # recorded now, or by another test of this run
    with h5py.File(folder / "session.nxs") as file:
        told = {name: file[name]["start_time"][()].decode() for name in file}
        assert told == {"session": begin.utc} | {s.step.replace("/", "_"): s.utc for s in steps}
        assert datetime.fromisoformat(file["session/end_time"][()].decode()) >= began[-1]
        assert {file[n]["definition"][()].decode() for n in file if n.endswith("tilt")} == {"NXtomo"}
        series = file["c00_NC2_tilt"]
        frames = [i.header for i in read_session(folder) if isinstance(i, Frame) and i.header.step == "c00/NC2/tilt"]
        np.testing.assert_allclose(series["instrument/detector/stop_time"], [h.time_s for h in frames])
        assert series["title"][()].decode().endswith("(simulated)")
        assert series["instrument/name"][()].decode() == "simulated"


def test_an_aborted_session_is_valid_nexus(session_file, tmp_path):
    seen = 0

    def hear(event: ev.Event) -> None:
        nonlocal seen
        seen += isinstance(event, ev.Picture)
        if seen == 3:
            session.engine.abort("test")

    session, clock = session_in(session_file(**SMALL), tmp_path / "s", hear)
    assert clock.run(session.run()) is FinishReason.ABORTED
    assert faults(tmp_path / "s") == []


def test_a_killed_session_is_valid_nexus_with_the_step_in_which_it_died(session_file, tmp_path):
    folder = tmp_path / "s"
    killed(session_file(step_deg=0.5), folder, frames=20)
    assert faults(folder) == []
    acknowledged = len(records_of(folder, FrameRecorded))
    with h5py.File(folder / "session.nxs") as file:
        assert "end_time" not in file["session"]
        assert len(file["c00_NC2_tilt/data/data"]) >= acknowledged >= 20
        assert len(file["c00_NC2_tilt/data/rotation_angle"]) == len(file["c00_NC2_tilt/data/data"])


def test_the_validators_would_have_told(session_file, tmp_path, recorded):
    folder = recorded(session_file(**SMALL, **MAPPED), tmp_path / "s").folder
    with h5py.File(folder / "frames" / "c00_NC2_tilt.h5", "a") as file:
        del file["c00_NC2_tilt/sample/rotation_angle"]
    with h5py.File(folder / "session.nxs", "a") as file:
        del file["session/sampleID/atom_types"]
    told = "\n".join(faults(folder))
    assert "rotation_angle" in told and "atom_types" in told


@pytest.mark.filterwarnings("ignore")  # theirs
def test_hyperspy_silx_and_nexusformat_see_true_axes(session_file, tmp_path, recorded):
    import hyperspy.api as hs
    import silx.io
    from nexusformat.nexus import nxload
    from silx.io import nxdata

    folder = recorded(session_file(**SMALL, **MAPPED), tmp_path / "s").folder
    series, edx = folder / "frames" / "c00_NC2_tilt.h5", folder / "frames" / "c01_NC2_edx.h5"
    for path in (series, folder / "session.nxs", edx):
        wanted = [("frame", 1.0, ""), ("y", 0.5, "nm"), ("x", 0.5, "nm")]
        if path != edx:
            wanted = [("rotation_angle", 5.0, "deg"), ("y", 2.0, "nm"), ("x", 2.0, "nm")]
        loaded = hs.load(path, reader="nexus", nxdata_only=True)
        signals = loaded if isinstance(loaded, list) else [loaded]
        axes = [(a.name, a.scale, a.units or "") for a in signals[0].axes_manager._axes]
        assert [(n, pytest.approx(s), u) for n, s, u in wanted] == axes
        with silx.io.open(str(path)) as file:
            shown = nxdata.get_default(file)
            names = [f"{name} ({units})" if units else name for name, _, units in wanted]
            assert shown.axes_names == names and shown.signal_name == "data (counts)"
            np.testing.assert_array_equal(shown.signal, signals[0].data)
        tree = nxload(str(path))
        plotted = tree.plottable_data
        assert [(a.nxname, a.attrs.get("units", "")) for a in plotted.nxaxes] == [(n, u) for n, _, u in wanted]
        assert [a.nxvalue[1] - a.nxvalue[0] for a in plotted.nxaxes] == pytest.approx([s for _, s, _ in wanted])
        if path != edx:
            np.testing.assert_array_equal(plotted.nxaxes[0], al.open_session(folder).tilts_deg("c00/NC2/tilt"))


def test_volumes_have_their_voxel_size(session_file, tmp_path, recorded):
    folder = recorded(session_file(**SMALL, **MAPPED), tmp_path / "s").folder
    with mrcfile.open(folder / "volumes" / "c00_NC2_tilt.mrc") as volume:
        size = volume.voxel_size
        assert [float(size.x), float(size.y), float(size.z)] == pytest.approx([20.0, 20.0, 20.0])  # in angstroms
