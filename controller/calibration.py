"""A stage measured for a person: the microscope of a session file, connected alone, and lines to put into that file."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

from controller.acquire.stage_axes import StageAxes, StageMove, stage_axes
from controller.acquire.stage_calibration import LOOKS, StageCalibration
from controller.plan.session_file import SessionFile
from drivers.clock import WallClock, within
from drivers.device_thread import DeviceThread, MicroscopeInThread
from drivers.errors import AlloyscopeError
from drivers.interfaces import DriverContext, Microscope, StagePosition
from drivers.persistence import persistently
from drivers.registry import load
from drivers.units import electrons_per_nm2

_WIDER, _PART_OF_FIELD = 4.0, 0.2
_CONNECT_LIMIT_S, _CLOSE_LIMIT_S = 60.0, 20.0
_PLAY_TOLD = 0.8
"""Of the step: more play than this the moves would not have shown."""
_SKEW_DEG, _SCALED, _SURELY = 2.0, 0.03, 3.0
"""Worth a warning."""


def calibrated_stage(
    file: SessionFile,
    origin: Path,
    *,
    pixel_nm: float | None,
    step_nm: float | None,
    repeats: int,
    ask: Callable[[str], bool] | None,
) -> None:
    """Print how the stage's axes lie on the image, and the lines that say so in a session file.

    Parameters
    ----------
    pixel_nm, step_nm : of the images, and of a move; None chooses by the session's scan
    ask : by which a person agrees before a real stage is moved; None where they have

    Raises
    ------
    AlloyscopeError
        When the microscope cannot be reached or does not show what could be measured.
    """
    settings = replace(file.scan.settings(), pixel_nm=pixel_nm or _WIDER * file.scan.pixel_nm)
    field_nm = settings.pixel_nm * min(settings.shape)
    step_nm = step_nm or round(_PART_OF_FIELD * field_nm, 1)
    dose = electrons_per_nm2(file.scan.current_pa, settings.dwell_s, settings.pixel_nm)
    images, first = 2 * LOOKS * repeats, file.particles[0]
    print(
        f"{images} images of {field_nm:.0f} nm at x {first.x_nm:g}, y {first.y_nm:g} nm, untilted, about {dose:.3g} "
        f"e/nm2 each; the stage moves by up to {step_nm:g} nm"
    )
    with tempfile.TemporaryDirectory(prefix="alloyscope-stage-") as folder:
        context = DriverContext(WallClock(), file.seed, Path(folder), origin, limits=file.chip.limits)
        microscope: Microscope = load("microscope", file.microscope.backend, context, file.microscope.options)
        if not microscope.simulated and ask is not None and not ask("Move the stage and use the beam?"):
            return
        centre = StagePosition(first.x_nm, first.y_nm, first.z_nm)
        connected = MicroscopeInThread(microscope, thread := DeviceThread("microscope"))
        calibration = StageCalibration(connected, context.clock, settings, centre, step_nm, _say)
        try:
            found = stage_axes(asyncio.run(_measured(calibration, thread, repeats)))
        except ValueError as error:
            raise AlloyscopeError(f"asked to calibrate the stage; {error}") from error
    simulated = "SIMULATED; " if microscope.simulated else ""
    for line in _lines(found, step_nm, simulated):
        print(line)


def _say(words: str) -> None:
    print(words, file=sys.stderr)


async def _measured(calibration: StageCalibration, thread: DeviceThread, repeats: int) -> list[StageMove]:
    connected, clock = calibration.microscope, calibration.clock
    loop, here = asyncio.get_running_loop(), asyncio.current_task()
    assert here is not None, "it runs"
    # A terminal that is closed must not leave the beam on.
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, here.cancel)

    def safe() -> Awaitable[None]:
        return within(clock, _CLOSE_LIMIT_S, connected.name, "be made safe", connected.make_safe())

    try:
        await within(clock, _CONNECT_LIMIT_S, connected.name, "connect", connected.connect())
        try:
            return await calibration.moves(repeats)
        finally:
            try:
                await persistently(clock, safe, _say)
            finally:
                await within(clock, _CLOSE_LIMIT_S, connected.name, "close", connected.close())
    except asyncio.CancelledError:
        raise AlloyscopeError("told to end while the stage was calibrated; the beam is blanked") from None
    finally:
        await thread.close()


def _lines(found: StageAxes, step_nm: float, simulated: str) -> Iterator[str]:
    play, mirrored = found.backlash_nm, ", mirrored" if found.mirrored else ""
    yield f"{simulated}the stage's x lies {found.turn_deg} deg from the image's x towards its y{mirrored}"
    yield f"backlash x {play['x']} nm, y {play['y']} nm"
    for axis, scale in found.scale.items():
        yield f"along {axis} the image moves {scale} of what is asked"
        if abs(scale.value - 1.0) > _SCALED + _SURELY * scale.std:
            yield f"warning: that is not 1: pixel size or stage are off by {100.0 * (scale.value - 1.0):+.1f} %"
    skew = found.skew_deg
    if abs(skew.value) > _SKEW_DEG + _SURELY * skew.std:
        apart = f"{90.0 + skew.value:.1f} deg apart, not 90"
        yield f"warning: the axes are {apart}: the image is sheared, or the stage tilted"
    largest = max(play.values(), key=lambda p: p.value)
    if largest.value > _PLAY_TOLD * step_nm:
        yield f"warning: the play may be larger still, since moves were {step_nm:g} nm: give a larger --step-nm"
    yield "for the session file:"
    yield "[stage]"
    yield f"turn_deg = {found.turn_deg.value:.2f}"
    if found.mirrored:
        yield "mirrored = true"
    # With a margin: a place that is come to from too near keeps some of the play.
    sure = [p.value + _SURELY * p.std for p in play.values() if p.value > _SURELY * p.std]
    yield f"backlash_nm = {max(sure, default=0.0):.0f}.0"
