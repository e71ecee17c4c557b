"""The chemical elements, and whether a name is made of them."""

from __future__ import annotations

import re

_ALL = """
H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc
Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi
Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm
"""
SYMBOLS = tuple(_ALL.split())
"""By atomic number, hydrogen first."""
_METALS = {"gold": "Au", "silver": "Ag", "palladium": "Pd", "platinum": "Pt", "copper": "Cu", "nickel": "Ni"}
_METALS |= {"iron": "Fe", "cobalt": "Co", "rhodium": "Rh", "iridium": "Ir", "ruthenium": "Ru", "aluminium": "Al"}
_PART = re.compile(r"[A-Z][a-z]?")


def why_no_material(name: str) -> str | None:
    """Why a name such as ``Au``, ``Cu-Ni`` or ``Fe2O3`` is not made of elements, in words; None where it is."""
    unknown = sorted({part for part in _PART.findall(name) if part not in SYMBOLS})
    left = re.sub(r"[0-9 .+-]", "", _PART.sub("", name))
    if not unknown and not left and _PART.search(name):
        return None
    meant = _METALS.get(name.strip().lower())
    remedy = f"write its symbol, {meant}" if meant else "write symbols of elements, such as Au, Cu-Ni or Fe2O3"
    what = f"no element is called {', '.join(unknown)}" if unknown else "it is not made of symbols of elements"
    return f"{name!r}: {what}; {remedy}"
