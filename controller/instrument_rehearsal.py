"""Simulated instruments on the wires of real ones, one world behind all of them."""

from __future__ import annotations

import asyncio
import inspect
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from controller.plan.session_file import SessionFile
from drivers.clock import WallClock
from drivers.errors import AlloyscopeError, ConfigError, ungrouped
from drivers.interfaces import DriverContext, InstrumentServer
from drivers.registry import Kind, backends, find, load

_USUAL = "NC2"


def serve_instruments(
    file: SessionFile, folder: Path, specimens: Sequence[str], twin: Sequence[str] = (), *, origin: Path = Path()
) -> None:
    """Serve what a session file's chip and microscope are to be reached at, until interrupted.

    Parameters
    ----------
    folder : where the world keeps its truth
    specimens : ``PARTICLE=SPECIMEN``; a particle that is not named is an NC2
    twin : ``OPTION=NUMBER`` of the simulated microscope
    origin : folder that paths in options start from: the session file's

    Raises
    ------
    ConfigError
        Where the session names no instrument that can be simulated on its wire.
    """
    asyncio.run(_serve(instrument_servers(file, folder, specimens, twin, origin=origin), folder))


def instrument_servers(
    file: SessionFile,
    folder: Path,
    specimens: Sequence[str] = (),
    twin: Sequence[str] = (),
    *,
    origin: Path = Path(),
) -> list[InstrumentServer]:
    """Built, not serving yet; raises as `serve_instruments` does."""
    context = DriverContext(WallClock(), file.seed, folder, origin, limits=file.chip.limits)
    sections: dict[str, Mapping[str, Any]] = {
        file.chip.backend: file.chip.options,
        file.microscope.backend: file.microscope.options
        | {"particles": _particles(file, specimens), "current_pa": file.scan.current_pa, "twin": _numbers(twin)},
    }
    known, kinds = (
        backends("server"),
        dict[str, Kind](((file.chip.backend, "chip"), (file.microscope.backend, "microscope"))),
    )
    servers: list[InstrumentServer] = []
    for backend, options in sections.items():
        if backend in known:
            # Where the driver looks by default, the instrument is.
            usual = {n: p.default for n, p in inspect.signature(find(kinds[backend], backend)).parameters.items()}
            given = {n: v for n, v in usual.items() if v is not inspect.Parameter.empty} | dict(options)
            accepted = inspect.signature(find("server", backend)).parameters
            servers.append(load("server", backend, context, {n: v for n, v in given.items() if n in accepted}))
    if not servers:
        found = f"chip and microscope are {' and '.join(sections)}"
        raise ConfigError("simulate", [f"{found}; what can be simulated on its wire: {', '.join(known)}"])
    return servers


def _particles(file: SessionFile, specimens: Sequence[str]) -> list[dict[str, Any]]:
    named = dict(s.partition("=")[::2] for s in specimens)
    unknown = sorted(set(named) - {p.name for p in file.particles})
    if unknown or not all(named.values()):
        names = ", ".join(p.name for p in file.particles)
        raise ConfigError("simulate", [f"--specimen takes PARTICLE=SPECIMEN, of the particles {names}"])
    return [
        {
            "name": p.name,
            "specimen": named.get(p.name, _USUAL),
            "window": p.window,
            "x_nm": p.x_nm,
            "y_nm": p.y_nm,
            "z_nm": p.z_nm,
        }
        for p in file.particles
    ]


def _numbers(options: Sequence[str]) -> dict[str, float]:
    try:
        return {key: float(value) for key, value in (option.split("=") for option in options)}
    except ValueError:
        raise ConfigError("simulate", [f"--twin takes OPTION=NUMBER, found {', '.join(options)}"]) from None


async def _serve(servers: Sequence[InstrumentServer], folder: Path) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                listening = [asyncio.Event() for _ in servers]
                serving = [
                    tasks.create_task(server.serve(event.set), name=server.told)
                    for server, event in zip(servers, listening, strict=True)
                ]
                for server, event in zip(servers, listening, strict=True):
                    await event.wait()
                    print(f"SIMULATED {server.told}", flush=True)
                print(f"truth: {folder / 'truth'}; Ctrl-C ends it", flush=True)
                await told.wait()
                for task in serving:
                    task.cancel()
    except OSError as error:
        raise AlloyscopeError(
            f"simulate: {error}; a simulated instrument listens on this computer (127.0.0.1), where nothing else may"
        ) from error
