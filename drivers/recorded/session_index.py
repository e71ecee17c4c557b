"""``session.nxs``: the session as NeXus sees it, an NXem entry beside links to all step files."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.recorded import nexus
from drivers.recorded.folder import SessionFolder
from drivers.recorded.records import Begin

if TYPE_CHECKING:
    import h5py

_ENTRY = "session"


def write_session_index(folder: SessionFolder, begin: Begin | None = None, end_time: str = "") -> None:
    """Replace it as a whole. While a step is recorded its link leads to a file that nobody else can open.

    Parameters
    ----------
    begin : how the session began; without, there are only links
    end_time : ISO 8601; empty while the session runs
    """
    import h5py

    part = folder.index.with_name(folder.index.name + ".part")
    steps = sorted(folder.frames.glob("*.h5"))
    with h5py.File(part, "w") as file:
        file.attrs["NX_class"] = "NXroot"
        if begin is not None:
            _describe(file, begin, end_time)
        if steps:
            file.attrs["default"] = nexus.valid_name(steps[0].stem)
        stems = {path.stem for path in steps}
        for path in steps:
            inside = nexus.valid_name(path.stem)
            # Particles A-1 and A_1 would have one name.
            name = path.stem if inside in stems else inside
            stems.add(name)
            if begin is None or not begin.utc:
                inside = _entry_in(path, inside)
            file[name] = h5py.ExternalLink(str(path.relative_to(folder.path)), f"/{inside}")
    os.replace(part, folder.index)


def add_to_session_index(folder: SessionFolder, step: Path, begin: Begin | None = None) -> None:
    """Link one more step that has just begun, and leave the links to the others as they are.

    Parameters
    ----------
    step : its file
    begin : how the session began, for an index that has to be written anew
    """
    import h5py

    part, name = folder.index.with_name(folder.index.name + ".part"), nexus.valid_name(step.stem)
    added = False
    with suppress(OSError):  # none there, or none that can be read
        shutil.copyfile(folder.index, part)
        with h5py.File(part, "r+") as file:
            added = name not in file  # but for particles A-1 and A_1
            if added:
                file.attrs.setdefault("default", name)
                file[name] = h5py.ExternalLink(str(step.relative_to(folder.path)), f"/{name}")
    if added:
        os.replace(part, folder.index)
    else:
        write_session_index(folder, begin)


def _describe(file: h5py.File, begin: Begin, end_time: str) -> None:
    title = f"{begin.session}{' (simulated)' if begin.simulated else ''}"
    entry = nexus.entry(file, _ENTRY, "NXem", title=title, start_time=begin.utc, end_time=end_time)
    nexus.describe_microscopy(
        entry,
        sample=", ".join(begin.particles),
        elements=begin.elements,
        start_time=begin.utc,
        simulated=begin.simulated,
        microscope=begin.microscope,
    )


def _entry_in(path: Path, usual: str) -> str:
    """Files had not always the names of their steps inside; one that is being written has."""
    import h5py

    with suppress(OSError), h5py.File(path, "r") as file:
        return str(file.attrs.get("default", "entry"))
    return usual
