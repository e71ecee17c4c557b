"""``alloyscope plan``."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.json_file import check_writable, write_json
from controller.cli.options import JsonPath, Seed, SessionPath, Trust


def plan(
    session: SessionPath,
    improve: Annotated[bool, typer.Option("--improve", help="also propose pulses that would tell more")] = False,
    seed: Seed = None,
    json_path: JsonPath = None,
    trust: Trust = False,
) -> None:
    """Rehearse a session on the twin: what errors of D and of window temperatures to expect, for what dose and time."""
    from controller import events as ev
    from controller.cli.progress import progress
    from controller.cli.trusted_code import trusted_session
    from controller.cli.verbosity import asked
    from controller.monitor.console import Console
    from controller.rehearsal import expectations, rehearse

    file = trusted_session(session, trust=trust)
    if seed is not None:
        file = file.model_copy(update={"seed": seed})
    check_writable(json_path)
    console = Console(asked())
    with progress("rehearsing", counted=True) as told:

        def hear(event: ev.Event) -> None:
            console.hear(event)
            if isinstance(event, ev.StepProgress):
                told(event.step_number - 1, event.steps)

        rehearsed = rehearse(file, session, hear)
    lines, data = expectations(file, rehearsed, improve=improve)
    print("\nTo be expected, simulated:")
    for line in lines:
        print(line)
    write_json(json_path, data)
