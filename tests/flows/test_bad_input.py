"""Each mistake of a user: one clear message, exit code 2, no traceback, nothing left half made."""

import subprocess
import warnings
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from analysis.tomography.cuda_projector import why_no_cuda
from tests.command import ALLOYSCOPE, alloyscope


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("command", ["check", "dry-run", "run"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("pixel_nm", "pixl_nm", ["pixl_nm", "did you mean 'pixel_nm'"]),
        ("to_deg = 70.0", "to_deg = 85.0", ["85", "holder's range"]),
        ("temperature_c = 450.0", "temperature_c = 700.0", ["700 C", "600 C"]),
        ('backend = "simulated"', 'backend = "titan"', ["no backend is called 'titan'", "simulated"]),
    ],
    ids=["misspelled key", "tilt", "temperature", "driver"],
)
def test_a_bad_session_file_is_refused_before_anything_is_made(session_file, tmp_path, command, old, new, words):
    path = session_file(**{old: new})
    options = [] if command == "check" else ["--no-screen", "--out", tmp_path / "made"]
    refused(alloyscope(command, path, *options, cwd=tmp_path), *words)
    assert {p.name for p in tmp_path.iterdir()} == {"session.toml"}


def test_the_command_of_its_own_process_ends_with_code_2_and_one_message(session_file, tmp_path):
    path = session_file(pixel_nm="pixl_nm")
    command = [*ALLOYSCOPE, "run", str(path), "--no-screen", "--out", str(tmp_path / "made")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=100)
    refused(done, "pixl_nm", "did you mean 'pixel_nm'")
    assert done.stderr.startswith("alloyscope: ")
    assert {p.name for p in tmp_path.iterdir()} == {"session.toml"}


def write_manifest(folder: Path, stack: np.ndarray, angles: int) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it warns of the NaN that we mean to write
        mrcfile.write(folder / "a.mrc", stack, overwrite=True)
    (folder / "a.rawtlt").write_text("\n".join(str(a) for a in np.linspace(-70, 70, angles)))
    manifest = folder / "manifest.toml"
    manifest.write_text(
        '[[particle]]\nname = "A"\ncore = "Au"\nshell = "Ag"\n'
        '[[particle.state]]\ntilt_series = "a.mrc"\nangles = "a.rawtlt"\npixel_nm = 0.6\nheat = []\n'
    )
    return manifest


def test_an_unknown_measure_of_spread_is_refused(tmp_path):
    manifest = write_manifest(tmp_path, np.zeros((9, 32, 32), np.float32), 9)
    refused(alloyscope("analyse", manifest, "--spread", "range", cwd=tmp_path), "range", "histogram")


def test_bad_tilt_series_are_refused_with_what_to_do(tmp_path):
    good = np.random.default_rng(1).random((9, 32, 32)).astype(np.float32)
    nan = good.copy()
    nan[4, 3, 3] = np.nan
    for stack, angles, words in (
        (good, 8, ["8 angles", "9 images"]),
        (nan, 9, ["NaN", "image(s) 4"]),
        (good[:, :4], 9, ["at least 16x16"]),
        (np.ones_like(good), 9, ["same value"]),
    ):
        manifest = write_manifest(tmp_path, stack, angles)
        before = sorted(p.name for p in tmp_path.iterdir())
        refused(alloyscope("analyse", manifest, "--json", tmp_path / "out.json", cwd=tmp_path), *words)
        arguments = ("reconstruct", "a.mrc", "--angles", "a.rawtlt", "--out", "v.mrc")
        refused(alloyscope(*arguments, cwd=tmp_path), *words)
        assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.skipif(not why_no_cuda(), reason="there is a GPU here, on which it would be computed")
