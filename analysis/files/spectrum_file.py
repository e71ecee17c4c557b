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
from drivers.recorded.rosettasciio import plain_key, signals_in, told
from drivers.recorded.step_file import read_step

_READERS = {".hspy": "hspy", ".emd": "emd", ".bcf": "bruker"}
_RECORDED = ".h5"
_KEV = {"kev": 1.0, "ev": 1e-3}
_BYTES_PER_COUNT = 48
"""What decomposing takes at its most."""
_SQUARE = 0.01
_BULK = (
    "the file is of a scanning microscope (EDS_SEM): factors of thin films (Cliff-Lorimer) do not hold in a bulk "
    "specimen, where X-rays are absorbed and excite others; take ZAF or standards"
)


def read_spectrum_image(path: Path, *, beam_kev: float | None = None, pixel_nm: float | None = None) -> SpectrumImage:
    """The spectrum image in a .hspy, .emd or .bcf file, or the sum of a recorded EDX map's frames (.h5).

    Parameters
    ----------
    beam_kev, pixel_nm : beam energy and pixel size, instead of the file's

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
        return _recorded_map(path, beam_kev, pixel_nm)
    with signals_in(path, reader, lazy=True) as signals:
        cubes = [s for s in signals if len(s["data"].shape) == 3 and _energy(s) == 2]
        if not cubes:
            shapes = ", ".join(str(tuple(s["data"].shape)) for s in signals) or "nothing"
            raise ConfigError(str(path), [f"holds no spectrum image (y, x, energy), only {shapes}"])
        return _image(path, max(cubes, key=lambda s: int(np.prod(s["data"].shape))), beam_kev, pixel_nm)


def _recorded_map(path: Path, beam_kev: float | None, pixel_nm: float | None) -> SpectrumImage:
    summed: SummedMap | None = None
    for frame in read_step(path):
        if frame.photons is None:
            raise ConfigError(str(path), ["holds images without X-rays; the files of EDX maps end in _edx.h5"])
        summed = summed or SummedMap(frame)
        summed.add(frame)
    if summed is None:
        raise ConfigError(str(path), ["holds no frames: the map was cut before its first"])
    image = summed.image
    return replace(image, beam_kev=beam_kev or image.beam_kev, pixel_nm=pixel_nm or image.pixel_nm)


def _image(path: Path, signal: dict[str, Any], beam_kev: float | None, pixel_nm: float | None) -> SpectrumImage:
    data = signal["data"]
    _check_memory(path, data)
    axes = signal["axes"]
    problems = []
    scales = [nm_per(a.get("units")) for a in axes[:2]]
    per_kev = _KEV.get(plain_key(axes[2].get("units")))
    pixels_nm = [float(a["scale"]) * s for a, s in zip(axes[:2], scales, strict=True) if s is not None]
    if pixel_nm is not None:
        pixels_nm = [pixel_nm]
    elif len(pixels_nm) < 2:
        problems.append(f"its pixels are in {axes[0].get('units')!r}; calibrate them in nm, or give --pixel-nm")
    elif abs(pixels_nm[0] / pixels_nm[1] - 1.0) > _SQUARE:
        problems.append(f"its pixels are {pixels_nm[0]:.3g} x {pixels_nm[1]:.3g} nm; they must be square")
    if per_kev is None:
        problems.append(f"its energy axis is in {axes[2].get('units')!r}; calibrate it in keV")
    said = told(signal)
    beams = said.get("beam_energy", set()) if beam_kev is None else {beam_kev}
    beam = next(iter(beams), None)
    if beam is None:
        problems.append("it does not tell the beam energy; give it with --beam-kev")
    elif len(beams) > 1:
        several = " and ".join(f"{kev:g}" for kev in sorted(beams))
        problems.append(f"it tells several beam energies, {several} keV; give the right one with --beam-kev")
    if problems or per_kev is None or beam is None:
        raise ConfigError(str(path), problems)
    fwhm_ev = min(said.get("energy_resolution_mnka", set()), default=None)
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
    tilt_deg = min(said.get("tilt_alpha", set()), default=0.0)
    notes = (_BULK,) if _is_bulk(signal) else ()
    return SpectrumImage(counts, axis, pixels_nm[0], float(beam), tilt_deg, path.name, notes=notes)


def _energy(signal: dict[str, Any]) -> int | None:
    """Which axis is energy."""
    for number, axis in enumerate(signal["axes"]):
        if plain_key(axis.get("units", "")) in _KEV or "energy" in plain_key(axis.get("name", "")):
            return number
    return None


def _is_bulk(signal: dict[str, Any]) -> bool:
    """Whether the file says that it is of a scanning microscope, whose specimens stop the beam."""
    metadata = signal.get("metadata", {})
    kind = plain_key(metadata.get("Signal", {}).get("signal_type", ""))
    instruments = {plain_key(name) for name in metadata.get("Acquisition_instrument", {})}
    return kind == "eds_sem" or (kind != "eds_tem" and "sem" in instruments and "tem" not in instruments)


def _check_memory(path: Path, data: Any) -> None:
    needed = int(np.prod(data.shape, dtype=np.int64)) * _BYTES_PER_COUNT
    there = memory_bytes()
    if needed > there:
        size = " x ".join(str(n) for n in data.shape)
        words = f"{size} counts need {needed / 2**30:.1f} GiB to be analysed, this machine has {there / 2**30:.1f} GiB"
        raise ConfigError(str(path), [words + "; export it binned, or a part of it"])


READER = Reader("spectrum image", (_RECORDED, *_READERS), read_spectrum_image, rank=2)
