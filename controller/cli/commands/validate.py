"""``alloyscope validate``."""

from __future__ import annotations

import sys
from itertools import count
from typing import Annotated

import typer

from controller.cli.json_file import check_writable, write_json
from controller.cli.options import JsonPath
from controller.cli.progress import progress


def validate(
    particles: Annotated[str, typer.Option(help="names, separated by commas")] = "NC1,NC2,NR1,NR2,NR3,NR4",
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="sessions per particle")] = 10,
    first_seed: Annotated[int, typer.Option(min=0, help="seeds count up from here")] = 1,
    variant: Annotated[str, typer.Option(help="how the sessions are recorded, such as 'half dose'")] = "standard",
    imperfections: Annotated[
        str, typer.Option(help="what the sessions suffer from, names separated by commas, such as 'typical'")
    ] = "none",
    json_path: JsonPath = None,
) -> None:
    """Score the analysis on simulated sessions whose true D is known."""
    from analysis.live.validation import NONE, Trial, as_json, table
    from analysis.live.validation import validate as run_validation

    check_writable(json_path)

    def report(trial: Trial) -> None:
        errors = ", ".join(
            f"{name} {100 * (d / trial.truth_m2_per_s - 1):+z.2f} %"
            + (f" +- {100 * std / trial.truth_m2_per_s:.2f} %" if (std := trial.std_m2_per_s[name]) else " (a bound)")
            for name, d in trial.fitted_m2_per_s.items()
        )
        what = trial.particle if trial.imperfections == NONE else f"{trial.particle} {trial.imperfections}"
        print(f"{what} seed {trial.seed}: {errors or 'no D'}; {trial.quality}", file=sys.stderr, flush=True)
        show(next(scored), parts)

    names, suffered = ([n.strip() for n in asked.split(",") if n.strip()] for asked in (particles, imperfections))
    suffered = suffered or [NONE]
    scored, parts = count(1), len(names) * seeds * len(suffered)
    with progress("sessions scored", counted=True) as show:
        trials, scores = run_validation(names, seeds, variant, report, imperfections=suffered, first_seed=first_seed)
    print("Simulated sessions; truth known.\n")
    print("\n".join(table(scores, trials)))
    write_json(json_path, as_json(trials, scores))
