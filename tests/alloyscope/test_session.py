"""A session folder, written by the project's own recorder, read back by the façade."""

import msgspec
import numpy as np
import pytest

import alloyscope as al
from alloyscope.alloying_degree import degrees_of
from analysis.results import Estimate
from drivers.frames import Frame, FrameHeader, SpectrumHeader
from drivers.recorded.step_file import StepFile


def test_a_folder_tells_its_steps_tilts_images_and_results(session_folder):
    session = al.open_session(session_folder)
    assert session.title == "small"
    assert session.simulated
    assert session.steps == ("c00/A/tilt", "c01/A/tilt")
    assert session.tilts_deg("c00/A/tilt").tolist() == [-10.0, 0.0, 10.0]
    images = session.images("c01/A/tilt")
    assert images.shape == (3, 16, 16)
    assert images[2, 0, 0] == 102
    assert session.header("c01/A/tilt").pixel_nm == 0.8
    with pytest.warns(UserWarning, match="1 of 2 lines"):
        (state,) = session.results
    assert state.alloying.value == 0.25
    assert "SIMULATED" in session._repr_html_()
    assert "SIMULATED" in repr(session)
    with pytest.raises(ValueError, match=r"^step: asked for one of c00/A/tilt"):
        session.images("c09/A/tilt")


def test_frames_are_lazy_and_one_chunk_each(session_folder):
    pytest.importorskip("dask.array", reason="lazy frames are an extra: pip install 'dask[array]'")
    session = al.open_session(session_folder)
    frames = session.frames("c00/A/tilt")
    assert frames.chunks[0] == (1, 1, 1)
    np.testing.assert_array_equal(frames.compute(scheduler="synchronous"), session.images("c00/A/tilt"))
    assert frames[1].max().compute(scheduler="synchronous") == session.images("c00/A/tilt")[1].max()


def test_the_table_has_a_row_per_state(session_folder):
    pytest.importorskip("pandas", reason="tables are an extra: pip install pandas")
    with pytest.warns(UserWarning, match="1 of 2 lines"):
        table = al.open_session(session_folder).table()
    assert list(table["step"]) == ["c01/A/tilt"]
    assert table["alloying"].iloc[0] == 0.25


def test_a_recorded_map_is_read_and_quantified(tmp_path, rng):
    kev = 0.02 * np.arange(512)
    peaks = 2.0 * np.exp(-0.5 * ((kev - 2.984) / 0.045) ** 2) + np.exp(-0.5 * ((kev - 2.123) / 0.04) ** 2)
    counts = rng.poisson(np.broadcast_to(peaks + 0.02, (16, 16, 512)))
    spectrum = SpectrumHeader(
        channels=512,
        channel_ev=20.0,
        offset_ev=0.0,
        fwhm_mn_ev=130.0,
        beam_kev=200.0,
        frames=1,
        lines=("Ag_La", "Au_Ma"),
    )
    header = FrameHeader(
        seq=0,
        session="s",
        step="c00/A/edx",
        index=0,
        particle="A",
        core="Au",
        shell="Ag",
        time_s=0.0,
        tilt_deg=0.0,
        pixel_nm=0.5,
        spectrum=spectrum,
        simulated=True,
    )
    photons = np.repeat(np.arange(counts.size, dtype=np.uint32), counts.ravel())
    file = StepFile(tmp_path / "c00_A_edx.h5", Frame(header, rng.poisson(9.0, (16, 16)).astype(np.uint16), photons))
    file.append(Frame(header, rng.poisson(9.0, (16, 16)).astype(np.uint16), photons))
    file.close()
    path = tmp_path / "c00_A_edx.h5"
    np.testing.assert_array_equal(al.read(path).counts, counts)
    found = al.quantify_edx(str(path), ["Ag_La", "Au_Ma"], ["Ag_La/Au_Ma=1.0"])
    assert found.simulated
    assert "SIMULATED" in found._repr_html_()
    assert found.value.sum() == pytest.approx(100.0)
    assert found.at_pct["Ag"].value > 50.0


def test_read_gives_what_a_path_is(session_folder, tmp_path, rng):
    import imageio.v3 as imageio
    import mrcfile
    import tifffile

    stack = rng.poisson(9.0, (5, 20, 24)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "series.tif", stack)
    tifffile.imwrite(tmp_path / "image.tif", stack[0])
    imageio.imwrite(tmp_path / "image.png", stack[0].astype(np.uint8))
    with mrcfile.new(tmp_path / "series.mrc") as file:
        file.set_data(stack.astype(np.float32))
    assert isinstance(al.read(session_folder), al.RecordedSession)
    np.testing.assert_array_equal(al.read(tmp_path / "series.tif"), stack)
    np.testing.assert_array_equal(al.read(str(tmp_path / "series.mrc")), stack)
    for name in ("image.tif", "image.png"):
        image, pixel_nm = al.read(tmp_path / name)
        assert image.shape == (20, 24)
        assert pixel_nm is None
    (tmp_path / "notes.docx").write_text("x")
    with pytest.raises(ValueError, match=r"^path: .*there are readers for"):
        al.read(tmp_path / "notes.docx")
    (tmp_path / "broken.tif").write_text("x")
    with pytest.raises(ValueError, match=r"^path: "):
        al.read(tmp_path / "broken.tif")
    (tmp_path / "broken.mrc").write_text("x")
    with pytest.raises(ValueError, match=r"^path: "):
        al.read(tmp_path / "broken.mrc")
    with pytest.raises(ValueError, match=r"^folder: .*no journal"):
        al.read(tmp_path)


def test_a_degree_shows_the_whole_of_its_error(session_folder):
    with pytest.warns(UserWarning, match="1 of 2 lines"):
        (read,) = al.open_session(session_folder).results
    state = msgspec.structs.replace(read, alloying=Estimate(0.25, 0.003, {"level": 0.004}))
    one = al.ParticleState(np.arange(9.0 * 32 * 32).reshape(9, 32, 32), np.arange(-60, 61, 15), 0.8)
    assert degrees_of([one], [state]).std.tolist() == [pytest.approx(0.005)]
