"""``alloyscope particles``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.json_file import check_writable, write_json
from controller.cli.options import JsonPath
from drivers.errors import ConfigError


class OutlineMethod(StrEnum):
    LEARNED = "learned"
    WATERSHED = "watershed"
    OTSU = "otsu"


class Denoising(StrEnum):
    NO = "no"
    GAUSSIAN = "gaussian"
    NON_LOCAL_MEANS = "non-local means"


def particles(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help=".tif, .png, .mrc, .emd or .dm4, in order")],
    method: Annotated[OutlineMethod, typer.Option()] = OutlineMethod.LEARNED,
    denoised: Annotated[
        Denoising, typer.Option(help="before, as Zhang et al., arXiv:2409.16637 (2024), did")
    ] = Denoising.NO,
    bright_field: Annotated[bool, typer.Option("--bright-field", help="particles are dark")] = False,
    pixel_nm: Annotated[float | None, typer.Option("--pixel-nm", min=1e-6, help="instead of the files'")] = None,
    pixel_percent: Annotated[float, typer.Option("--pixel-percent", min=0.0, help="error of the pixel size")] = 0.0,
    choose: Annotated[str, typer.Option(help="list those that are, say, 'single, round, 40-60 nm'")] = "",
    labels_path: Annotated[Path | None, typer.Option("--labels", help="labels of all images, TIFF")] = None,
    picture_path: Annotated[Path | None, typer.Option("--picture", help="the first image with outlines, PNG")] = None,
    json_path: JsonPath = None,
) -> None:
    """Find, outline and measure particles; in several images also follow them."""
    import numpy as np

    from analysis.files.readers import read
    from analysis.particles import particle_report
    from analysis.particles.candidates import candidates
    from analysis.particles.looked_at import look_at
    from analysis.particles.wanted import Wanted

    for path, option in ((json_path, "--json"), (labels_path, "--labels"), (picture_path, "--picture")):
        check_writable(path, option)
    try:
        wanted = Wanted.parse(choose) if choose else None
    except ValueError as error:
        raise ConfigError("--choose", [str(error)]) from None
    found, sizes_nm, notes = [], [], []
    for path in images:
        image, own_nm = read(path, kind="image")
        size_nm = pixel_nm or own_nm
        if size_nm is None:
            raise ConfigError(str(path), ["does not tell its pixel size; give it with --pixel-nm"])
        try:
            seen = look_at(
                image,
                size_nm,
                method.value,
                denoised.value,
                bright_field=bright_field,
                pixel_std=0.01 * pixel_percent,
            )
        except ValueError as error:
            raise ConfigError(str(path), [str(error)]) from None
        found.append((image, seen.labels, seen.particles))
        notes.append(list(seen.notes))
        sizes_nm.append(size_nm)
        print(particle_report.line(path.name, found[-1][2]))
        for note in seen.notes:
            print(f"  note: {note}")
        for body in [] if wanted is None else candidates(found[-1][2], wanted, size_nm, image.shape):
            print(f"  {particle_report.whereabouts(body, image.shape, size_nm)}")
    names, events = particle_report.named([bodies for *_, bodies in found], sizes_nm)
    for event in events:
        into = "" if event.into is None else f" into {event.into}"
        print(f"particle {event.name}: {event.what}{into} in {images[event.image].name}")
    if labels_path is not None:
        import tifffile

        stack = np.stack([labels for _, labels, _ in found]) if len(found) > 1 else found[0][1]
        tifffile.imwrite(labels_path, stack, photometric="minisblack")  # three images are no colours
    if picture_path is not None:
        import imageio.v3 as imageio

        imageio.imwrite(picture_path, particle_report.picture(*found[0][:2]))
    each = zip(images, found, names, notes, strict=True)
    told = [
        {"image": p.name, "particles": particle_report.as_json(bodies, known), "notes": said}
        for p, (*_, bodies), known, said in each
    ]
    happened = [{"what": e.what, "name": e.name, "image": e.image, "into": e.into} for e in events]
    write_json(json_path, {"images": told, "events": happened, "method": method.value})
