"""Where sockets are: private, with a path that a socket can have, and without what the dead have left."""

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from controller.stream.running_session import find_endpoints, read_endpoints
from controller.stream.socket_folder import PREFIX, new_socket_folder
from drivers.errors import ConfigError


@pytest.fixture
def places(own_temporary_folder, monkeypatch):
    """A runtime folder and a temporary one, with short paths."""
    with tempfile.TemporaryDirectory(dir=own_temporary_folder) as folder:
        runtime, temporary = Path(folder, "runtime"), Path(folder, "temporary")
        for place in (runtime, temporary):
            place.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        yield runtime, temporary


def test_it_is_private_and_below_the_runtime_folder_where_that_can_be_used(places, monkeypatch):
    runtime, temporary = places
    made = new_socket_folder()
    assert made.parent == runtime
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    for unusable in (str(runtime / "gone"), str(runtime / ("long" * 30)), ""):
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        assert new_socket_folder().parent == temporary


def test_a_path_that_is_too_long_everywhere_is_told(places, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", "/" + "t" * 100)
    made = new_socket_folder()  # in the last resort
    made.rmdir()
    monkeypatch.setattr("controller.stream.socket_folder._LONGEST", 10)
    with pytest.raises(ConfigError, match="XDG_RUNTIME_DIR"):
        new_socket_folder()


def test_what_the_dead_have_left_is_removed_and_nothing_else(places):
    runtime, _ = places
    dead, alive, empty, other = (runtime / f"{PREFIX}{name}" for name in ("dead", "alive", "empty", "other"))
    for folder in (dead, alive, empty, other):
        folder.mkdir()
    (other / "data.h5").touch()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(dead / "requests"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(alive / "requests"))
        listening.listen()
        assert new_socket_folder().parent == runtime
        assert dead.exists(), "it may be just starting"
        for folder in runtime.iterdir():
            os.utime(folder, (0, 0))
        made = new_socket_folder()
    assert made.exists()
    assert set(runtime.iterdir()) >= {alive, empty, other, made}
    assert not dead.exists()


def test_endpoints_cut_at_any_byte_are_no_session(tmp_path):
    whole = b'{"requests": "ipc:///nowhere/requests", "guard": "ipc:///nowhere/guard", "pid": 12}'
    path = tmp_path / "endpoints.json"
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        assert set(read_endpoints(path)) <= {"requests", "guard"}
        with pytest.raises(ConfigError):
            find_endpoints(str(tmp_path))
