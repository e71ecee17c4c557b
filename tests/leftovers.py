"""What a test may not leave behind: tasks, threads, processes, open sockets and files, temporary and repository files.

Each test that leaves something fails, with the names of it. `tests/conftest.py` takes the fixtures from here.
"""

import asyncio
import gc
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

GRACE_S = 2.0
"""What ends by itself may take so long: a process that was told to end, a thread that returns."""
REPOSITORY = Path(__file__).parents[1]
MARK = "ALLOYSCOPE_TESTS_OF"
"""In the environment of every process that a test starts, also of those whose own parent has died."""
KNOWN_THREADS = {
    "tqdm_monitor": "umap-learn's progress bars keep one daemon for the life of the process",
}
KNOWN_PROCESSES = {
    "multiprocessing.resource_tracker": "Python keeps one for the life of the process, once anything is spawned",
    "multiprocessing.forkserver": "the same",
}

KNOWN_FILES = {
    "/.onnxruntime/": "onnxruntime opens the store of its telemetry when it is imported and never closes it",
    ".ses": "the same",
    "/mpl-data/fonts/": "matplotlib keeps the fonts that it has drawn with open for the life of the process",
}


def _known(path: str) -> bool:
    return any(path.endswith(known) or ("/" in known and known in path) for known in KNOWN_FILES)


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name not in KNOWN_THREADS}


def _command(pid: str) -> str:
    with suppress(OSError):
        return Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def processes() -> dict[int, str]:
    """Children of this process, ended or not, and everything that they started, by its environment."""
    mark = f"{MARK}={os.getpid()}".encode()
    found = {}
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found |= dict.fromkeys((task / "children").read_text().split(), "")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found[entry.name] = ""
    names = {int(pid): _command(pid) or "ended, but nobody waited for it" for pid in found}
    return {pid: name for pid, name in names.items() if not any(known in name for known in KNOWN_PROCESSES)}


def descriptors() -> set[str]:
    """Open sockets and files on disk. Those of the standard library's own kind have no path and no socket."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            link = os.readlink(entry)
            if link.startswith(("socket:", "/")) and not link.startswith(("/dev/", "/proc/")) and not _known(link):
                found.add(f"{entry.name} -> {link}")
    return found


def repository_files() -> set[str]:
    """Of the root and of `sessions`; what tools keep there begins with a dot."""
    folders = (REPOSITORY, REPOSITORY / "sessions")
    return {str(p) for folder in folders if folder.is_dir() for p in folder.iterdir() if p.name[0] != "."}


def _pending() -> "set[asyncio.Task[Any]]":
    known: Any = getattr(asyncio.tasks, "_scheduled_tasks", None) or asyncio.tasks._all_tasks
    return {task for task in list(known) if not task.done()}


class Tasks:
    """Notes the tasks that are pending when a loop closes: `asyncio.run` would cancel them without a word."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.cancelled: set[str] = set()
        self._before = _pending()
        cancel_all: Callable[[asyncio.AbstractEventLoop], None] = asyncio.runners._cancel_all_tasks

        def noted(loop: asyncio.AbstractEventLoop) -> None:
            self.cancelled |= {self._name(task) for task in asyncio.all_tasks(loop)}
            cancel_all(loop)

        patch.setattr(asyncio.runners, "_cancel_all_tasks", noted)

    def left(self) -> set[str]:
        """And those that are pending still, in whatever loop."""
        return self.cancelled | {self._name(task) for task in _pending() - self._before}

    @staticmethod
    def _name(task: "asyncio.Task[Any]") -> str:
        return f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})"


@pytest.fixture(scope="session")
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where `tempfile` makes everything, in this process and those it starts, so that it is known whose it is."""
    tmp_path_factory.getbasetemp()  # pytest's own folder stays where it is
    # A short path: that of a socket may have a hundred letters.
    folder = Path(tempfile.mkdtemp(prefix="at-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv(MARK, str(os.getpid()))
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def nothing_is_left(own_temporary_folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        tasks = Tasks(patch)
        threads_before, open_before, files_before = threads(), descriptors(), repository_files()
        processes_before = set(processes())
        yield

        def left() -> dict[str, list[str]]:
            return {
                "tasks": sorted(tasks.left()),
                "threads": sorted(thread.name for thread in threads() - threads_before),
                "processes": [f"{pid} {name}" for pid, name in processes().items() if pid not in processes_before],
                "open sockets and files": sorted(descriptors() - open_before),
                "temporary files": sorted(p.name for p in own_temporary_folder.iterdir() if not _known(p.name)),
                "files in the repository": sorted(repository_files() - files_before),
            }

        found, until = left(), time.monotonic() + GRACE_S
        while any(found.values()) and time.monotonic() < until:
            gc.collect()
            time.sleep(0.05)
            found = left()
    for pid in set(processes()) - processes_before:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # of no child but a grandchild it knows nothing
    for path in own_temporary_folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    words = [f"{kind}: {', '.join(names)}" for kind, names in found.items() if names]
    if words:
        pytest.fail("this test leaves " + "; ".join(words), pytrace=False)
