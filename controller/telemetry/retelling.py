"""Events again, from what stands in a session's topics: as much of them as a screen needs, and no pictures."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from analysis.results import from_line
from controller import events as ev
from controller.telemetry.topics import STATUS, Payload, decode

_CHIP = ("temperature", "setpoint", "power")


class Retelling:
    """Reads message after message. What is none is counted, and never ends anything."""

    def __init__(self, base: str) -> None:
        """`base` : the session's topic"""
        self._base = base
        self.malformed = 0
        self._newest: dict[str, tuple[int, str]] = {}
        self._chip: dict[str, Payload] = {}
        self._state: ev.RunStateChanged | None = None
        self._offline = False

    def read(self, topic: str, data: bytes) -> Iterator[ev.Event]:
        """Events that a message completes; those of a repeated message are not told again."""
        try:
            yield from list(self._events(topic.removeprefix(f"{self._base}/"), data))
        except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, ValueError):
            self.malformed += 1
            if self.malformed in (1, 10, 100) or self.malformed % 1000 == 0:
                words = f"{self.malformed} message(s) cannot be read, the last one in {topic}; they are passed over"
                yield ev.Log(0.0, "warning", words)

    def _events(self, topic: str, data: bytes) -> Iterator[ev.Event]:
        payload = decode(data)
        if topic == STATUS:
            yield from self._status(payload)
            return
        number, time = self._newest.get(topic, (-1, ""))
        if payload.sequence <= number and payload.time <= time:
            return
        match topic.split("/"):
            case ["chip", quantity] if quantity in _CHIP:
                self._chip[quantity] = payload
                yield from self._reading()
            case ["run", "state"]:
                reason = str(payload.more.get("reason", ""))
                self._state = ev.RunStateChanged(payload.time_s, str(payload.value), reason)
                yield self._state
            case ["run", "step"]:
                told = {"time_s": payload.time_s, "step": payload.value, **payload.more}
                yield msgspec.convert(told, ev.StepProgress)
            case ["results", _]:
                # Pictures that somebody else has put there would be of any shape.
                result = from_line(msgspec.json.encode(payload.more["result"])).without_pictures()
                if result is not None:
                    yield ev.ResultReceived(result)
            case ["log", name]:
                yield ev.Log(payload.time_s, name, str(payload.value))
        self._newest[topic] = payload.sequence, payload.time

    def _status(self, payload: Payload) -> Iterator[ev.Event]:
        about = {"folder": "", **{k: payload.more[k] for k in ("title", "simulated", "particles", "steps")}}
        yield msgspec.convert(about, ev.Started)
        how = str(payload.more.get("how", ""))
        if payload.value == "offline":
            yield ev.RunStateChanged(payload.time_s, "offline", how)
        elif payload.value == "ended":
            yield ev.Finished(how, str(payload.more.get("message", "")), "")
        elif self._offline and self._state is not None:
            yield self._state
        self._offline = payload.value == "offline"

    def _reading(self) -> Iterator[ev.ChipReading]:
        """Of three numbers that were read together."""
        found = [self._chip[quantity] for quantity in _CHIP if quantity in self._chip]
        if len(found) < len(_CHIP) or len({(p.sequence, p.time) for p in found}) > 1:
            return
        temperature, setpoint, power = found
        told = {
            "time_s": temperature.time_s,
            "temperature_c": temperature.value,
            "setpoint_c": setpoint.value,
            "power_mw": power.value,
            "temperature_std_c": temperature.std,
        }
        yield msgspec.convert(told, ev.ChipReading)
