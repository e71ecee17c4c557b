"""D per temperature with its errors: what a fit of one particle's states gives, whichever way it went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DiffusivityFit:
    """D per temperature, and how well the curve describes the data."""

    temperatures_c: tuple[float, ...]
    d_m2_per_s: NDArray[np.float64]
    std_m2_per_s: NDArray[np.float64]
    scatter: float
    """RMS difference between measured and fitted degree."""
    saturated: bool
    """The data only bound D: every heated state is unalloyed or fully alloyed."""
    noise_ln_std: NDArray[np.float64] | None = None
    """Of ln D, by the counting noise of the heated states alone."""
    chi2: float = 0.0
    """Squared misses of the states, each in units of its own error."""
