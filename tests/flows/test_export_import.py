"""What leaves a session for other programs, and what comes from them."""

import csv
import gc
import json
import re
import shutil
from datetime import datetime
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile

import alloyscope as al
from analysis.files.spectrum_file import read_spectrum_image
from analysis.reanalysis.offline import analyse
from analysis.report.story import SessionStory
from drivers.frames import Frame
from drivers.recorded.journal import records_of
from drivers.recorded.records import Begin, Exposed, Heated
from drivers.recorded.session import read_session
from drivers.recorded.tilt_series_file import read_tilt_series
from tests.command import alloyscope
from tests.flows.recording import MAPPED, SMALL


@pytest.fixture
def session(session_file, tmp_path, recorded) -> Path:
    return recorded(session_file(**SMALL, **MAPPED), tmp_path / "s").folder


def exported(session: Path, kind: str) -> Path:
    done = alloyscope("export", session, "--as", kind, "--to", session.parent / kind, cwd=session.parent)
    assert done.returncode == 0, done.stderr
    return session.parent / kind


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def frames_of(session: Path, step: str) -> list[Frame]:
    return [i for i in read_session(session) if isinstance(i, Frame) and i.header.step == step]


@pytest.mark.parametrize(("kind", "ending"), [("mrc", ".mrc"), ("tiff", ".ome.tif")])
def test_a_series_comes_back_as_it_was(session, kind, ending):
    to = exported(session, kind)
    frames = frames_of(session, "c00/NC2/tilt")
    name = frames[0].header.step.replace("/", "_")
    series = read_tilt_series(to / (name + ending), to / f"{name}.rawtlt")
    stack, tilts_deg = series.images, series.tilts_deg
    assert series.pixel_nm == pytest.approx(frames[0].header.pixel_nm)
    np.testing.assert_array_equal(stack, np.stack([f.image for f in frames]))
    assert stack.dtype == frames[0].image.dtype
    assert tilts_deg.tolist() == [f.header.tilt_deg for f in frames]
    volume = to / "volumes" / ("c00_NC2_tilt" + ending)
    with mrcfile.open(session / "volumes" / "c00_NC2_tilt.mrc") as own:
        if kind == "mrc":
            for path in (to / f"{name}.mrc", volume):
                with mrcfile.open(path) as file:
                    assert float(file.voxel_size.x) == pytest.approx(20.0)
                    assert float(file.voxel_size.y) == pytest.approx(20.0)
            with mrcfile.open(volume) as file:
                np.testing.assert_array_equal(file.data, own.data)
        else:
            np.testing.assert_array_equal(tifffile.imread(volume), own.data)


def test_imagej_and_ome_tell_the_pixel_size_of_a_tiff(session):
    with tifffile.TiffFile(exported(session, "tiff") / "c00_NC2_tilt.ome.tif") as file:
        assert file.ome_metadata is not None
        assert 'PhysicalSizeX="2.0"' in file.ome_metadata and 'PhysicalSizeXUnit="nm"' in file.ome_metadata
        assert "SIMULATED" in file.ome_metadata
        (over, under), unit = file.pages[0].tags["XResolution"].value, file.pages[0].tags["ResolutionUnit"].value
        assert unit == 3  # pixels per centimetre
        assert 1e7 * under / over == pytest.approx(2.0)


def test_an_mdoc_tells_serialem_and_imod_the_geometry(session):
    to = exported(session, "mrc")
    text = (to / "c00_NC2_tilt.mrc.mdoc").read_text()
    head, *sections = re.split(r"^\[ZValue = \d+\]$", text, flags=re.MULTILINE)
    assert "Tilt axis angle = 90.0" in head and "PixelSpacing = 20\n" in head and "SIMULATED" in head
    told = [dict(re.findall(r"^(\w+) = (.*)$", section, re.MULTILINE)) for section in sections]
    headers = [f.header for f in frames_of(session, "c00/NC2/tilt")]
    assert [float(t["TiltAngle"]) for t in told] == [h.tilt_deg for h in headers]
    assert {t["RotationAngle"] for t in told} == {"90.0"}
    doses = [0.01 * h.electrons_per_nm2 for h in headers]
    assert [float(t["ExposureDose"]) for t in told] == pytest.approx(doses)  # per square angstrom


