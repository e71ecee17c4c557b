"""A report of a session that still runs: a process of its own, asked for by a person or by each new D."""

import asyncio
import os
from pathlib import Path

import pytest

from controller.record.live_report import LiveReport
from drivers.recorded.folder import SessionFolder


def kept(folder: Path, then) -> list[tuple[str, str]]:
    """What is logged while a report is kept; `then` takes it and the lines."""
    lines: list[tuple[str, str]] = []

    async def main() -> None:
        report = LiveReport(SessionFolder(folder), lambda level, words: lines.append((level, words)))
        async with asyncio.timeout(120.0):
            task = asyncio.create_task(report.keep())
            await then(report, lines)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    return lines


def running() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


async def until(condition) -> None:
    while not condition():  # noqa: ASYNC110  # of other processes, which set no event here
        await asyncio.sleep(0.02)


def test_where_there_is_nothing_to_tell_it_says_why_and_goes_on(tmp_path):
    async def twice(report, lines):
        for n in (1, 2):
            assert report.ask(by_a_person=True).endswith(os.path.join("report", "report.html"))
            await until(lambda n=n: len(lines) == n)

    lines = kept(tmp_path / "nothing", twice)
    assert [level for level, _ in lines] == ["warning", "warning"]
    assert all(words.startswith("no report: ") and "nothing" in words for _, words in lines)


def test_what_nobody_asked_for_rouses_nobody_and_never_ends_a_session(tmp_path, monkeypatch):
    async def no_memory(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", no_memory)

    async def often(report, lines):
        for _ in range(3):
            report.ask()
            await asyncio.sleep(0.01)
        report.ask(by_a_person=True)
        await until(lambda: len(lines) == 2)

    lines = kept(tmp_path / "s", often)
    assert [level for level, _ in lines] == ["info", "warning"]
    assert all("Cannot allocate memory" in words for _, words in lines)


def test_who_ends_while_one_is_made_leaves_no_process(tmp_path):
    folder = tmp_path / "some-session"

    async def leave(report, _):
        report.ask()
        await until(lambda: any(str(folder) in words for words in running()))

    assert kept(folder, leave) == []
    assert not any(str(folder) in words for words in running())
