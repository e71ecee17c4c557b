"""``alloyscope keys``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def keys(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="folder for the four key files")]) -> None:
    """Make keys by which a session can be watched, operated, or analysed, over the network."""
    from drivers.key_file import make_keys

    for path in make_keys(folder):
        print(path)
    print("session.key stays here: alloyscope run ... --listen tcp://HOST:PORT --key session.key")
    print("give operator.key to those who may pause, abort and stop, observer.key to those who only watch:")
    print("alloyscope monitor tcp://HOST:PORT --key observer.key")
    print("and analyst.key to a computer that is to take part in the analysis:")
    print("alloyscope assist tcp://HOST:PORT --key analyst.key")
