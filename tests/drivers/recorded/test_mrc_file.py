"""MRC files as microscopes and IMOD write them: bytes with and without a sign, half bytes, tilts behind the header."""

import gzip
import struct
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from mrcfile.dtypes import get_ext_header_dtype

from drivers.errors import ConfigError
from drivers.recorded.foreign_images import read_images
from drivers.recorded.mrc_file import read_mrc

STAMP = 1146047817


def header(shape, mode: int, *, imod: int | None = None, extremes=(0.0, -1.0), extended: int = 0) -> bytearray:
    """MRC2014 by hand; `imod` are IMOD's flags."""
    nz, ny, nx = shape
    raw = bytearray(1024)
    struct.pack_into("<4i", raw, 0, nx, ny, nz, mode)
    struct.pack_into("<3i", raw, 28, nx, ny, nz)
    struct.pack_into("<6f", raw, 40, nx * 5.0, ny * 5.0, nz * 5.0, 90, 90, 90)
    struct.pack_into("<2f", raw, 76, *extremes)
    struct.pack_into("<i", raw, 92, extended)
    if imod is not None:
        struct.pack_into("<2i", raw, 152, STAMP, imod)
    raw[208:216] = b"MAP \x44\x44\0\0"
    return raw


def smooth(low: float, high: float) -> np.ndarray:
    """Three images that go through all values from low to high, as light on a body does."""
    y, x = np.mgrid[:24, :30]
    one = np.exp(-((y - 12) ** 2 + (x - 14) ** 2) / 60.0)
    return np.rint(low + (high - low) * np.stack([one, one[::-1], one[:, ::-1]]))


@pytest.mark.parametrize(
    ("kind", "low", "high", "told"),
    [
        (np.uint8, 3, 250, {"imod": 0}),
        (np.int8, -128, 120, {"imod": 1}),
        (np.int8, -128, 120, {"imod": 0}),  # a wrong flag is believed: IMOD reads it so
        (np.uint8, 3, 250, {"extremes": (3.0, 250.0)}),
        (np.int8, -100, 120, {"extremes": (-100.0, 120.0)}),
        (np.uint8, 3, 250, {}),
        (np.int8, -40, 90, {}),
        (np.uint8, 3, 120, {}),
    ],
)
def test_bytes_have_a_sign_only_where_the_header_or_the_images_say_so(tmp_path: Path, kind, low, high, told):
    images = smooth(low, high).astype(kind)
    path = tmp_path / "a.mrc"
    path.write_bytes(header(images.shape, 0, **told) + images.tobytes())
    wanted = images.view(np.uint8) if told.get("imod") == 0 else images
    found = read_mrc(path)
    np.testing.assert_array_equal(found.data.astype(int), wanted.astype(int))
    assert found.pixel_nm == pytest.approx(0.5)


@pytest.mark.parametrize(("mode", "imod", "columns"), [(101, None, 31), (101, None, 30), (0, 16, 30)])
def test_two_pixels_in_a_byte_come_apart(tmp_path: Path, mode, imod, columns):
    images = np.random.default_rng(1).integers(0, 16, (2, 20, columns), np.uint8)
    even = np.pad(images, ((0, 0), (0, 0), (0, columns % 2)))
    path = tmp_path / "a.mrc"
    told = columns // 2 if imod else columns
    path.write_bytes(header((2, 20, told), mode, imod=imod) + (even[..., ::2] | even[..., 1::2] << 4).tobytes())
    np.testing.assert_array_equal(read_mrc(path).data, images)


@pytest.mark.parametrize(("mode", "image_bytes", "extended"), [(1, 24 * 30 * 2, 0), (101, 24 * 15, 0), (2, 2880, 4096)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_that_was_cut_tells_how_many_images_are_left(tmp_path: Path, mode, image_bytes, extended, pack):
    path = tmp_path / "a.mrc"
    whole = header((47, 24, 30), mode, extended=extended) + bytes(extended + 47 * image_bytes)
    path.write_bytes(pack(bytes(whole[: 1024 + extended + 40 * image_bytes + 100])))
    with pytest.raises(ConfigError, match="cut short: 47 images in its header, 40 whole ones"):
        read_mrc(path)


def test_a_mode_that_nobody_reads_is_named(tmp_path: Path):
    (tmp_path / "a.mrc").write_bytes(header((2, 24, 30), 16) + bytes(3 * 2 * 24 * 30))
    with pytest.raises(ConfigError, match="mode 16"):
        read_mrc(tmp_path / "a.mrc")


def test_oblong_pixels_are_refused_and_none_told_are_none(tmp_path: Path):
    for sizes, pixel_nm in (((5.0, 5.0, 1.0), 0.5), ((0.0, 0.0, 0.0), None)):
        with mrcfile.new(tmp_path / "a.mrc", overwrite=True) as file:
            file.set_data(smooth(0, 99).astype(np.int16))
            file.voxel_size = sizes
        assert read_mrc(tmp_path / "a.mrc").pixel_nm == (None if pixel_nm is None else pytest.approx(pixel_nm))
    with mrcfile.open(tmp_path / "a.mrc", "r+") as file:
        file.voxel_size = (5.0, 10.0, 5.0)
    with pytest.raises(ConfigError, match=r"1 x 0\.5 nm \(y, x\)"):
        read_mrc(tmp_path / "a.mrc")


@pytest.mark.parametrize("order", ["<", ">"])
def test_tilts_that_serialem_wrote_behind_the_header_are_found(tmp_path: Path, order):
    tilts = [-60.0, -0.5, 59.25]
    raw = header((3, 24, 30), 1, extended=3 * 8)
    if order == ">":
        raw[:100] = np.frombuffer(bytes(raw[:100]), "<i4").astype(">i4").tobytes()
        raw[208:216] = b"MAP \x11\x11\0\0"
    raw[104:108] = b"SERI"
    struct.pack_into(order + "2h", raw, 128, 8, 1 | 2)
    entries = b"".join(struct.pack(order + "h3h", round(100 * t), 7, 7, 7) for t in tilts)
    images = smooth(0, 999).astype(order + "i2")
    (tmp_path / "a.mrc").write_bytes(raw + entries + images.tobytes())
    found = read_mrc(tmp_path / "a.mrc")
    assert found.tilts_deg == pytest.approx(tilts)
    np.testing.assert_array_equal(found.data, images)


def test_tilts_that_fei_wrote_behind_the_header_are_found(tmp_path: Path):
    kind = get_ext_header_dtype(b"FEI1", "<")
    entries = np.zeros(3, kind)
    entries["Metadata size"], entries["Alpha tilt"] = kind.itemsize, [-20.0, 0.0, 20.0]
    raw = header((3, 24, 30), 1, extended=entries.nbytes)
    raw[104:108] = b"FEI1"
    (tmp_path / "a.mrc").write_bytes(raw + entries.tobytes() + smooth(0, 999).astype(np.int16).tobytes())
    assert read_mrc(tmp_path / "a.mrc").tilts_deg == pytest.approx([-20.0, 0.0, 20.0])


def test_a_packed_file_is_known_by_the_name_of_what_is_in_it(tmp_path: Path):
    images = smooth(-500, 500).astype(np.int16)
    (tmp_path / "a.mrc.gz").write_bytes(gzip.compress(bytes(header(images.shape, 1) + images.tobytes())))
    np.testing.assert_array_equal(read_images(tmp_path / "a.mrc.gz").data, images)
