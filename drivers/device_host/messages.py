"""What arrives at the host: one JSON object a message, checked in every part before anything is done with it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Callable, Collection, Dict, Mapping, Tuple

LARGEST = 1 << 16
"""Bytes of a message."""
_MOST_PIXELS, _MOST = 1 << 26, 1e12
_ASKED = ("hello", "call", "next", "cancel", "beat", "bye")

Fields = Dict[str, Callable[[Any], Any]]
"""Names, and what reads the value of each or raises `MessageRefused`."""


class MessageRefused(ValueError):
    """It is none; the words go on after 'the message'."""


@dataclass(frozen=True)
class _Position:
    """What a driver is given as `drivers.interfaces.StagePosition`."""

    x_nm: float
    y_nm: float
    z_nm: float
    tilt_deg: float


@dataclass(frozen=True)
class _Settings:
    """As `drivers.interfaces.ScanSettings`."""

    pixel_nm: float
    shape: Tuple[int, int]
    dwell_s: float

    @property
    def frame_s(self) -> float:
        return self.dwell_s * self.shape[0] * self.shape[1]


@dataclass(frozen=True)
class _MapSettings:
    """As `drivers.interfaces.EdxSettings`."""

    scan: _Settings
    frames: int


def _values(value: Any, fields: Mapping[str, Callable[[Any], Any]]) -> list[Any]:
    if not isinstance(value, dict) or set(value) != set(fields):
        raise MessageRefused(f"is to give exactly {', '.join(fields) or 'nothing'}")
    return [read(value[name]) for name, read in fields.items()]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _MOST:
        raise MessageRefused("holds what is no number, or none within reason")
    return float(value)


def _positive(value: Any) -> float:
    if not _number(value) > 0.0:
        raise MessageRefused("holds a number that is to be above 0")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST_PIXELS:
        raise MessageRefused("holds what is no whole number above 0")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MessageRefused("holds what is neither true nor false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise MessageRefused("holds what is no text, or too long")
    return value


def _shape(value: Any) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2 or _whole(value[0]) * _whole(value[1]) > _MOST_PIXELS:
        raise MessageRefused("holds what is no shape (y, x), or one beyond reason")
    return value[0], value[1]


def _settings(value: Any) -> _Settings:
    return _Settings(*_values(value, {"pixel_nm": _positive, "shape": _shape, "dwell_s": _positive}))


def _position(value: Any) -> _Position:
    return _Position(*_values(value, dict.fromkeys(("x_nm", "y_nm", "z_nm", "tilt_deg"), _number)))


def _map(value: Any) -> _MapSettings:
    return _MapSettings(*_values(value, {"scan": _settings, "frames": _whole}))


_ANY: dict[str, Fields] = {"make_safe": {}, "close": {}}
_SHIFT: Fields = {"dy_nm": _number, "dx_nm": _number}
CALLS: dict[str, dict[str, Fields]] = {
    "chip": {"ramp_to": {"target_c": _number, "rate_c_per_s": _positive}, "quench": {}, "read": {}, **_ANY},
    "microscope": {
        "move_to": {"position": _position},
        "read_stage": {},
        "set_beam_blank": {"blanked": _flag},
        "set_defocus": {"defocus_nm": _number},
        "shift_beam": _SHIFT,
        "shift_image": _SHIFT,
        "scan": {"settings": _settings},
        "sweep": {"settings": _settings, "to_deg": _number, "rate_deg_per_s": _positive},
        **_ANY,
    },
    "edx": {"map_frames": {"settings": _map}, **_ANY},
}
"""Of each kind of device, with the arguments in their order."""


@dataclass(frozen=True)
class HostMessage:
    client: bytes
    id: int
    device: str
    ask: str
    who: str = ""
    token: str = ""
    call: str = ""
    until_s: float = math.inf
    """By this host's clock: who asks has given it up by then."""
    args: Tuple[Any, ...] = ()

    @property
    def key(self) -> tuple[bytes, int]:
        """By which its answers are known."""
        return self.client, self.id

    @property
    def harmless(self) -> bool:
        """Whoever has the key may ask for it at any time, also who does not hold the device."""
        dark = self.call == "set_beam_blank" and self.args == (True,)
        return dark or self.call in ("read", "read_stage", "make_safe", "quench")


_WORDS: Fields = dict.fromkeys(("device", "ask", "who", "token", "call"), _text)
_HEAD: Fields = {"id": _whole, "until_s": _number, **_WORDS}


def understood(client: bytes, parts: list[bytes], devices: Collection[str]) -> HostMessage:
    """A message from the wire, to one of these kinds of devices; raises `MessageRefused`."""
    if len(parts) != 1:
        raise MessageRefused("is not one JSON object")
    try:
        told = json.loads(parts[0].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise MessageRefused(f"is no JSON ({error})") from None
    if not isinstance(told, dict) or not {"id", "device", "ask"} <= set(told) <= {*_HEAD, "args"}:
        raise MessageRefused("is no JSON object with id, device and ask, or has what is not known")
    head = {name: _HEAD[name](value) for name, value in told.items() if name in _HEAD}
    if head["device"] not in devices:
        raise MessageRefused(f"is to a {head['device']!r}; here are: {', '.join(devices)}")
    if head["ask"] not in _ASKED:
        raise MessageRefused(f"asks for {head['ask']!r}, of which nothing is known")
    args: tuple[Any, ...] = ()
    if head["ask"] == "call":
        fields = CALLS[head["device"]].get(head.get("call", ""))
        if fields is None:
            raise MessageRefused(f"asks a {head['device']} to {head.get('call')!r}, which it cannot")
        args = tuple(_values(told.get("args", {}), fields))
    return HostMessage(client, args=args, **head)
