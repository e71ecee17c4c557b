"""What NeXus wants to know besides the frames: instrument, sample and wall-clock times, by its definitions.

A tilt series is an NXtomo entry, everything else (a session, an image, an EDX map) an NXem entry. What is not known is
left out, or said to be unknown where a definition insists.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py

UNKNOWN = "unknown"


def valid_name(stem: str) -> str:
    """Of an entry, by a file's; NeXus has no hyphens in names."""
    return stem.replace("-", "_")


def group(parent: h5py.Group, called: str, nx_class: str, /, **fields: Any) -> h5py.Group:
    """A group of a NeXus class with these fields; those that are None or empty are left out."""
    made = parent.create_group(called)
    made.attrs["NX_class"] = nx_class
    for field, value in fields.items():
        if value is not None and value != "":
            made[field] = value
    return made


def entry(
    file: h5py.Group, name: str, definition: str, *, title: str, start_time: str = "", end_time: str = ""
) -> h5py.Group:
    """An NXentry; times are ISO 8601 with their offset from UTC."""
    file.attrs.update(NX_class="NXroot", default=name)
    made = group(file, name, "NXentry", definition=definition, title=title, start_time=start_time, end_time=end_time)
    made["program_name"] = "alloyscope"
    made["program_name"].attrs["version"] = version("alloyscope")
    return made


def describe_microscopy(
    made: h5py.Group,
    *,
    sample: str,
    elements: Iterable[str],
    start_time: str,
    simulated: bool,
    microscope: str = "",
    beam_kev: float | None = None,
) -> None:
    """Sample and instrument as NXem asks for them.

    It insists on a date of preparation, which nobody has told: the start is given, and that it is no more than the
    latest that it can have been.
    """
    of = group(
        made, "sampleID", "NXsample", name=sample, is_simulation=simulated, atom_types=", ".join(elements) or UNKNOWN
    )
    if start_time:
        of["preparation_date"] = start_time
        of["description"] = "preparation_date is not known; it is no later than the start, which is given"
    measurement = group(made, "measurement", "NXem_measurement")
    instrument = group(measurement, "instrument", "NXem_instrument", name=microscope or UNKNOWN, type="tem")
    group(instrument, "fabrication", "NXfabrication", vendor=UNKNOWN, model=microscope or UNKNOWN)
    column = group(instrument, "ebeam_column", "NXebeam_column")
    source = group(column, "electron_source", "NXsource", emitter_type=UNKNOWN, probe="electron")
    add_voltage(source, beam_kev)


def add_voltage(source: h5py.Group, beam_kev: float | None) -> None:
    """Of an NXsource, where it is known."""
    if beam_kev is not None:
        source["voltage"] = 1e3 * beam_kev
        source["voltage"].attrs["units"] = "V"
