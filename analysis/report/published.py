"""Published diffusion coefficients, by the names of their particles."""

from __future__ import annotations

from analysis.results.estimate import Estimate

SOURCE = "Mychinko et al., Small 17 (2021) 2102348, Table 2"
AT_C = 450.0
D_M2_PER_S = {
    "NC1": Estimate(2.7e-19, 0.2e-19),
    "NC2": Estimate(2.4e-19, 0.3e-19),
    "NR1": Estimate(3.4e-19, 0.4e-19),
    "NR2": Estimate(2.9e-19, 0.2e-19),
    "NR3": Estimate(6.0e-19, 0.2e-19),
    "NR4": Estimate(6.3e-19, 0.4e-19),
}
"""Their errors are standard deviations of the fit; the chip's calibration is in none of them."""


def published(particle: str, temperature_c: float) -> Estimate | None:
    """Of the particle of this name at this temperature, where there is one."""
    return D_M2_PER_S.get(particle) if abs(temperature_c - AT_C) < 0.5 else None
