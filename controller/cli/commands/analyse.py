"""``alloyscope analyse``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.json_file import check_writable, write_json
from controller.cli.options import JsonPath
from controller.cli.progress import progress
from drivers.errors import ConfigError
from drivers.units import counted

if TYPE_CHECKING:
    from analysis.reanalysis.executors import Executor
    from analysis.reanalysis.many import AnalysedSource

_CUT = 130


def analyse(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="MANIFEST.toml|FOLDER...", help="manifests, session folders, or folders of such"),
    ],
    json_path: JsonPath = None,
    table: Annotated[Path | None, typer.Option(help="write a row for each D here: .csv or .parquet")] = None,
    report: Annotated[Path | None, typer.Option(help="new folder for one page of all, with figures")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="particles at a time; of several sources by default one for each core")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="of a dask cluster that is to do it, as tcp://host:8786")
    ] = None,
    spread: Annotated[str, typer.Option(help="behind the degree: std, variance, mad, iqr or histogram")] = "std",
) -> None:
    """Analyse old data: tilt-series files named in a manifest, recorded sessions, or folders full of both."""
    from analysis.reanalysis.result_table import check_table
    from analysis.reanalysis.source import find_sources

    check_writable(json_path)
    check_writable(table, "--table")
    check_table(table)
    if report is not None:
        from analysis.reanalysis.beam_time import check_beam_time_report

        check_beam_time_report(report)
    if processes is not None and scheduler is not None:
        raise ConfigError("analyse", ["--processes and --scheduler are two places for one work; give one of them"])
    places = find_sources(sources)
    one = sources[0] if len(sources) == 1 and list(places.values()) == sources else None
    if one is not None and processes is None and scheduler is None and table is None and report is None:
        _in_order(one, json_path, spread)
    else:
        _side_by_side(places, json_path, table, report, spread, _executor(processes, scheduler), one is not None)


def _in_order(source: Path, json_path: Path | None, spread: str) -> None:
    from analysis.free_cores import following_free_cores
    from analysis.reanalysis.offline import Interrupted
    from analysis.reanalysis.offline import analyse as analyse_source
    from controller.monitor.console import print_result

    try:
        with progress("tilt series analysed", counted=True) as show, following_free_cores():
            told = analyse_source(source, print_result, spread=spread, hear=show)
    except Interrupted as interrupted:
        print(f"alloyscope: analyse was interrupted; {interrupted}", file=sys.stderr)
        raise typer.Exit(_CUT) from None
    for words in told.get("left_out", []):
        print(f"warning: {words}", file=sys.stderr)
    write_json(json_path, told)


def _executor(processes: int | None, scheduler: str | None) -> Executor:
    from analysis.reanalysis.executors import DaskCluster, LocalProcesses

    return LocalProcesses(processes or os.cpu_count() or 1) if scheduler is None else DaskCluster(scheduler)


def _side_by_side(
    places: dict[str, Path],
    json_path: Path | None,
    table: Path | None,
    report: Path | None,
    spread: str,
    executor: Executor,
    alone: bool,
) -> None:
    from analysis.reanalysis.many import analyse_many
    from analysis.reanalysis.result_table import rows_of, write_table

    found: list[AnalysedSource] = []

    def tell(source: AnalysedSource) -> None:
        found.append(source)
        _print(source)

    try:
        with progress("particles analysed", counted=True) as show:
            whole = analyse_many(places, executor, spread, show, tell)
    except KeyboardInterrupt:
        words = f"{len(found)} of {len(places)} sources are whole; the same command goes on from what is done"
        print(f"alloyscope: analyse was interrupted; {words}", file=sys.stderr)
        raise typer.Exit(_CUT) from None
    if table is not None:
        write_table(table, rows_of(whole))
    if report is not None:
        from analysis.reanalysis.beam_time import write_beam_time_report

        print(f"report: {write_beam_time_report(whole, report)}")
    write_json(json_path, whole[0].summary if alone else {"sources": {s.name: s.summary for s in whole}})
    failed = [f"{', '.join(filter(None, (s.name, of)))}: {why}" for s in whole for of, why in s.problems.items()]
    if failed:
        raise ConfigError("analyse", [*failed, "all else is analysed, and told above"])


def _print(source: AnalysedSource) -> None:
    from analysis.results import Arrhenius, DiffusivityResult, StateResult
    from controller.monitor.console import print_result

    number = len(source.summary["particles"])
    simulated = "SIMULATED " if any(getattr(r, "simulated", False) for r in source.results) else ""
    print(f"{simulated}{source.name}: {counted(number, 'particle')}, {source.seconds:.0f} s of analysis", flush=True)
    last = {r.place: r for r in source.results if isinstance(r, DiffusivityResult)}
    without = [r for r in source.results if isinstance(r, StateResult) and ("diffusivity", r.particle) not in last]
    others = [r for r in source.results if not isinstance(r, Arrhenius | DiffusivityResult | StateResult)]
    laws = [r for r in source.results if isinstance(r, Arrhenius)][-1:]
    for result in (*last.values(), *without, *others, *laws):
        print_result(result)
    for words in source.left_out:
        print(f"warning: {source.name}: {words}", file=sys.stderr)
