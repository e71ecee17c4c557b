"""How far a long command is: shown where a person watches, nowhere else, and true."""

import io
import sys

import pytest

from controller.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("watched", [True, False])
def test_it_is_shown_on_a_terminal_only(monkeypatch, watched):
    said = Terminal() if watched else io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setenv("TERM", "xterm")
    with progress("tilt series analysed", counted=True) as show:
        show(3, 10)
    assert ("tilt series analysed" in said.getvalue()) == watched
    assert ("3/10" in said.getvalue()) == watched
