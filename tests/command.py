"""The command line in the test's own process: the same `main`, without paying for its imports at every call."""

import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from controller.cli import main

ALLOYSCOPE = [sys.executable, "-m", "controller.cli"]
"""For the few tests that need a process of its own."""


def alloyscope(*arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """What `alloyscope ...` ends with and says."""
    words = ["alloyscope", *map(str, arguments)]
    out, err, code = StringIO(), StringIO(), 0
    with chdir(cwd), patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
