"""The host: one socket, and the watch over what nobody holds any more."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import math
import threading
import traceback
import uuid
from concurrent.futures import Future, wait
from typing import Any, Deque, Dict, List, Mapping, Sequence

import zmq

from .device import HostClock, HostedDevice, Key, NotYours, Outcome, log
from .messages import LARGEST, HostMessage, MessageRefused, understood

VERSION = 2
"""Of the wire: both sides must have the same."""
_MOST_CALLS, _BATCH = 32, 256
"""Of one device that wait for an answer; messages that are heard before any is acted upon."""
_LOOK_MS, _SIGN_S = 50, 0.5
_COLD_TIMES = 5.0
"""A cold chip bears so many times the silence that a hot one does."""
_UNSAFE_S, _SAFE_LIMIT_S, _CLOSE_LIMIT_S = 5.0, 20.0, 2.0


class DeviceHost:
    """Answers, and makes safe what is held by who has fallen silent.

    Parameters
    ----------
    line_s : silence of who holds a device after which it is made safe
    """

    def __init__(self, devices: Mapping[str, HostedDevice], clock: HostClock, line_s: float) -> None:
        self._devices, self._clock, self._line_s = devices, clock, line_s
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._waking, self._awake = self._context.socket(zmq.PUSH), self._context.socket(zmq.PULL)
        self._awake.bind("inproc://answers")
        self._waking.connect("inproc://answers")
        self._answers: Deque[List[bytes]] = collections.deque()
        self._lock = threading.Lock()
        self._id, self._sign_s = uuid.uuid4().hex, 0.0
        self._auth: Any = None
        self._told_s: Dict[str, float] = {}
        """When it was last said of a device that it is made safe."""
        self.refused = 0
        """Messages that were none."""
        self.told = ""
        """By what it was told to end."""

    def listen(self, address: str, secret: str = "", operators: Sequence[str] = ()) -> str:
        """Where it can be reached; raises `zmq.ZMQError` for an address that cannot be had.

        Parameters
        ----------
        secret : key of this host; without it everybody who reaches the address may come in
        operators : public keys that may come in
        """
        if secret:
            from zmq.auth.thread import ThreadAuthenticator

            self._auth = ThreadAuthenticator(self._context)
            self._auth.start()
            self._auth.configure_curve_callback("alloyscope", credentials_provider=_Operators(operators))
            self._socket.zap_domain = b"alloyscope"
            self._socket.curve_server = True
            self._socket.curve_secretkey = secret.encode()
        self._socket.setsockopt(zmq.MAXMSGSIZE, LARGEST)
        self._socket.bind(address)
        endpoint = self._socket.getsockopt(zmq.LAST_ENDPOINT)
        return endpoint.decode().rstrip("\0") if isinstance(endpoint, bytes) else str(endpoint)

    def serve(self) -> None:
        """Until it is told to end."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._awake, zmq.POLLIN)
        while not self.told:
            poller.poll(_LOOK_MS)
            # All that waits is heard before anything is judged or begun: this computer itself may have stood still,
            # and who asked for a ramp may have given it up since.
            messages = self._heard()
            given_up = {message.key for message in messages if message.ask == "cancel"}
            for message in messages:
                if message.ask in ("beat", "bye", "cancel"):
                    self._hear(message)
            self._judge()
            for message in messages:
                if message.ask in ("hello", "call", "next") and message.key not in given_up:
                    self._act(message)
            self._send()

    def close(self) -> bool:
        """Make everything safe; whether that is known of all devices."""
        held = [device for device in self._devices.values() if device.connected]
        futures = [device.make_safe_soon() for device in held]
        wait(futures, timeout=_SAFE_LIMIT_S)
        safe = [future.done() and future.exception() is None for future in futures]
        for device, known in zip(held, safe):
            if known:
                with contextlib.suppress(Exception):  # it is as safe as it gets
                    device.submit_close().result(_CLOSE_LIMIT_S)
            else:
                log.error(
                    "the %s is NOT KNOWN TO BE SAFE: its driver does not come back; check it by hand", device.kind
                )
        self._send()
        if self._auth is not None:
            self._auth.stop()
        with self._lock:
            self._context.destroy(linger=200)
        return all(safe)

    def _heard(self) -> list[HostMessage]:
        messages: list[HostMessage] = []
        with contextlib.suppress(zmq.Again):
            for _ in range(_BATCH):
                client, *parts = self._socket.recv_multipart(zmq.NOBLOCK)
                try:
                    messages.append(understood(client, parts, self._devices))
                except (MessageRefused, OverflowError, RecursionError) as error:
                    self.refused += 1
                    if self.refused & (self.refused - 1) == 0:  # the 1st, 2nd, 4th, 8th ...
                        log.warning("a message was refused, %d so far: it %s", self.refused, error)
                    self._answer((client, 0), error=("MessageRefused", f"the message {error}"))
        return messages

    def _hear(self, message: HostMessage) -> None:
        device, now_s = self._devices[message.device], self._clock.now()
        yours = bool(device.token) and message.token == device.token
        if message.ask == "cancel":
            device.leave(message.key)
        elif message.ask == "beat":
            if yours:
                device.last_beat_s = max(device.last_beat_s, now_s)
            self._answer(message.key, {"yours": yours, "host": self._id, "time_s": now_s})
        elif yours:
            self._let_go(device, f"{device.who} has gone without closing it")

    def _act(self, message: HostMessage) -> None:
        device = self._devices[message.device]
        if message.ask == "hello":
            self._welcome(message, device)
        elif len(device.active) >= _MOST_CALLS or message.key in device.active:
            self._answer(message.key, error=("TooMany", f"too many calls of the {device.kind} wait for an answer"))
        elif self._clock.now() > message.until_s and not message.harmless:
            words = f"to {message.call or 'go on'} came too late: this computer stood still, or its clock has jumped"
            self._answer(message.key, error=("TooLate", words))
        elif message.harmless or (device.token and message.token == device.token):
            self._await(message, device, device.submit(message))
        else:
            words = device.lost or "you do not hold it: this host was started anew, or another session has it"
            self._answer(message.key, error=("NotYours", words))

    def _welcome(self, message: HostMessage, device: HostedDevice) -> None:
        silent_s = self._clock.now() - device.last_beat_s
        if device.token and device.who != message.who and silent_s < self._line_s:
            words = f"the {device.kind} is held by {device.who}; end that session first"
            self._answer(message.key, error=("Held", words))
            return
        # Until it is connected, for as long as that takes, it is held without a beat.
        device.who, device.token, device.last_beat_s = message.who, uuid.uuid4().hex, math.inf
        token, connecting = device.token, device.submit_connect()

        def connected(done: Future[Any]) -> None:
            if device.token != token:
                return
            if done.cancelled() or done.exception() is not None:
                device.who = device.token = ""
            else:
                device.last_beat_s, device.lost = self._clock.now(), ""
                log.info("the %s is held by %s", device.kind, device.who)

        connecting.add_done_callback(connected)
        self._await(message, device, connecting, {"token": token})

    def _await(
        self, message: HostMessage, device: HostedDevice, done: Future[Any], more: dict[str, Any] | None = None
    ) -> None:
        """Answer once a call is done, in whatever thread that is."""
        device.active[message.key] = done

        def answer(done: Future[Any]) -> None:
            device.active.pop(message.key, None)
            error = asyncio.CancelledError() if done.cancelled() else done.exception()
            if isinstance(error, asyncio.CancelledError):
                words = device.lost or f"it was ended, since the {device.kind} was made safe"
                self._answer(message.key, error=("NotYours", words))
            elif error is not None:
                if not isinstance(error, NotYours):
                    log.error("%s", "".join(traceback.format_exception(type(error), error, error.__traceback__)))
                self._answer(message.key, error=(type(error).__name__, str(error) or type(error).__name__))
            elif more is not None:
                facts = {"version": VERSION, "host": self._id, "line_s": self._line_s, "refused": self.refused}
                self._answer(message.key, {**facts, **more, **done.result()})
            else:
                outcome: Outcome = done.result()
                value, parts, last = outcome
                self._answer(message.key, value, parts, last=last)

        done.add_done_callback(answer)

    def _answer(
        self,
        key: Key,
        value: Any = None,
        parts: Sequence[bytes] = (),
        *,
        last: bool = True,
        error: tuple[str, str] | None = None,
    ) -> None:
        head: dict[str, Any] = {"id": key[1], "last": last, "value": value}
        if error is not None:
            head["error"] = {"kind": error[0], "words": error[1]}
        try:
            line = json.dumps(head, allow_nan=False)
        except (TypeError, ValueError) as unusable:  # a driver's abilities may hold anything
            words = f"its driver tells what cannot be sent: {unusable}"
            line = json.dumps({"id": key[1], "error": {"kind": "ValueError", "words": words}})
        self._answers.append([key[0], line.encode(), *parts])
        with self._lock, contextlib.suppress(zmq.ZMQError):  # it is awake, or has ended
            self._waking.send(b"", zmq.NOBLOCK)

    def _send(self) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                self._awake.recv(zmq.NOBLOCK)
        now_s = self._clock.now()
        if now_s - self._sign_s > _SIGN_S:
            self._sign_s = now_s
            for device in self._devices.values():
                for client, number in list(device.active):
                    self._answers.append([client, json.dumps({"id": number, "working": True}).encode()])
        while self._answers:
            with contextlib.suppress(zmq.Again):  # of who takes none
                self._socket.send_multipart(self._answers.popleft(), zmq.NOBLOCK)

    def _judge(self) -> None:
        for device in self._devices.values():
            self._tell_of_unsafe(device)
            silent_s = self._clock.now() - device.last_beat_s
            bears_s = self._line_s * (_COLD_TIMES if device.kind == "chip" and not device.hot else 1.0)
            if not device.token or silent_s <= bears_s:
                continue
            self._let_go(device, f"{device.who} was not heard for {silent_s:.1f} s")

    def _let_go(self, device: HostedDevice, why: str) -> None:
        """Nobody holds it any more; unless it was closed, it is made safe."""
        device.who = device.token = ""
        if device.connected:
            device.lost = f"{why}, so the {device.kind} is made safe"
            log.warning("%s", device.lost)
            device.make_safe_soon()
            self._told_s[device.kind] = self._clock.now()

    def _tell_of_unsafe(self, device: HostedDevice) -> None:
        if device.saving is None or device.saving.done():
            device.saving = None
        elif self._clock.now() - self._told_s[device.kind] > _UNSAFE_S:
            self._told_s[device.kind] = self._clock.now()
            log.error("the %s is NOT SAFE YET: its driver does not come back; check it by hand", device.kind)


class _Operators:
    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys

    def callback(self, _: str, key: bytes) -> bool:
        """Of the authenticator: whether a public key may come in."""
        return key.decode() in self._keys
