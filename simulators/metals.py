"""How strongly metals scatter onto an annular detector, nm for nm."""

from __future__ import annotations

from drivers.elements import SYMBOLS

SILVER_PER_NM = 0.0025
"""Fraction of the beam that one nm of silver scatters onto the detector."""
_POWER = 1.7
"""Of the atomic number."""
_ATOMS_PER_NM3 = {
    "Al": 60.2,
    "Ti": 56.7,
    "Cr": 83.3,
    "Mn": 81.8,
    "Fe": 84.9,
    "Co": 90.0,
    "Ni": 91.4,
    "Cu": 84.9,
    "Zn": 65.7,
    "Mo": 64.2,
    "Ru": 73.6,
    "Rh": 72.6,
    "Pd": 68.0,
    "Ag": 58.6,
    "Cd": 46.3,
    "In": 38.3,
    "Sn": 36.9,
    "Ta": 55.5,
    "W": 63.2,
    "Re": 68.0,
    "Os": 71.4,
    "Ir": 70.6,
    "Pt": 66.2,
    "Au": 58.6,
    "Pb": 33.0,
    "Bi": 28.2,
}
"""From densities at room temperature; gold's and silver's lattices (0.408 and 0.409 nm) are taken as one."""
METALS = tuple(_ATOMS_PER_NM3)


def scattering_per_nm(metal: str) -> float:
    """Fraction of the beam that one nm scatters: atoms in its way, each by its atomic number to the power 1.7."""
    stronger = (SYMBOLS.index(metal) + 1.0) / (SYMBOLS.index("Ag") + 1.0)
    return float(SILVER_PER_NM * stronger**_POWER * _ATOMS_PER_NM3[metal] / _ATOMS_PER_NM3["Ag"])