def test_imod_would_see_every_point_where_its_tilt_puts_it(tmp_path):
    """A point at (y, z): turned clockwise by the axis' angle it must go as x cos t + z sin t, which is IMOD's tilt."""
    from analysis.export.mrc_stack import TILT_AXIS_DEG, write_mrc_series
    from analysis.export.step_images import StepImages
    from drivers.frames import FrameHeader

    y, z, tilts = 9.0, 5.0, np.array([-60.0, -20.0, 0.0, 45.0])
    images, headers = np.zeros((4, 41, 41), np.float32), []
    for n, t in enumerate(np.radians(tilts)):
        images[n, round(20 + y * np.cos(t) + z * np.sin(t)), 27] = 1.0
        told = {"session": "s", "step": "c00/A/tilt", "particle": "A", "core": "Au", "shell": "Ag", "time_s": 0.0}
        headers.append(FrameHeader(seq=n, index=n, tilt_deg=float(tilts[n]), pixel_nm=1.0, **told))
    write_mrc_series(tmp_path, StepImages("a", tuple(headers), images))
    with mrcfile.open(tmp_path / "a.mrc") as file:
        upright = [np.argwhere(image)[0] for image in file.data]
    angle = np.radians(TILT_AXIS_DEG)
    for tilt_deg, (row, column) in zip(np.loadtxt(tmp_path / "a.rawtlt"), upright, strict=True):
        right, up = column - 20, row - 20  # row 0 is the lowest
        turned = right * np.cos(angle) + up * np.sin(angle), up * np.cos(angle) - right * np.sin(angle)
        t = np.radians(tilt_deg)
        assert turned == pytest.approx((y * np.cos(t) + z * np.sin(t), -7.0), abs=0.5)


@pytest.mark.filterwarnings("ignore")  # theirs
def test_hyperspy_opens_series_and_spectra_with_their_axes(session):
    import hyperspy.api as hs

    to = exported(session, "hspy")
    series = hs.load(to / "c00_NC2_tilt.hspy")
    axes = [(a.name, a.scale, a.offset, a.units) for a in series.axes_manager._axes]
    assert axes == [("tilt", 5.0, -10.0, "deg"), ("y", 2.0, 0.0, "nm"), ("x", 2.0, 0.0, "nm")]
    np.testing.assert_array_equal(series.data, np.stack([f.image for f in frames_of(session, "c00/NC2/tilt")]))
    spectra = hs.load(to / "c01_NC2_edx.spectra.hspy")
    energy = spectra.axes_manager.signal_axes[0]
    header = frames_of(session, "c01/NC2/edx")[0].header.spectrum
    assert (energy.units, spectra.metadata.Acquisition_instrument.TEM.beam_energy) == ("keV", header.beam_kev)
    own = read_spectrum_image(session / "frames" / "c01_NC2_edx.h5")
    assert (energy.scale, energy.offset) == (own.axis.channel_kev, own.axis.offset_kev)
    assert energy.axis[-1] == pytest.approx(1e-3 * (header.offset_ev + header.channel_ev * header.channels), rel=0.01)
    back = read_spectrum_image(to / "c01_NC2_edx.spectra.hspy")
    np.testing.assert_array_equal(back.counts, own.counts)
    assert (back.pixel_nm, back.beam_kev, back.axis) == (own.pixel_nm, own.beam_kev, own.axis)
    photons = sum(len(f.photons) for f in frames_of(session, "c01/NC2/edx"))
    assert 0.9 * photons < spectra.data.sum() <= photons


