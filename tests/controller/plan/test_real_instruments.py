"""No real instrument sees a clock that is not real."""

import pytest

from controller.cli import main
from controller.plan.check import checked_session
from simulators.chip import SimulatedChip

REAL_CHIP = """
from simulators.chip import SimulatedChip


class RealChip(SimulatedChip):
    simulated = False

    async def connect(self):
        raise AssertionError("it was connected")
"""


@pytest.mark.parametrize("command", [["dry-run"], ["run", "--speed", "4"]])
def test_a_dry_run_of_a_real_chip_is_refused_before_anything_is_made(
    session_file, tmp_path, monkeypatch, capsys, command
):
    (tmp_path / "real_chip.py").write_text(REAL_CHIP)
    path, folder = (
        session_file(**{'backend = "simulated"\nramp': 'backend = "real_chip.py:RealChip"\nramp'}),
        tmp_path / "s",
    )
    arguments = [*command, str(path), "--no-screen", "--trust", "--out", str(folder)]
    monkeypatch.setattr("sys.argv", ["alloyscope", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "real instrument" in capsys.readouterr().err
    assert not folder.exists()


def test_in_real_time_it_is_welcome(session_file, monkeypatch):
    monkeypatch.setattr(SimulatedChip, "simulated", False)
    assert checked_session(session_file()).title == "small"
