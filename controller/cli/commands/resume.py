"""``alloyscope resume``."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.options import Endpoint, JsonPath, KeyPath, NoScreen, Trust


def resume(
    endpoint: Endpoint,
    json_path: JsonPath = None,
    no_screen: NoScreen = False,
    trust: Trust = False,
    key: KeyPath = None,
    accept: Annotated[bool, typer.Option("--accept", help="go on though not all heat is known")] = False,
    speed: Annotated[float, typer.Option(help="run the clock faster; for simulated devices", min=0.01)] = 1.0,
    listen: Annotated[str, typer.Option(help="as of run; then --key is session.key")] = "",
) -> None:
    """Go on: with a paused session, or in the folder of one that was cut, killed or aborted; nothing is repeated."""
    from controller.cli.session_run import go_on, runs_in
    from controller.stream.running_session import find_endpoints, send_command

    if "://" in endpoint or runs_in(endpoint):
        print(send_command(find_endpoints(endpoint, key), "resume"))
    else:
        go_on(
            endpoint,
            accept=accept,
            json_path=json_path,
            no_screen=no_screen,
            speed=speed,
            trust=trust,
            listen=listen,
            key=key,
        )
