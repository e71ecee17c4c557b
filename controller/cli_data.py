"""The command line of data: old sessions, tilt series, EDX maps, and the analysis scored on simulated ones."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from controller.json_file import JsonPath, check_writable, write_json
from drivers.errors import ConfigError

commands = typer.Typer()


class KBasis(StrEnum):
    ATOMIC = "atomic"
    WEIGHT = "weight"


class Workflow(StrEnum):
    GMM = "gmm"
    HDBSCAN = "hdbscan"


class OutlineMethod(StrEnum):
    LEARNED = "learned"
    WATERSHED = "watershed"
    OTSU = "otsu"


class Denoising(StrEnum):
    NO = "no"
    GAUSSIAN = "gaussian"
    NON_LOCAL_MEANS = "non-local means"


class ReconstructionMethod(StrEnum):
    MLEM = "mlem"
    SIRT = "sirt"


@commands.command()
def analyse(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST.toml|FOLDER", help="manifest or session folder")],
    json_path: JsonPath = None,
    spread: Annotated[str, typer.Option(help="behind the degree: std, variance, mad, iqr or histogram")] = "std",
    d_of_c: Annotated[bool, typer.Option("--d-of-c", help="also fit how D changes with composition")] = False,
) -> None:
    """Analyse old data: tilt-series files named in a manifest, or a recorded session."""
    from analysis.offline import analyse as analyse_source
    from controller.console import result_lines

    check_writable(json_path)

    def report(result: Any) -> None:
        for line in result_lines(result):
            print(line, flush=True)

    write_json(json_path, analyse_source(source, report, spread=spread, d_of_c=d_of_c))


@commands.command()
def reconstruct(
    stack: Annotated[Path, typer.Argument(help="tilt series (tilt, y, x), MRC or TIFF; tilt axis along x")],
    angles: Annotated[Path, typer.Option(help="tilts in degrees, one per line")],
    out: Annotated[Path, typer.Option(help="volume to write, MRC (z, y, x)")],
    method: Annotated[ReconstructionMethod, typer.Option()] = ReconstructionMethod.MLEM,
    iterations: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    align: Annotated[bool, typer.Option(help="align the projections first")] = True,
) -> None:
    """Reconstruct a single tilt series."""
    if not out.resolve().parent.is_dir():
        raise ConfigError("--out", [f"the folder {out.parent} does not exist; create it first"])
    from analysis.tilt_series_file import read_tilt_series, write_volume
    from analysis.tomography.single import reconstruct_series

    images, tilts_deg = read_tilt_series(stack, angles)
    volume = reconstruct_series(images, tilts_deg, method=method.value, iterations=iterations, aligned=not align)
    write_volume(out, volume)
    size = " x ".join(str(n) for n in volume.shape)
    print(f"{out}: {size} voxels (z, y, x), {method.value} {iterations}")


@commands.command()
def validate(
    particles: Annotated[str, typer.Option(help="names, separated by commas")] = "NC1,NC2,NR1,NR2,NR3,NR4",
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="sessions per particle")] = 10,
    first_seed: Annotated[int, typer.Option(min=0, help="seeds count up from here")] = 1,
    variant: Annotated[str, typer.Option(help="how the sessions are recorded, such as 'half dose'")] = "standard",
    json_path: JsonPath = None,
) -> None:
    """Score the analysis on simulated sessions whose true D is known."""
    from controller.validate import Trial, as_json, table
    from controller.validate import validate as run_validation

    check_writable(json_path)

    def report(trial: Trial) -> None:
        errors = ", ".join(
            f"{name} {100 * (d / trial.truth_m2_per_s - 1):+.2f} %"
            + (f" +- {100 * std / trial.truth_m2_per_s:.2f} %" if (std := trial.std_m2_per_s[name]) else " (a bound)")
            for name, d in trial.fitted_m2_per_s.items()
        )
        print(f"{trial.particle} seed {trial.seed}: {errors or 'no D'}; {trial.quality}", file=sys.stderr, flush=True)

    names = [name.strip() for name in particles.split(",") if name.strip()]
    trials, scores = run_validation(names, seeds, variant, report, first_seed=first_seed)
    print("Simulated sessions; truth known.\n")
    print("\n".join(table(scores, trials)))
    write_json(json_path, as_json(trials, scores))


@commands.command()
def edx(
    map_path: Annotated[
        Path, typer.Argument(metavar="MAP", help="a recorded map (.h5), .hspy, Velox .emd or Bruker .bcf")
    ],
    lines: Annotated[str, typer.Option("--lines", help="main lines, one per element, such as Ag_La,Au_Ma")],
    k: Annotated[
        list[str] | None,
        typer.Option("--k", help="factor of a line or pair with its sigma: Fe_Ka=1.45, Ag_La/Au_Ma=1.44:0.01"),
    ] = None,
    k_table: Annotated[Path | None, typer.Option("--k-table", help="instead, a TOML file of many factors")] = None,
    k_basis: Annotated[KBasis, typer.Option("--k-basis", help="what the factors count")] = KBasis.ATOMIC,
    region: Annotated[str | None, typer.Option("--region", help="rows and columns to quantify: 10:20,5:40")] = None,
    radial: Annotated[bool, typer.Option("--radial", help="composition against the distance from the centre")] = False,
    decompose: Annotated[bool, typer.Option("--decompose", help="split the map into components")] = False,
    components: Annotated[
        int | None, typer.Option("--components", min=1, help="so many; by default by the scree")
    ] = None,
    cluster: Annotated[Workflow | None, typer.Option("--cluster", help="group the pixels into phases")] = None,
    clusters: Annotated[
        int | None, typer.Option("--clusters", min=1, help="so many, of gmm; by default by BIC")
    ] = None,
    beam_kev: Annotated[float | None, typer.Option("--beam-kev", min=1.0, help="instead of the file's")] = None,
    json_path: JsonPath = None,
) -> None:
    """Composition of an EDX map, with errors: over its particles, by radius, and of its components."""
    from analysis.edx import map_report
    from analysis.edx.k_table import read_k_table
    from analysis.edx.map_analysis import analyse_map
    from analysis.edx.spectrum_file import read_spectrum_image

    check_writable(json_path)
    names = [line.strip() for line in lines.split(",") if line.strip()]
    given = k or []
    if k_table is not None:
        if given:
            raise ConfigError("--k-table", ["--k is there as well; give the factors in one way"])
        table = read_k_table(k_table)
        given, k_basis = table.of(names), KBasis(table.basis)
    if clusters is not None and cluster is not Workflow.GMM:
        raise ConfigError("--clusters", ["only a Gaussian mixture takes a number: add --cluster gmm, or leave it out"])
    result = analyse_map(
        read_spectrum_image(map_path, beam_kev=beam_kev),
        names,
        given,
        basis=k_basis.value,
        rows_and_columns=_region(region),
        radial=radial,
        decompose=decompose or components is not None,
        number=components,
        cluster=None if cluster is None else cluster.value,
        cluster_number=clusters,
    )
    for line in map_report.lines(result):
        print(line)
    write_json(json_path, map_report.as_json(result))


@commands.command()
def particles(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help=".tif, .png, .mrc, .emd or .dm4, in order")],
    method: Annotated[OutlineMethod, typer.Option()] = OutlineMethod.LEARNED,
    denoised: Annotated[Denoising, typer.Option(help="before, as paper 003 did")] = Denoising.NO,
    bright_field: Annotated[bool, typer.Option("--bright-field", help="particles are dark")] = False,
    pixel_nm: Annotated[float | None, typer.Option("--pixel-nm", min=1e-6, help="instead of the files'")] = None,
    pixel_percent: Annotated[float, typer.Option("--pixel-percent", min=0.0, help="error of the pixel size")] = 0.0,
    choose: Annotated[str, typer.Option(help="list those that are, say, 'single, round, 40-60 nm'")] = "",
    labels_path: Annotated[Path | None, typer.Option("--labels", help="labels of all images, TIFF")] = None,
    picture_path: Annotated[Path | None, typer.Option("--picture", help="the first image with outlines, PNG")] = None,
    json_path: JsonPath = None,
) -> None:
    """Find, outline and measure particles; in several images also follow them."""
    from analysis.particles import particle_report
    from analysis.particles.candidates import Wanted, candidates
    from analysis.particles.image_file import read_image
    from analysis.particles.measurement import measured
    from analysis.particles.outlines import outlines

    for path in (json_path, labels_path, picture_path):
        check_writable(path)
    try:
        wanted = Wanted.parse(choose) if choose else None
    except ValueError as error:
        raise ConfigError("--choose", [str(error)]) from None
    found, sizes_nm = [], []
    for path in images:
        image, own_nm = read_image(path)
        size_nm = pixel_nm or own_nm
        if size_nm is None:
            raise ConfigError(str(path), ["does not tell its pixel size; give it with --pixel-nm"])
        try:
            labels = outlines(image, method.value, denoised.value, bright_field=bright_field)
        except ValueError as error:
            raise ConfigError(str(path), [str(error)]) from None
        found.append((image, labels, measured(image, labels, size_nm, 0.01 * pixel_percent)))
        sizes_nm.append(size_nm)
        print(particle_report.line(path.name, found[-1][2]))
        for body in [] if wanted is None else candidates(found[-1][2], wanted, size_nm, image.shape):
            print(f"  {particle_report.whereabouts(body, image.shape, size_nm)}")
    names, events = particle_report.named([bodies for *_, bodies in found], sizes_nm)
    for event in events:
        into = "" if event.into is None else f" into {event.into}"
        print(f"particle {event.name}: {event.what}{into} in {images[event.image].name}")
    if labels_path is not None:
        import tifffile

        tifffile.imwrite(labels_path, np.stack([labels for _, labels, _ in found]) if len(found) > 1 else found[0][1])
    if picture_path is not None:
        import imageio.v3 as imageio

        imageio.imwrite(picture_path, particle_report.picture(*found[0][:2]))
    each = zip(images, found, names, strict=True)
    told = [{"image": p.name, "particles": particle_report.as_json(bodies, known)} for p, (*_, bodies), known in each]
    happened = [{"what": e.what, "name": e.name, "image": e.image, "into": e.into} for e in events]
    write_json(json_path, {"images": told, "events": happened, "method": method.value})


def _region(words: str | None) -> tuple[int, int, int, int] | None:
    """Rows and columns, ``10:20,5:40``."""
    if words is None:
        return None
    found = re.fullmatch(r"(\d+):(\d+),(\d+):(\d+)", words.replace(" ", ""))
    if found is None:
        raise ConfigError("--region", [f"{words!r} should be rows and columns, such as 10:20,5:40"])
    top, bottom, left, right = (int(n) for n in found.groups())
    return top, bottom, left, right
