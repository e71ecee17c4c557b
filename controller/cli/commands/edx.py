"""``alloyscope edx``."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.json_file import check_writable, write_json
from controller.cli.options import JsonPath
from controller.cli.progress import progress
from drivers.errors import ConfigError

if TYPE_CHECKING:
    from analysis.edx.absorption import Film


class KBasis(StrEnum):
    ATOMIC = "atomic"
    WEIGHT = "weight"


class Workflow(StrEnum):
    GMM = "gmm"
    HDBSCAN = "hdbscan"


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
    thickness_nm: Annotated[
        str | None, typer.Option("--thickness-nm", help="correct absorption in a film: 120, or with its sigma 120:15")
    ] = None,
    density: Annotated[float | None, typer.Option("--density", help="of the film, in g/cm3")] = None,
    take_off_deg: Annotated[
        float | None, typer.Option("--take-off-deg", help="of the X-rays above the film's surface")
    ] = None,
    beam_kev: Annotated[float | None, typer.Option("--beam-kev", min=1.0, help="instead of the file's")] = None,
    pixel_nm: Annotated[float | None, typer.Option("--pixel-nm", min=1e-6, help="instead of the file's")] = None,
    json_path: JsonPath = None,
) -> None:
    """Composition of an EDX map, with errors: over its particles, by radius, and of its components."""
    from analysis.edx import map_report
    from analysis.edx.map_analysis import analyse_map
    from analysis.files.k_table import read_k_table
    from analysis.files.spectrum_file import read_spectrum_image

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
    film = _film(thickness_nm, density, take_off_deg)
    with progress("reading and analysing the map"):
        result = analyse_map(
            read_spectrum_image(map_path, beam_kev=beam_kev, pixel_nm=pixel_nm),
            names,
            given,
            basis=k_basis.value,
            rows_and_columns=_region(region),
            radial=radial,
            decompose=decompose or components is not None,
            number=components,
            cluster=None if cluster is None else cluster.value,
            cluster_number=clusters,
            film=film,
        )
    for line in map_report.lines(result):
        print(line)
    write_json(json_path, map_report.as_json(result))


def _film(thickness_nm: str | None, density: float | None, take_off_deg: float | None) -> Film | None:
    """The film of thickness ``120`` or ``120:15``; all three are needed, or none."""
    from analysis.edx.absorption import Film

    if thickness_nm is None and density is None and take_off_deg is None:
        return None
    if thickness_nm is None or density is None or take_off_deg is None:
        raise ConfigError("absorption", ["takes --thickness-nm, --density and --take-off-deg together; give all three"])
    value, _, std = thickness_nm.partition(":")
    try:
        return Film(float(value), float(std or 0.0), density, take_off_deg)
    except ValueError:
        raise ConfigError("--thickness-nm", [f"{thickness_nm!r} should be nm, such as 120 or 120:15"]) from None


def _region(words: str | None) -> tuple[int, int, int, int] | None:
    """Rows and columns, ``10:20,5:40``."""
    if words is None:
        return None
    found = re.fullmatch(r"(\d+):(\d+),(\d+):(\d+)", words.replace(" ", ""))
    if found is None:
        raise ConfigError("--region", [f"{words!r} should be rows and columns, such as 10:20,5:40"])
    top, bottom, left, right = (int(n) for n in found.groups())
    return top, bottom, left, right
