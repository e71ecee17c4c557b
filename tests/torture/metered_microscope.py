"""A microscope that is still there when its controller is not, and writes down when its beam goes on and off."""

import time

from drivers.interfaces import DriverContext
from simulators.bare_microscope import BareMicroscope


class MeteredMicroscope(BareMicroscope):
    """Its beam is in a file ``beam``: lines of the computer's time in s, and 1 for on or 0 for off."""

    simulated = False

    def __init__(self, name: str, context: DriverContext) -> None:
        super().__init__(name, context, current_pa=1.0)
        self._meter = context.folder / "beam"

    async def set_beam_blank(self, blanked: bool) -> None:
        await super().set_beam_blank(blanked)
        self._beam(on=not blanked)

    async def make_safe(self) -> None:
        await super().make_safe()
        self._beam(on=False)

    def _beam(self, *, on: bool) -> None:
        with self._meter.open("a") as file:
            file.write(f"{time.monotonic()} {on:d}\n")
