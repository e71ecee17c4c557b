"""D per temperature with its errors: what a fit of one particle's states gives, whichever way it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    shared: NDArray[np.float64] | None = None
    """What all states share beside D, as the projections have it: bow, slope and peak (`state_slopes.SHARED`)."""
    shared_std: NDArray[np.float64] | None = None
    bent: bool = False
    """Whether these explain more than noise, and D is that with them; else it is that without."""
    budget: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Of ln D, by cause: what `std_m2_per_s` leaves out."""
