"""Over the network: who has the right key watches or commands, who has not is told so."""

import asyncio
import socket
import stat
import time
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from analysis.live.settings import AnalysisSettings
from controller import events as ev
from controller.monitor.source import RemoteSession
from controller.stream.door import FOR_ANALYSES, Door, next_port
from controller.stream.protocol import Command
from controller.stream.running_session import find_endpoints, send_command
from controller.stream.streams import Streams
from drivers.errors import ConfigError, DeviceError
from drivers.key_file import make_keys, read_key
from drivers.keys import HANDSHAKE_S, try_door, with_key
from drivers.requests import Question, Refused, RequestSocket
from drivers.stream_requests import Alive, HowToAnalyse, OwnParticles, TakeVolume, Together
from tests.command import alloyscope
from tests.controller.stream.taken import Taken

EVENT = ev.ChipReading(1.0, 25.0, 25.0, 0.0)


@pytest.fixture
def keys(tmp_path) -> Path:
    make_keys(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def address() -> str:
    """Two ports that nobody listens at."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return f"tcp://127.0.0.1:{port}"


def while_listening(
    address: str, keys: Path, do: Callable[[ev.Events], Coroutine[Any, Any, None]], taken: Taken | None = None
) -> list[str]:
    """What the session was commanded meanwhile."""
    commands: list[str] = []

    async def command(name: str) -> str:
        commands.append(name)
        return name.upper()

    async def main() -> None:
        events = ev.Events()
        door = Door(address, keys / "session.key")
        streams = Streams(None, events, taken or Taken(), command, door)  # type: ignore[arg-type]  # no frame
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(streams.serve())
                await asyncio.sleep(0)
                await do(events)
                serving.cancel()
        finally:
            streams.close()

    asyncio.run(main())
    return commands


def test_an_operator_commands_and_an_observer_watches(address, keys):
    async def main(events: ev.Events) -> None:
        operator = await asyncio.to_thread(find_endpoints, address, keys / "operator.key")
        assert await asyncio.to_thread(send_command, operator, "pause") == "PAUSE"
        observer = await asyncio.to_thread(find_endpoints, address, keys / "observer.key")
        with pytest.raises(DeviceError, match="observer's key only watches"):
            await asyncio.to_thread(send_command, observer, "abort")
        events.tell(EVENT)
        seen = []
        source = RemoteSession(observer, quiet_s=0.3).events()
        async for event in source:
            if event is None:
                if seen[1:]:
                    break
                events.tell(EVENT)  # and live
            else:
                seen.append(event)
        await source.aclose()  # type: ignore[attr-defined]  # an async generator
        assert seen[:2] == [EVENT, EVENT]

    assert while_listening(address, keys, main) == ["pause"]


def test_a_wrong_key_is_told_at_once_and_no_key_is_heard(address, keys, tmp_path):
    make_keys(tmp_path / "others")
    stranger, known = read_key(tmp_path / "others" / "operator.key"), read_key(keys / "operator.key")
    forged = (keys / "operator.key").read_text().replace(known.public, stranger.public)
    (tmp_path / "forged.key").write_text(forged.replace(known.secret, stranger.secret))
    (tmp_path / "forged.key").chmod(0o600)

    async def main(_: ev.Events) -> None:
        for path in (tmp_path / "others" / "operator.key", tmp_path / "forged.key"):
            began_s = time.monotonic()
            with pytest.raises(ConfigError, match="does not open"):
                await asyncio.to_thread(find_endpoints, address, path)
            assert time.monotonic() - began_s < HANDSHAKE_S
        with zmq.Context() as context, context.socket(zmq.DEALER) as plain:
            plain.setsockopt(zmq.LINGER, 0)
            plain.connect(address)
            plain.send(b'{"ask": "command", "command": "stop", "id": 1}')
            assert not await asyncio.to_thread(plain.poll, 500)

    assert while_listening(address, keys, main) == []


def test_nobody_there_is_told_at_once(address, keys):
    began_s = time.monotonic()
    with pytest.raises(ConfigError, match="--listen"):
        find_endpoints(address, keys / "operator.key")
    assert time.monotonic() - began_s <= HANDSHAKE_S + 0.5
    with pytest.raises(ConfigError, match="--key"):
        find_endpoints(address)


def test_keys_are_private_never_replaced_and_have_their_roles(keys, tmp_path, address):
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}
    again = alloyscope("keys", keys, cwd=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    with pytest.raises(ConfigError, match=r"session\.key"):
        Door(address, keys / "operator.key")
    (keys / "operator.key").chmod(0o644)
    with pytest.raises(ConfigError, match="others can read"):
        read_key(keys / "operator.key")


@pytest.mark.parametrize(
    "wrong", ["", "tcp://", "tcp://host", "tcp://host:", "tcp://host:99999", "ipc://x:1", "tcp://:5"]
)
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(ConfigError, match="HOST:PORT"):
        next_port(wrong)


def test_a_session_does_not_listen_without_a_key(session_file, tmp_path):
    told = alloyscope("run", session_file(), "--listen", "tcp://127.0.0.1:5570", cwd=tmp_path)
    assert told.returncode == 2
    assert "--key" in told.stderr


def test_an_analysis_is_let_in_by_its_own_key_and_door_only(address, keys):
    """It hears how to analyse, is told its share, sends results without knowing the session's token."""
    taken = Taken(token="known to one")

    async def main(_: ev.Events) -> None:
        def at(port: int, role: str) -> str:
            return with_key(next_port(address, port) if port else address, keys / f"{role}.key")

        for port, role in ((0, "analyst"), (FOR_ANALYSES, "operator"), (FOR_ANALYSES, "observer")):
            with pytest.raises(ConfigError, match="does not open"):
                await asyncio.to_thread(try_door, at(port, role))
        endpoint = at(FOR_ANALYSES, "analyst")
        with zmq.Context() as context:
            requests = RequestSocket(context, endpoint, linger_ms=500)

            def asked(question: Question, *parts: bytes) -> Any:
                return [value for value, _ in requests.ask(question, *parts, limit_s=5.0)][-1]

            try:
                for worker, known in (("laptop", "0.0"), ("", version("alloyscope"))):
                    with pytest.raises(Refused, match=r"install the same|give another --name"):
                        await asyncio.to_thread(asked, HowToAnalyse(worker=worker, version=known))
                here = HowToAnalyse(worker="laptop", version=version("alloyscope"))
                settings = await asyncio.to_thread(asked, here)
                assert AnalysisSettings.model_validate_json(settings) == taken.settings
                requests.send(Alive(worker="laptop"))
                taken.shares.meet("NC2")
                share = await asyncio.to_thread(asked, OwnParticles(worker="laptop"))
                assert share == {"next_seq": 0, "closed": False, "particles": ["NC2"]}
                volume = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
                for step in ("c00/NC2/tilt", "unknown"):
                    requests.send(TakeVolume(step=step, voxel_nm=0.5, shape=(2, 3, 4)), volume.tobytes())
                short = TakeVolume(step="short", voxel_nm=0.5, shape=(2, 3, 5), answered=True)
                assert await asyncio.to_thread(asked, short, volume.tobytes()) is None
                assert await asyncio.to_thread(asked, Together(particle="NC2", pulses=1), b"far") == 1
                with pytest.raises(Refused, match="too many"):
                    await asyncio.to_thread(asked, Together(particle="NC2", pulses=1), bytes(1 << 17))
                with pytest.raises(Refused, match="takes part already"):
                    await asyncio.to_thread(asked, here)
                with pytest.raises(Refused):
                    await asyncio.to_thread(asked, Command(command="stop"))
                (kept,) = taken.volumes.items()
                assert kept[0] == "c00/NC2/tilt"
                assert np.array_equal(kept[1][0], volume)
            finally:
                requests.close()

    assert while_listening(address, keys, main, taken) == []


def test_keys_made_before_there_were_analysts_open_what_they_did(address, keys):
    path = keys / "session.key"
    older = "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("analysts"))
    path.write_text(older)

    async def main(_: ev.Events) -> None:
        operator = await asyncio.to_thread(find_endpoints, address, keys / "operator.key")
        assert await asyncio.to_thread(send_command, operator, "pause") == "PAUSE"
        with pytest.raises(ConfigError, match="nobody answers"):
            await asyncio.to_thread(try_door, with_key(next_port(address, FOR_ANALYSES), keys / "analyst.key"))

    assert while_listening(address, keys, main) == ["pause"]


def test_another_role_than_an_analyst_s_does_not_assist(address, keys, tmp_path):
    ended = alloyscope("assist", address, "--key", keys / "operator.key", cwd=tmp_path)
    assert ended.returncode == 2
    assert "is the key of an operator; an analysis takes part with analyst.key" in ended.stderr
    ended = alloyscope("assist", "tcp://nowhere", "--key", keys / "analyst.key", cwd=tmp_path)
    assert ended.returncode == 2
    assert "write tcp://HOST:PORT" in ended.stderr
    ended = alloyscope("assist", address, "--key", keys / "analyst.key", cwd=tmp_path)
    assert ended.returncode == 2
    assert "nobody answers there" in ended.stderr
