"""``alloyscope device-host``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def device_host(
    drivers: Annotated[list[str] | None, typer.Argument(metavar="FILE.py:CLASS...", help="one of each kind")] = None,
    options: Annotated[list[str] | None, typer.Option(metavar="JSON", help="of each driver, in their order")] = None,
    listen: Annotated[str, typer.Option(metavar="ADDRESS", help="tcp://HOST:PORT")] = "tcp://127.0.0.1:5560",
    key: Annotated[Path | None, typer.Option(help="session.key; needed beyond this computer")] = None,
    line_s: Annotated[float, typer.Option(help="silence of a session after which its devices are made safe")] = 2.0,
    limits: Annotated[str, typer.Option(metavar="JSON", help="what a chip's driver is told of its limits")] = "{}",
    folder: Annotated[Path, typer.Option(help="for files that drivers write")] = Path(),
    copy: Annotated[Path | None, typer.Option(help="only write this program into a file (.pyz) for another PC")] = None,
) -> None:
    """Run an instrument's driver on this computer, for a session on another one whose backend is `remote`."""
    from drivers.device_host.__main__ import main
    from drivers.device_host.archive import write_archive

    if copy is not None:
        print(write_archive(copy))
        print(f"copy it to the instrument's computer; there: python {copy.name} --help (pyzmq and numpy are needed)")
        return
    arguments = [f"--listen={listen}", f"--line-s={line_s}", f"--limits={limits}", f"--folder={folder}"]
    arguments += [] if key is None else [f"--key={key}"]
    arguments += [f"--options={one}" for one in options or []]
    raise typer.Exit(main([*arguments, "--", *(drivers or [])]))
