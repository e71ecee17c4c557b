"""TIFF files as people have them: what their tags say of colours, order and pixel size is heard."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from drivers.errors import ConfigError
from drivers.recorded.tiff_file import read_tiff

BALL = np.clip(20 + 200 * np.exp(-((np.mgrid[:40, :48][0] - 20) ** 2 + (np.mgrid[:40, :48][1] - 22) ** 2) / 90), 0, 255)
GREY = BALL.astype(np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tif"


def test_grey_in_three_colours_is_grey(path: Path):
    tifffile.imwrite(path, np.repeat(GREY[..., None], 3, 2), photometric="rgb")
    np.testing.assert_array_equal(read_tiff(path).data, GREY)
    tifffile.imwrite(path, np.stack([np.repeat(GREY[..., None], 3, 2)] * 4), photometric="rgb")
    np.testing.assert_array_equal(read_tiff(path).data, np.stack([GREY] * 4))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_where_white_is_zero_the_image_is_turned_round(path: Path, kind):
    tifffile.imwrite(path, np.iinfo(kind).max - BALL.astype(kind), photometric="miniswhite")
    np.testing.assert_array_equal(read_tiff(path).data, BALL.astype(kind))


def test_pages_written_one_by_one_are_one_stack(path: Path):
    for n in range(5):
        tifffile.imwrite(path, GREY + np.uint8(n), append=True)
    np.testing.assert_array_equal(read_tiff(path).data, np.stack([GREY + np.uint8(n) for n in range(5)]))


def test_a_preview_is_passed_over(path: Path):
    with tifffile.TiffWriter(path) as file:
        file.write(GREY[::4, ::4].copy())
        file.write(np.stack([GREY] * 5))
    np.testing.assert_array_equal(read_tiff(path).data, np.stack([GREY] * 5))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_lzw_needs_no_other_package(path: Path, kind):
    pages = [Image.fromarray(np.roll(BALL, n, 1).astype(kind)) for n in range(3)]
    pages[0].save(path, compression="tiff_lzw", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_tiff(path).data, [np.asarray(p) for p in pages])


def test_a_jpeg_is_read_as_well_as_it_was_kept(path: Path):
    Image.fromarray(GREY).save(path, compression="jpeg", quality=95)
    assert np.abs(read_tiff(path).data.astype(int) - GREY).max() < 8


def test_packing_that_needs_another_package_names_it(path: Path):
    Image.fromarray(GREY).save(path, compression="tiff_lzw", tiffinfo={262: 0})
    with pytest.raises(ConfigError, match="pip install imagecodecs"):
        read_tiff(path)


FEI = "[User]\nUser=supervisor\n[Scan]\nPixelWidth=5e-10\nPixelHeight=5e-10\n"
ZEISS = "0\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 500 pm\r\n"
CM = {"resolution": (2e7, 2e7), "resolutionunit": "CENTIMETER"}


@pytest.mark.parametrize(
    "tags",
    [
        {"imagej": True, "resolution": (2.0, 2.0), "metadata": {"unit": "nm"}},
        {"imagej": True, "resolution": (2000.0, 2000.0), "metadata": {"unit": "micron"}},
        {"imagej": True, "resolution": (2000.0, 2000.0), "metadata": {"unit": "\\u00B5m"}},
        {"extratags": [(34682, 2, 0, FEI, True)]},
        {"extratags": [(34118, 2, 0, ZEISS, True)]},
        {
            "extratags": [
                (65003, 2, 0, "nm", True),
                (65004, 2, 0, "nm", True),
                (65009, 12, 1, 0.5, True),
                (65010, 12, 1, 0.5, True),
            ]
        },
        CM,
    ],
    ids=["ImageJ", "ImageJ, micron", "ImageJ, um", "FEI", "Zeiss", "Gatan", "plain"],
)
def test_the_pixel_size_is_found_in_every_makers_tags(path: Path, tags):
    tifffile.imwrite(path, GREY, **tags)
    assert read_tiff(path).pixel_nm == pytest.approx(0.5)


def test_the_pixel_size_is_found_in_an_ome_header(tmp_path: Path):
    sizes = {"PhysicalSizeX": 5.0, "PhysicalSizeXUnit": "Å", "PhysicalSizeY": 5.0, "PhysicalSizeYUnit": "Å"}
    tifffile.imwrite(tmp_path / "a.ome.tif", GREY, metadata={"axes": "YX", **sizes})
    assert read_tiff(tmp_path / "a.ome.tif").pixel_nm == pytest.approx(0.5)


@pytest.mark.parametrize(
    "tags",
    [
        {"resolution": (72.0, 72.0), "resolutionunit": "INCH"},
        {"resolution": (1200.0, 1200.0), "resolutionunit": "INCH"},
        {"imagej": True, "resolution": (72.0, 72.0), "metadata": {"unit": "inch"}},
        {"imagej": True, "resolution": (1.0, 1.0), "metadata": {"unit": "pixel"}},
        {},
    ],
)
def test_a_resolution_for_paper_is_no_pixel_size(path: Path, tags):
    tifffile.imwrite(path, GREY, **tags)
    assert read_tiff(path).pixel_nm is None


def test_oblong_pixels_are_refused(path: Path):
    tifffile.imwrite(path, GREY, imagej=True, resolution=(2.0, 1.0), metadata={"unit": "nm"})
    with pytest.raises(ConfigError, match=r"1 x 0\.5 nm \(y, x\); resample"):
        read_tiff(path)


def test_pages_with_dates_tell_when_they_were_taken(path: Path):
    with tifffile.TiffWriter(path) as file:
        for n in range(3):
            file.write(GREY, datetime=f"2024:05:01 12:00:0{n}", contiguous=False)
    assert [d.second for d in read_tiff(path).acquired] == [0, 1, 2]
