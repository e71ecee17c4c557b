"""What several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SessionPath = Annotated[Path, typer.Argument(metavar="SESSION.toml", help="session file")]
OutPath = Annotated[Path | None, typer.Option("--out", help="session folder; by default a new one below sessions/")]
Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="session folder, or an address")]
StepName = Annotated[str, typer.Argument(metavar="STEP", help="as `alloyscope plan` and the screen name it: c05/heat")]
NoScreen = Annotated[bool, typer.Option("--no-screen", help="print lines instead of drawing the screen")]
KeyPath = Annotated[Path | None, typer.Option("--key", help="operator's or observer's key, for tcp:// addresses")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="use this seed instead of the file's")]
PASSWORD_VARIABLE = "ALLOYSCOPE_MQTT_PASSWORD"
"""Of the environment, where the password of an mqtt:// address may stand."""
Trust = Annotated[bool, typer.Option("--trust", help="run the driver code that the session file names; asked once")]
JsonPath = Annotated[Path | None, typer.Option("--json", help="write the results here as JSON; - is standard output")]
