"""BLAS on one thread: many small products, of which more threads only wait for each other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """For a block, or as a decorator; on a busy machine two threads take up to thirty times as long."""
    with _loaded(len(sys.modules)).limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _loaded(modules: int) -> ThreadpoolController:
    """Libraries there are; to look for them takes ten milliseconds, and a new one comes with new modules only."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
