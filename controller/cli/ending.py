"""How a command ends: in a sentence and with an exit code, whatever happened."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from drivers.errors import AlloyscopeError, ConfigError


def run_to_end(command: Callable[[], object]) -> None:
    """Errors of the user become one message and exit code 2, failures of a session exit code 1."""
    try:
        command()
    except ConfigError as error:
        print(f"alloyscope: {error}", file=sys.stderr)
        _leave(2)
    except AlloyscopeError as error:
        print(f"alloyscope: {error}", file=sys.stderr)
        _leave(1)
    except KeyboardInterrupt:
        kept = "; devices were made safe, recorded data are kept" if "controller.session" in sys.modules else ""
        print(f"alloyscope: interrupted{kept}", file=sys.stderr)
        _leave(130)
    except SystemExit as ended:
        _leave(ended.code if isinstance(ended.code, int) else int(ended.code is not None))


def _leave(code: int) -> None:
    """A vendor's library that never comes back would keep the interpreter for ever."""
    threads = sys.modules.get("drivers.device_thread")
    if threads is not None and threads.stuck():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
