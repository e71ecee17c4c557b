"""The report that a session leaves behind when it has ended, however it did."""

from __future__ import annotations

from drivers.errors import ConfigError
from drivers.recorded.folder import SessionFolder


def leave_report(folder: SessionFolder) -> str:
    """Write it into the session's folder; gives one line that says where it is, or why there is none."""
    if not folder.journal.is_file():
        return ""  # nothing has begun
    target = folder.path / "report"
    again = f"make it by: alloyscope report {folder.path}"
    try:
        from analysis.report.report import write_report

        write_report(folder.path, target, force=True)
    except KeyboardInterrupt:
        return f"the report was interrupted; {again}"
    except ConfigError as error:
        return f"no report: {'; '.join(error.sentences)}"
    except Exception as error:  # noqa: BLE001  # what was measured is kept, whatever a page of it suffers from
        return f"no report: {type(error).__name__}: {error}; {again}"
    return f"report: {target / 'report.html'}"
