"""One small tree of errors. A message says what was asked, what was found and what to do."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class AlloyscopeError(Exception):
    """Anything the user can be told in a sentence."""


class ConfigError(AlloyscopeError):
    """A session file, manifest or input file that cannot be used; carries every problem found."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        self.sentences = [f"{source}: {problem}" for problem in problems]
        """For a list of what is wrong with several files."""
        super().__init__("\n".join([f"{source}:", *(f"  - {p}" for p in problems)]))


class DeviceError(AlloyscopeError):
    """A device did not do what was asked; what its driver raised is the cause."""

    def __init__(self, device: str, message: str) -> None:
        self.device = device
        super().__init__(f"{device}: {message}")


class DeviceTimeout(DeviceError):
    """A device call ran past its time limit."""


class BeamStaysOn(AlloyscopeError):
    """The beam could not be blanked: no scan may be tried again."""


class LimitExceeded(DeviceError):
    """A value outside the limits was asked of a device, or read back from it."""


class NothingSuitable(AlloyscopeError):
    """Nothing that was found is as asked for."""


class NotConnected(AlloyscopeError):
    """One or more devices could not be connected; carries all failures."""

    def __init__(self, failures: dict[str, BaseException]) -> None:
        self.failures = failures
        lines = [f"  - {name}: {error}" for name, error in failures.items()]
        super().__init__("\n".join([f"{len(failures)} device(s) could not be connected:", *lines]))


class InterlockTripped(AlloyscopeError):
    """The guard made the chip safe; the message is its reason."""


class RecordingError(AlloyscopeError):
    """A frame could not be written. The session stops: data are never lost silently."""


class CorruptFrame(AlloyscopeError):
    """A message on the wire, or what is read back from a file, is not a whole frame."""


@contextmanager
def ungrouped() -> Iterator[None]:
    """Around a TaskGroup of one task: raises its error itself, which callers know by its own type."""
    try:
        yield
    except ExceptionGroup as group:
        error = first_of(group)
        raise error from error.__cause__


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What stopped a group of tasks: an interlock before anything else, then any error we can explain."""
    leaves: list[BaseException] = []

    def collect(error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                collect(inner)
        else:
            leaves.append(error)

    collect(group)
    return min(leaves, key=lambda e: (not isinstance(e, InterlockTripped), not isinstance(e, AlloyscopeError)))


def in_a_sentence(error: BaseException, details: Path) -> BaseException:
    """An error of ours, or an interruption, as it is; any other told in a sentence, and whole in a file."""
    ours = isinstance(error, AlloyscopeError)
    if not isinstance(error, Exception) or (ours and isinstance(error.__cause__, AlloyscopeError | None)):
        return error
    where = ""
    with suppress(OSError):
        details.write_text("".join(traceback.format_exception(error)))
        where = f"; where it came from is in {details}"
    if ours:  # a driver's own lies behind it
        error.args = (f"{error}{where}",)
        return error
    told = AlloyscopeError(f"{type(error).__name__}: {error}{where}")
    told.__cause__ = error
    return told
