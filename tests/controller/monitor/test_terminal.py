"""A screen whose terminal goes without a word, as behind a line that broke, leaves by itself."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

_SCREEN = """
from controller.monitor.app import MonitorApp
from tests.controller.conftest import ScriptedSource
MonitorApp(ScriptedSource([])).run()
"""


def test_a_screen_leaves_with_its_terminal():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    screen = subprocess.Popen(
        [sys.executable, "-c", _SCREEN],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color"},
        start_new_session=True,  # so that the terminal is not its own, and it hears no SIGHUP
    )
    os.close(theirs)
    try:
        drawn = b""
        while b"EMERGENCY" not in drawn:
            drawn += os.read(ours, 1 << 16)  # raises when the screen has ended instead
        os.close(ours)
        assert screen.wait(timeout=20) == 0
    finally:
        screen.kill()
        screen.wait()
