"""``alloyscope reconstruct``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.json_file import check_writable
from controller.cli.progress import progress
from drivers.errors import ConfigError


class ReconstructionMethod(StrEnum):
    MLEM = "mlem"
    OSEM = "osem"
    SIRT = "sirt"


class ReconstructionDevice(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def reconstruct(
    stack: Annotated[Path, typer.Argument(help="HAADF tilt series: MRC or TIFF stack, or a folder of single images")],
    out: Annotated[Path, typer.Option(help="volume to write, MRC (z, y, x)")],
    angles: Annotated[
        Path | None, typer.Option(help="tilts in degrees, one per line, or .mdoc; else the images' own")
    ] = None,
    method: Annotated[ReconstructionMethod, typer.Option()] = ReconstructionMethod.MLEM,
    iterations: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    align: Annotated[bool, typer.Option(help="align the projections first")] = True,
    axis_deg: Annotated[
        float | None,
        typer.Option("--axis-deg", min=-180, max=180, help="tilt axis from x, counter-clockwise; else it is found"),
    ] = None,
    device: Annotated[
        ReconstructionDevice, typer.Option(help="where it is computed; auto: on the GPU where there is one")
    ] = ReconstructionDevice.AUTO,
    pixel_nm: Annotated[float | None, typer.Option("--pixel-nm", min=1e-6, help="instead of the file's")] = None,
) -> None:
    """Reconstruct a single tilt series."""
    check_writable(out, "--out")
    from analysis.files.volume_file import write_volume
    from analysis.tomography.single import reconstruct_series
    from drivers.recorded.tilt_series_file import read_tilt_series

    series = read_tilt_series(stack, angles)
    try:
        with progress("aligning and reconstructing"):
            found = reconstruct_series(
                series.images,
                series.tilts_deg,
                method=method.value,
                iterations=iterations,
                aligned=not align,
                axis_deg=axis_deg,
                device=device.value,
            )
    except ValueError as error:
        raise ConfigError(str(stack), [str(error)]) from None
    for words in found.left_out:
        print(f"left out: {words}")
    for words in found.mended:
        print(f"smoothed over: {words}")
    if found.axis_deg:
        hand = "; its sense is not told, so the volume may be a mirror image" if abs(found.axis_deg) > 45.0 else ""
        print(f"tilt axis {found.axis_deg:.1f} deg from x, turned onto it{hand}")
    elif axis_deg is None:
        print("tilt axis along x, as far as the images tell")
    voxel_nm = pixel_nm or series.pixel_nm
    write_volume(out, found.volume, voxel_nm)
    size = " x ".join(str(n) for n in found.volume.shape)
    edge = "of unknown size" if voxel_nm is None else f"of {voxel_nm:.4g} nm"
    tilts = f"{len(found.tilts_deg)} of {len(series.tilts_deg)} images"
    print(f"{out}: {size} voxels {edge} (z, y, x), {method.value} {iterations}, {tilts}")
