"""How far a particle has diffused, as a message between analyses that share a session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from analysis.diffusion.arrhenius import Followed
from drivers.frames import HeatPulse


class _Message(msgspec.Struct, frozen=True):
    """The fields of `Followed`, arrays as lists."""

    particle: str
    window: str
    temperatures_c: tuple[float, ...]
    seconds: list[list[float]]
    ln_tau: list[float]
    ln_std: list[float]
    shared_ln_std: float
    floor_ln_std: list[float] | None
    pulses: tuple[HeatPulse, ...]


def encode_followed(one: Followed) -> bytes:
    return msgspec.msgpack.encode(one, enc_hook=_as_list)


def decode_followed(messages: Iterable[bytes]) -> list[Followed]:
    """Raises `msgspec.MsgspecError` for what is none."""
    return [_from(msgspec.msgpack.decode(message, type=_Message)) for message in messages]


def _from(told: _Message) -> Followed:
    return Followed(
        particle=told.particle,
        window=told.window,
        temperatures_c=told.temperatures_c,
        # Of no state there are no rows to tell how many temperatures there are.
        seconds=np.array(told.seconds, np.float64).reshape(len(told.ln_tau), len(told.temperatures_c)),
        ln_tau=np.array(told.ln_tau, np.float64),
        ln_std=np.array(told.ln_std, np.float64),
        shared_ln_std=told.shared_ln_std,
        floor_ln_std=None if told.floor_ln_std is None else np.array(told.floor_ln_std, np.float64),
        pulses=told.pulses,
    )


def _as_list(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} is not sent")
