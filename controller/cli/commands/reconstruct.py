"""``alloyscope reconstruct``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.json_file import check_writable


class ReconstructionMethod(StrEnum):
    MLEM = "mlem"
    SIRT = "sirt"


def reconstruct(
    stack: Annotated[Path, typer.Argument(help="tilt series (tilt, y, x), MRC or TIFF; tilt axis along x")],
    angles: Annotated[Path, typer.Option(help="tilts in degrees, one per line")],
    out: Annotated[Path, typer.Option(help="volume to write, MRC (z, y, x)")],
    method: Annotated[ReconstructionMethod, typer.Option()] = ReconstructionMethod.MLEM,
    iterations: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    align: Annotated[bool, typer.Option(help="align the projections first")] = True,
) -> None:
    """Reconstruct a single tilt series."""
    check_writable(out, "--out")
    from analysis.files.volume_file import write_volume
    from analysis.tomography.single import reconstruct_series
    from drivers.recorded.tilt_series_file import read_tilt_series

    series = read_tilt_series(stack, angles)
    volume = reconstruct_series(
        series.images, series.tilts_deg, method=method.value, iterations=iterations, aligned=not align
    )
    write_volume(out, volume, series.pixel_nm)
    size = " x ".join(str(n) for n in volume.shape)
    print(f"{out}: {size} voxels (z, y, x), {method.value} {iterations}")
