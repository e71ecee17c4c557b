"""Writes analysis/edx/x_ray_lines.csv and x_ray_edges.csv from xraydb (pip install xraydb; not needed otherwise).

Energies and relative intensities are those of Elam, Ravel and Sieber (Radiat. Phys. Chem. 63 (2002) 121), as xraydb has
them.
"""

import csv
from pathlib import Path

import xraydb

FOLDER = Path(__file__).parents[1] / "analysis" / "edx"
SHELLS = ("K", "L1", "L2", "L3", "M1", "M2", "M3", "M4", "M5")
LOWEST_EV, HIGHEST_EV, WEAKEST = 100.0, 45000.0, 0.002
"""Below, no window lets X-rays through; above, no silicon detector sees them."""


def main() -> None:
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
                    line_rows.writerow([element, name, shell, f"{line.energy:.0f}", f"{line.intensity:.4f}"])
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
    main()
