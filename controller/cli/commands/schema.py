"""``alloyscope schema``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel


def schema(
    of: Annotated[Literal["session", "manifest"], typer.Argument(help="kind of file")] = "session",
    markdown: Annotated[bool, typer.Option("--markdown", help="the reference page instead")] = False,
) -> None:
    """JSON schema of a session file or manifest, for editors that complete and check TOML."""
    from analysis.reanalysis.manifest import Manifest
    from controller.plan.schema import as_text, reference_page, schema_of
    from controller.plan.session_file import SessionFile

    model: type[BaseModel]
    if of == "session":
        model, title = SessionFile, "Session files"
        before = "What `alloyscope check`, `plan`, `dry-run` and `run` read."
    else:
        model, title = Manifest, "Manifests"
        before = "What `alloyscope analyse` and `import` read of old data."
    made_by = f"By `alloyscope schema {of} --markdown`; an editor takes `alloyscope schema {of}`."
    print(reference_page(model, title, f"{before} {made_by}") if markdown else as_text(schema_of(model)), end="")
