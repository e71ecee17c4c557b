"""Whole dry runs that are told to a broker: one that dies again and again, and one that a screen watches."""

import asyncio
import signal
import subprocess
import threading
import time
from collections import defaultdict
from contextlib import suppress

import aiomqtt
import pytest
from textual.widgets import Static

from controller import events as ev
from controller.engine import FinishReason
from controller.monitor.app import MonitorApp
from controller.telemetry import publisher
from controller.telemetry.telling import told
from controller.telemetry.topics import Payload, decode
from controller.telemetry.watching import SessionAtBroker, read_address
from drivers.broker import Broker
from tests.command import ALLOYSCOPE, alloyscope
from tests.controller.telemetry.conftest import Mosquitto, Telling, free_port
from tests.flows.conftest import recorded  # noqa: F401  # a fixture
from tests.flows.recording import session_in

FEW_TILTS = {"durations_s": "[90.0]", "step_deg": 10.0}
RESTARTS = 5


class Subscriber:
    """In a thread of its own, with a persistent session: whatever the broker does, it comes back and hears the rest."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.heard: defaultdict[str, list[Payload]] = defaultdict(list)
        self.connected = threading.Event()
        self.over = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._listen()), name="subscriber")
        self.thread.start()

    async def _listen(self) -> None:
        until = time.monotonic() + 100.0
        while not self.over.is_set() and time.monotonic() < until:
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    "127.0.0.1", self._port, identifier="archive", clean_session=False, timeout=5.0
                ) as client:
                    await client.subscribe("alloyscope/#", qos=1)
                    self.connected.set()
                    async for message in client.messages:
                        payload = decode(message.payload)
                        self.heard[str(message.topic)].append(payload)
                        if payload.value == "ended":
                            self.over.set()
                            break
            self.connected.clear()
            await asyncio.sleep(0.02)


class Killer:
    """Listens to a session, and kills the broker as often as said, evenly over so many readings."""

    def __init__(self, mosquitto: Mosquitto, telling: Telling, subscriber: Subscriber, readings: int) -> None:
        self._mosquitto, self._telling, self._subscriber = mosquitto, telling, subscriber
        self._at = {readings * (n + 1) // (RESTARTS + 1) for n in range(RESTARTS)}
        self._readings, self.kills = 0, 0
        self.events: list[ev.Event] = []

    def hear(self, event: ev.Event) -> None:
        self.events.append(event)
        self._readings += isinstance(event, ev.ChipReading)
        if isinstance(event, ev.ChipReading) and self._readings in self._at:
            assert self._subscriber.connected.wait(10.0)
            self._telling.wait_for_words("published to", self.kills + 1)
            self.kills += 1
            self._mosquitto.kill(signal.SIGKILL)
            threading.Timer(0.1, self._mosquitto.start).start()


def test_a_broker_killed_five_times_costs_a_session_nothing_and_a_subscriber_no_reading(
    new_mosquitto,
    session_file,
    tmp_path,
    monkeypatch,
    recorded,  # noqa: F811  # the fixture
):
    undisturbed = recorded(session_file(**FEW_TILTS), tmp_path / "undisturbed")
    readings = sum(isinstance(e, ev.ChipReading) for e in undisturbed.heard)
    # A broker that saves each change loses nothing by a kill, but takes some 15 ms for each where disks are slow.
    mosquitto = new_mosquitto("autosave_on_changes true", "autosave_interval 1")
    mosquitto.start()
    monkeypatch.setattr(publisher, "DRAIN_S", 60.0)
    subscriber = Subscriber(mosquitto.port)
    try:
        assert subscriber.connected.wait(10.0)
        telling = Telling(Broker("127.0.0.1", mosquitto.port))
        killer = Killer(mosquitto, telling, subscriber, readings)
        session, clock = session_in(session_file(**FEW_TILTS), tmp_path / "s", telling.hear, killer.hear)
        assert clock.run(session.run()) is FinishReason.COMPLETED
        assert telling.end() == ""
        assert subscriber.over.wait(60.0)
    finally:
        subscriber.over.set()
        mosquitto.kill(signal.SIGTERM)
        subscriber.thread.join()
    assert killer.kills == RESTARTS
    assert session.json()["particles"] == undisturbed.told["particles"]
    assert len(telling.warnings()) == RESTARTS
    expected: defaultdict[str, list[object]] = defaultdict(list)
    for event in killer.events:
        for message in told(event):
            expected[f"alloyscope/lab/s1/{message.topic}"].append(message.value)
    assert len(expected["alloyscope/lab/s1/chip/temperature"]) == readings > 300
    for topic, values in expected.items():
        heard = {p.sequence: p.value for p in subscriber.heard[topic]}
        missing = set(range(len(values))) - set(heard)
        assert not missing, f"{topic}: {len(missing)} of {len(values)} are missing"
        assert [heard[n] for n in range(len(values))] == values


def telemetry(port: int, more: str = "") -> str:
    return f'\n[telemetry]\nhost = "127.0.0.1"\nport = {port}\nsite = "lab"\n{more}'


def on_screen(app: MonitorApp) -> str:
    parts = [str(app.query_one(f"#{name}", Static).render()) for name in ("status", "progress", "results")]
    pictures = [str(app.query_one(f"#{name}").render()) for name in ("frame", "slice")]
    return "\n".join([*parts, *pictures, str(app.query_one("#temperature").border_title)])


def test_a_screen_shows_chip_temperature_and_d_from_the_topics_of_a_running_dry_run(mosquitto, session_file, tmp_path):
    path = session_file(**FEW_TILTS, more=telemetry(mosquitto.port))
    where = f"mqtt://127.0.0.1:{mosquitto.port}/alloyscope/lab/s"

    async def watch(until: str) -> str:
        app = MonitorApp(SessionAtBroker(read_address(where), quiet_s=0.5))
        async with app.run_test(size=(160, 48)) as pilot:
            deadline = time.monotonic() + 60.0
            while until not in (shown := on_screen(app)):
                assert time.monotonic() < deadline, shown
                await pilot.pause(0.1)
        listening = asyncio.all_tasks() - {asyncio.current_task()}
        for task in listening:
            task.cancel()
        await asyncio.wait(listening)
        return shown

    arguments = [*ALLOYSCOPE, "dry-run", path.name, "--no-screen", "--out", "s"]
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        running = asyncio.run(watch(" C, set "))
        assert "SIMULATED" in running and "no pictures by MQTT" in running
        shown = asyncio.run(watch("completed"))
        assert process.stdout is not None
        printed = process.stdout.read()
    assert process.returncode == 0
    assert f"published to mqtt://127.0.0.1:{mosquitto.port}/alloyscope/lab/s" in printed
    (d,) = [line for line in printed.splitlines() if "m2/s (1 sigma)" in line]
    value = d.partition(" = ")[2].partition(" m2/s")[0]
    assert f"{value} m2/s" in shown
    late = asyncio.run(watch(f"{value} m2/s"))  # what is retained tells who comes late the same, in any order
    assert "states after heat" in late or "state after heat" in late


def test_what_is_wrong_with_a_broker_is_said_in_a_sentence_before_a_screen_is_drawn(mosquitto, tmp_path):
    here = f"127.0.0.1:{mosquitto.port}"
    asyncio.run(publish(mosquitto.port, "alloyscope/lab/other/status"))
    password = tmp_path / "password"
    password.write_text("secret\n")
    for address, options, words in (
        (f"mqtt://{here}/alloyscope/lab/s", [], "has heard of no such session; there are: alloyscope/lab/other"),
        (f"mqtt://{here}/alloyscope/roof/s", [], "has heard of no such session; there is no session at this site"),
        (f"mqtt://127.0.0.1:{free_port()}/a/b/c", [], "nobody listens at 127.0.0.1"),
        ("mqtt://no-such-broker.invalid/a/b/c", [], "no computer is called 'no-such-broker.invalid'"),
        (f"mqtt://{here}/lab/s", [], "write mqtt://[USER@]HOST[:PORT]/ROOT/SITE/SESSION"),
        ("mqtt://host:99999/a/b/c", [], "is no session at a broker"),
        ("mqtt://em:secret@host/a/b/c", [], "a password in an address can be seen"),
        ("mqtt://host/a/+/c", [], "a topic of one session has no +"),
        ("mqtt://em@host/a/b/c", ["--password-file", password], "others can read it; run: chmod 600"),
        ("mqtt://host/a/b/c", ["--password-file", password], "a broker asks whose password it is"),
        ("mqtts://host/a/b/c", ["--ca", password], "no certificate in PEM"),
    ):
        ended = alloyscope("monitor", address, *options, cwd=tmp_path)
        assert ended.returncode == 2 and words in ended.stderr and "Traceback" not in ended.stderr, ended.stderr
        assert "secret" not in ended.stderr


async def publish(port: int, topic: str) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(topic, b"{}", qos=1, retain=True)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('password = "secret"\n', "a password never stands in a session file; write password_file or password_env"),
        ('password_env = "NO_SUCH_VARIABLE"\n', "a broker asks whose password it is; add username"),
        ('username = "em"\npassword_env = "NO_SUCH_VARIABLE"\n', "there is no environment variable NO_SUCH_VARIABLE"),
        ('username = "em"\npassword_file = "nowhere"\n', "nowhere cannot be read (No such file or directory)"),
        ('username = "em"\npassword_file = "open"\n', "others can read it; run: chmod 600"),
        ('tls = true\nca_file = "open"\n', "cannot be used (no certificate in PEM)"),
        ('ca_file = "open"\n', "ca_file is for TLS; add tls = true"),
        ('root = "a/#"\n', "telemetry.root"),
        ("queue_messages = 1\n", "telemetry.queue_messages"),
    ],
)
def test_a_section_that_cannot_work_is_refused_before_anything_is_made(session_file, tmp_path, more, words):
    (tmp_path / "open").write_text("secret\n")
    (tmp_path / "open").chmod(0o644)
    path = session_file(more=telemetry(1883, more))
    for command in ("check", "dry-run"):
        ended = alloyscope(command, path.name, cwd=tmp_path)
        assert ended.returncode == 2 and words in ended.stderr, ended.stderr
    assert "secret" not in ended.stderr or more.startswith("password =")
    assert not (tmp_path / "sessions").exists()


def test_a_particle_may_not_be_called_like_a_topic(session_file, tmp_path):
    path = session_file(more=telemetry(1883), **{'name = "NC2"': 'name = "results"'})
    ended = alloyscope("check", path.name, cwd=tmp_path)
    assert ended.returncode == 2 and "no particle may be called 'results'" in ended.stderr


def test_a_password_comes_from_its_file_or_the_environment(session_file, tmp_path, monkeypatch):
    from controller.plan.check import checked_session

    (tmp_path / "password").write_text("right\n")
    (tmp_path / "password").chmod(0o600)
    monkeypatch.setenv("BROKER_PASSWORD", "right, too")
    for more, password in (("password_file", "right"), ("password_env", "right, too")):
        value = "password" if more == "password_file" else "BROKER_PASSWORD"
        text = telemetry(1883, f'username = "em"\n{more} = "{value}"\n')
        section = checked_session(session_file(more=text)).telemetry
        assert section is not None
        broker = section.broker(tmp_path)
        assert broker.password == password
        assert password not in repr(broker) and password not in section.model_dump_json()


def test_a_dry_run_without_its_broker_ends_well_and_says_so(session_file, tmp_path):
    few = {"step_deg": 10.0, "from_deg = -70.0": "from_deg = -10.0", "to_deg = 70.0": "to_deg = 10.0"}
    path = session_file(**few, more=telemetry(free_port()))
    ended = alloyscope("dry-run", path.name, "--no-screen", "--out", "s", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("nobody listens at 127.0.0.1") == 1
    assert "messages were not taken by the broker" in ended.stdout
