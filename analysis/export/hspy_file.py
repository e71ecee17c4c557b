"""Steps as HyperSpy files, written by RosettaSciIO where it is installed (it is under the GPL, and so an extra)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.edx.spectrum_image import SpectrumImage
from analysis.export.step_images import StepImages
from drivers.errors import ConfigError

Axis = dict[str, Any]


def write_hspy_series(folder: Path, series: StepImages) -> None:
    """Write ``NAME.hspy``: images (y, x) in nm over the tilt in deg, or over the frame of a map."""
    along = _uneven("tilt", "deg", series.tilts_deg)
    if series.is_map:
        along = _even("frame", "", 1.0, 0.0, len(series.images))
    rows, columns = series.images.shape[1:]
    pixel_nm = series.pixel_nm
    axes = [along, _even("y", "nm", pixel_nm, 0.0, rows), _even("x", "nm", pixel_nm, 0.0, columns)]
    for axis in axes[1:]:
        axis["navigate"] = False
    _write(folder / f"{series.name}.hspy", series.images, axes, series.label, {})


def write_hspy_map(path: Path, image: SpectrumImage, label: str) -> None:
    """Write a spectrum image (y, x, energy): positions in nm, energy in keV by the detector's calibration."""
    rows, columns, channels = image.counts.shape
    axis = image.axis
    axes = [
        _even("y", "nm", image.pixel_nm, 0.0, rows),
        _even("x", "nm", image.pixel_nm, 0.0, columns),
        _even("Energy", "keV", axis.channel_kev, axis.offset_kev, channels) | {"navigate": False},
    ]
    detector = {"EDS": {"energy_resolution_MnKa": 1e3 * axis.fwhm_mn_kev}}
    tem = {"beam_energy": image.beam_kev, "Stage": {"tilt_alpha": image.tilt_deg}, "Detector": detector}
    told = {"Signal": {"signal_type": "EDS_TEM"}, "Acquisition_instrument": {"TEM": tem}}
    told["General"] = {"notes": "; ".join(image.notes)}
    _write(path, image.counts, axes, label, told)


def _even(name: str, units: str, scale: float, offset: float, size: int) -> Axis:
    told: Axis = {"_type": "UniformDataAxis", "name": name, "units": units, "navigate": True, "is_binned": False}
    return told | {"scale": scale, "offset": offset, "size": size}


def _uneven(name: str, units: str, values: NDArray[np.float64]) -> Axis:
    """Even where it is; HyperSpy's uneven axes must rise or fall throughout, others only count."""
    steps = np.diff(values)
    if len(steps) and steps[0] != 0.0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0.0):
        return _even(name, units, float(steps[0]), float(values[0]), len(values))
    if len(steps) and (np.all(steps > 0.0) or np.all(steps < 0.0)):
        told: Axis = {"_type": "DataAxis", "name": name, "units": units, "navigate": True, "is_binned": False}
        return told | {"axis": values}
    return _even("image", "", 1.0, 0.0, len(values))


def _write(path: Path, data: NDArray[np.generic], axes: list[Axis], title: str, told: dict[str, Any]) -> None:
    try:
        plugin = import_module("rsciio.hspy")
    except ModuleNotFoundError as error:
        words = f"writing .hspy files needs the package {error.name!r}: pip install 'alloyscope[edx-files]'"
        raise ConfigError("--as hspy", [words]) from None
    metadata = {"Signal": {"signal_type": ""}} | told
    metadata["General"] = {"title": title} | told.get("General", {})
    metadata["_HyperSpy"] = {
        "Folding": dict.fromkeys(("original_shape", "original_axes_manager"))
        | dict.fromkeys(("unfolded", "signal_unfolded"), False)
    }
    signal = {
        "data": data,
        "axes": axes,
        "metadata": metadata,
        "original_metadata": {},
        "learning_results": {},
        "attributes": {"_lazy": False, "ragged": False},
        "models": {},
        "tmp_parameters": {},
        "package_info": {},
    }
    plugin.file_writer(str(path), signal, show_progressbar=False)
