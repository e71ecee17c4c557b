"""One function reads a tilt series as somebody has it: a stack or a folder, with tilts wherever they are told."""

from datetime import datetime
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile
from rsciio.hspy import file_writer

from drivers.errors import ConfigError
from drivers.recorded.tilt_series_file import read_tilt_series

TILTS = np.array([-60.0, -30.5, 0.0, 30.0, 60.0])
IMAGES = np.random.default_rng(3).integers(0, 999, (5, 20, 24), np.uint16)


def write_hspy(path: Path, data: np.ndarray, stage_deg: float | None = None, axis: dict | None = None) -> None:
    """As HyperSpy does; `axis` of the tilts."""
    plain = {"scale": 0.5, "offset": 0.0, "units": "nm", "navigate": False, "_type": "UniformDataAxis"}
    sizes = zip("yx", data.shape[-2:], strict=True)
    axes = [{"name": name, "size": size, "is_binned": False} | plain for name, size in sizes]
    if data.ndim == 3:
        axes.insert(0, {"name": "tilt", "size": len(data), "navigate": True, "is_binned": False} | (axis or {}))
    stage = {} if stage_deg is None else {"Acquisition_instrument": {"TEM": {"Stage": {"tilt_alpha": stage_deg}}}}
    general = {"title": "", "date": "2024-03-05", "time": "14:00:00"}
    folding = {"original_axes_manager": None, "original_shape": None, "unfolded": False, "signal_unfolded": False}
    metadata = {"General": general, "Signal": {"signal_type": ""}, "_HyperSpy": {"Folding": folding}, **stage}
    rest = {k: {} for k in ("original_metadata", "tmp_parameters", "learning_results", "models")}
    told = {"package": "", "package_version": ""}
    file_writer(
        str(path),
        {
            "data": data,
            "axes": axes,
            "metadata": metadata,
            "package_info": told,
            "attributes": {"_lazy": False},
            **rest,
        },
    )


def write_mrc(path: Path) -> Path:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(IMAGES)
        file.voxel_size = 5.0
    return path


@pytest.mark.parametrize("beside", ["a.mrc.mdoc", "a.mdoc", "a.rawtlt", "a.tlt"])
def test_tilts_lie_beside_the_stack(tmp_path: Path, beside):
    path = write_mrc(tmp_path / "a.mrc")
    text = "\n".join(map(str, TILTS))
    if beside.endswith(".mdoc"):
        text = "".join(
            f"[ZValue = {n}]\nTiltAngle = {t}\nDateTime = 05-Mar-24  14:0{n}:00\n" for n, t in enumerate(TILTS)
        )
    (tmp_path / beside).write_text(text)
    found = read_tilt_series(path)
    np.testing.assert_array_equal(found.images, IMAGES)
    np.testing.assert_array_equal(found.tilts_deg, TILTS)
    assert found.pixel_nm == pytest.approx(0.5)
    times = tuple(datetime(2024, 3, 5, 14, n) for n in range(5))
    assert found.acquired == (times if beside.endswith(".mdoc") else None)


def test_a_stack_that_tells_no_tilts_and_one_of_other_length_are_refused(tmp_path: Path):
    path = write_mrc(tmp_path / "a.mrc")
    with pytest.raises(ConfigError, match="does not tell its tilts"):
        read_tilt_series(path)
    (tmp_path / "four.txt").write_text("1\n2\n3\n4")
    with pytest.raises(ConfigError, match=r"holds 4 angles, a\.mrc holds 5 images"):
        read_tilt_series(path, tmp_path / "four.txt")


@pytest.mark.parametrize(
    ("axis", "tilts"),
    [
        ({"_type": "UniformDataAxis", "scale": 30.0, "offset": -60.0, "units": "deg"}, np.arange(-60.0, 61.0, 30.0)),
        ({"_type": "DataAxis", "axis": TILTS, "units": "°"}, TILTS),
    ],
)
def test_a_stack_of_hyperspy_tells_tilts_by_its_axis(tmp_path: Path, axis, tilts):
    write_hspy(tmp_path / "a.hspy", IMAGES, axis=axis)
    found = read_tilt_series(tmp_path / "a.hspy")
    np.testing.assert_array_equal(found.images, IMAGES)
    np.testing.assert_allclose(found.tilts_deg, tilts)
    assert found.pixel_nm == pytest.approx(0.5)


