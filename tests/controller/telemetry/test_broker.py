"""A real mosquitto: birth and last will, what stays there, who is let in, and what a broker that fails costs."""

import asyncio
import signal
import ssl
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from controller import events as ev
from controller.telemetry import publisher
from controller.telemetry.watching import SessionAtBroker, reach, read_address
from drivers.broker import Broker, tls_context
from drivers.errors import ConfigError
from tests.controller.telemetry.conftest import Mosquitto, Telling, free_port, retained

STARTED = ev.Started("NC2, 450 C", "here", True, ("NC2",), 3)
DONE = ev.Finished("completed", "", "here")


def broker_at(mosquitto: Mosquitto, **options) -> Broker:
    return Broker(options.pop("host", "127.0.0.1"), mosquitto.port, **options)


def reading(n: int) -> ev.ChipReading:
    return ev.ChipReading(0.5 * n, 20.0 + n, 450.0, 12.5, 0.4)


def test_a_session_is_born_told_and_over_and_the_newest_of_each_stays(mosquitto):
    telling = Telling(broker_at(mosquitto))
    telling.hear(STARTED)
    telling.hear(reading(0))
    telling.hear(reading(1))
    telling.wait_for_words("published to mqtt://127.0.0.1")
    telling.wait_until(lambda: "alloyscope/lab/s1/chip/power" in retained(mosquitto.port))
    status = retained(mosquitto.port)["alloyscope/lab/s1/status"]
    assert status["value"] == "online"
    about = {"title": "NC2, 450 C", "simulated": True, "particles": ["NC2"], "steps": 3}
    assert status["more"] == about
    telling.hear(DONE)
    assert telling.end() == ""
    stays = retained(mosquitto.port)
    assert stays["alloyscope/lab/s1/status"]["value"] == "ended"
    assert stays["alloyscope/lab/s1/status"]["more"] == {"how": "completed", "message": "", **about}
    temperature = stays["alloyscope/lab/s1/chip/temperature"]
    assert {k: temperature[k] for k in ("value", "unit", "std", "sequence", "quality")} == {
        "value": 21.0,
        "unit": "C",
        "std": 0.4,
        "sequence": 1,
        "quality": "good",
    }
    assert temperature["time"].endswith("+00:00")
    assert 0.0 <= temperature["time_s"] < 10.0
    assert telling.warnings() == []


PUBLISHES = """
import sys, time
from controller import events as ev
from controller.plan.telemetry_section import TelemetrySection
from drivers.broker import Broker
from controller.telemetry.telemetry import Telemetry
from drivers.clock import WallClock

port = int(sys.argv[1])
section = TelemetrySection(host="127.0.0.1", port=port, site="lab")
broker, say = Broker("127.0.0.1", port), lambda level, text: print(text, flush=True)
telemetry = Telemetry(section, broker, "s1", WallClock(), say)
telemetry.hear(ev.Started("t", "f", False, ("NC2",), 3))
time.sleep(60)
"""


