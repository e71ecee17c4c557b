"""A home-built heater that speaks MQTT 3.1.1, through a broker: an ESP32, Node-RED, a laboratory's own program.

Its topics lie below a root of its own, ``ROOT``; all goes with QoS 1, as JSON in UTF-8 where nothing else is said.

``ROOT/set``, to the heater, not retained
    ``{"target_c": 450.0, "rate_c_per_s": 100.0}``: ramp there from where you are, and hold; a ramp under way ends.
``ROOT/off``, to the heater, not retained
    ``{}``: heating power off, at once.
``ROOT/reading``, from the heater, at least each `period_s`, whether it is heated or not
    ``{"temperature_c": 449.8, "setpoint_c": 450.0}`` and, where it knows, ``"power_mw"``, ``"resistance_ohm"``,
    ``"temperature_std_c"`` (of its calibration), ``"time"`` (when it was measured, seconds of its own clock since any
    moment) and ``"simulated": true``, if there is no matter behind it.
``ROOT/status``, from the heater, retained
    The word ``online`` or ``offline``, no JSON.

What a heater must do:

- connect with a clean session, a keep-alive of some seconds and the last will ``offline`` on ``ROOT/status``, retained;
  subscribe to ``ROOT/set`` and ``ROOT/off``; then publish ``online``.
- take nothing that arrives retained, nor a set point beyond its own limits: it leaves its set point as it is, and the
  driver sees that nothing moves, and says so.
- tell as ``setpoint_c`` what it holds just now, or where its ramp ends; switched off, its ambient temperature.
- switch itself off when it loses the broker: nobody can reach it then.

A reading without ``"time"`` is stamped when it arrives, so that one which the network held up counts as new; give it.
The driver's own last will is ``ROOT/off``: when its process dies, or 15 s after its network has, the broker switches
the heater off.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import deque
from contextlib import suppress
from pathlib import Path

import aiomqtt
import msgspec

from drivers import broker_connection
from drivers.abilities import ChipAbilities
from drivers.broker import PLAIN_PORT, Broker, password_of, tls_context
from drivers.errors import DeviceError, DeviceTimeout, NotConnected
from drivers.interfaces import DriverContext, HeaterReading

_ONLINE, _OFFLINE = "online", "offline"
_REACHED_C, _SURE = 2.0, 2
"""A set point is reached so close to it, by so many readings: the first may have been on its way when it was asked."""
_HEEDED_C, _UNHEEDED_C = 4.0, 1.0
"""A heater whose set point should have moved by the first of these, and has not by the second, has not heard."""
_AGAIN_S = 0.25
_ACKNOWLEDGED_S, _SECOND_TRY_S = 0.5, 0.6
"""Together, with as long again for the second try to end, they leave an emergency stop below 2 s."""
_STAMPS = 100
"""Readings by which the heater's clock is brought onto the session's: few enough that the two do not run apart."""


class HeaterWords(msgspec.Struct, frozen=True):
    """A reading as it is published."""

    temperature_c: float
    setpoint_c: float
    power_mw: float | None = None
    resistance_ohm: float | None = None
    temperature_std_c: float | None = None
    time: float | None = None
    simulated: bool = False


_words = msgspec.json.Decoder(HeaterWords)


class MqttHeaterChip:
    """Implements `HeatingChip`.

    Parameters
    ----------
    host, port : of the broker
    root : below which the heater's topics lie
    username : at the broker; its password is the first line of `password_file`, of mode 0600, or in the environment
        variable `password_env`
    tls, ca_file : whether the broker is reached by TLS, and who signs its certificate; without, whom the system trusts
    period_s : between two readings of the heater
    answer_s : within which broker and heater are heard of; a reading that is older, or four periods old, is stale
    """

    def __init__(
        self,
        name: str,
        context: DriverContext,
        host: str,
        root: str,
        port: int = PLAIN_PORT,
        username: str = "",
        password_file: str = "",
        password_env: str = "",
        tls: bool = False,
        ca_file: str = "",
        period_s: float = 0.25,
        answer_s: float = 1.5,
    ) -> None:
        self.name = name
        self.simulated = False
        self.abilities = ChipAbilities(period_s=period_s)
        self._clock, self._log, self._limits = context.clock, context.log, context.limits
        if not re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", root):
            raise ValueError(f"root = {root!r}: write the heater's topic, such as lab/heater, in plain letters")
        if not (re.fullmatch(r"[A-Za-z0-9_.:-]+", host) and 1 <= port <= 65535):
            raise ValueError(f"host = {host!r}, port = {port!r}: write the broker's address, and a port up to 65535")
        if not min(period_s, answer_s) > 0.0:
            raise ValueError("period_s and answer_s: write values above 0")
        if bool(username) != bool(password_file or password_env) or (password_file and password_env):
            raise ValueError("username, password_file, password_env: write the first with one of the others, or none")
        self._root, self._period_s = root, period_s
        self._answer_s, self._stale_s = answer_s, max(answer_s, 4.0 * period_s)
        password = password_of(context.origin, Path(password_file) if password_file else None, password_env)
        trusted = tls_context(context.origin / ca_file if ca_file else None) if tls else None
        self._broker = Broker(host, int(port), username or None, password, trusted)
        self._who = f"alloyscope-{secrets.token_hex(6)}"
        self._keeping: asyncio.Task[None] | None = None
        self._client: aiomqtt.Client | None = None
        self._away = ""
        """Why there is no broker."""
        self._status, self._odd = "", ""
        self._last: HeaterReading | None = None
        self._heard_s: float | None = None
        """When the last reading came; None since broker or heater were away."""
        self._count = self._orders = 0
        self._ahead_s: deque[float] = deque(maxlen=_STAMPS)
        self._news = asyncio.Event()

    async def connect(self) -> None:
        await self._stop()
        self._away = self._status = self._odd = ""
        self._heard_s = None
        self._keeping = asyncio.create_task(self._keep(), name="the heater's readings")
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._answer_s):
                    while not (self._away or self._status):
                        await self._any_news()
            self._raise_fault()
            await self._next()
        except BaseException:
            await self._stop()
            raise

    async def ramp_to(self, target_c: float, rate_c_per_s: float) -> None:
        """Cancelled, the heater goes on to where it was sent.

        Raises
        ------
        DeviceError
            When broker or heater are away, or the heater takes no notice.
        """
        self._limits.check_target(self.name, target_c, rate_c_per_s)
        from_c = (await self.read()).setpoint_c
        order = await self._say("set", {"target_c": target_c, "rate_c_per_s": rate_c_per_s})
        began_s, sure = self._clock.now(), 0
        while sure < _SURE:
            seen = await self._next()
            if self._orders != order:
                raise DeviceError(self.name, f"something else was asked before {target_c:g} C was reached")
            there = max(abs(seen.setpoint_c - target_c), abs(seen.temperature_c - target_c)) < _REACHED_C
            sure = sure + 1 if there else 0
            took_s = self._clock.now() - began_s
            due_c = min(abs(target_c - from_c), rate_c_per_s * took_s)
            if took_s > self._stale_s and due_c > _HEEDED_C and abs(seen.setpoint_c - from_c) < _UNHEEDED_C:
                found = f"{target_c:g} C was asked, and its set point stays at {seen.setpoint_c:.1f} C"
                raise DeviceError(self.name, f"{found}; does it listen at {self._root}/set, and allow so much?")

    async def quench(self) -> None:
        await self.make_safe()

    async def read(self) -> HeaterReading:
        """The newest reading published; what a broker has kept from before is none."""
        self._raise_fault()
        if self._last is None or self._heard_s is None:
            return await self._next()
        age_s = self._clock.now() - self._heard_s
        if age_s > self._stale_s:
            raise DeviceTimeout(self.name, self._silent(age_s))
        return self._last

    async def make_safe(self) -> None:
        """Also one that was never connected, or has lost its broker: by a connection for this alone.

        Raises
        ------
        DeviceError
            When nobody can tell whether the heater has heard.
        """
        if self._client is not None:
            with suppress(DeviceError):  # this connection may be lost without knowing it
                await self._say("off", {})
                self._check(self._status)
                return
            await self._off_by_itself(_SECOND_TRY_S)
            return
        self._orders += 1
        await self._off_by_itself(self._answer_s)

    async def close(self) -> None:
        """Leave it off."""
        if self._keeping is None:
            return
        try:
            await self.make_safe()
        finally:
            await self._stop()

    async def _off_by_itself(self, answer_s: float) -> None:
        try:
            async with broker_connection.client(self._broker, answer_s=answer_s) as client:
                await client.publish(f"{self._root}/off", b"{}", qos=1)
                await client.subscribe(f"{self._root}/status", qos=1)
                status = ""
                with suppress(TimeoutError):
                    async with asyncio.timeout(answer_s):
                        status = _text(await anext(client.messages))
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            why = broker_connection.why(error, self._broker, answer_s)
            raise DeviceError(self.name, f"it could not be told to switch off: {why}; switch it off by hand") from error
        self._check(status)

    async def _keep(self) -> None:
        """Be connected, again and again: a broker that comes back finds a heater that has switched itself off."""
        will = aiomqtt.Will(f"{self._root}/off", b"{}", qos=1)
        while True:
            try:
                async with broker_connection.client(
                    self._broker, will, identifier=self._who, answer_s=self._answer_s
                ) as client:
                    await client.subscribe([(f"{self._root}/{topic}", 1) for topic in ("status", "reading")])
                    self._client, self._away = client, ""
                    async for message in client.messages:
                        self._hear(message)
                        self._news.set()
            except (aiomqtt.MqttError, OSError, ValueError) as error:  # the last for a name that none can be
                self._away = broker_connection.why(error, self._broker, self._answer_s)
            finally:
                self._client, self._status = None, ""
                self._begin_anew()
                self._news.set()
            await asyncio.sleep(_AGAIN_S)

    def _hear(self, message: aiomqtt.Message) -> None:
        if str(message.topic) == f"{self._root}/status":
            self._status = _text(message)
            self._begin_anew()
        elif not message.retain:
            self._read_words(message.payload if isinstance(message.payload, bytes) else b"")

    def _begin_anew(self) -> None:
        """A heater that comes back may have begun its clock anew."""
        self._heard_s = None
        self._ahead_s.clear()

    def _read_words(self, payload: bytes) -> None:
        """Keep a reading that is newer than the last."""
        try:
            words = _words.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if not self._odd:
                self._log.warning("%s published what is no reading (%s): %.200r", self._root, error, payload)
            self._odd = f"{payload[:80]!r} ({error})"
            return
        now_s = time_s = self._clock.now()
        if words.time is not None:
            self._ahead_s.append(now_s - words.time)  # the least is that of the shortest way
            time_s = words.time + min(self._ahead_s)
        if self._last is not None and time_s <= self._last.time_s:
            self._odd = f"{payload[:80]!r} (not after the one before it)"
            return
        self.simulated = words.simulated
        self._last = HeaterReading(
            time_s=time_s,
            temperature_c=words.temperature_c,
            setpoint_c=words.setpoint_c,
            resistance_ohm=words.resistance_ohm,
            power_mw=words.power_mw,
            temperature_std_c=words.temperature_std_c,
            period_s=self._period_s,
            stamped_by="session" if words.time is None else "device",
        )
        self._heard_s, self._odd = now_s, ""
        self._count += 1

    async def _say(self, topic: str, what: dict[str, float]) -> int:
        """Publish until the broker has it; the number of this order, by which it is known whether another came."""
        self._orders += 1
        order, client = self._orders, self._client
        if client is None:
            self._raise_fault()
            raise DeviceError(self.name, f"has no connection to {self._broker.address} just now")
        try:
            await client.publish(f"{self._root}/{topic}", json.dumps(what), qos=1, timeout=_ACKNOWLEDGED_S)
        except (aiomqtt.MqttError, OSError) as error:
            why = broker_connection.why(error, self._broker, _ACKNOWLEDGED_S)
            raise DeviceError(self.name, f"{topic} {what} was not taken: {why}") from error
        return order

    async def _next(self) -> HeaterReading:
        """A reading that comes from now on."""
        count = self._count
        try:
            async with asyncio.timeout(self._stale_s):
                while self._count == count or self._last is None:
                    self._raise_fault()
                    await self._any_news()
        except TimeoutError:
            raise DeviceTimeout(self.name, self._silent(self._stale_s)) from None
        return self._last

    async def _any_news(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _stop(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            self._keeping = None

    def _raise_fault(self) -> None:
        if self._keeping is None:
            raise NotConnected({self.name: RuntimeError("asked before connect; connect it first")})
        if self._away:
            raise DeviceError(self.name, f"the broker is away: {self._away}")
        self._check(self._status)

    def _check(self, status: str) -> None:
        """Raises `DeviceError` for a heater that is not there."""
        where = f"{self._root}/status at {self._broker.address}"
        if status == _OFFLINE:
            raise DeviceError(self.name, f"the heater is offline, says {where}; look after its power and network")
        if not status:
            words = f"no heater has said {_ONLINE} at {where}; is root right, and is the status retained?"
            raise DeviceError(self.name, words)
        if status != _ONLINE:
            raise DeviceError(self.name, f"{where} is {status[:80]!r}; it must be {_ONLINE} or {_OFFLINE}")

    def _silent(self, for_s: float) -> str:
        odd = f"; what came was none: {self._odd}" if self._odd else "; is the heater's program stuck?"
        return f"no reading at {self._root}/reading of {self._broker.address} for {for_s:.1f} s{odd}"


def _text(message: aiomqtt.Message) -> str:
    return message.payload.decode(errors="replace").strip() if isinstance(message.payload, bytes) else ""
