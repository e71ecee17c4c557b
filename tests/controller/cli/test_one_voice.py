"""What every command does alike."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.command import alloyscope


def test_it_says_its_version(tmp_path):
    done = alloyscope("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"alloyscope {version('alloyscope')}\n")


def test_a_shell_can_complete_commands(tmp_path):
    """Asked as bash asks for it, whatever shell this test was started from."""
    asked = {"_ALLOYSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": "alloyscope che", "COMP_CWORD": "1"}
    program = Path(sys.executable).with_name("alloyscope")
    done = subprocess.run([program], cwd=tmp_path, env=os.environ | asked, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["check"]


def test_a_run_says_less_or_more_as_asked_before_the_command(session_file, tmp_path):
    asked = ("dry-run", session_file(durations_s="[20.0]", step_deg=35.0), "--no-screen", "--out")
    said = {}
    for words in ((), ("-q",), ("-v",)):
        done = alloyscope(*words, *asked, f"s{''.join(words)}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        said[words] = done.stdout
    assert "step 1/3 c00/NC2/tilt" in said[()]
    assert "c00/NC2/tilt 2/5, -35.0 deg" not in said[()]
    assert "c00/NC2/tilt 2/5, -35.0 deg" in said["-v",]
    assert "step 1/3" not in said["-q",]
    for words in said.values():
        assert "after 0 s" in words  # a result
        assert "session folder" in words
    both = alloyscope("-q", "-v", "keys", cwd=tmp_path)
    assert both.returncode == 2
    assert "give one of them" in both.stderr


@pytest.fixture
def image(tmp_path):
    y, x = np.mgrid[:96, :96]
    counts = 20.0 + 200.0 * (np.hypot(y - 48, x - 44) < 18)
    tifffile.imwrite(tmp_path / "ball.tif", np.random.default_rng(1).poisson(counts).astype(np.uint16))
    return tmp_path / "ball.tif"


def test_json_to_standard_output_has_nothing_else_there(image):
    asked = ("particles", image, "--pixel-nm", "0.5", "--method", "otsu")
    silent, both = alloyscope(*asked, cwd=image.parent), alloyscope(*asked, "--json", "-", cwd=image.parent)
    assert (silent.returncode, both.returncode) == (0, 0), both.stderr
    told = json.loads(both.stdout)
    assert len(told["images"]) == 1
    assert both.stderr == silent.stdout
    assert not (image.parent / "-").exists()