@pytest.mark.filterwarnings("ignore")  # theirs: it leaves the file to be collected
def test_rosettasciio_reads_the_mrc_with_its_pixel_size(session):
    import dask
    from rsciio.mrc import file_reader

    with dask.config.set(scheduler="synchronous"):  # its threads would stay
        (signal,) = file_reader(str(exported(session, "mrc") / "c00_NC2_tilt.mrc"))
    assert [(a["scale"], a["units"]) for a in signal["axes"][-2:]] == [(pytest.approx(2.0), "nm")] * 2
    np.testing.assert_array_equal(signal["data"], np.stack([f.image for f in frames_of(session, "c00/NC2/tilt")]))
    del signal
    gc.collect()


def test_tables_hold_frames_heat_and_dose(session):
    to = exported(session, "csv")
    tables = {path.stem: rows_of(path) for path in to.glob("*.csv")}
    frames = [i.header for i in read_session(session) if isinstance(i, Frame)]
    assert [int(row["seq"]) for row in tables["frames"]] == [h.seq for h in frames]
    assert [float(row["tilt_deg"]) for row in tables["frames"]] == [h.tilt_deg for h in frames]
    (pulse,) = records_of(session, Heated)
    (row,) = tables["heat"]
    assert (float(row["worth_s"]), float(row["asked_s"])) == (pulse.worth_s, 10.0)
    dose = sum(r.electrons_per_nm2 for r in records_of(session, Exposed))
    assert float(tables["dose"][0]["electrons_per_nm2"]) == pytest.approx(dose)
    assert tables["chip"] and tables["results"]


def test_frames_have_wall_clock_times_where_there_was_a_wall_clock(session):
    journal = session / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    journal.write_text(
        "".join(json.dumps({k: v for k, v in (x | {"dry": False}).items() if k != "crc"}) + "\n" for x in lines)
    )
    began = next(x for x in lines if x["what"] == "series_begin")
    row = rows_of(exported(session, "csv") / "frames.csv")[0]
    after_s = (datetime.fromisoformat(row["utc"]) - datetime.fromisoformat(began["utc"])).total_seconds()
    assert after_s == pytest.approx(float(row["time_s"]) - began["time_s"], abs=0.002)


def test_what_cannot_be_exported_is_a_sentence(session, tmp_path):
    for arguments, words in (
        ((session, "--as", "dm5"), "there are mrc, tiff, hspy, csv"),
        ((tmp_path / "nowhere", "--as", "mrc"), "is not a session folder"),
        ((session, "--as", "mrc", "--to", session), "nothing is overwritten"),
    ):
        done = alloyscope("export", *arguments, cwd=tmp_path)
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def foreign(session_file, tmp_path, recorded) -> Path:
    """Two tilt series that another program would have: what a session of the twin exports."""
    run = recorded(session_file(durations_s="[90.0]", step_deg=10.0), tmp_path / "own").folder
    (tmp_path / "manifest.toml").write_text(
        '[[particle]]\nname = "NC2"\ncore = "Au"\nshell = "Ag"\n'
        + "".join(
            f'[[particle.state]]\ntilt_series = "mrc/{name}.mrc"\nangles = "mrc/{name}.rawtlt"\npixel_nm = 2.0\n{heat}'
            for name, heat in (
                ("c00_NC2_tilt", ""),
                ("c01_NC2_tilt", "heat = [{temperature_c = 450.0, duration_s = 90.0}]\n"),
            )
        )
    )
    return exported(run, "mrc")


