"""Faults of this program while it analyses: one of them must not cost a session the rest of its results."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

RAISED = "ALLOYSCOPE_RAISE_FAULTS"
"""Set in tests, and inherited by the analysis of their sessions: what a session survives must fail a test."""


def survived(where: str, error: Exception) -> None:
    """Write down where the fault was, for those who mend it; raises it again where faults are to be raised."""
    if os.environ.get(RAISED):
        raise error
    print(f"{where}:", *traceback.format_exception(error), sep="\n", file=sys.stderr, flush=True)


@contextmanager
def surviving(where: str) -> Iterator[None]:
    """For what may be left out."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # it is our own, whatever it is
        survived(where, error)
