"""What lies where a person happens to stand is neither imported nor emptied."""

import subprocess
import sys
from pathlib import Path

ALLOYSCOPE = Path(sys.executable).with_name("alloyscope")
BARE = {
    'backend = "simulated"\n[microscope.options]\nparticles = [{ specimen = "NC2" }]\nvoxels_across = 36.0\n': (
        'backend = "bare"\n[microscope.options]\n'
    ),
    'kind = "tilt-series"': 'kind = "image"',
    'kind = "pulses"': 'kind = "pulses"\nafter_each = "image"',
}


def test_files_named_as_modules_are_not_imported_and_a_log_beside_the_folder_is_kept(session_file, tmp_path):
    """By the program itself, by the guard and its deputy, and by the analysis."""
    for module in ("json", "analysis", "zmq", "drivers", "numpy"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('imported from where a person stands')")
    (tmp_path / "mine.log").write_text("a page of notes")
    path = session_file(durations_s="[1.0]", **BARE)
    command = [str(ALLOYSCOPE), "run", str(path), "--no-screen", "--speed", "20", "--out", "mine"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    said = "".join(p.read_text() for p in (tmp_path / "mine").glob("*.log"))
    assert "imported from" not in done.stdout + done.stderr + said
    assert "done: completed" in done.stdout
    assert (tmp_path / "mine.log").read_text() == "a page of notes"
