"""Code that a session file names is not run before somebody has said so."""

import pytest

from tests.command import alloyscope

DRIVER = """
from pathlib import Path

from simulators.chip import SimulatedChip

Path(__file__).with_name("it-ran").touch()


class MyChip(SimulatedChip):
    pass
"""


@pytest.fixture
def foreign(session_file, tmp_path, monkeypatch):
    """A session file that names a driver beside it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "my_chip.py").write_text(DRIVER)
    return session_file(**{'backend = "simulated"\nramp': 'backend = "my_chip.py:MyChip"\nramp'})


@pytest.mark.parametrize("command", ["check", "plan", "dry-run", "run"])
def test_it_is_refused_before_anything_is_run(foreign, tmp_path, command):
    told = alloyscope(command, foreign, cwd=tmp_path)
    assert told.returncode == 2
    assert "my_chip.py" in told.stderr
    assert "--trust" in told.stderr
    assert not (tmp_path / "it-ran").exists()


def test_once_trusted_it_is_run_until_it_changes(foreign, tmp_path):
    assert alloyscope("check", foreign, "--trust", cwd=tmp_path).returncode == 0
    assert (tmp_path / "it-ran").exists()
    assert alloyscope("check", foreign, cwd=tmp_path).returncode == 0
    (tmp_path / "my_chip.py").write_text(DRIVER + "# another\n")
    assert alloyscope("check", foreign, cwd=tmp_path).returncode == 2


def test_an_installed_module_is_asked_about_by_its_name(session_file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    named = session_file(**{'backend = "simulated"\nramp': 'backend = "antigravity:Chip"\nramp'})
    told = alloyscope("check", named, cwd=tmp_path)
    assert "antigravity:Chip" in told.stderr
    assert "--trust" in told.stderr
    ours = session_file(**{'backend = "simulated"\nramp': 'backend = "simulators.chip:SimulatedChip"\nramp'})
    assert alloyscope("check", ours, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    "named",
    [
        'backend = "simulators.py:MyChip"',
        'backend = "drivers.d/my_chip.py:MyChip"',
        'backend = "faulty"\noptions = { of = "my_chip.py:MyChip" }',
        'backend = "simulators.faults:faulty_chip"\noptions = { of = "my_chip.py:MyChip" }',
    ],
)
def test_no_name_is_a_way_around(session_file, tmp_path, monkeypatch, named):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "drivers.d").mkdir()
    for name in ("my_chip.py", "simulators.py", "drivers.d/my_chip.py"):
        (tmp_path / name).write_text(DRIVER)
    path = session_file(**{'backend = "simulated"\nramp': f"{named}\nramp"})
    told = alloyscope("check", path, cwd=tmp_path)
    assert told.returncode == 2
    assert "--trust" in told.stderr
    assert not list(tmp_path.rglob("it-ran"))
