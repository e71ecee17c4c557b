"""Where everything in a step's file is: a NeXus entry of today, and how those of before NeXus knew our files looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from drivers.clock import earlier
from drivers.frames import Frame, FrameHeader, Recorded
from drivers.recorded import nexus

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True)
class StepBegan:
    """When a step began, and what it is to be."""

    what: Recorded = "tilt-series"
    utc: str = ""
    """ISO 8601; empty where it is not known."""
    time_s: float = 0.0
    """The same in session time."""
    microscope: str = ""
    """Backend that takes its frames."""


@dataclass(frozen=True)
class StepDatasets:
    """The datasets of a step's file, a row per frame."""

    images: Any
    tilts_deg: Any
    headers: Any
    """JSON of `FrameHeader`; a row without is no frame."""
    photon: Any = None
    end_of_frame: Any = None
    """Of the photons of each frame."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """Of what is in the headers, too, for others to read."""

    @classmethod
    def of(cls, file: h5py.File) -> StepDatasets:
        """Raises `KeyError` for a file that is none."""
        if "entry/headers" in file:  # before 2026-11-27
            entry = file["entry"]
            photons = entry.get("photons", {})
            images, tilts = entry["data/data"], entry["data/tilt_deg"]
            return cls(images, tilts, entry["headers"], photons.get("photon"), photons.get("end_of_frame"))
        entry = file[file.attrs["default"]]
        kept, data = entry["recording"], entry["data"]
        places = entry["instrument/detector"], data
        columns = {name: place[name] for place in places for name in _COLUMNS if name in place}
        tilts = data["rotation_angle"]
        return cls(data["data"], tilts, kept["headers"], kept.get("photon"), kept.get("end_of_frame"), columns)


_COLUMNS = ("image_key", "frame", "stop_time")


def columns_of(header: FrameHeader) -> dict[str, float]:
    """What a frame adds to `StepDatasets.columns`."""
    projection = 0  # and not a flat or a dark field
    return dict(zip(_COLUMNS, (projection, header.index, header.time_s), strict=True))


def lay_out(file: h5py.File, name: str, first: Frame, began: StepBegan) -> None:
    """An entry without frames yet: NXtomo for a tilt series, NXem for an image or a map."""
    header, tomo = first.header, began.what == "tilt-series" and first.photons is None
    entry = nexus.entry(
        file,
        name,
        "NXtomo" if tomo else "NXem",
        title=f"{header.session}: {header.step}{' (simulated)' if header.simulated else ''}",
        start_time=began.utc,
    )
    entry.attrs["default"] = "data"
    detector = _detector(entry, first, began)
    data = nexus.group(entry, "data", "NXdata")
    data.attrs.update(signal="data", axes=["rotation_angle" if tomo else "frame", "y", "x"])
    rows = [detector["data"], detector["image_key"]]
    if tomo:
        rows.append(_tilts(entry, header))
    else:
        _column(data, "frame", "i4")
        _column(data, "rotation_angle", "f8", "deg")
        nexus.describe_microscopy(
            entry,
            sample=header.particle,
            elements=dict.fromkeys(e for e in (header.core, header.shell) if e),
            start_time=began.utc,
            simulated=header.simulated,
            microscope=began.microscope,
            beam_kev=_beam_kev(header),
        )
    for dataset in rows:
        dataset.attrs["target"] = dataset.name
        data[dataset.name.rpartition("/")[2]] = dataset
    _calibrate(data, first)
    _recording(entry, first)


def _tilts(entry: h5py.Group, header: FrameHeader) -> Any:
    """In NXtomo the sample turns."""
    metals = f"{header.core} core in {header.shell} shell" if header.core and header.shell else "metals not named"
    description = f"{metals}, window {header.window}"
    kind = "simulated data" if header.simulated else "sample"
    sample = nexus.group(entry, "sample", "NXsample", name=header.particle, description=description, type=kind)
    return _column(sample, "rotation_angle", "f8", "deg")


def _detector(entry: h5py.Group, first: Frame, began: StepBegan) -> h5py.Group:
    import hdf5plugin

    instrument = nexus.group(entry, "instrument", "NXinstrument", name=began.microscope or nexus.UNKNOWN)
    source = nexus.group(instrument, "source", "NXsource", name="electron gun", probe="electron")
    nexus.add_voltage(source, _beam_kev(first.header))
    detector = nexus.group(instrument, "detector", "NXdetector", description=f"{first.header.detector}, digital counts")
    shape = first.image.shape
    images = detector.create_dataset(
        "data",
        (0, *shape),
        first.image.dtype,
        maxshape=(None, *shape),
        chunks=(1, *shape),
        fletcher32=True,
        **hdf5plugin.Bitshuffle(cname="lz4"),  # readers need the hdf5plugin package
    )
    images.attrs["units"] = "counts"
    for axis in ("x_pixel_size", "y_pixel_size"):
        detector[axis] = first.header.pixel_nm
        detector[axis].attrs["units"] = "nm"
    _column(detector, "image_key", "i4")
    times = _column(detector, "stop_time", "f8", "s")
    if began.utc:
        times.attrs["start"] = earlier(began.utc, began.time_s)  # second 0 of the session, as seen from this step
    return detector


def _beam_kev(header: FrameHeader) -> float | None:
    return header.beam_kev if header.spectrum is None else header.spectrum.beam_kev


def _calibrate(data: h5py.Group, first: Frame) -> None:
    """True axes: y and x in nm, 0 in the middle of the first pixel."""
    for axis, pixels in zip("yx", first.image.shape, strict=True):
        data[axis] = first.header.pixel_nm * np.arange(pixels)
        data[axis].attrs["units"] = "nm"


def _recording(entry: h5py.Group, first: Frame) -> None:
    """What only we read: headers, and photons, each pixel * channels + channel, frame n's up to end_of_frame[n]."""
    import h5py
    import hdf5plugin

    kept = nexus.group(entry, "recording", "NXcollection", step=first.header.step, simulated=first.header.simulated)
    kept.create_dataset("headers", (0,), h5py.string_dtype(), maxshape=(None,), chunks=(64,))
    if first.photons is not None:
        codec = hdf5plugin.Bitshuffle(cname="lz4")
        kept.create_dataset("photon", (0,), "u4", maxshape=(None,), chunks=(65536,), fletcher32=True, **codec)
        _column(kept, "end_of_frame", "i8")


def _column(parent: h5py.Group, name: str, kind: str, units: str = "") -> Any:
    made = parent.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(256,))
    if units:
        made.attrs["units"] = units
    return made
