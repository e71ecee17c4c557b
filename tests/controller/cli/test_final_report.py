"""What a session leaves behind when it has ended: a report, or a sentence that says why not."""

import pytest

from controller.cli.final_report import leave_report
from drivers.errors import ConfigError
from drivers.recorded.folder import SessionFolder
from tests.command import alloyscope
from tests.flows.recording import SMALL


@pytest.mark.parametrize("asked", ["true", "false"])
def test_a_session_that_ends_leaves_a_report_unless_told_not_to(session_file, tmp_path, asked):
    plan = session_file(**SMALL, **{"report = false": f"report = {asked}"})
    done = alloyscope("dry-run", plan, "--no-screen", "--out", "s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = tmp_path / "s" / "report" / "report.html"
    assert page.is_file() == (asked == "true")
    assert ("report: s/report/report.html" in done.stdout) == (asked == "true")
    if asked == "true":
        assert "The plan was completed" in page.read_text()


def test_where_nothing_began_there_is_nothing_to_report(tmp_path):
    assert leave_report(SessionFolder(tmp_path)) == ""


def test_who_is_told_to_end_does_not_wait_for_it_and_nobody_elses_folder_is_replaced(tmp_path):
    (tmp_path / "journal.jsonl").touch()
    assert "make it by: alloyscope report" in leave_report(SessionFolder(tmp_path), in_a_hurry=True)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "mine.txt").touch()
    assert "holds something else" in leave_report(SessionFolder(tmp_path))
    assert (tmp_path / "report" / "mine.txt").is_file()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConfigError("report", ["takes matplotlib"]), "no report: report: takes matplotlib"),
        (RuntimeError("broken"), "no report: RuntimeError: broken; make it by: alloyscope report"),
        (KeyboardInterrupt(), "the report was interrupted; make it by: alloyscope report"),
    ],
)
def test_a_report_that_fails_is_a_sentence_and_never_a_session_that_fails(tmp_path, monkeypatch, error, words):
    (tmp_path / "journal.jsonl").touch()

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("analysis.report.report.write_report", fail)
    assert words in leave_report(SessionFolder(tmp_path))