def test_an_imported_session_is_analysed_like_its_manifest_and_opens_like_a_recorded_one(foreign, tmp_path):
    done = alloyscope("import", tmp_path / "manifest.toml", "--out", tmp_path / "imported", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = analyse(tmp_path / "imported", lambda _: None)
    assert told["provenance"]["kind"] == "imported session"
    assert told["particles"] == analyse(tmp_path / "manifest.toml", lambda _: None)["particles"]
    assert told["particles"]["NC2"]["states"][1]["alloying"]["value"] > 0.05
    (d,) = SessionStory.read(tmp_path / "imported").fits["NC2"].diffusivities  # as the report has it
    assert d.value == told["particles"]["NC2"]["diffusivity_m2_per_s"]["value"]
    session = al.open_session(tmp_path / "imported")
    assert session.steps == ("c00/NC2/tilt", "c01/NC2/tilt")
    assert session.simulated  # the exported files say so
    assert [Path(p).name for p in session.imported_from] == ["c00_NC2_tilt.mrc", "c01_NC2_tilt.mrc"]
    assert "imported session" in repr(session)
    series = read_tilt_series(foreign / "c01_NC2_tilt.mrc")  # its .mdoc lies beside it
    stack, tilts_deg = series.images, series.tilts_deg
    np.testing.assert_array_equal(session.images("c01/NC2/tilt"), stack)
    assert session.tilts_deg("c01/NC2/tilt").tolist() == tilts_deg.tolist()
    assert session.header("c01/NC2/tilt").pixel_nm == 2.0
    (pulse,) = records_of(tmp_path / "imported", Heated)
    assert (pulse.temperature_c, pulse.duration_s) == (450.0, 90.0)
    with h5py.File(tmp_path / "imported" / "session.nxs") as file:
        assert set(file) == {"session", "c00_NC2_tilt", "c01_NC2_tilt"}
        assert len(file["c00_NC2_tilt/data/data"]) == len(stack)
    refused = alloyscope("resume", tmp_path / "imported", cwd=tmp_path)
    assert refused.returncode == 2 and "imported" in refused.stderr


def test_options_or_the_session_file_say_the_same_as_a_manifest(foreign, tmp_path, session_file):
    names = [foreign / "c00_NC2_tilt.mrc", foreign / "c01_NC2_tilt.mrc"]
    told = ("--particle", "NC2", "--core", "Au", "--shell", "Ag", "--pixel-nm", 2.0, "--heat", "450:90")
    plan = session_file(durations_s="[90.0]", step_deg=10.0)
    for out, how in (("a", told), ("b", ("--session", plan))):
        done = alloyscope("import", *names, *how, "--out", tmp_path / out, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    alloyscope("import", tmp_path / "manifest.toml", "--out", tmp_path / "c", cwd=tmp_path)
    items = [[i.header for i in read_session(tmp_path / n) if isinstance(i, Frame)] for n in ("a", "b", "c")]
    same = [[(h.step, h.seq, h.tilt_deg, h.pixel_nm, h.heat, h.core, h.shell) for h in part] for part in items]
    assert same[0] == same[1] == same[2]
    assert [b.session for n in ("a", "b") for b in records_of(tmp_path / n, Begin)] == ["a", "small"]


def test_what_cannot_be_imported_is_a_sentence_and_leaves_nothing(foreign, tmp_path, session_file):
    one, two = foreign / "c00_NC2_tilt.mrc", foreign / "c01_NC2_tilt.mrc"
    told = ("--particle", "A", "--core", "Au", "--shell", "Ag", "--pixel-nm", 2.0)
    shutil.copy(one, tmp_path / "alone.mrc")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "data").write_text("mine")
    for arguments, words in (
        (("nowhere.mrc", *told), "no such file"),
        ((tmp_path / "alone.mrc", *told), "does not tell its tilts"),
        ((one, two, *told), "give one before each but the first"),
        ((one, two, *told, "--heat", "hot"), "450:15"),
        ((one,), "nothing says what was recorded"),
        ((one, "--session", session_file()), "plans 3 tilt series, 1 are given"),
        ((one, two, *told, "--angles", foreign / "c00_NC2_tilt.rawtlt", "--heat", "450:1"), "give one for each"),
        ((tmp_path / "manifest.toml", "--core", "Au"), "which says all this itself"),
        ((one, *told, "--angles", two), "is not a tilt"),
        ((one, *told, "--out", taken), "never overwritten"),
    ):
        done = alloyscope(
            "import", *arguments, *([] if "--out" in arguments else ["--out", tmp_path / "x"]), cwd=tmp_path
        )
        assert done.returncode == 2 and words in done.stderr, (words, done.stderr)
        assert not (tmp_path / "x").exists()
    assert (taken / "data").read_text() == "mine"
