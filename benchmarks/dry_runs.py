"""A session file on the twin over many seeds, scored against its truth.

Each seed draws other noise, drift and tilt errors; with --poses also how the specimens lie, which is part of every
error's sigma and the same in all runs of one file. Printed: D's, window offsets, activation energy and the true degree
of alloying at the end, each run's and their mean, scatter, mean sigma and coverage.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from drivers.recorded.folder import SessionFolder

_MOST_IN_PLANE_DEG = 15.0


def posed(text: str, seed: int) -> str:
    """The session file, specimens lying as they happen to: long axes roughly along the tilt axis, any side up."""
    rng = np.random.default_rng([seed, 73])
    text = re.sub(r", (in_plane|about_axis)_deg = [-0-9.]+", "", text)

    def laid(found: re.Match[str]) -> str:
        in_plane_deg, about_axis_deg = rng.uniform(-_MOST_IN_PLANE_DEG, _MOST_IN_PLANE_DEG), rng.uniform(0.0, 360.0)
        return f"{found[0]}, in_plane_deg = {in_plane_deg:.3f}, about_axis_deg = {about_axis_deg:.3f}"

    return re.sub(r'specimen = "\w+"', laid, text)


def dry_run(session: Path, seed: int, *, poses: bool = False) -> dict[str, Any]:
    """One run in a process of its own: its JSON, the twin's truth and its last state."""
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "s", Path(name) / "out.json"
        if poses:
            text = posed(session.read_text(), seed)
            session = Path(name) / session.name
            session.write_text(text)
        options = ["--seed", str(seed), "--out", str(folder), "--json", str(out), "--no-screen"]
        one_thread = {f"{library}_NUM_THREADS": "1" for library in ("NUMBA", "OPENBLAS", "OMP")}
        done = subprocess.run(
            [sys.executable, "-m", "controller.cli", "dry-run", str(session), *options],
            env=os.environ | one_thread,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"seed {seed}: {done.stderr[-2000:]}")
        states = [json.loads(line) for line in SessionFolder(folder).states_truth.read_text().splitlines()]
        series = sum("/tilt" in line and "series_end" in line for line in SessionFolder(folder).journal.open())
        truth = json.loads(SessionFolder(folder).particles_truth.read_text())
        return json.loads(out.read_text()) | {"truth": truth, "end": states[-1]["particles"], "tilt_series": series}


def quantities(run: dict[str, Any]) -> dict[str, tuple[float, float, float]]:
    """Value, sigma and truth of everything that a run gives with a truth to hold it against."""
    found = {}
    truth = run["truth"]
    reference = run.get("arrhenius", {}).get("reference")
    for window, offset in run.get("window_offsets_c", {}).items():
        true = truth["window_offsets_c"].get(window, 0.0) - truth["window_offsets_c"].get(reference, 0.0)
        found[f"dT {window} (C)"] = offset["value"], offset["std"], true
    if "arrhenius" in run:
        q = run["arrhenius"]["q_j_per_mol"]
        true_q = next(iter(truth["particles"].values()))["q_j_per_mol"]
        found["Q (kJ/mol)"] = 1e-3 * q["value"], 1e-3 * q["std"], 1e-3 * true_q
    for name, particle in run["particles"].items():
        at_450 = [d for d in particle.get("diffusivities", []) if abs(d["temperature_c"] - 450.0) < 0.5 and d["std"]]
        known = truth["particles"].get(name)
        if at_450 and known:
            true_d = known["d_450_m2_per_s"]
            found[f"D {name} (% of truth)"] = 100 * at_450[0]["value"] / true_d, 100 * at_450[0]["std"] / true_d, 100.0
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("session", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--poses", action="store_true", help="lay the specimens differently with each seed")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    rows: dict[str, list[tuple[float, float, float]]] = {}

    def run(seed: int) -> dict[str, Any]:
        return dry_run(arguments.session, seed, poses=arguments.poses)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for seed, told in zip(seeds, pool.map(run, seeds), strict=True):
            words = []
            for name, row in quantities(told).items():
                rows.setdefault(name, []).append(row)
                words.append(f"{name} {row[0]:.2f} +- {row[1]:.2f}")
            ends = [f"{name} truly alloyed to {state['alloying']:.3f}" for name, state in told["end"].items()]
            print(f"seed {seed}: {'; '.join([*words, *ends])}; {told['tilt_series']} tilt series", flush=True)
    for name, of_seeds in rows.items():
        value, std, true = np.array(of_seeds).T
        off = np.abs(value - true) / std
        print(
            f"{name}: truth {true.mean():.2f}, mean {value.mean():.2f}, scatter {value.std(ddof=1):.2f}, mean sigma "
            f"{std.mean():.2f}, within 1 sigma {np.sum(off < 1)} of {len(off)}, within 2 sigma {np.sum(off < 2)}; "
            f"differs from 0 at 2 sigma in {np.sum(np.abs(value) > 2 * std)}"
        )


if __name__ == "__main__":
    main()
