"""What every command does alike."""

import json
from importlib.metadata import version

import numpy as np
import pytest
import tifffile

from tests.command import alloyscope


def test_it_says_its_version(tmp_path):
    done = alloyscope("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"alloyscope {version('alloyscope')}\n")


def test_a_shell_can_complete_commands(tmp_path):
    done = alloyscope("--show-completion", "bash", cwd=tmp_path)
    assert done.returncode == 0 and "_ALLOYSCOPE_COMPLETE" in done.stdout


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