def test_a_folder_of_images_whose_headers_tell_tilt_and_time(tmp_path: Path):
    for n, (image, tilt_deg) in enumerate(zip(IMAGES, TILTS, strict=True)):
        write_hspy(tmp_path / f"{n}.hspy", image, stage_deg=tilt_deg)
    found = read_tilt_series(tmp_path)
    np.testing.assert_array_equal(found.images, IMAGES)
    np.testing.assert_array_equal(found.tilts_deg, TILTS)
    assert found.pixel_nm == pytest.approx(0.5)
    assert found.acquired == (datetime(2024, 3, 5, 14),) * 5


@pytest.mark.parametrize(
    "name",
    [
        "series_{n:03d}_{t:.1f}.tif",
        "series_{n:03d}[{t:.2f}].tif",
        "2024 particle {n} tilt {t:+.1f}.tif",
        "HAADF_tilt{t:.1f}_{n}.tif",
        "a{n}_{t:.1f}deg_20240305.tif",
        "{t}.tif",
    ],
)
def test_a_folder_of_images_whose_names_tell_the_tilt(tmp_path: Path, name):
    for n, (image, tilt_deg) in enumerate(zip(IMAGES, TILTS, strict=True)):
        tifffile.imwrite(tmp_path / name.format(n=n + 7, t=tilt_deg), image)
    (tmp_path / "notes.txt").write_text("not an image")
    found = read_tilt_series(tmp_path)
    order = np.argsort(found.tilts_deg)
    np.testing.assert_array_equal(found.tilts_deg[order], TILTS)
    np.testing.assert_array_equal(found.images[order], IMAGES)


@pytest.mark.parametrize("name", ["series_{n:03d}.tif", "a-{n}.tif", "a_{t:.0f}_{m}.tif", "a-{t:.0f}.tif"])
def test_names_that_do_not_tell_the_tilt_are_refused(tmp_path: Path, name):
    """The last of them with a hyphen that may be a sign or none."""
    for n, (image, tilt_deg) in enumerate(zip(IMAGES, np.abs(TILTS), strict=True)):
        tifffile.imwrite(tmp_path / name.format(n=n, t=tilt_deg + n, m=30 - n * n), image)
    with pytest.raises(ConfigError, match="does not tell its images' tilts"):
        read_tilt_series(tmp_path)


def test_a_folder_takes_a_list_in_the_order_of_its_names(tmp_path: Path):
    folder = tmp_path / "images"
    folder.mkdir()
    for n, image in enumerate(IMAGES):
        tifffile.imwrite(folder / f"image{n + 8}.tif", image)  # 8, 9, 10: not the order of letters
    (tmp_path / "a.rawtlt").write_text("\n".join(map(str, TILTS)))
    found = read_tilt_series(folder, tmp_path / "a.rawtlt")
    np.testing.assert_array_equal(found.images, IMAGES)
    np.testing.assert_array_equal(found.tilts_deg, TILTS)


def test_a_folder_takes_tilts_by_name_from_an_mdoc(tmp_path: Path):
    for name, image in zip("edcba", IMAGES, strict=True):
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    told = zip("edcba", TILTS, strict=True)
    (tmp_path / "all.mdoc").write_text("".join(f"[Image = {n}.tif]\nTiltAngle = {t}\n" for n, t in told))
    found = read_tilt_series(tmp_path)
    np.testing.assert_array_equal(found.tilts_deg, TILTS[::-1])
    np.testing.assert_array_equal(found.images, IMAGES[::-1])


def test_a_folder_of_unlike_images_is_refused(tmp_path: Path):
    for n, image in enumerate(IMAGES):
        tifffile.imwrite(tmp_path / f"a_{TILTS[n]}.tif", image[:, : 24 - n // 4])
    with pytest.raises(ConfigError, match=r"a_60\.0\.tif holds \(20, 23\) pixels"):
        read_tilt_series(tmp_path)
    (tmp_path / "preview.png").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"ending in \.png, \.tif"):
        read_tilt_series(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match="holds no images"):
        read_tilt_series(tmp_path)
