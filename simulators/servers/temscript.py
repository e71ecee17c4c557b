"""A temscript server, temscript's own, over a STEM that sees the twin.

As with the instrument, one request is answered at a time: who asks while a frame is scanned waits for it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from temscript import NullMicroscope
from temscript.server import MicroscopeHandler, MicroscopeServer

from drivers.interfaces import DriverContext, ScanSettings, StagePosition
from simulators.microscope import SimulatedMicroscope

T = TypeVar("T")

_FULL = 2048
_SIZES = {"FULL": 1, "HALF": 2, "QUARTER": 4}
_BINNINGS = [1, 2, 4, 8]


class TemscriptServer:
    """Serves until it is cancelled.

    Parameters
    ----------
    particles, current_pa, twin : of the `SimulatedMicroscope`; `twin` has any other of its options
    field_nm_at_1x : width of the scanned field times the magnification
    """

    def __init__(
        self,
        name: str,
        context: DriverContext,
        particles: Sequence[Mapping[str, Any]],
        field_nm_at_1x: float = 1e8,
        host: str = "127.0.0.1",
        port: int = 8080,
        detector: str = "HAADF",
        current_pa: float = 50.0,
        twin: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.told = f"temscript: http://{host}:{port}"
        self._address = (host, port)
        self._microscope = SimulatedMicroscope(name, context, particles, current_pa=current_pa, **(twin or {}))
        self._field_nm_at_1x, self._detector = field_nm_at_1x, detector

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        await self._microscope.connect()
        await self._microscope.set_beam_blank(True)
        stem = TwinStem(self._microscope, asyncio.get_running_loop(), self._field_nm_at_1x, self._detector)
        server = _Server(self._address, microscope_factory=lambda: stem)
        serving = asyncio.create_task(asyncio.to_thread(server.serve_forever, 0.05), name="temscript's requests")
        ready()
        try:
            await asyncio.shield(serving)
        finally:
            server.shutdown()
            await asyncio.wait([serving])
            server.server_close()


class _Quiet(MicroscopeHandler):  # type: ignore[misc]  # temscript has no types
    def log_message(self, format: str, *args: Any) -> None:
        """Not every request on the terminal."""


class _Server(MicroscopeServer):  # type: ignore[misc]  # temscript has no types
    def __init__(self, address: tuple[str, int], **options: Any) -> None:
        super().__init__(address, **options)
        self.RequestHandlerClass = _Quiet


class TwinStem(NullMicroscope):  # type: ignore[misc]  # temscript has no types
    """What the server asks: synchronous, in metres and radians."""

    def __init__(
        self, twin: SimulatedMicroscope, loop: asyncio.AbstractEventLoop, field_nm_at_1x: float, detector: str
    ) -> None:
        super().__init__(voltage=300.0)
        self._twin, self._loop = twin, loop
        self._field_nm_at_1x, self._detector = field_nm_at_1x, detector
        self._size, self._binning, self._dwell_s = "FULL", 8, 1e-6
        self._beam_blanked = True

    def get_family(self) -> str:
        return "SIMULATED by Alloyscope's twin"

    def is_stem_available(self) -> bool:
        return True

    def get_instrument_mode(self) -> str:
        return "STEM"

    def get_stem_detectors(self) -> dict[str, Any]:
        return {self._detector: {"type": "STEM_DETECTOR", "binnings": _BINNINGS}}

    def get_stem_acquisition_param(self) -> dict[str, Any]:
        return {"image_size": self._size, "binning": self._binning, "dwell_time(s)": self._dwell_s}

    def set_stem_acquisition_param(self, param: Mapping[str, Any], ignore_errors: bool = False) -> None:
        size, binning = str(param.get("image_size", self._size)), int(param.get("binning", self._binning))
        if size not in _SIZES or binning not in _BINNINGS:
            raise ValueError(f"no image size {size!r} with binning {binning}")
        self._size, self._binning = size, binning
        self._dwell_s = float(param.get("dwell_time(s)", self._dwell_s))

    def get_stage_limits(self) -> dict[str, tuple[float, float]]:
        low_deg, high_deg = self._twin.tilt_range_deg()
        limits: dict[str, tuple[float, float]] = super().get_stage_limits()
        return limits | {"a": (math.radians(low_deg), math.radians(high_deg))}

    def get_stage_position(self) -> dict[str, float]:
        at = self._done(self._twin.read_stage())
        tilt_rad = math.radians(at.tilt_deg)
        return {"x": 1e-9 * at.x_nm, "y": 1e-9 * at.y_nm, "z": 1e-9 * at.z_nm, "a": tilt_rad, "b": 0.0}

    def _set_stage_position(self, pos: Mapping[str, float], method: str = "GO", speed: float | None = None) -> None:
        wanted = self.get_stage_position() | dict(pos)
        for axis, (low, high) in self.get_stage_limits().items():
            wanted[axis] = min(max(wanted[axis], low), high)
        x_nm, y_nm, z_nm = (1e9 * wanted[axis] for axis in "xyz")
        self._done(self._twin.move_to(StagePosition(x_nm, y_nm, z_nm, math.degrees(wanted["a"]))))

    def set_beam_shift(self, pos: Sequence[float]) -> None:
        """The probe moves, the content of the image the other way."""
        super().set_beam_shift(pos)
        self._done(self._twin.shift_image(-1e9 * pos[1], -1e9 * pos[0]))

    def set_beam_blanked(self, mode: bool) -> None:
        super().set_beam_blanked(mode)
        self._done(self._twin.set_beam_blank(bool(mode)))

    def acquire(self, *detectors: str) -> dict[str, Any]:
        """Nothing from a detector that is not there, as the instrument does."""
        if self._detector not in detectors:
            return {}
        pixels = _FULL // _SIZES[self._size] // self._binning
        pixel_nm = self._field_nm_at_1x / (pixels * self.get_stem_magnification())
        scan = self._done(self._twin.scan(ScanSettings(pixel_nm, (pixels, pixels), self._dwell_s)))
        return {self._detector: scan.image}

    def _done(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()
