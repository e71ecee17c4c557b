"""How far a long command is: one line on standard error, only where a person watches, gone when it is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from controller.cli.verbosity import Verbosity, asked


@contextmanager
def progress(what: str, *, counted: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show the time that has passed and, where parts are `counted`, the time left.

    Yields what is to be told how many parts of how many are done.
    """
    if not sys.stderr.isatty() or asked() is Verbosity.QUIET:
        yield lambda *_: None
        return
    from rich import progress as r
    from rich.console import Console

    left = (r.MofNCompleteColumn(), r.TextColumn("left"), r.TimeRemainingColumn()) if counted else ()
    shown = r.Progress(
        r.TextColumn("{task.description}"),
        r.BarColumn(20),
        r.TimeElapsedColumn(),
        *left,
        console=Console(stderr=True, soft_wrap=True),
        transient=True,
        # Lines of results then stand above it; where they go to a file they must not be touched.
        redirect_stdout=sys.stdout.isatty(),
    )
    with shown:
        task = shown.add_task(what, total=None)
        yield lambda done, parts: shown.update(task, completed=done, total=parts)
