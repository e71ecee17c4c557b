"""Load a backend by name, and connect all devices at once.

A backend is a class that takes ``(name, context, **options)``. It is named by an entry point in one of the groups
below, as ``module:Class``, or as ``file.py:Class`` with the file's path from the session file.
"""

from __future__ import annotations

import asyncio
import difflib
import importlib
import importlib.util
import inspect
import math
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from drivers.errors import AlloyscopeError, ConfigError, NotConnected
from drivers.interfaces import DriverContext, EdxDetector, HeatingChip, InstrumentServer, Microscope, Rehearsal

Kind = Literal["chip", "microscope", "edx", "rehearsal", "server"]


def group(kind: Kind) -> str:
    return f"alloyscope.{kind}"


def backends(kind: Kind) -> list[str]:
    """Names of the installed backends of one kind."""
    return sorted({point.name for point in entry_points(group=group(kind))})


def find(kind: Kind, backend: str, origin: Path = Path()) -> Callable[..., Any]:
    """The backend's class; raises `ConfigError` that lists what exists.

    Parameters
    ----------
    origin : folder that the path of a driver's file starts from: the session file's
    """
    if ":" in backend:
        module, _, attribute = backend.rpartition(":")
        try:
            place = _module_in(origin / module) if module.endswith(".py") else importlib.import_module(module)
            found: Callable[..., Any] = getattr(place, attribute)
        except Exception as error:  # a vendor's module may raise anything
            raise ConfigError(
                f"{kind}.backend",
                [
                    f"{backend!r} cannot be loaded ({_in_words(error)}); write module:Class of an installed module, "
                    "or file.py:Class with the file's path from the session file"
                ],
            ) from error
        return found
    for point in entry_points(group=group(kind)):
        if point.name == backend:
            try:
                loaded: Callable[..., Any] = point.load()
            except ImportError as error:
                words = f"{backend!r} needs what is not installed ({error}): pip install 'alloyscope[{backend}]'"
                raise ConfigError(f"{kind}.backend", [words]) from error
            return loaded
    known = backends(kind)
    near = difflib.get_close_matches(backend, known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"{kind}.backend",
        [f"no backend is called {backend!r}; {hint}installed: {', '.join(known) or 'none'}; or write module:Class"],
    )


def _module_in(path: Path) -> ModuleType:
    """A driver's file, loaded once."""
    name = f"driver in {path.resolve()}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise FileNotFoundError(f"there is no {path}")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def check_options(kind: Kind, backend: str, options: Mapping[str, Any], origin: Path = Path()) -> list[str]:
    """Problems with a backend and its options, in words."""
    made = find(kind, backend, origin)
    asked = {n: p.annotation for n, p in inspect.signature(made).parameters.items()}
    accepted = [p for p in asked if p not in ("name", "context", "self")]
    lacking = [m for m in _asked_of(kind) if inspect.isclass(made) and not hasattr(made, m)]
    problems = (
        [f"{kind}.backend: {backend!r} has no {', '.join(lacking)}; see drivers/interfaces.py"] if lacking else []
    )
    for key in options:
        if key not in accepted:
            near = difflib.get_close_matches(key, accepted, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes: {', '.join(accepted) or 'none'}"
            problems.append(f"{kind}.options.{key}: backend {backend!r} has no such option; {hint}")
        elif asked[key] in ("float", "int", float, int) and not _is_number(options[key]):
            problems.append(f"{kind}.options.{key}: is to be a number, found {options[key]!r}")
    return problems


def load(kind: Kind, backend: str, context: DriverContext, options: Mapping[str, Any]) -> Any:
    """Build a backend; the caller knows which Protocol the kind stands for. Raises `ConfigError` with its reason."""
    problems = check_options(kind, backend, options, context.origin)
    if problems:
        raise ConfigError(f"{kind} backend {backend!r}", problems)
    try:
        return find(kind, backend, context.origin)(name=kind, context=context, **options)
    except AlloyscopeError:
        raise
    except Exception as error:  # a vendor's library may be missing, or worse
        why = f"cannot be built ({_in_words(error)}); see what its driver needs"
        if isinstance(error, (TypeError, ValueError)):
            why = f"refuses its options: {error}; see its docstring"
        raise ConfigError(f"{kind}.backend", [f"{kind} backend {backend!r} {why}"]) from error


def _asked_of(kind: Kind) -> list[str]:
    """Methods that a backend of this kind must have."""
    protocol = {
        "chip": HeatingChip,
        "microscope": Microscope,
        "edx": EdxDetector,
        "rehearsal": Rehearsal,
        "server": InstrumentServer,
    }[kind]
    return [m for base in protocol.__mro__ for m, v in vars(base).items() if inspect.isfunction(v) and m[0] != "_"]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


async def connect_all(calls: Mapping[str, Awaitable[None]]) -> None:
    """Connect devices, by their names, at the same time; raises one `NotConnected` with all failures."""
    outcomes = await asyncio.gather(*calls.values(), return_exceptions=True)
    failures = {name: e for name, e in zip(calls, outcomes, strict=True) if isinstance(e, BaseException)}
    cancelled = [e for e in failures.values() if isinstance(e, asyncio.CancelledError)]
    if cancelled:
        raise cancelled[0]
    if failures:
        raise NotConnected(failures)
