"""What tests of the controller and its screen may use."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller import events as ev


class ScriptedSource:
    """A source that tells what it is given and remembers commands."""

    lacks = ""

    def __init__(self, events: list[ev.Event]) -> None:
        self.given = events
        self.told = asyncio.Event()
        """All of them."""
        self.commands: list[str] = []

    async def events(self) -> AsyncIterator[ev.Event | None]:
        for event in self.given:
            yield event
        self.told.set()
        await asyncio.Event().wait()

    async def command(self, name: str) -> str:
        self.commands.append(name)
        return f"{name} done"


@pytest.fixture
def source() -> type[ScriptedSource]:
    """Makes a source of events for a screen."""
    return ScriptedSource
