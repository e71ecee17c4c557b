"""A driver on trial: `drivers.conformance` in real time, as a person asks for it."""

from __future__ import annotations

import asyncio
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from drivers.clock import WallClock
from drivers.conformance.check import Bench, Check, Outcome, outcomes
from drivers.conformance.chip import CHIP_CHECKS
from drivers.conformance.microscope import MICROSCOPE_CHECKS
from drivers.device_thread import ChipInThread, DeviceThread, MicroscopeInThread
from drivers.errors import ConfigError
from drivers.interfaces import DriverContext
from drivers.limits import ChipLimits
from drivers.registry import Kind, backends, check_options, load

Testable = Literal["chip", "microscope"]
_KINDS: tuple[Testable, ...] = ("chip", "microscope")
_MARGIN_C = 50.0


def installed() -> Iterator[str]:
    """Lines that tell what backends there are."""
    kinds: tuple[Kind, ...] = (*_KINDS, "edx", "server")
    for kind in kinds:
        yield f"{kind}: {', '.join(backends(kind)) or 'none'}"


def device_trial(
    backend: str,
    kind: str,
    options: Sequence[str],
    origin: Path,
    *,
    warm_c: float,
    ask: Callable[[str], bool] | None,
) -> bool:
    """Run all checks, printing each; whether none has failed.

    Parameters
    ----------
    options : ``KEY=VALUE``, the value as in TOML
    ask : by which a person agrees before a real instrument is moved; None where they have

    Raises
    ------
    ConfigError
        For a backend or options that do not exist.
    """
    found, given = _kind_of(backend, kind), _options(options)
    problems = check_options(found, backend, given, origin)
    if problems:
        raise ConfigError(f"{found} backend {backend!r}", problems)
    with tempfile.TemporaryDirectory(prefix="alloyscope-trial-") as folder:
        limits = ChipLimits(max_c=warm_c + _MARGIN_C)
        context = DriverContext(WallClock(), 1, Path(folder), origin, limits=limits)
        if not load(found, backend, context, given).simulated and ask is not None:
            what = f"heat the chip to {warm_c:g} C" if found == "chip" else "move the stage, tilt it and use the beam"
            if not ask(f"{backend} may be a real instrument. The test will {what}, again and again. Go on?"):
                return False
        made = asyncio.run(_tried(found, backend, context, given, warm_c))
    failed = [o for o in made if o.passed is False]
    unseen = [o for o in made if o.passed is None]
    print(f"{len(made) - len(failed) - len(unseen)} of {len(made)} hold, {len(failed)} do not, {len(unseen)} not seen")
    return not failed


async def _tried(
    kind: Testable, backend: str, context: DriverContext, options: dict[str, Any], warm_c: float
) -> list[Outcome]:
    thread = DeviceThread(kind)
    in_thread: Any = ChipInThread if kind == "chip" else MicroscopeInThread
    checks: Sequence[Check[Any]] = CHIP_CHECKS if kind == "chip" else MICROSCOPE_CHECKS
    bench: Bench[Any] = Bench(lambda c: in_thread(load(kind, backend, c, options), thread), context, warm_c)
    try:
        return await outcomes(checks, bench, _print)
    finally:
        await thread.close()


def _print(outcome: Outcome) -> None:
    mark = {True: "holds", False: "FAILS", None: "not seen"}[outcome.passed]
    print(f"{mark:9}{outcome.check}{f': {outcome.words}' if outcome.words else ''}", flush=True)


def _kind_of(backend: str, kind: str) -> Testable:
    """By what a class has, where it is not said and the name is not that of one kind only."""
    if kind:
        if kind not in _KINDS:
            raise ConfigError("devices", [f"--kind {kind}: what can be tested is a chip or a microscope"])
        return "chip" if kind == "chip" else "microscope"
    kinds = [k for k in _KINDS if backend in backends(k)]
    if len(kinds) == 1:
        return kinds[0]
    known = ", ".join(sorted({name for k in _KINDS for name in backends(k)}))
    why = "is both" if kinds else f"is neither an installed chip nor microscope ({known})"
    raise ConfigError("devices", [f"{backend!r} {why}; add --kind chip or --kind microscope"])


def _options(options: Sequence[str]) -> dict[str, Any]:
    try:
        return tomllib.loads("\n".join(options))
    except tomllib.TOMLDecodeError as error:
        words = f"--option takes KEY=VALUE as in TOML, texts in quotes; found {' '.join(options)} ({error})"
        raise ConfigError("devices", [words]) from error
