"""A test that leaves something behind fails and names it; one that cleans up passes."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.leftovers import MARK, REPOSITORY

CONFTEST = """
import tests.leftovers

tests.leftovers.GRACE_S = 0.3
nothing_is_left = tests.leftovers.nothing_is_left
own_temporary_folder = tests.leftovers.own_temporary_folder
"""
TESTS = """
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

kept = []
sleeping = f"import time; time.sleep(60)  # {__file__}"


def test_task():
    async def main():
        asyncio.create_task(asyncio.sleep(60), name="a forgotten task")

    asyncio.run(main())


def test_task_of_a_loop_that_is_never_closed():
    loop = asyncio.new_event_loop()
    kept.append((loop, loop.create_task(asyncio.sleep(60), name="another forgotten task")))


def test_thread():
    threading.Thread(target=time.sleep, args=(3,), name="a forgotten thread", daemon=True).start()


def test_process():
    kept.append(subprocess.Popen([sys.executable, "-c", sleeping]))


def test_process_whose_parent_has_died():
    start = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleeping!r}], start_new_session=True)"
    subprocess.run([sys.executable, "-c", start], check=True)


def test_process_that_nobody_waits_for():
    kept.append(os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", ""]))


def test_socket():
    kept.append(socket.socket())


def test_open_file(tmp_path):
    kept.append((tmp_path / "a").open("w"))


def test_folder_of_sockets():
    tempfile.mkdtemp(prefix="alloyscope-")


def test_folder_of_sockets_of_another_process():
    subprocess.run([sys.executable, "-c", "import tempfile; tempfile.mkdtemp(prefix='alloyscope-')"], check=True)


def test_file_in_the_repository(monkeypatch, tmp_path):
    import tests.leftovers

    (tests.leftovers.REPOSITORY / "a forgotten file").touch()


def test_nothing(tmp_path):
    async def main():
        await asyncio.create_task(asyncio.sleep(0))

    asyncio.run(main())
    thread = threading.Thread(target=time.sleep, args=(0.1,))
    thread.start()
    thread.join()
    subprocess.run([sys.executable, "-c", ""], check=True)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "a").open("w"), socket.socket():
        pass
    (tmp_path / "a").touch()
"""
NAMED = {
    "test_task": "tasks: a forgotten task (sleep)",
    "test_task_of_a_loop_that_is_never_closed": "another forgotten task (sleep)",
    "test_thread": "threads: a forgotten thread",
    "test_process": "time.sleep(60)",
    "test_process_whose_parent_has_died": "time.sleep(60)",
    "test_process_that_nobody_waits_for": "ended, but nobody waited for it",
    "test_socket": "-> socket:",
    "test_open_file": "test_open_file0/a",
    "test_folder_of_sockets": "temporary files: alloyscope-",
    "test_folder_of_sockets_of_another_process": "temporary files: alloyscope-",
    "test_file_in_the_repository": "a forgotten file",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forgetful")


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, str]:
    """What each of the tests above fails with; nothing where it passes."""
    (folder / "repository").mkdir()
    report = folder / "report.xml"
    of_its_own = f"tests.leftovers.REPOSITORY = __import__('pathlib').Path({str(folder / 'repository')!r})\n"
    (folder / "conftest.py").write_text(CONFTEST + of_its_own)
    (folder / "test_forgetful.py").write_text(TESTS)
    options = ["-q", "-c", os.devnull, "--rootdir", folder, "--basetemp", folder / "tmp", "--junitxml", report]
    command = [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", folder / "test_forgetful.py"]
    env = {name: value for name, value in os.environ.items() if name != MARK and not name.startswith("PYTEST")}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert report.exists(), done.stdout + done.stderr
    cases = ElementTree.parse(report).getroot().iter("testcase")
    said: dict[str, str] = {}
    for case in cases:
        words = [str(part.get("message")) for part in case if part.tag in ("failure", "error")]
        said[str(case.get("name"))] = said.get(str(case.get("name")), "") + " ".join(words)
    return said


@pytest.mark.parametrize("name", NAMED)
def test_what_is_left_fails_the_test_and_is_named(told, name):
    assert NAMED[name] in told[name]
    assert "this test leaves" in told[name]


def test_what_is_cleaned_up_passes(told):
    assert told.pop("test_nothing") == ""
    assert set(told) == set(NAMED)


def test_nothing_that_a_forgetful_test_started_lives_on(told, folder):
    found = [
        entry
        for entry in Path("/proc").glob("[0-9]*/cmdline")
        if str(folder / "test_forgetful.py").encode() in _read(entry)
    ]
    assert not found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
