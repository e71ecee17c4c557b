"""The physical link between chip and sample: the chip's true temperature, as a file both simulators share.

The chip may live in another process (the guard's) than the microscope; in a laboratory the two are joined by heat,
here by an append-only file of (time_s, temperature_c) pairs. It is part of the truth and analysis never opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.recorded.folder import SessionFolder
from drivers.units import GAS_CONSTANT_J_PER_MOL_K, kelvin

AMBIENT_C = 25.0


class ThermalHistory:
    """A growing polyline of temperature against time, written by one chip and read by any microscope."""

    def __init__(self, folder: Path) -> None:
        self._path = SessionFolder(folder).chip_truth
        self._read_bytes = 0
        self._last = np.array([[0.0, AMBIENT_C]])

    def append(self, points: Iterable[tuple[float, float]]) -> None:
        data = np.array(list(points), np.float64)
        if data.size:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(data.tobytes())

    def new(self) -> NDArray[np.float64]:
        """Points since the last call, led by the last point of that call: (point, 2)."""
        if not self._path.exists():
            return self._last
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            data = file.read()
        data = data[: len(data) - len(data) % 16]
        self._read_bytes += len(data)
        points = np.concatenate([self._last, np.frombuffer(data, np.float64).reshape(-1, 2)])
        self._last = points[-1:]
        return points


def arrhenius(
    d_ref_m2_per_s: float, q_j_per_mol: float, ref_c: float = 450.0
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """D(temperature_c) with the given value at `ref_c`."""

    def d_m2_per_s(temperature_c: NDArray[np.float64]) -> NDArray[np.float64]:
        inverse = 1.0 / (np.maximum(temperature_c, -200.0) + 273.15) - 1.0 / kelvin(ref_c)
        return np.asarray(d_ref_m2_per_s * np.exp(-q_j_per_mol / GAS_CONSTANT_J_PER_MOL_K * inverse))

    return d_m2_per_s


def tau_nm2(
    points: NDArray[np.float64], d_m2_per_s: Callable[[NDArray[np.float64]], NDArray[np.float64]], offset_c: float
) -> float:
    """Diffusion done along a polyline: the time integral of D at the local temperature."""
    local_c = points[:, 1] + offset_c * (1.0 - np.exp(-np.maximum(points[:, 1] - AMBIENT_C, 0.0) / 60.0))
    return float(np.trapezoid(d_m2_per_s(local_c) * 1e18, points[:, 0]))
