"""Writes analysis/edx/x_ray_lines.csv and x_ray_edges.csv from xraydb (pip install xraydb; not needed otherwise).

    python scripts/x_ray_tables.py FOLDER

Intensities, edges, yields and Coster-Kronig transitions are those of Elam, Ravel and Sieber (Radiat. Phys. Chem. 63
(2002) 121), as xraydb has them. Their energies are differences of edges, up to 20 eV off; so an energy is, where there
is one, what NIST has as measured (Deslattes et al., Rev. Mod. Phys. 75 (2003) 35), else that of the X-Ray Data Booklet
(Table 1-3), else, of an M line, that of NIST's DTSA, which is Bearden's (Rev. Mod. Phys. 39 (1967) 78).
FOLDER holds `deslattes.csv` and `LineEnergies.csv` of github.com/usnistgov/EPQ, and `emission_lines.csv` of
github.com/ehsteve/roentgen.
"""

import csv
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
            seen = set()
            for name, line in xraydb.xray_lines(element).items():
                shell = "M5" if line.initial_level == "M4,5" else line.initial_level
                if shell in SHELLS and LOWEST_EV <= line.energy <= HIGHEST_EV and line.intensity >= WEAKEST:
                    seen.add(shell)
                    energy = measured.get((element, name), line.energy)
                    line_rows.writerow([element, name, shell, f"{energy:.1f}", f"{line.intensity:.4f}"])
            for name, (shell, part) in LACKING.get(element, {}).items():
                line_rows.writerow([element, name, shell, f"{measured[element, name]:.1f}", f"{part:.4f}"])
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
