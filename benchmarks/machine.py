"""What this machine can do at most, on all its cores: bytes through its memory, multiply-adds in single precision."""

import os
import time
from pathlib import Path

import numba as nb
import numpy as np

_CHAINS, _ROUNDS = 64, 4_000_000


@nb.njit(parallel=True, fastmath=True, cache=False)
def _multiply_adds(out, rounds):  # type: ignore[no-untyped-def]  # kernel: numba types it
    for thread in nb.prange(out.shape[0]):
        # Enough independent sums for both units of a core and the latency of each.
        sums = np.ones(_CHAINS, np.float32)
        for _ in range(rounds):
            for k in range(_CHAINS):
                sums[k] = sums[k] * np.float32(0.999) + np.float32(0.001)
        out[thread] = sums.sum()


@nb.njit(parallel=True, fastmath=True, cache=False)
def _triad(a, b, c):  # type: ignore[no-untyped-def]  # kernel: numba types it
    for n in nb.prange(a.size):
        a[n] = b[n] + np.float32(3.0) * c[n]


def multiply_adds_per_s() -> float:
    """All cores together."""
    out = np.zeros(nb.get_num_threads(), np.float32)
    _multiply_adds(out, 10)
    began = time.perf_counter()
    _multiply_adds(out, _ROUNDS)
    return out.size * _ROUNDS * _CHAINS / (time.perf_counter() - began)


def bytes_per_s() -> float:
    """Read or written, of arrays that no cache holds."""
    b, c = np.ones(1 << 26, np.float32), np.ones(1 << 26, np.float32)
    a, taken = np.empty_like(b), []
    for _ in range(5):
        began = time.perf_counter()
        _triad(a, b, c)
        taken.append(time.perf_counter() - began)
    return 3.0 * a.nbytes / min(taken)


def described() -> dict[str, object]:
    """The processor, its cores, and both rates."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    rates = {"gb_per_s": 1e-9 * bytes_per_s(), "giga_multiply_adds_per_s": 1e-9 * multiply_adds_per_s()}
    return {"processor": model, "cores": len(os.sched_getaffinity(0))} | rates
