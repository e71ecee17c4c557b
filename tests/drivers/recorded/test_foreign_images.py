"""Files that others wrote, damaged or made up to do harm: read whole, or refused in a sentence and little memory."""

import bz2
import gzip
import random
import struct
import time
import tracemalloc
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

from analysis.files.image_file import read_image
from drivers.errors import ConfigError
from drivers.recorded.mrc_file import read_mrc
from drivers.recorded.tiff_file import read_tiff
from drivers.recorded.tilt_series_file import read_stack
from tests.torture.conftest import TORTURE

STACK = np.arange(4 * 24 * 20, dtype=np.int16).reshape(4, 24, 20)
MUTATED = round(400 * TORTURE)


def written(path: Path) -> Path:
    if path.suffix == ".tif":
        tifffile.imwrite(path, STACK, compression="zlib", photometric="minisblack")
    else:
        with mrcfile.new(path, overwrite=True) as file:
            file.set_data(STACK)
            file.voxel_size = 5.0
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_an_mrc_file_is_the_same_packed_and_not(tmp_path, pack):
    path = written(tmp_path / "stack.mrc")
    path.write_bytes(pack(path.read_bytes()))
    found = read_mrc(path)
    np.testing.assert_array_equal(found.data, STACK)
    assert found.pixel_nm == pytest.approx(0.5)


def test_a_tiff_file_comes_back(tmp_path):
    np.testing.assert_array_equal(read_tiff(written(tmp_path / "stack.tif")).data, STACK)


def mrc_header(nx: int, ny: int, nz: int) -> bytes:
    header = bytearray(1024)
    header[:16] = struct.pack("<4i", nx, ny, nz, 2)
    header[208:216] = b"MAP \x44\x44\x00\x00"
    return bytes(header)


def tiff_of(side: int) -> bytes:
    """Of one strip of a few bytes that says it is an image of so many pixels a side."""
    packed = b"\x78\x9c" + bytes(20)
    tags = [(256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    tags += [(278, 4, side), (279, 4, len(packed))]
    at = 8 + len(packed)
    ifd = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags) + bytes(4)
    return b"II*\x00" + struct.pack("<I", at) + packed + ifd


BOMBS = {
    "header.mrc": gzip.compress(mrc_header(30000, 30000, 30000) + bytes(4096)),
    "tail.mrc": gzip.compress(mrc_header(32, 32, 4) + bytes(300 * 2**20), 1),
    "plain.mrc": mrc_header(30000, 30000, 3000) + bytes(4096),
    "negative.mrc": gzip.compress(mrc_header(-5, 30000, 3000) + bytes(4096)),
    "one.tif": tiff_of(200_000),
    "large.tif": tiff_of(4_000_000),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("read", [read_stack, read_image])
def test_a_bomb_is_refused_at_once_in_little_memory(tmp_path, name, read):
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    tracemalloc.start()
    began_s = time.monotonic()
    try:
        with pytest.raises(ConfigError, match=name):
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * 2**20
    assert time.monotonic() - began_s < 10.0  # it would take minutes


@pytest.mark.parametrize("name", ["stack.mrc", "stack.tif"])
def test_a_file_with_damage_anywhere_is_read_or_refused_in_a_sentence(tmp_path, name):
    path = written(tmp_path / name)
    whole = path.read_bytes()
    for seed in range(MUTATED):
        chance = random.Random(seed)  # no secret
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(min(len(damaged), 1500))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.randint(0, len(damaged))] if seed % 4 == 0 else damaged)
        for read in (read_stack, read_image):
            try:
                stack = read(path)
            except ConfigError:
                continue
            except Exception as error:
                raise AssertionError(f"seed {seed}: {read.__name__} raises {error!r}") from error
            assert read is read_image or stack.ndim == 3, f"seed {seed}"
