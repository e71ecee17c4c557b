"""What a step's file looks like to others, and files of before it was NeXus."""

import json
from datetime import datetime
from pathlib import Path

import h5py
import hdf5plugin
import msgspec
import numpy as np
import pytest

import alloyscope as al
from analysis.reanalysis.offline import analyse
from controller.record.past import Past
from drivers.frames import Frame, FrameHeader, SpectrumHeader
from drivers.recorded.folder import SessionFolder
from drivers.recorded.records import Begin, Record, SeriesBegin
from drivers.recorded.session import begin_of, read_session
from drivers.recorded.session_index import add_to_session_index, write_session_index
from drivers.recorded.step_file import StepFile, read_step
from drivers.recorded.step_layout import StepBegan, StepDatasets

SPECTRUM = SpectrumHeader(
    channels=100, channel_ev=20.0, offset_ev=0.0, fwhm_mn_ev=130.0, beam_kev=80.0, frames=4, lines=("Ag_La", "Au_Ma")
)


def frame(seq: int, kind: str) -> Frame:
    header = FrameHeader(
        seq=seq,
        session="s",
        step=f"c00/A/{kind}",
        index=seq,
        particle="A",
        core="Au",
        shell="Ag",
        time_s=100.0 + seq,
        tilt_deg=-70.0 + 2.0 * seq,
        pixel_nm=0.8,
        stage_nm=(1.0, 2.0, 3.0 + seq),
        spectrum=SPECTRUM if kind == "edx" else None,
    )
    image = np.random.default_rng(seq).poisson(20.0, (24, 32)).astype(np.uint16)
    image[0, 0] = seq
    return Frame(header, image, np.arange(seq, dtype=np.uint32) if kind == "edx" else None)