def test_the_last_will_of_a_process_that_is_killed(mosquitto):
    with subprocess.Popen(
        [sys.executable, "-c", PUBLISHES, str(mosquitto.port)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "published to" in process.stdout.readline()
        assert retained(mosquitto.port)["alloyscope/lab/s1/status"]["value"] == "online"
        process.send_signal(signal.SIGKILL)
        process.wait()
    until = time.monotonic() + 5.0
    while (status := retained(mosquitto.port)["alloyscope/lab/s1/status"])["value"] != "offline":
        assert time.monotonic() < until
    assert "no word" in status["more"]["how"]
    assert status["more"]["simulated"] is False


def test_home_assistant_finds_what_is_published(mosquitto):
    telling = Telling(broker_at(mosquitto), home_assistant=True)
    telling.hear(STARTED)
    telling.hear(reading(0))
    telling.hear(DONE)
    assert telling.end() == ""
    stays = retained(mosquitto.port)
    found = {t: c for t, c in stays.items() if t.startswith("homeassistant/sensor/alloyscope_lab/")}
    config = found["homeassistant/sensor/alloyscope_lab/chip_temperature/config"]
    assert config["state_topic"] in stays
    assert config["availability_topic"] in stays
    assert (config["unit_of_measurement"], config["device_class"]) == ("°C", "temperature")
    assert "homeassistant/sensor/alloyscope_lab/NC2_diffusivity/config" in found
    assert len({c["unique_id"] for c in found.values()}) == len(found) == 12


@pytest.fixture
def with_users(new_mosquitto, tmp_path) -> Mosquitto:
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", users, "em", "right"], check=True, capture_output=True)
    broker = new_mosquitto("allow_anonymous false", f"password_file {users}")
    broker.start()
    return broker


def test_a_password_lets_in_and_a_wrong_one_is_told_in_a_sentence(with_users):
    telling = Telling(broker_at(with_users, username="em", password="right"))
    telling.hear(STARTED)
    telling.hear(DONE)
    assert telling.end() == ""
    user = {"username": "em", "password": "right"}
    assert retained(with_users.port, **user)["alloyscope/lab/s1/status"]["value"] == "ended"
    for options, words in (
        ({"username": "em", "password": "wrong"}, "refuses user name 'em' or its password"),
        ({}, "refuses clients without a password"),
    ):
        refused = Telling(broker_at(with_users, **options))
        refused.hear(STARTED)
        refused.wait_for_words(words)
        refused.hear(DONE)
        assert "not taken by the broker" in refused.end()
        assert len(refused.said) == 1


@pytest.mark.parametrize(("user", "password"), [("em", "wrong"), ("em", None), ("nobody", "right")])
def test_a_screen_is_not_drawn_with_a_wrong_password(with_users, user, password):
    where = f"127.0.0.1:{with_users.port}/alloyscope/lab/s1"
    with pytest.raises(ConfigError, match=f"refuses user name '{user}' or its password"):
        asyncio.run(reach(read_address(f"mqtt://{user}@{where}", password=password)))


def test_a_screen_whose_broker_dies_says_so_and_goes_on_when_it_is_back(mosquitto):
    telling = Telling(broker_at(mosquitto))
    telling.hear(STARTED)
    telling.hear(reading(0))
    telling.wait_for_words("published to")
    address = read_address(f"mqtt://127.0.0.1:{mosquitto.port}/alloyscope/lab/s1")

    async def main() -> list[ev.Event | None]:
        await reach(address)
        heard: list[ev.Event | None] = []
        async with asyncio.timeout(30.0), aclosing(SessionAtBroker(address, quiet_s=0.2).events()) as events:
            async for event in events:
                heard.append(event)
                if event == reading(0):
                    mosquitto.kill()
                elif event is None and not mosquitto.running:
                    mosquitto.start()
                    telling.hear(reading(1))
                elif event == reading(1):
                    return heard
        raise AssertionError

    heard = asyncio.run(main())
    assert [e for e in heard if isinstance(e, ev.ChipReading)] == [reading(0), reading(1)]
    (said,) = [e.text for e in heard if isinstance(e, ev.Log)]
    assert "It is tried again and again" in said
    telling.hear(DONE)
    assert telling.end() == ""


@pytest.fixture
def certificates(tmp_path) -> Path:
    """A CA, a certificate of 127.0.0.1 signed by it, and another CA."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=tmp_path)

    def new(name: str, subject: str, *more: str) -> None:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
        openssl("req", "-x509", *key, "-out", f"{name}.pem", "-days", "2", "-subj", subject, *more)

    new("ca", "/CN=our CA")
    new("other", "/CN=another CA")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE")
    new("broker", "/CN=broker", *signed, "-addext", "subjectAltName=IP:127.0.0.1")
    return tmp_path


@pytest.fixture
def with_tls(new_mosquitto, certificates) -> Mosquitto:
    names = {"cafile": "ca.pem", "certfile": "broker.pem", "keyfile": "broker.key"}
    broker = new_mosquitto(*(f"{option} {certificates / name}" for option, name in names.items()))
    broker.start()
    return broker


def test_tls_and_what_is_said_of_a_certificate_that_is_not_trusted(with_tls, certificates):
    telling = Telling(broker_at(with_tls, tls=tls_context(certificates / "ca.pem")))
    telling.hear(STARTED)
    telling.wait_for_words("published to mqtts://127.0.0.1")
    telling.hear(DONE)
    assert telling.end() == ""
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    assert retained(with_tls.port, tls_context=context)["alloyscope/lab/s1/status"]["value"] == "ended"
    refused = Telling(broker_at(with_tls, tls=tls_context(certificates / "other.pem")))
    refused.hear(STARTED)
    refused.wait_for_words("shows a certificate that is not trusted")
    refused.hear(DONE)
    assert refused.end()


@pytest.mark.parametrize(
    ("host", "words"),
    [("127.0.0.1", "nobody listens at 127.0.0.1"), ("no-such-broker.invalid", "no computer is called 'no-such-broker")],
)
def test_a_broker_that_never_comes_is_told_once_and_the_bound_is_kept(host, words):
    telling = Telling(Broker(host, free_port()), queue_messages=300)
    telling.hear(STARTED)
    telling.hear(ev.Log(0.0, "error", "an alarm"))
    slowest_s = 0.0
    for n in range(1000):
        began_s = time.perf_counter()
        telling.hear(reading(n))
        slowest_s = max(slowest_s, time.perf_counter() - began_s)
    assert slowest_s < 0.5  # a try to connect may take 5 s
    assert len(telling.telemetry.outbox) == 300
    telling.wait_for_words(words)
    telling.hear(DONE)
    began_s = time.perf_counter()
    left = telling.end()
    assert time.perf_counter() - began_s < 12.0
    assert "300 messages were not taken" in left and "2701 readings were dropped" in left
    assert len(telling.said) == 1
    first = telling.telemetry.outbox.take(1)[0][1]
    assert first.topic.endswith("log/error")  # older than every reading that is left


def test_a_broker_that_hangs_is_noticed_and_gets_it_all_when_it_goes_on(mosquitto, monkeypatch):
    monkeypatch.setattr("drivers.broker_connection.KEEPALIVE_S", 1)
    telling = Telling(broker_at(mosquitto))
    telling.hear(STARTED)
    telling.wait_for_words("published to")
    mosquitto.send(signal.SIGSTOP)
    for n in range(100):
        telling.hear(reading(n))
    telling.wait_until(lambda: bool(telling.warnings()))
    mosquitto.send(signal.SIGCONT)
    telling.wait_for_words("again after", 1)
    telling.hear(DONE)
    assert telling.end() == ""
    assert retained(mosquitto.port)["alloyscope/lab/s1/chip/temperature"]["sequence"] == 99
    assert len(telling.warnings()) == 1
    assert "nothing was lost" in telling.said[-1][1]


def test_a_broker_that_hangs_at_the_end_holds_up_nobody_for_long(mosquitto, monkeypatch):
    monkeypatch.setattr(publisher, "DRAIN_S", 1.0)
    monkeypatch.setattr("drivers.broker_connection.ANSWER_S", 1.0)
    telling = Telling(broker_at(mosquitto))
    telling.hear(STARTED)
    telling.wait_for_words("published to")
    mosquitto.send(signal.SIGSTOP)
    telling.hear(reading(0))
    telling.hear(DONE)
    began_s = time.perf_counter()
    assert "3 messages were not taken" in telling.end()
    assert time.perf_counter() - began_s < 8.0
    mosquitto.send(signal.SIGCONT)


def test_when_time_is_short_a_slow_broker_gets_results_first_and_hears_of_the_end(new_mosquitto, monkeypatch):
    mosquitto = new_mosquitto("autosave_on_changes true", "autosave_interval 1")  # one by one
    mosquitto.start()
    monkeypatch.setattr(publisher, "DRAIN_S", 0.5)
    monkeypatch.setattr("drivers.broker_connection.IN_FLIGHT", 5)
    telling = Telling(broker_at(mosquitto))
    telling.hear(STARTED)
    telling.wait_for_words("published to")
    mosquitto.send(signal.SIGSTOP)
    for n in range(20_000):
        telling.hear(reading(n))
    telling.hear(ev.Log(0.0, "error", "an alarm"))
    telling.hear(DONE)
    mosquitto.send(signal.SIGCONT)
    assert "messages were not taken" in telling.end()
    stays = retained(mosquitto.port)
    assert stays["alloyscope/lab/s1/log/error"]["value"] == "an alarm"
    assert stays["alloyscope/lab/s1/status"]["value"] == "ended"
    assert stays["alloyscope/lab/s1/chip/power"]["sequence"] < 19_999


def test_what_goes_wrong_within_costs_the_session_a_line(mosquitto, monkeypatch):
    telling = Telling(broker_at(mosquitto))
    telling.hear(STARTED)
    monkeypatch.setattr("controller.telemetry.telemetry.told", lambda event: 1 / 0)
    telling.hear(reading(0))
    telling.hear(reading(1))
    monkeypatch.undo()
    telling.hear(DONE)
    assert telling.end() == ""
    assert [text for level, text in telling.said if level == "error"] == [
        "telemetry: some of it is missing (ZeroDivisionError: division by zero)"
    ]
