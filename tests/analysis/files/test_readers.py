"""Any path that people bring goes to the reader that can make sense of it, or comes back with what each one says."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from analysis.edx.spectrum_image import SpectrumImage
from analysis.files.k_table import KTable
from analysis.files.readers import read, readers
from drivers.errors import ConfigError


def test_every_reader_of_the_package_is_found():
    kinds = {r.kind for r in readers()}
    assert kinds == {"session folder", "tilt series", "image", "spectrum image", "k table"}


def test_a_stack_is_a_tilt_series_and_a_single_picture_an_image(tmp_path: Path, rng):
    stack = rng.random((5, 24, 20)).astype(np.float32)
    for name, data in (("stack.tif", stack), ("picture.tif", stack[0])):
        tifffile.imwrite(tmp_path / name, data)
    np.testing.assert_array_equal(read(tmp_path / "stack.tif"), stack)
    image, pixel_nm = read(tmp_path / "picture.tif")
    np.testing.assert_array_equal(image, stack[0])
    assert pixel_nm is None


def test_a_table_of_factors_is_read_by_its_ending(tmp_path: Path):
    path = tmp_path / "k.toml"
    path.write_text('basis = "weight"\n[k]\nFe_Ka = 1.45\n')
    table = read(path)
    assert isinstance(table, KTable)
    assert table.of(["Fe_Ka"]) == ["Fe_Ka=1.45:0.0"]


def test_a_real_map_is_a_spectrum_image(real_data: Path):
    found = read(real_data / "fept_core_shell_eds" / "core_shell.hspy")
    assert isinstance(found, SpectrumImage)
    assert found.counts.shape[:2] == (64, 64)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.docx", b"", "there are readers for"),
        ("broken.tif", b"no picture at all", "as image:"),
        ("broken.mrc", b"", "as tilt series:"),
        ("k.toml", b"k = 1", "as k table:"),
    ],
)
def test_what_nobody_can_read_says_what_each_reader_found(tmp_path: Path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as refusal:
        read(tmp_path / name)
    assert words in str(refusal.value)


def test_a_path_that_is_not_there_and_a_folder_without_a_session_are_said(tmp_path: Path):
    with pytest.raises(ConfigError, match="no such file"):
        read(tmp_path / "gone.tif")
    with pytest.raises(ConfigError, match="not a session folder"):
        read(tmp_path)
