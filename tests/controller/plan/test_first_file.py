"""The first session file of one's own: made by a few answers, accepted by `check`, each mistake told."""

import pytest

from controller.plan.session_file import load_session
from drivers.elements import SYMBOLS, why_no_material
from tests.command import alloyscope


def test_it_is_accepted_as_it_stands_and_keeps_what_was_answered(tmp_path):
    done = alloyscope("init", "mine.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    checked = alloyscope("check", "mine.toml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    words = (
        "--particle",
        "rod-1",
        "--core",
        "Au",
        "--shell",
        "Pd",
        "--temperature-c",
        "400",
        "--pulses-s",
        "10, 20,40",
    )
    more = (
        "--pixel-nm",
        "0.18734",
        "--length-nm",
        "60",
        "--width-nm",
        "20",
        "--tilt-deg",
        "65",
        "--title",
        'a "rod" \\ of mine',
    )
    assert alloyscope("init", "rod.toml", *words, *more, cwd=tmp_path).returncode == 0
    assert alloyscope("check", "rod.toml", cwd=tmp_path).returncode == 0
    file = load_session(tmp_path / "rod.toml")
    (particle,) = file.particles
    assert (particle.name, particle.core, particle.shell) == ("rod-1", "Au", "Pd")
    assert file.title == 'a "rod" \\ of mine'
    assert (file.scan.pixel_nm, file.tilt.from_deg, file.tilt.to_deg) == (0.18734, -65.0, 65.0)
    (laid,) = file.microscope.options["particles"]
    assert laid["name"] == "rod-1"  # by which its truth is found
    assert (laid["made"]["shape"], laid["made"]["length_nm"], laid["made"]["shell"]) == ("rod", 60.0, "Pd")
    asked = [a for block in file.plan for a in block.asked("plan")]
    assert {a.temperature_c for a in asked} == {400.0}
    assert file.chip.limits.max_c > 400.0


@pytest.mark.parametrize("shape", ["sphere", "rod", "bipyramid"])
def test_what_is_usual_is_accepted_for_every_shape(tmp_path, shape):
    made = alloyscope("init", "mine.toml", "--shape", shape, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    checked = alloyscope("check", "mine.toml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.splitlines()[-1] == "mine.toml is accepted; next: alloyscope dry-run mine.toml"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--core", "Gold"), "write its symbol, Au"),
        (("--shell", "Xx"), "no element is called Xx"),
        (("--pulses-s", "15 s"), "'s' is no number"),
        (("--temperature-c", "450C"), "--temperature-c"),
        (("--particle", "my rod"), "name"),
        (("--pixel-nm", "-1"), "pixel_nm"),
        (("--shape", "rod", "--length-nm", "30"), "a rod needs a length_nm"),
        (("--shape", "blob"), "shape: must be 'sphere', 'cube'"),
        (("--shell", "Fe2O3"), "the twin has no metal 'Fe2O3'"),
    ],
)
def test_each_mistake_is_told_and_nothing_is_written(tmp_path, words, told):
    refused = alloyscope("init", "mine.toml", *words, cwd=tmp_path)
    assert refused.returncode == 2
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "mine.toml").exists()


def test_a_file_that_is_there_stays(tmp_path):
    (tmp_path / "mine.toml").write_text("kept")
    refused = alloyscope("init", "mine.toml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert (tmp_path / "mine.toml").read_text() == "kept"
    assert alloyscope("init", "mine.toml", "--force", cwd=tmp_path).returncode == 0


def test_materials_are_made_of_elements():
    assert len(SYMBOLS) == 96
    for name in ("Au", "Ag", "Fe-Pt", "Fe2O3", "Au0.5Ag0.5", "Cu Ni", "Pd+Pt"):
        assert why_no_material(name) is None, name
    for name in ("Gold", "au", "Xx", "AU", "metal", "1", "Au@Ag"):
        assert why_no_material(name) is not None, name


def test_a_pixel_that_is_far_too_large_is_refused(session_file, tmp_path):
    path = session_file(**{"pixel_nm = 2.0": "pixel_nm = 80.0"})
    refused = alloyscope("check", path, cwd=tmp_path)
    assert refused.returncode == 2
    assert "scan.pixel_nm: 80 nm" in refused.stderr
