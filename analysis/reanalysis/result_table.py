"""One table of many sessions: a row for each D, and one, with the reason, for each particle that has none."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from analysis.reanalysis.many import AnalysedSource
from analysis.results import DiffusivityResult, Estimate, StateResult
from drivers.errors import ConfigError

_PARQUET = ".parquet"
_SUFFIXES = (".csv", _PARQUET)


@dataclass(frozen=True)
class Row:
    """Empty where it is not known; the two standard deviations of D are to be added in squares."""

    session: str
    particle: str
    window: str | None = None
    temperature_c: float | None = None
    d_m2_per_s: float | None = None
    std_m2_per_s: float | None = None
    std_systematic_m2_per_s: float | None = None
    states: int = 0
    """Tilt series after heat."""
    heated_s: float | None = None
    """In all."""
    alloying: float | None = None
    """Degree in the last state that tells one."""
    alloying_std: float | None = None
    alloying_std_systematic: float | None = None
    volume_nm3: float | None = None
    """Of the unheated particle."""
    volume_std_nm3: float | None = None
    volume_std_systematic_nm3: float | None = None
    quality: str = ""
    """Of D, or why there is none."""
    simulated: bool | None = None


def check_table(path: Path | None) -> None:
    """Refuse what is no table, or what cannot be written here, before anything is analysed."""
    if path is None:
        return
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError("--table", [f"{path} is neither .csv nor .parquet; give it one of these ends"])
    if path.suffix.lower() == _PARQUET:
        _pyarrow()


def rows_of(sources: Sequence[AnalysedSource]) -> list[Row]:
    """In the order of the sources and their particles."""
    return [row for source in sources for row in _rows(source)]


def known_of(rows: Sequence[Row]) -> list[Row]:
    """Those with a number for D."""
    return [row for row in rows if row.d_m2_per_s is not None and row.temperature_c is not None]


def d_of(row: Row) -> Estimate:
    """With both its errors; nothing where D is not known."""
    value, std, systematic = (v or 0.0 for v in (row.d_m2_per_s, row.std_m2_per_s, row.std_systematic_m2_per_s))
    return Estimate(value, std, {"all": systematic} if systematic else None)


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """CSV, or Parquet with the columns' types; raises `ConfigError` where it cannot be written."""
    columns = list(Row.__dataclass_fields__)
    try:
        if path.suffix.lower() == _PARQUET:
            arrow = _pyarrow()
            kinds = {"str": arrow.string(), "float": arrow.float64(), "int": arrow.int64(), "bool": arrow.bool_()}
            fields = Row.__dataclass_fields__.values()
            schema = arrow.schema([(f.name, kinds[str(f.type).removesuffix(" | None")]) for f in fields])
            table = arrow.Table.from_pylist([asdict(row) for row in rows], schema=schema)
            import_module("pyarrow.parquet").write_table(table, path)
            return
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)
    except OSError as error:
        raise ConfigError("--table", [f"{path} cannot be written: {error.strerror or error}"]) from None


def _rows(source: AnalysedSource) -> Iterator[Row]:
    for particle in dict.fromkeys([*source.summary["particles"], *source.problems]):
        if particle in source.problems:
            yield Row(source.name, particle, quality=source.problems[particle])
            continue
        own = [r for r in source.results if getattr(r, "particle", None) == particle]
        series = [r for r in own if isinstance(r, StateResult)]
        told = [r for r in own if isinstance(r, DiffusivityResult)]
        known = _of_states(source.name, particle, series) | {
            "simulated": next((s for r in own if (s := getattr(r, "simulated", None)) is not None), None)
        }
        if not told:
            yield Row(**known, quality=_why_none(series))
            continue
        for d in told[-1].diffusivities:
            yield Row(
                **known,
                window=told[-1].window,
                temperature_c=d.temperature_c,
                d_m2_per_s=d.value if d.known else None,
                std_m2_per_s=d.std if d.known else None,
                std_systematic_m2_per_s=d.std_systematic if d.known else None,
                quality=told[-1].quality,
            )


def _why_none(series: Sequence[StateResult]) -> str:
    if not series:
        return "no D: images or maps alone"
    if series[-1].quality != "good":
        return series[-1].quality
    return "no D: not heated yet" if series[-1].state == 0 else "no D: its states tell none"


def _of_states(session: str, particle: str, series: Sequence[StateResult]) -> dict[str, Any]:
    volume = series[0].volume_with_errors_nm3 if series else None
    degrees = [r.alloying for r in series if r.alloying is not None]
    return {
        "session": session,
        "particle": particle,
        "states": sum(r.state > 0 for r in series),
        "heated_s": series[-1].heated_s if series else None,
        "alloying": degrees[-1].value if degrees else None,
        "alloying_std": degrees[-1].std if degrees else None,
        "alloying_std_systematic": degrees[-1].std_systematic if degrees else None,
        "volume_nm3": series[0].volume_nm3 if series else None,
        "volume_std_nm3": None if volume is None else volume.std,
        "volume_std_systematic_nm3": None if volume is None else volume.std_systematic,
    }


def _pyarrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError:
        words = "Parquet takes pyarrow, which is not installed: pip install 'alloyscope[cluster]', or name a .csv"
        raise ConfigError("--table", [words]) from None
