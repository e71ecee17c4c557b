"""The listener of a session's events that publishes them: it numbers them and goes on at once."""

from __future__ import annotations

from collections import defaultdict

from controller import events as ev
from controller.plan.telemetry_section import TelemetrySection
from controller.telemetry.home_assistant import discovery
from controller.telemetry.outbox import Outbox
from controller.telemetry.publisher import Publisher, Say
from controller.telemetry.telling import ended, offline, online, told
from controller.telemetry.topics import Outgoing, Payload, Told, level, now_utc
from drivers.broker import Broker
from drivers.clock import Clock


class Telemetry:
    """Give `hear` to a session, and call `end` after it. What goes wrong here costs the session a line in its log."""

    def __init__(self, section: TelemetrySection, broker: Broker, session: str, clock: Clock, say: Say) -> None:
        """
        Parameters
        ----------
        session : its level in the topics; the name of its folder will do
        say : level and text for the session's log, from any thread
        """
        self._section, self._broker, self._clock, self._say = section, broker, clock, say
        self.base = f"{section.root}/{section.site}/{level(session)}"
        scheme = "mqtt" if broker.tls is None else "mqtts"
        self.address = f"{scheme}://{broker.address}/{self.base}"
        self.outbox = Outbox(section.queue_messages)
        self._numbers: defaultdict[str, int] = defaultdict(int)
        self._publisher: Publisher | None = None
        self._started: ev.Started | None = None
        self._finished: ev.Finished | None = None
        self._failed = False

    def hear(self, event: ev.Event) -> None:
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001  # whatever it is, no session ends by it
            if not self._failed:
                self._failed = True
                self._say("error", f"telemetry: some of it is missing ({type(error).__name__}: {error})")

    def end(self) -> str:
        """Give the broker a last, short time; returns what it has not got, in words."""
        if self._publisher is None or self._started is None:
            return ""
        finished = self._finished or ev.Finished("unknown", "", "")
        whole = self._publisher.finish(self._numbered(ended(self._started, finished)))
        if whole and not self.outbox.lost:
            return ""
        waiting = f"{len(self.outbox)} messages were not taken by the broker before the end"
        parts = [*([] if whole else [waiting]), *([f"{self.outbox.lost} were dropped"] if self.outbox.lost else [])]
        return f"telemetry: {'; '.join(parts)}. The session's folder has everything"

    def _take(self, event: ev.Event) -> None:
        time, time_s = now_utc(), getattr(event, "time_s", self._clock.now())
        self._put([self._numbered(each, time, time_s) for each in told(event)])
        if isinstance(event, ev.Started) and self._publisher is None:
            self._started = event
            will = self._numbered(offline(event))
            self._publisher = Publisher(self._broker, self.outbox, self._birth, will, self.address, self._say)
            self._publisher.start()
        if isinstance(event, ev.Finished):
            self._finished = event

    def _put(self, messages: list[Outgoing]) -> None:
        self.outbox.put(messages)
        if self._publisher is not None:
            self._publisher.wake()

    def _birth(self) -> list[Outgoing]:
        assert self._started is not None, "a publisher starts with it"
        messages = [self._numbered(online(self._started))]
        if self._section.home_assistant:
            names = self._started.particles
            messages += discovery(self.base, self._section.site, self._started.title, names)
        return messages

    def _numbered(self, said: Told, time: str | None = None, time_s: float | None = None) -> Outgoing:
        number = self._numbers[said.topic]
        self._numbers[said.topic] += 1
        payload = Payload(
            value=said.value,
            unit=said.unit,
            std=said.std,
            time=time or now_utc(),
            time_s=self._clock.now() if time_s is None else time_s,
            sequence=number,
            quality=said.quality,
            more=said.more,
        )
        return Outgoing(f"{self.base}/{said.topic}", payload, said.reading)
