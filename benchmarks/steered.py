"""How many tilt series `most-informative` needs for the sigma(D) that the fixed pulses of Mychinko et al. reach.

For each particle the fixed schedule runs on the twin; then the steered one, asked for the sigma that the fixed one
ended with. A steered session that ends without having reached it counts as if it had saved nothing.
"""

import argparse
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.dry_runs import dry_run
from drivers.units import ELECTRONS_PER_PA_S
from simulators.rehearsal import IMAGING, PULSES_S, TEMPERATURE_C

CURRENT_PA = 50.0
FIXED = f"""
[[plan]]
kind = "pulses"
temperature_c = {TEMPERATURE_C}
durations_s = {list(PULSES_S)}
"""
STEERED = f"""
[[plan]]
kind = "steered"
policy = "most-informative"
particle = "it"
temperature_c = {TEMPERATURE_C}
first_s = {PULSES_S[0]}
longest_s = {PULSES_S[-1]}
most_pulses = {len(PULSES_S)}
sigma_d_percent = {{sigma_percent}}
"""


def session_file(specimen: str, plan: str, folder: Path) -> Path:
    """The validation's imaging, with the plan given."""
    imaging = IMAGING[specimen]
    dwell_us = imaging.electrons_per_pixel / (CURRENT_PA * 1e-6 * ELECTRONS_PER_PA_S)
    path = folder / "session.toml"
    path.write_text(
        f"""
title = "{specimen}"

[chip]
backend = "simulated"
ramp_c_per_s = 1000.0

[chip.limits]
max_c = 600.0

[microscope]
backend = "simulated"

[microscope.options]
chip_design = "circular-spiral"
particles = [{{ specimen = "{specimen}", name = "it" }}]
current_pa = {CURRENT_PA}

[scan]
pixel_nm = {imaging.pixel_nm}
shape = {list(imaging.shape)}
dwell_us = {dwell_us:.4g}
current_pa = {CURRENT_PA}

[tilt]
from_deg = -70.0
to_deg = 70.0
step_deg = 2.0

[[particles]]
name = "it"
core = "Au"
shell = "Ag"

[[plan]]
kind = "tilt-series"
{plan}"""
    )
    return path


def sigma_after(specimen: str, plan: str, seed: int) -> tuple[float, int]:
    """sigma(D) in percent at the end, and the tilt series it took."""
    with tempfile.TemporaryDirectory() as folder:
        run = dry_run(session_file(specimen, plan, Path(folder)), seed)
    (d,) = run["particles"]["it"]["diffusivities"]
    return 100.0 * d["std"] / d["value"], run["tilt_series"]


def compare(task: tuple[str, int]) -> float:
    """Tilt series of the steered session over those of the fixed one."""
    specimen, seed = task
    fixed_percent, fixed = sigma_after(specimen, FIXED, seed)
    steered_percent, steered = sigma_after(specimen, STEERED.format(sigma_percent=fixed_percent), seed)
    reached = steered_percent <= fixed_percent
    words = f"{specimen} seed {seed}: fixed {fixed_percent:.3f} % after {fixed} tilt series, steered "
    print(f"{words}{steered_percent:.3f} % after {steered}{'' if reached else ', NOT reached'}", flush=True)
    return steered / fixed if reached else 1.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--particles", default="NC1,NC2,NR2,NR3")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    tasks = [(p, s) for p in arguments.particles.split(",") for s in range(1, arguments.seeds + 1)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ratios = list(pool.map(compare, tasks))
    print(f"tilt series of the steered over those of the fixed schedule: {100.0 * np.mean(ratios):.0f} % on average")


if __name__ == "__main__":
    main()
