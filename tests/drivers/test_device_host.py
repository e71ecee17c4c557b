"""The device host and what may befall it: a controller that dies, a line that is cut, messages that are none."""

import ast
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq

from drivers import device_host
from drivers.device_host.archive import write_archive
from drivers.errors import DeviceError, DeviceTimeout
from drivers.far_clock import FarClock
from drivers.key_file import make_keys
from drivers.remote import RemoteChip, RemoteMicroscope
from tests.drivers.device_hosts import FAR, LIMIT_S, context, said

SOURCES = sorted(Path(device_host.__file__).parent.glob("*.py"))
LINE_S = 0.6
CONTROLLER = """
import asyncio, sys
from pathlib import Path
from drivers.clock import WallClock
from drivers.interfaces import DriverContext
from drivers.remote import RemoteChip, RemoteMicroscope

async def main():
    context = DriverContext(WallClock(), 1, Path("."))
    if sys.argv[2] == "chip":
        device = RemoteChip("chip", context, sys.argv[1])
        await device.connect()
        await device.ramp_to(300.0, 2000.0)
    else:
        able = dict(sweeps=False, interrupts=False, shapes=[[64, 64]])
        device = RemoteMicroscope("microscope", context, sys.argv[1], [-30, 30], abilities=able)
        await device.connect()
    print("holds it", flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


def plain(name: str, tmp_path, **options) -> tuple[str, dict]:
    return f"{FAR}:{name}", {"said": str(tmp_path / "said")} | options


def until(true, what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {LIMIT_S} s"
        time.sleep(0.02)


@pytest.mark.parametrize("device", ["chip", "microscope"])
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["SIGKILL", "SIGSTOP"])
def test_a_controller_that_dies_leaves_a_safe_device_within_the_agreed_time(host, tmp_path, device, blow):
    name = {"chip": "PlainChip", "microscope": "PlainMicroscope"}[device]
    far = host(plain(name, tmp_path), arguments=(f"--line-s={LINE_S}",))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", CONTROLLER, far.address, device]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as controller:
        try:
            assert controller.stdout.readline() == "holds it\n"
            time.sleep(3 * LINE_S)
            assert not said(tmp_path / "said", "safe"), "it lives"
            controller.send_signal(blow)
            died_s = time.monotonic()
            until(lambda: said(tmp_path / "said", "safe"), "make-safe")
        finally:
            controller.kill()
    safe_s = said(tmp_path / "said", "safe")[0] - died_s
    print(f"safe {safe_s:.3f} s after {blow.name}")
    assert LINE_S * 0.6 < safe_s < LINE_S + 0.4
    assert "was not heard for 0." in far.told()


def test_a_device_that_fails_to_be_made_safe_is_asked_again(host, tmp_path):
    far = host(plain("FailsOnce", tmp_path))
    chip = RemoteChip("chip", context(tmp_path), far.address, silence_s=0.5)

    async def hold() -> None:
        await chip.connect()
        await chip.ramp_to(300.0, 2000.0)
        assert far.end(signal.SIGINT) == 0
        with pytest.raises(DeviceTimeout):
            await chip.close()

    asyncio.run(hold())
    assert "the bus stumbles" in far.told()
    assert [len(said(tmp_path / "said", word)) for word in ("safe", "closed")] == [1, 1]


def test_who_goes_without_closing_leaves_a_safe_device(host, tmp_path):
    far = host(plain("PlainChip", tmp_path))
    with zmq.Context() as zmq_context, zmq_context.socket(zmq.DEALER) as line:
        line.setsockopt(zmq.LINGER, 0)
        line.connect(far.address)
        line.send(json.dumps({"id": 1, "device": "chip", "ask": "hello", "who": "somebody"}).encode())
        token = json.loads(line.recv())["value"]["token"]
        line.send(json.dumps({"id": 2, "device": "chip", "ask": "bye", "token": token}).encode())
        until(lambda: said(tmp_path / "said", "safe"), "make-safe")
    assert "somebody has gone without closing it" in far.told()


def test_a_host_that_fails_itself_makes_its_devices_safe(host, tmp_path):
    far = host(plain("BreaksTheHost", tmp_path))
    chip = RemoteChip("chip", context(tmp_path), far.address, silence_s=0.5)

    async def hold() -> None:
        await chip.connect()
        with pytest.raises(DeviceError, match="SystemExit: a vendor's library ends the program"):
            await chip.quench()
        await chip.ramp_to(300.0, 2000.0)
        far.blow(signal.SIGUSR1)
        assert far.process.wait(LIMIT_S) == 1
        with pytest.raises(DeviceTimeout):
            await chip.close()

    asyncio.run(hold())
    assert [len(said(tmp_path / "said", word)) for word in ("safe", "closed")] == [1, 1]
    assert "nothing is left" in far.told()


@pytest.mark.slow
def test_a_driver_that_never_comes_back_is_told_of_loudly(host, tmp_path):
    far = host(plain("BlocksForGood", tmp_path))
    chip = RemoteChip("chip", context(tmp_path), far.address, limit_s=1.0)

    async def hold() -> None:
        await chip.connect()
        with pytest.raises(DeviceTimeout, match="has not done it within 4 s; check the instrument"):
            await chip.ramp_to(300.0, 100.0)
        with pytest.raises(DeviceTimeout, match="asked to close"):
            await chip.close()

    asyncio.run(hold())
    until(lambda: "so the chip is made safe" in far.told(), "the loss of the line")
    until(lambda: "NOT SAFE YET" in far.told(), "the word")
    assert far.end() == 1
    assert "NOT KNOWN TO BE SAFE" in far.told()


def test_a_host_that_stands_still_is_told_of_within_the_limit_and_then_goes_on(host, tmp_path):
    far = host(("simulators.bare_microscope:BareMicroscope", {}))
    microscope = RemoteMicroscope("microscope", context(tmp_path), far.address, [-30, 30], silence_s=0.8)

    async def ask() -> None:
        await microscope.connect()
        far.blow(signal.SIGSTOP)
        asked_s = time.monotonic()
        with pytest.raises(
            DeviceTimeout, match=r"asked to set beam blank, .* was not heard for 0\.8 s; check its comp"
        ):
            await microscope.set_beam_blank(True)
        assert time.monotonic() - asked_s < 1.3
        far.blow(signal.SIGCONT)
        await microscope.set_beam_blank(True)
        await microscope.close()

    asyncio.run(ask())


def test_what_was_given_up_while_the_host_stood_still_is_not_done_afterwards(host, tmp_path):
    far = host(plain("PlainChip", tmp_path))
    chip = RemoteChip("chip", context(tmp_path), far.address, silence_s=0.5)

    async def ask() -> None:
        await chip.connect()
        far.blow(signal.SIGSTOP)
        with pytest.raises(DeviceTimeout):
            await chip.ramp_to(300.0, 100.0)
        far.blow(signal.SIGCONT)
        assert (await chip.read()).setpoint_c == 25.0
        await chip.close()

    asyncio.run(ask())
    assert not said(tmp_path / "said", "ramp")


def test_a_host_that_is_started_anew_is_found_again(host, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    first = host(plain("PlainChip", tmp_path), listen=address)
    chip = RemoteChip("chip", context(tmp_path), address, silence_s=0.5)

    async def ask() -> None:
        await chip.connect()
        await chip.ramp_to(300.0, 100.0)
        before = await chip.read()
        first.end(signal.SIGKILL)
        with pytest.raises(DeviceTimeout, match=r"was not reached within|was not heard for"):
            await chip.read()
        host(plain("PlainChip", tmp_path), listen=address)
        after = await chip.read()
        assert after.setpoint_c == 25.0
        assert after.time_s > before.time_s
        await chip.ramp_to(200.0, 100.0)
        await chip.close()

    asyncio.run(ask())


def test_a_ramp_after_a_restart_is_refused_once_in_words(host, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    chip = RemoteChip("chip", context(tmp_path), address, silence_s=2.0)

    async def ask() -> None:
        first = host(plain("PlainChip", tmp_path), listen=address)
        await chip.connect()
        first.end(signal.SIGKILL)
        host(plain("PlainChip", tmp_path), listen=address)
        with pytest.raises(DeviceError, match=r"asked to ramp to, the host .* refused: .* was started anew"):
            await chip.ramp_to(300.0, 100.0)
        await chip.ramp_to(200.0, 100.0)
        await chip.close()

    asyncio.run(ask())
    assert said(tmp_path / "said", "ramp to 200")
    assert not said(tmp_path / "said", "ramp to 300")


_RAMP = b'{"id": 1, "device": "chip", "ask": "call", "call": "ramp_to", '
HOSTILE = [
    [b""],
    [b"{"],
    [b"\xff\xfe"],
    [b"[]"],
    [b"null"],
    [b"[" * 60000],
    [b"{}", b"{}"],
    [b'{"id": 1e999, "device": "chip", "ask": "beat"}'],
    [b'{"id": 1, "device": "chip", "ask": "beat", "more": 1}'],
    [b'{"id": 1, "device": "edx", "ask": "hello"}'],
    [b'{"id": 1, "device": "chip", "ask": "exec"}'],
    [b'{"id": 1, "device": ["chip"], "ask": "beat"}'],
    [b'{"id": 1, "device": "chip", "ask": "call", "call": "__class__", "args": {}}'],
    [b'{"id": 1, "device": "chip", "ask": "call", "call": "read", "args": {"x": 1}}'],
    [b'{"id": 1, "device": "chip", "ask": "call", "call": "ramp_to", "args": []}'],
    *(
        [_RAMP + b'"args": {"target_c": %s, "rate_c_per_s": 1}}' % c]
        for c in (b"NaN", b"Infinity", b'"300"', b"true", b"1" + b"0" * 400)
    ),
]


def test_messages_that_are_none_are_answered_counted_and_never_fatal(host, tmp_path):
    far = host(plain("PlainChip", tmp_path))
    with zmq.Context() as zmq_context, zmq_context.socket(zmq.DEALER) as stranger:
        stranger.setsockopt(zmq.LINGER, 0)
        stranger.connect(far.address)
        for parts in HOSTILE:
            stranger.send_multipart(parts)
            assert stranger.poll(3000), parts
            answer = json.loads(stranger.recv())
            assert answer["error"]["words"].startswith("the message "), parts
        token = {"id": 2, "device": "chip", "ask": "call", "call": "ramp_to", "token": "guessed"}
        stranger.send(json.dumps(token | {"args": {"target_c": 300.0, "rate_c_per_s": 1.0}}).encode())
        assert json.loads(stranger.recv())["error"]["kind"] == "NotYours"
        stranger.send(json.dumps({"id": 3, "device": "chip", "ask": "hello", "who": "a stranger"}).encode())
        answer = json.loads(stranger.recv())["value"]
        assert answer["refused"] == len(HOSTILE)
        stranger.send(json.dumps({"id": 4, "device": "chip", "ask": "bye", "token": answer["token"]}).encode())
        stranger.send(b"x" * (1 << 17))  # beyond the size limit: the line is cut
        assert not stranger.poll(300)
    with socket.create_connection(("127.0.0.1", int(far.address.rpartition(":")[2]))) as raw:
        raw.sendall(os.urandom(4096))
    chip = RemoteChip("chip", context(tmp_path), far.address)

    async def read() -> None:
        await chip.connect()
        assert (await chip.read()).temperature_c == 25.0
        await chip.close()

    asyncio.run(read())
    assert not said(tmp_path / "said", "ramp")
    assert far.end() == 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_it_runs_on_an_old_python_and_imports_nothing_of_this_project(source):
    tree = ast.parse(source.read_text(), feature_version=(3, 7))
    known = set(sys.stdlib_module_names) | {"zmq", "numpy"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= known
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module.partition(".")[0] in known
        assert not (isinstance(node, ast.ImportFrom) and node.level > 1)
        assert not isinstance(node, ast.Match | ast.NamedExpr | ast.TryStar)
    evaluated = [n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.Call)]
    subscripts = {
        n.value.id
        for e in evaluated
        for n in ast.walk(e)
        if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)
    }
    assert not subscripts & {"dict", "list", "tuple", "Future"}, "what Python 3.7 cannot evaluate"


def test_it_is_one_file_that_runs_where_nothing_of_this_project_is(tmp_path):
    archive = write_archive(tmp_path / "device_host.pyz")
    driver = tmp_path / "far_drivers.py"
    driver.write_bytes(FAR.read_bytes())
    command = [sys.executable, "-I", str(archive), "--listen=tcp://127.0.0.1:0", f"{driver}:PlainChip"]
    command += ["--options", json.dumps({"said": str(tmp_path / "said")})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        address = process.stdout.readline().split()[-1]

        async def read() -> None:
            chip = RemoteChip("chip", context(tmp_path), address)
            await chip.connect()
            assert (await chip.read()).temperature_c == 25.0
            await chip.close()

        asyncio.run(read())
        process.terminate()
        assert process.wait(LIMIT_S) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen=tcp://0.0.0.0:0", f"{FAR}:PlainChip"], "no --key is given; make keys with"),
        (["--listen=here", f"{FAR}:PlainChip"], "write tcp://HOST:PORT"),
        ([f"{FAR}:NoSuch"], "cannot be loaded (AttributeError"),
        ([f"{FAR}:PlainChip"], "cannot be built (TypeError"),
        ([f"{FAR}:PlainChip", "--options=[]"], "is no JSON object"),
        (["json:JSONDecoder"], "is no driver"),
        ([f"{FAR}:PlainChip", "--options={}", "--options={}"], "2 --options for 1 drivers"),
        (["--key=KEYS/operator.key", f"{FAR}:PlainEdx", '--options={"said": ""}'], "listens with session.key"),
        (["--key=KEYS/open.key", f"{FAR}:PlainEdx", '--options={"said": ""}'], "others can read this key"),
    ],
)
def test_what_cannot_be_hosted_is_refused_in_a_sentence(tmp_path, arguments, words):
    make_keys(tmp_path / "keys")
    (tmp_path / "keys" / "open.key").touch(0o644)
    command = [sys.executable, "-m", "drivers.device_host", "--listen=tcp://127.0.0.1:0"]
    command += [argument.replace("KEYS", str(tmp_path / "keys")) for argument in arguments]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=LIMIT_S)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_alloyscope_writes_the_file_and_hosts_as_well(tmp_path):
    root = Path(__file__).parents[2]

    def alloyscope(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "controller.cli", "device-host", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=LIMIT_S)

    copied = alloyscope("--copy", str(tmp_path / "host.pyz"))
    assert copied.returncode == 0, copied.stderr
    assert "python host.pyz --help" in copied.stdout
    done = subprocess.run([sys.executable, "-I", tmp_path / "host.pyz", "--help"], capture_output=True, text=True)
    assert "--line-s" in done.stdout
    refused = alloyscope("--listen", "tcp://0.0.0.0:5560", f"{FAR}:PlainChip")
    assert (refused.returncode, "no --key is given" in refused.stderr) == (2, True), refused.stderr


@pytest.mark.parametrize(("late_s", "done"), [(0.0, True), (1.0, False)])
def test_what_is_heard_too_late_is_not_begun(host, tmp_path, monkeypatch, late_s, done):
    """However its messages reach a host that stood still: by the time that they carry, not by their order."""
    far = host(plain("PlainChip", tmp_path))
    chip = RemoteChip("chip", context(tmp_path), far.address, silence_s=0.5)

    async def ask() -> None:
        await chip.connect()
        with monkeypatch.context() as patch:
            patch.setattr(FarClock, "far_s", lambda self, now_s, real=FarClock.far_s: real(self, now_s) - late_s)
            if done:
                await chip.ramp_to(300.0, 100.0)
            else:
                with pytest.raises(DeviceError, match="came too late"):
                    await chip.ramp_to(300.0, 100.0)
                await chip.read()
                await chip.quench()  # whatever the clocks say
        await chip.close()

    asyncio.run(ask())
    assert bool(said(tmp_path / "said", "ramp")) == done
