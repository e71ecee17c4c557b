"""A tilt series as IMOD and SerialEM have it: ``a.mrc``, its tilts in ``a.rawtlt``, and ``a.mrc.mdoc``.

Conventions: the stack is in recorded order, row 0 first. IMOD counts x to the right, y upwards from the first row and z
to the viewer, and a tilt t about the vertical puts a point on x cos t + z sin t; ours turns about x and puts it on
y cos t + z sin t. Turned clockwise by the 90 deg at which its axis is said to lie, our series is such a one as it is:
no tilt changes its sign. IMOD draws row 0 at the bottom, where most programs draw it on top.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.export.step_images import StepImages
from drivers.errors import ConfigError

TILT_AXIS_DEG = 90.0
"""Counterclockwise from the vertical, as IMOD counts."""
_MODES = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6}
_WIDER: dict[str, type[np.generic]] = {"uint8": np.uint16, "int32": np.float32, "uint32": np.float32}


def write_mrc_series(folder: Path, series: StepImages) -> None:
    """Write ``NAME.mrc`` with its pixel size, ``NAME.rawtlt`` and ``NAME.mrc.mdoc``; raises `ConfigError`."""
    import mrcfile

    images, path = _as_mrc(series), folder / f"{series.name}.mrc"
    with mrcfile.new(path) as file:
        file.set_data(images)
        file.set_image_stack()
        file.voxel_size = 10.0 * series.pixel_nm
        file.add_label(series.label)
    (folder / f"{series.name}.rawtlt").write_text("".join(f"{float(t)!r}\n" for t in series.tilts_deg))
    (folder / f"{series.name}.mrc.mdoc").write_text("\n".join(_mdoc(path.name, images, series)) + "\n")


def _as_mrc(series: StepImages) -> NDArray[np.generic]:
    """In a type that MRC has, without changing a count."""
    kind = series.images.dtype.name
    if kind in _MODES:
        return series.images
    wider = _WIDER.get(kind, np.float32)
    images: NDArray[np.generic] = series.images.astype(wider)
    if not np.array_equal(images, series.images):
        words = f"{series.first.step} holds {kind} counts that MRC cannot hold exactly; give --as tiff or hspy"
        raise ConfigError("--as mrc", [words])
    return images


def _mdoc(name: str, images: NDArray[np.generic], series: StepImages) -> list[str]:
    spacing = f"PixelSpacing = {10.0 * series.pixel_nm:.9g}"
    rows, columns = images.shape[1:]
    first = series.first
    beam_kev = first.beam_kev if first.spectrum is None else first.spectrum.beam_kev
    lines = [spacing, f"ImageFile = {name}", f"ImageSize = {columns} {rows}", f"DataMode = {_MODES[images.dtype.name]}"]
    lines += [] if beam_kev is None else [f"Voltage = {beam_kev:g}"]
    lines += ["", f"[T = {series.label}]", "", f"[T = Tilt axis angle = {TILT_AXIS_DEG:.1f}, binning = 1]"]
    for number, header in enumerate(series.headers):
        x_um, y_um, z_um = (1e-3 * nm for nm in header.stage_nm)
        lines += [
            "",
            f"[ZValue = {number}]",
            f"TiltAngle = {header.tilt_deg!r}",
            f"RotationAngle = {TILT_AXIS_DEG:.1f}",
        ]
        lines += [spacing, f"StagePosition = {x_um:.6g} {y_um:.6g}", f"StageZ = {z_um:.6g}"]
        lines += [f"Defocus = {1e-3 * header.defocus_nm:.6g}"]
        if header.electrons_per_nm2 is not None:
            lines += [f"ExposureDose = {1e-2 * header.electrons_per_nm2:.9g}"]  # per square angstrom
    return lines