def write_as_before(path: Path, frames: list[Frame]) -> None:
    """As sessions were recorded until they became NeXus."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = hdf5plugin.Bitshuffle(cname="lz4")
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        data = entry.create_group("data")
        images = np.stack([f.image for f in frames])
        data.create_dataset("data", data=images, chunks=(1, *images.shape[1:]), fletcher32=True, **codec)
        data["tilt_deg"] = [f.header.tilt_deg for f in frames]
        entry["headers"] = [msgspec.json.encode(f.header).decode() for f in frames]
        if frames[0].photons is not None:
            photons = entry.create_group("photons")
            photons["photon"] = np.concatenate([f.photons for f in frames if f.photons is not None])
            photons["end_of_frame"] = np.cumsum([len(f.photons) for f in frames if f.photons is not None])


def write_journal(folder: SessionFolder, *records: Record) -> None:
    told = [{"n": n, "time_s": 0.0} | msgspec.to_builtins(r) for n, r in enumerate(records)]
    for line in told:
        for name in ("utc", "microscope", "elements", "imported_from"):
            line.pop(name, None)
    folder.journal.write_text("".join(json.dumps(line) + "\n" for line in told))


@pytest.fixture
def old_session(tmp_path: Path) -> SessionFolder:
    """A tilt series and a map of before."""
    at = SessionFolder(tmp_path / "old")
    write_as_before(at.step_file("c00/A/tilt"), [frame(n, "tilt") for n in range(4)])
    write_as_before(at.step_file("c00/A/edx"), [frame(n, "edx") for n in range(4, 8)])
    steps = [SeriesBegin(step=f"c00/A/{kind}", particle="A", planned=4) for kind in ("tilt", "edx")]
    write_journal(at, Begin(session="s", seed=1, particles=("A",), origin="somewhere"), *steps)
    return at


def test_sessions_of_before_still_open_everywhere(old_session: SessionFolder):
    assert begin_of(old_session.path).utc == ""
    items = [i for i in read_session(old_session.path) if isinstance(i, Frame)]
    assert [i.header for i in items] == [frame(n, "tilt" if n < 4 else "edx").header for n in range(8)]
    assert [None if i.photons is None else i.photons.tolist() for i in items[3:6]] == [None, [0, 1, 2, 3], [*range(5)]]
    session = al.open_session(old_session.path)
    assert session.tilts_deg("c00/A/tilt").tolist() == [-70.0, -68.0, -66.0, -64.0]
    np.testing.assert_array_equal(session.images("c00/A/tilt")[:, 0, 0], [0, 1, 2, 3])
    assert Past.read(old_session.path).taken("c00/A/tilt") == 4
    assert "A" in analyse(old_session.path, lambda _: None)["particles"]


def test_the_index_links_old_and_new_files_alike(old_session: SessionFolder):
    part = old_session.step_file("c00/A/tilt", 2)
    file = StepFile(part, frame(8, "tilt"))
    file.append(frame(8, "tilt"))
    write_session_index(old_session, begin_of(old_session.path))
    file.close()
    with h5py.File(old_session.index) as index:
        assert sorted(index) == ["c00_A_edx", "c00_A_tilt", "c00_A_tilt.part2", "session"]
        assert [len(index[f"{name}/data/data"]) for name in ("c00_A_edx", "c00_A_tilt", "c00_A_tilt.part2")] == [
            4,
            4,
            1,
        ]
        assert index["session/title"][()] == b"s"


def test_particles_with_hyphens_have_names_that_nexus_allows(tmp_path: Path):
    at = SessionFolder(tmp_path)
    for particle in ("A-1", "A_1", "B-1-2", "B_1-2", "C-1"):
        file = StepFile(at.step_file(f"c00/{particle}/tilt"), frame(0, "tilt"))
        file.append(frame(0, "tilt"))
        file.close()
    write_session_index(at)
    with h5py.File(at.index) as index:
        names = {"A_1", "A-1", "B_1_2", "B_1-2", "C_1"}  # the one that comes first has the better name
        assert set(index) == {f"c00_{name}_tilt" for name in names}
        files = {Path(index.get(name, getlink=True).filename).name for name in index}
        assert files == {path.name for path in at.frames.iterdir()}
        assert [len(index[name]["data/data"]) for name in index] == [1] * 5


def test_an_index_to_which_steps_are_added_is_the_one_written_as_a_whole(tmp_path: Path):
    at = SessionFolder(tmp_path)
    for index, particle in enumerate(("B_1", "A-1", "A_1", "A-1", "C")):
        path = at.step_file(f"c0{index // 3}/{particle}/tilt")
        file = StepFile(path, frame(0, "tilt"))
        file.append(frame(0, "tilt"))
        if particle == "C":
            at.index.write_bytes(b"torn")
        add_to_session_index(at, path)
        file.close()

    def links() -> dict[str, tuple[str, str]]:
        with h5py.File(at.index) as index:
            assert index.attrs["default"] in index
            links = {name: index.get(name, getlink=True) for name in index}
            return {name: (link.filename, link.path) for name, link in links.items()}

    added = links()
    write_session_index(at)
    assert added == links()
    assert len(added) == 5


def test_wall_clock_and_session_time_are_told_of_each_frame(tmp_path: Path):
    path = SessionFolder(tmp_path).step_file("c00/A/tilt")
    file = StepFile(path, frame(0, "tilt"), StepBegan("tilt-series", "2026-11-27T12:01:39.000+00:00", time_s=99.0))
    for seq in range(3):
        file.append(frame(seq, "tilt"))
    file.close()
    with h5py.File(path) as written:
        entry = written["c00_A_tilt"]
        times = entry["instrument/detector/stop_time"]
        assert times[:].tolist() == [100.0, 101.0, 102.0]
        assert datetime.fromisoformat(times.attrs["start"]) == datetime.fromisoformat("2026-11-27T12:00:00+00:00")
        assert entry["data/y"][:2].tolist() == [0.0, 0.8]
        assert entry["data/rotation_angle"] == entry["sample/rotation_angle"]


@pytest.mark.parametrize("kind", ["tilt", "edx"])
def test_a_row_that_was_cut_before_its_header_is_no_frame(tmp_path: Path, kind):
    path = SessionFolder(tmp_path).step_file(f"c00/A/{kind}")
    file = StepFile(path, frame(0, kind))
    for seq in range(3):
        file.append(frame(seq, kind))
    file.close()
    with h5py.File(path, "a") as written:
        StepDatasets.of(written).headers.resize(2, axis=0)
    assert [f.header.seq for f in read_step(path)] == [0, 1]
