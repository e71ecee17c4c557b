"""The report that a session leaves behind when it has ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drivers.errors import ConfigError
from drivers.recorded.folder import SessionFolder


@contextmanager
def leaving_report(folder: SessionFolder, *, wanted: bool) -> Iterator[Callable[[signal.Signals], None]]:
    """Leave one when the block is over, however it ends. Yields what is to hear of a signal that ends the session."""
    in_a_hurry = False

    def hear(number: signal.Signals) -> None:
        nonlocal in_a_hurry
        in_a_hurry = number is not signal.SIGINT

    try:
        yield hear
    finally:
        if wanted:
            print(leave_report(folder, in_a_hurry=in_a_hurry), end="", flush=True)


def leave_report(folder: SessionFolder, *, in_a_hurry: bool = False) -> str:
    """Write it into the session's folder; gives a line that says where it is, or why there is none.

    Parameters
    ----------
    in_a_hurry : who ends a process by SIGTERM or SIGHUP does not wait for a page
    """
    if not folder.journal.is_file():
        return ""  # nothing has begun
    target = folder.path / "report"
    again = f"make it by: alloyscope report {folder.path}"
    if in_a_hurry:
        return f"no report, since the session was told to end; {again}\n"
    try:
        from analysis.report.report import is_report, write_report

        if target.exists() and not is_report(target):
            return f"no report: {target} holds something else; {again} --to ANOTHER\n"
        write_report(folder.path, target, force=True)
    except KeyboardInterrupt:
        return f"the report was interrupted; {again}\n"
    except ConfigError as error:
        return f"no report: {'; '.join(error.sentences)}\n"
    except Exception as error:  # noqa: BLE001  # what was measured is kept, whatever a page of it suffers from
        return f"no report: {type(error).__name__}: {error}; {again}\n"
    return f"report: {target / 'report.html'}\n"
