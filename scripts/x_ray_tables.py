"""Writes x_ray_lines.csv, x_ray_edges.csv and mass_absorption.csv of analysis/edx.

From xraydb (pip install xraydb; not needed otherwise).

    python scripts/x_ray_tables.py FOLDER

Intensities, edges, yields and Coster-Kronig transitions are those of Elam, Ravel and Sieber (Radiat. Phys. Chem. 63
(2002) 121), as xraydb has them. Their energies are differences of edges, up to 20 eV off; so an energy is, where there
is one, what NIST has as measured (Deslattes et al., Rev. Mod. Phys. 75 (2003) 35), else that of the X-Ray Data Booklet
(Table 1-3), else, of an M line, that of NIST's DTSA, which is Bearden's (Rev. Mod. Phys. 39 (1967) 78).
K-beta up to potassium, whose outer shell is not full, and M lines beside M-alpha, M-beta and M-gamma are by DTSA's
weights. FOLDER holds `deslattes.csv`, `LineEnergies.csv` and `LineWeights.csv` of github.com/usnistgov/EPQ,
`emission_lines.csv` of github.com/ehsteve/roentgen, and `elam.dat` of github.com/xraypy/XrayDB.
"""

import csv
import math
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "analysis" / "edx"
SHELLS = ("K", "L1", "L2", "L3", "M1", "M2", "M3", "M4", "M5")
LOWEST_EV, HIGHEST_EV, WEAKEST = 100.0, 45000.0, 0.002
"""Below, no window lets X-rays through; above, no silicon detector sees them."""
NIST = {
    "Ka1": "KL3",
    "Ka2": "KL2",
    "Kb1": "KM3",
    "Kb3": "KM2",
    "Kb2": "KN3",
    "La1": "L3M5",
    "La2": "L3M4",
    "Lb1": "L2M4",
    "Lb2,15": "L3N5",
    "Lb3": "L1M3",
    "Lb4": "L1M2",
    "Lb5": "L3O5",
    "Lb6": "L3N1",
    "Lg1": "L2N4",
    "Lg2": "L1N2",
    "Lg3": "L1N3",
    "Lg6": "L2O4",
    "Ll": "L3M1",
    "Ln": "L2M1",
}
DTSA = {"MA1-N7": "Ma", "MB-N6": "Mb", "MG-N5": "Mg", "MZ1-N3": "Mz"}
BOOKLET = {
    "Kα1": ("Ka1",),
    "Kα2": ("Ka2",),
    "Kα1,2": ("Ka1", "Ka2"),
    "Kβ1": ("Kb1",),
    "Kβ3": ("Kb3",),
    "Kβ2": ("Kb2",),
    "Kβ1,3": ("Kb1", "Kb3"),
    "Lα1": ("La1",),
    "Lα2": ("La2",),
    "Lα1,2": ("La1", "La2"),
    "Lβ1": ("Lb1",),
    "Lβ2": ("Lb2,15",),
    "Lβ2,15": ("Lb2,15",),
    "Lγ1": ("Lg1",),
    "Ll": ("Ll",),
    "Mα1": ("Ma",),
}


LACKING = {
    "Zr": {"Lg1": ("L2", 0.0151), "Lb2,15": ("L3", 0.0172)},
    "Nb": {"Lg1": ("L2", 0.0294), "Lb2,15": ("L3", 0.0316)},
    "Mo": {"Lg1": ("L2", 0.0381), "Lb2,15": ("L3", 0.0432)},
    "Tc": {"Lg1": ("L2", 0.0508), "Lb2,15": ("L3", 0.0560)},
    "Ru": {"Lg1": ("L2", 0.0641), "Lb2,15": ("L3", 0.0701)},
}
"""Lines that xraydb has from rhodium on only: subshell, and part of it by DTSA's weights (as in exspy)."""


