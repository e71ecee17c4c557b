"""Spectrum images in files: our own; HyperSpy, Velox and Bruker ones where RosettaSciIO is installed to read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.summed_map import SummedMap
from analysis.files.reader import Reader
from drivers.errors import ConfigError
from drivers.memory import memory_bytes
from drivers.recorded.foreign_file import nm_per
from drivers.recorded.rosettasciio import signals_in, told
from drivers.recorded.step_file import read_step

_READERS = {".hspy": "hspy", ".emd": "emd", ".bcf": "bruker"}
_RECORDED = ".h5"
_KEV = {"kev": 1.0, "ev": 1e-3}
_BYTES_PER_COUNT = 48
"""What decomposing takes at its most."""
_SQUARE = 0.01


def read_spectrum_image(path: Path, *, beam_kev: float | None = None) -> SpectrumImage:
    """The spectrum image in a .hspy, .emd or .bcf file, or the sum of a recorded EDX map's frames (.h5).

    Parameters
    ----------
    beam_kev : beam energy, instead of the file's

    Raises
    ------
    ConfigError
        For a file that is not there, is of another kind, holds no spectrum image, or does not fit into memory; and
        where RosettaSciIO is missing.
    """
    own = path.suffix.lower() == _RECORDED
    reader = _READERS.get(path.suffix.lower(), "")
    if not (own or reader):
        kinds = ", ".join(_READERS)
        raise ConfigError(str(path), [f"files ending in {path.suffix!r} are not read; export it as one of {kinds}"])
    if not path.is_file():
        raise ConfigError(str(path), ["there is no such file"])
    if own:
        return _recorded_map(path, beam_kev)
    with signals_in(path, reader, lazy=True) as signals:
        cubes = [s for s in signals if len(s["data"].shape) == 3 and _energy(s) == 2]
        if not cubes:
            shapes = ", ".join(str(tuple(s["data"].shape)) for s in signals) or "nothing"
            raise ConfigError(str(path), [f"holds no spectrum image (y, x, energy), only {shapes}"])
        return _image(path, max(cubes, key=lambda s: int(np.prod(s["data"].shape))), beam_kev)


def _recorded_map(path: Path, beam_kev: float | None) -> SpectrumImage:
    summed: SummedMap | None = None
    for frame in read_step(path):
        if frame.photons is None:
            raise ConfigError(str(path), ["holds images without X-rays; the files of EDX maps end in _edx.h5"])
        summed = summed or SummedMap(frame)
        summed.add(frame)
    if summed is None:
        raise ConfigError(str(path), ["holds no frames: the map was cut before its first"])
    return summed.image if beam_kev is None else replace(summed.image, beam_kev=beam_kev)


def _image(path: Path, signal: dict[str, Any], beam_kev: float | None) -> SpectrumImage:
    data = signal["data"]
    _check_memory(path, data)
    axes = signal["axes"]
    problems = []
    scales = [nm_per(a.get("units")) for a in axes[:2]]
    per_kev = _KEV.get(str(axes[2].get("units", "")).lower())
    pixels_nm = [float(a["scale"]) * s for a, s in zip(axes[:2], scales, strict=True) if s is not None]
    if len(pixels_nm) < 2:
        problems.append(f"its pixels are in {axes[0].get('units')!r}; calibrate them in nm")
    elif abs(pixels_nm[0] / pixels_nm[1] - 1.0) > _SQUARE:
        problems.append(f"its pixels are {pixels_nm[0]:.3g} x {pixels_nm[1]:.3g} nm; they must be square")
    if per_kev is None:
        problems.append(f"its energy axis is in {axes[2].get('units')!r}; calibrate it in keV")
    said = told(signal)
    beam = beam_kev if beam_kev is not None else said.get("beam_energy")
    if beam is None:
        problems.append("it does not tell the beam energy; give it with --beam-kev")
    if problems or per_kev is None or beam is None:
        raise ConfigError(str(path), problems)
    fwhm_ev = said.get("energy_resolution_MnKa")
    axis = EnergyAxis(
        offset_kev=float(axes[2]["offset"]) * per_kev,
        channel_kev=float(axes[2]["scale"]) * per_kev,
        channels=int(data.shape[2]),
        fwhm_mn_kev=1e-3 * fwhm_ev if fwhm_ev and 50.0 < fwhm_ev < 400.0 else 0.130,
    )
    try:
        # On this thread: a pool would outlive the reading, and with it the open file.
        counts = np.asarray(data.compute(scheduler="synchronous") if hasattr(data, "compute") else data)
    except OSError as error:
        raise ConfigError(str(path), [f"is damaged: {error}; copy it again from the microscope"]) from None
    return SpectrumImage(counts, axis, pixels_nm[0], float(beam), float(said.get("tilt_alpha") or 0.0), path.name)


def _energy(signal: dict[str, Any]) -> int | None:
    """Which axis is energy."""
    for number, axis in enumerate(signal["axes"]):
        if str(axis.get("units", "")).lower() in _KEV or "energy" in str(axis.get("name", "")).lower():
            return number
    return None


def _check_memory(path: Path, data: Any) -> None:
    needed = int(np.prod(data.shape, dtype=np.int64)) * _BYTES_PER_COUNT
    there = memory_bytes()
    if needed > there:
        size = " x ".join(str(n) for n in data.shape)
        words = f"{size} counts need {needed / 2**30:.1f} GiB to be analysed, this machine has {there / 2**30:.1f} GiB"
        raise ConfigError(str(path), [words + "; export it binned, or a part of it"])


READER = Reader("spectrum image", (_RECORDED, *_READERS), read_spectrum_image, rank=2)
