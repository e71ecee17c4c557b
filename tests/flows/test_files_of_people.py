"""Files as people have them, from the command line: read right, or refused in one sentence."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

from tests.command import alloyscope
from tests.flows.test_bad_input import refused

TILTS = np.arange(-69.0, 69.1, 3.0)


def bodies(size: int = 32) -> np.ndarray:
    """Counts of a tilt series (tilt, y, x) of three balls at different heights."""
    y, x = np.mgrid[:size, :size] - 0.5 * (size - 1)
    images = np.zeros((len(TILTS), size, size))
    for at_z, at_y, at_x, radius in ((0, 0, -3, 5), (5, -6, 6, 3), (-6, 5, 3, 3)):
        row = at_y * np.cos(np.radians(TILTS)) + at_z * np.sin(np.radians(TILTS))
        below = radius**2 - (y - row[:, None, None]) ** 2 - (x - at_x) ** 2
        images += 20.0 * np.sqrt(np.maximum(below, 0.0))
    return (np.random.default_rng(2).poisson(images) + 20).astype(np.int16)


def write_series(folder: Path, pixel_nm: float = 0.5) -> None:
    with mrcfile.new(folder / "a.mrc", overwrite=True) as file:
        file.set_data(bodies())
        file.voxel_size = 10.0 * pixel_nm
    (folder / "a.rawtlt").write_text("\n".join(f"{t:.1f}" for t in TILTS))


@pytest.mark.parametrize(("options", "voxel_a"), [((), 5.0), (("--pixel-nm", 0.3), 3.0)])
def test_the_voxel_size_is_handed_on(tmp_path: Path, options, voxel_a):
    write_series(tmp_path)
    done = alloyscope("reconstruct", "a.mrc", "--out", "v.mrc", "--iterations", 2, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"voxels of {voxel_a / 10:g} nm" in done.stdout
    assert "47 of 47 images" in done.stdout
    with mrcfile.open(tmp_path / "v.mrc") as volume:
        assert [float(volume.voxel_size[a]) for a in "xyz"] == pytest.approx([voxel_a] * 3)


def test_a_folder_of_single_images_is_reconstructed(tmp_path: Path):
    (tmp_path / "images").mkdir()
    for tilt_deg, image in zip(TILTS, bodies(), strict=True):
        tifffile.imwrite(
            tmp_path / "images" / f"HAADF_{tilt_deg:+.1f}.tif",
            image,
            resolution=(2e7, 2e7),
            resolutionunit="CENTIMETER",
        )
    done = alloyscope("reconstruct", "images", "--out", "v.mrc", "--iterations", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "32 x 32 x 32 voxels of 0.5 nm" in done.stdout


def test_a_reconstruction_without_memory_for_it_is_refused_and_writes_nothing(tmp_path: Path):
    with mrcfile.new_mmap(tmp_path / "a.mrc", (3, 16384, 64), mrc_mode=0, overwrite=True) as file:
        file.data[:, 8000:8400] = np.arange(64, dtype=np.int8)
    (tmp_path / "a.rawtlt").write_text("-20\n0\n20")
    refused(
        alloyscope("reconstruct", "a.mrc", "--out", "v.mrc", cwd=tmp_path), "16384 x 16384 x 64 voxels takes", "GiB"
    )
    assert not (tmp_path / "v.mrc").exists()


REPLAY = """
title = "replay"
[chip]
backend = "replay"
[microscope]
backend = "replay"
options = {{ source = "{source}"{more} }}
[scan]
pixel_nm = {pixel_nm}
shape = [{size}, {size}]
[tilt]
from_deg = -{top}
to_deg = {top}
step_deg = {step}
[[particles]]
name = "A"
[[plan]]
kind = "tilt-series"
"""
GOOD = {"source": "a.mrc", "more": "", "pixel_nm": 0.5, "size": 32, "top": 69.0, "step": 3.0}


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"more": ', angles = "none.rawtlt"'}, ["none.rawtlt", "no such file"]),
        ({"source": "cut.mrc", "more": ', angles = "a.rawtlt"'}, ["cut short: 47 images", "31 whole ones"]),
        ({"top": 76.0, "step": 2.0}, ["asked for -76 deg", "-69 deg"]),
        ({"step": 1.5}, ["asked for -66 deg", "-63 deg"]),
        ({"size": 256}, ["scan.shape: 256 x 256", "32 x 32"]),
        ({"pixel_nm": 0.6}, ["scan.pixel_nm: 0.6 nm", "0.5 nm"]),
        ({"source": "images"}, ["holds no images"]),
    ],
)
def test_a_replay_of_what_was_not_recorded_is_refused_before_it_begins(tmp_path: Path, command, wrong, words):
    write_series(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "cut.mrc").write_bytes((tmp_path / "a.mrc").read_bytes()[: 1024 + 31 * 2 * 32 * 32 + 99])
    (tmp_path / "replay.toml").write_text(REPLAY.format(**(GOOD | wrong)))
    options = [] if command == "check" else ["--no-screen", "--out", tmp_path / "s"]
    refused(alloyscope(command, "replay.toml", *options, cwd=tmp_path), *words)
    assert not (tmp_path / "s").exists()


def test_a_replay_of_what_was_recorded_is_accepted(tmp_path: Path):
    write_series(tmp_path)
    (tmp_path / "replay.toml").write_text(REPLAY.format(**GOOD))
    done = alloyscope("check", "replay.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "47 tilts" in done.stdout


def write_manifest(folder: Path, state: str) -> None:
    (folder / "m.toml").write_text(
        f'[[particle]]\nname = "A"\ncore = "Au"\nshell = "Ag"\n[[particle.state]]\n{state}\n'
    )


def test_one_mistake_in_a_manifest_is_one_sentence(tmp_path: Path):
    write_series(tmp_path)
    write_manifest(tmp_path, 'tilt_series = "a.mrc"\nheat = "log.csv"')
    done = alloyscope("analyse", "m.toml", cwd=tmp_path)
    refused(done, "log.csv: cannot be read")
    assert done.stderr.count("\n  - ") == 1


@pytest.mark.parametrize(
    ("data", "pixel_nm", "words"),
    [
        (bodies(), 0.0, "does not tell its pixel size"),
        (bodies().max() - bodies(), 0.5, "bright field"),
    ],
)
def test_a_manifest_takes_what_its_files_tell_and_refuses_what_they_do_not(tmp_path: Path, data, pixel_nm, words):
    write_series(tmp_path, pixel_nm)
    with mrcfile.open(tmp_path / "a.mrc", "r+") as file:
        file.set_data(data)
        file.voxel_size = 10.0 * pixel_nm
    write_manifest(tmp_path, 'tilt_series = "a.mrc"')
    refused(alloyscope("analyse", "m.toml", cwd=tmp_path), "A: ", words)