MAGNESIUM_K_BETA, POTASSIUM = 0.01, 19
HEAVY_M, STRONGEST_ZETA, WEAKEST_M = 72, 0.06, 0.005
"""DTSA's weights of lanthanides' faint M lines are misplaced: theirs are left out, and zeta is bounded."""
FAINT_M = {"M3N1": ("M3", ("M3-N1",), "M3-N5"), "M3O4,5": ("M3", ("M3-O5", "M3-O4"), "M3-N5")} | {
    "M2N4": ("M5", ("M2-N4",), ""),
    "Mz2": ("M4", ("M4-N2",), "M4-N6"),
}
"""Subshell that they are counted with, DTSA's names, and the line of that subshell whose part is 1 (else M-alpha)."""


def dtsa_of(folder: Path, name: str, number: int) -> dict[str, float]:
    """Of one element, by transition such as ``M2-N4``."""
    names = [n.strip(" /") for n in next(csv.reader((folder / "LineWeights.csv").open()))]
    row = list(csv.reader((folder / name).open()))[number]
    plain = re.compile(r"[0-9.]+(e[-+]?[0-9]+)?", re.IGNORECASE)
    return {n: float(v) if plain.fullmatch(v.strip()) else 0.0 for n, v in zip(names, row, strict=True)}


def by_dtsa(folder: Path, number: int, rows: list[list[str]]) -> list[list[str]]:
    """Rows of one element's lines, with DTSA's K-beta where the outer shell is not full, and its faint M lines."""
    weight, energy = (dtsa_of(folder, name, number) for name in ("LineWeights.csv", "LineEnergies.csv"))
    found = [list(row) for row in rows]
    if any(row[1] == "Kb1" for row in found) and number <= POTASSIUM:
        of_alpha = weight["K-L3"] + weight["K-L2"]
        beta = (weight["K-M3"] + weight["K-M2"]) / of_alpha if weight["K-M3"] else MAGNESIUM_K_BETA
        for names, whole in ((("Kb1", "Kb3"), beta / (1.0 + beta)), (("Ka1", "Ka2"), 1.0 / (1.0 + beta))):
            before = sum(float(row[4]) for row in found if row[1] in names)
            for row in found:
                if row[1] in names:
                    row[4] = f"{float(row[4]) / before * whole:.4f}"
    there = {row[1] for row in found}
    if "Ma" not in there:
        return found
    for row in found:
        if row[1] == "Mz" and weight["M5-N3"] > 0.0:
            row[4] = f"{min(weight['M5-N3'], STRONGEST_ZETA):.4f}"
    for name, (shell, names, beside) in FAINT_M.items():
        part = sum(weight[n] for n in names) / ((weight[beside] or math.inf) if beside else 1.0)
        if number >= HEAVY_M and part >= WEAKEST_M and energy[names[0]] > LOWEST_EV:
            found.append([found[0][0], name, shell, f"{energy[names[0]]:.1f}", f"{part:.4f}"])
    return found


def mass_absorption(folder: Path) -> list[tuple[str, str, str]]:
    """Element, energy in eV and photoabsorption in cm2/g, without points that a power law between others has to 1 %."""
    found, element, points = [], "", None
    for line in (folder / "elam.dat").open():
        words = line.split()
        if words[:1] == ["Element"]:
            element, number = words[1], int(words[2])
        elif words[:1] == ["Photo"]:
            points = []
        elif points is not None and words and words[0][0].isdigit():
            points.append((float(words[0]), float(words[1])))
        elif points is not None:
            if number <= 92:
                found += [(element, f"{math.exp(e):.1f}", f"{math.exp(m):.4g}") for e, m in thinned(points)]
            points = None
    return found


def thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of ln energy and ln coefficient, those that lines between them need, up to the first beyond 50 keV."""
    highest = math.log(50e3)
    low = [p for p in points if p[0] <= highest]
    low += [p for p in points if p[0] > highest][:1]
    kept, start = [low[0]], 0
    while start < len(low) - 1:
        end = start + 1
        while end + 1 < len(low) and straight(low[start : end + 2]):
            end += 1
        kept.append(low[end])
        start = end
    return kept


def straight(points: list[tuple[float, float]]) -> bool:
    """Whether a line from the first to the last has all to 1 %; an edge, where energies are equal, is none."""
    (low, first), (high, last) = points[0], points[-1]
    if high - low < 1e-9:
        return False
    return all(abs(first + (last - first) * (e - low) / (high - low) - m) < 0.01 for e, m in points[1:-1])


def energies_ev(folder: Path, symbols: list[str]) -> dict[tuple[str, str], float]:
    """By element and line; `symbols` from hydrogen on."""
    found: dict[tuple[str, str], float] = {}
    dtsa = list(csv.reader((folder / "LineEnergies.csv").open()))
    for symbol, row in zip(symbols, dtsa[1:], strict=False):
        for name, value in zip(dtsa[0], row, strict=False):
            line = DTSA.get(name.strip(" /"))
            if line and value.strip() and float(value) > 0.0:
                found[symbol, line] = float(value)
    for row in csv.reader((folder / "emission_lines.csv").open(encoding="utf-8-sig")):
        if len(row) > 2 and row[2] in BOOKLET:
            found |= {(symbols[int(row[1]) - 1], line): float(row[0]) for line in BOOKLET[row[2]]}
    of_nist = {name: line for line, name in NIST.items()}
    for text in (folder / "deslattes.csv").open(encoding="latin1"):
        cells = text.split("\t")
        measured = re.sub(r"[^0-9.]", "", cells[5]) if len(cells) > 5 else ""
        if not text.startswith("#") and measured and cells[2].strip() in of_nist:
            found[cells[0], of_nist[cells[2].strip()]] = float(measured)
    return found


def main(folder: Path) -> None:
    import xraydb

    measured = energies_ev(folder, [xraydb.atomic_symbol(z) for z in range(1, 93)])
    with (
        (FOLDER / "x_ray_lines.csv").open("w", newline="") as lines,
        (FOLDER / "x_ray_edges.csv").open("w", newline="") as edges,
    ):
        line_rows, edge_rows = (csv.writer(f, lineterminator="\n") for f in (lines, edges))
        line_rows.writerow(["element", "line", "shell", "energy_ev", "part_of_shell"])
        edge_rows.writerow(["element", "atomic_number", "molar_mass", "shell", "edge_ev", "yield", "passed_on"])
        for number in range(4, 93):
            element = xraydb.atomic_symbol(number)
            seen, found = set(), []
            for name, line in xraydb.xray_lines(element).items():
                shell = "M5" if line.initial_level == "M4,5" else line.initial_level
                if shell in SHELLS and LOWEST_EV <= line.energy <= HIGHEST_EV and line.intensity >= WEAKEST:
                    seen.add(shell)
                    energy = measured.get((element, name), line.energy)
                    found.append([element, name, shell, f"{energy:.1f}", f"{line.intensity:.4f}"])
            for name, (shell, part) in LACKING.get(element, {}).items():
                found.append([element, name, shell, f"{measured[element, name]:.1f}", f"{part:.4f}"])
            line_rows.writerows(by_dtsa(folder, number, found))
            for shell, edge in xraydb.xray_edges(element).items():
                if not any(shell[0] == s[0] for s in seen) or shell not in SHELLS:
                    continue
                direct = {
                    to: xraydb.ck_probability(element, shell, to, total=False) or 0.0
                    for to in SHELLS
                    if to[0] == shell[0] and to > shell
                }
                passed_on = [f"{to}:{part:.4f}" for to, part in direct.items() if part > 0.0]
                mass = f"{xraydb.atomic_mass(element):.4f}"
                row = [element, number, mass, shell, f"{edge.energy:.0f}", f"{edge.fyield:.5f}", " ".join(passed_on)]
                edge_rows.writerow(row)
    with (FOLDER / "mass_absorption.csv").open("w", newline="") as table:
        coefficients = csv.writer(table, lineterminator="\n")
        coefficients.writerow(["element", "energy_ev", "cm2_per_g"])
        coefficients.writerows(mass_absorption(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