def test_a_gpu_that_is_not_there_is_not_taken_for_one(tmp_path):
    write_manifest(tmp_path, np.random.default_rng(1).random((9, 32, 32)).astype(np.float32), 9)
    arguments = ("reconstruct", "a.mrc", "--angles", "a.rawtlt", "--out", "v.mrc", "--device")
    refused(alloyscope(*arguments, "cuda", cwd=tmp_path), "'cuda' was asked for", "use 'cpu'")
    assert not (tmp_path / "v.mrc").exists()
    done = alloyscope(*arguments, "cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_empty_missing_and_foreign_files_are_refused(tmp_path):
    write_manifest(tmp_path, np.random.default_rng(1).random((3, 32, 32)).astype(np.float32), 3)
    (tmp_path / "empty.mrc").write_bytes(b"")
    (tmp_path / "text.mrc").write_text("this is not a stack " * 100)
    for name, word in (
        ("empty.mrc", "empty.mrc"),
        ("text.mrc", "text.mrc"),
        ("none.mrc", "no such file"),
        ("a.png", "png"),
    ):
        refused(alloyscope("reconstruct", name, "--angles", "a.rawtlt", "--out", "v.mrc", cwd=tmp_path), word)
    (tmp_path / "a.rawtlt").write_text("-70\nzero\n70\n")
    refused(alloyscope("reconstruct", "a.mrc", "--angles", "a.rawtlt", "--out", "v.mrc", cwd=tmp_path), "line 2")
    refused(alloyscope("analyse", tmp_path / "nowhere.toml", cwd=tmp_path), "cannot be read")
    (tmp_path / "empty").mkdir()
    refused(alloyscope("analyse", tmp_path / "empty", cwd=tmp_path), "is not a session folder")
    refused(alloyscope("monitor", tmp_path, cwd=tmp_path), "no session is running")
    refused(
        alloyscope("reconstruct", "a.mrc", "--angles", "a.rawtlt", "--out", "no/v.mrc", cwd=tmp_path), "does not exist"
    )


def test_an_existing_folder_is_never_overwritten(session_file, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "data.txt").write_text("precious")
    done = alloyscope("dry-run", session_file(), "--no-screen", "--out", tmp_path / "old", cwd=tmp_path)
    refused(done, "already exists")
    assert [p.name for p in (tmp_path / "old").iterdir()] == ["data.txt"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lines", "Fe_Ka"], ["at least two lines"]),
        (["--lines", "Fe_Ka,Xx_Ka"], ["no element 'Xx'"]),
        (["--lines", "Fe_Ka,Au_Ka"], ["Au_Ka"]),
        (["--lines", "Fe_Ka,Pt_La", "--k", "Fe_Ka=much"], ["'much'", "numbers"]),
        (["--lines", "Fe_Ka,Pt_La", "--region", "60:70,0:10"], ["60:70", "64 x 64"]),
        (["--lines", "Fe_Ka,Pt_La", "--region", "all"], ["10:20,5:40"]),
    ],
    ids=["one line", "element", "not excited", "factor", "region outside", "region"],
)
def test_a_bad_question_to_an_edx_map_is_refused(real_data, tmp_path, options, words):
    path = real_data / "fept_core_shell_eds" / "core_shell.hspy"
    refused(alloyscope("edx", path, *options, "--json", tmp_path / "o.json", cwd=tmp_path), *words)
    assert not list(tmp_path.iterdir())


def test_a_line_without_counts_is_said_to_have_none(real_data, tmp_path):
    path = real_data / "fept_core_shell_eds" / "core_shell.hspy"
    done = alloyscope("edx", path, "--lines", "Fe_Ka,U_La", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "U_La: no counts above the background" in done.stdout
    assert "k computed" in done.stdout


def test_a_file_that_is_no_map_is_refused(real_data, tmp_path):
    path = real_data / "velox_emd" / "fei_emd_image.emd"
    refused(alloyscope("edx", path, "--lines", "Fe_Ka,Pt_La", cwd=tmp_path), "no spectrum image", "(512, 512)")
    refused(alloyscope("edx", tmp_path / "no.hspy", "--lines", "Fe_Ka,Pt_La", cwd=tmp_path), "no such file")
