"""A pytest plug-in: a test that takes `chip_check` or `microscope_check` becomes one test for each check.

def test_my_chip(chip_check):
    chip_check(lambda context: MyChip("chip", context))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from drivers.conformance.check import Check
    from drivers.interfaces import DriverContext


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    from drivers.conformance.chip import CHIP_CHECKS
    from drivers.conformance.microscope import MICROSCOPE_CHECKS
    from drivers.device_thread import ChipInThread, MicroscopeInThread

    given: dict[str, tuple[tuple[Check[Any], ...], Any]] = {
        "chip_check": (CHIP_CHECKS, ChipInThread),
        "microscope_check": (MICROSCOPE_CHECKS, MicroscopeInThread),
    }
    for fixture in given.keys() & set(metafunc.fixturenames):
        checks, in_thread = given[fixture]
        metafunc.parametrize(fixture, [_runner(c, in_thread) for c in checks], ids=[c.name for c in checks])


def _runner(check: Check[Any], in_thread: Any) -> Callable[..., None]:
    """Of one check in real time, with the driver in a thread of its own, as a session has it."""

    def run(
        make: Callable[[DriverContext], Any], context: DriverContext | None = None, *, warm_c: float = 150.0
    ) -> None:
        import pytest

        from drivers.clock import WallClock
        from drivers.conformance.check import Bench, NotApplicable
        from drivers.device_thread import DeviceThread
        from drivers.interfaces import DriverContext

        async def checked() -> None:
            thread = DeviceThread("driver on trial")
            bench = Bench(
                lambda c: in_thread(make(c), thread), context or DriverContext(WallClock(), 1, Path("unused")), warm_c
            )
            try:
                await check.on(bench)
            finally:
                await thread.close()

        try:
            asyncio.run(checked())
        except NotApplicable as why:
            pytest.skip(str(why))

    return run
