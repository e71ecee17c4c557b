"""Stacks as OME-TIFF, with the scale also in the tags that ImageJ goes by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.export.step_images import StepImages

_NM_PER_CM = 1e7


def write_tiff_series(folder: Path, series: StepImages) -> None:
    """Write ``NAME.ome.tif``, row 0 on top, and the tilts in ``NAME.rawtlt``, a line per image."""
    write_tiff(folder / f"{series.name}.ome.tif", series.images, series.pixel_nm, series.label)
    (folder / f"{series.name}.rawtlt").write_text("".join(f"{float(t)!r}\n" for t in series.tilts_deg))


def write_tiff(
    path: Path, stack: NDArray[np.generic], pixel_nm: float, label: str, depth_nm: float | None = None
) -> None:
    """Write a stack (tilt, y, x), or a volume (z, y, x), whose slices are `depth_nm` apart."""
    import tifffile

    per_cm = _NM_PER_CM / pixel_nm
    told = {"axes": "ZYX", "Name": label, "PhysicalSizeX": pixel_nm, "PhysicalSizeXUnit": "nm"}
    told |= {"PhysicalSizeY": pixel_nm, "PhysicalSizeYUnit": "nm"}
    if depth_nm is not None:
        told |= {"PhysicalSizeZ": depth_nm, "PhysicalSizeZUnit": "nm"}
    tifffile.imwrite(
        path,
        stack,
        ome=True,
        photometric="minisblack",
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
        metadata=told,
    )
