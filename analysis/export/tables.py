"""What a session was and found as tables: frames, chip, heat, dose and results."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis.export.step_images import files_by_step
from drivers.clock import earlier
from drivers.frames import FrameHeader
from drivers.recorded.dose import dose_of
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Entry, read_journal
from drivers.recorded.records import Begin, HeatAsked, Heated, SeriesBegin, SessionRecord
from drivers.recorded.step_file import read_headers

Began = dict[str, list[tuple[float, str]]]
"""Session and wall-clock times at which each step began, and went on."""


def write_tables(session: SessionFolder, folder: Path) -> None:
    """Write ``frames.csv``, ``heat.csv``, ``dose.csv``, and, where there are such, ``chip.csv`` and ``results.csv``."""
    entries = list(read_journal(session.path))
    headers = [h for paths in files_by_step(session).values() for path in paths for h in read_headers(path)]
    began = _began(entries)
    _write(folder / "frames.csv", [_row(h, began) for h in sorted(headers, key=lambda h: h.seq)])
    _write(folder / "heat.csv", _heat(entries))
    dose = dose_of(session.path, entries)
    _write(folder / "dose.csv", [{"particle": p, "electrons_per_nm2": e} for p, e in dose.items()])
    for table in (session.chip_readings, session.results_table):
        if table.is_file():
            shutil.copyfile(table, folder / table.name)


def _row(header: FrameHeader, began: Began) -> dict[str, Any]:
    told = {n: getattr(header, n) for n in ("seq", "step", "index", "particle", "core", "shell", "window", "time_s")}
    told["utc"] = _utc(header, began)
    told |= {n: getattr(header, n) for n in ("tilt_deg", "swept_deg", "pixel_nm")}
    told |= dict(zip(("stage_x_nm", "stage_y_nm", "stage_z_nm"), header.stage_nm, strict=True))
    told |= dict(zip(("image_shift_y_nm", "image_shift_x_nm"), header.image_shift_nm, strict=True))
    optics = ("defocus_nm", "temperature_c", "electrons_per_nm2", "gain", "offset")
    scan = ("detector", "dwell_s", "beam_kev", "current_pa", "rotation_deg")
    told |= {n: getattr(header, n) for n in (*optics, *scan)}
    return told | {"heated_s": sum(p.duration_s for p in header.heat), "simulated": header.simulated}


def _began(entries: Iterable[Entry[SessionRecord]]) -> Began:
    """Nothing where no wall clock was read, or session time was made to jump."""
    found: Began = {}
    for entry in entries:
        r = entry.record
        if isinstance(r, Begin) and r.dry:
            return {}
        if isinstance(r, SeriesBegin) and r.utc:
            found.setdefault(r.step, []).append((entry.time_s, r.utc))
    return found


def _utc(header: FrameHeader, began: Began) -> str:
    """By the time since its step last began, or went on."""
    before = [(time_s, utc) for time_s, utc in began.get(header.step, []) if time_s <= header.time_s]
    return earlier(before[-1][1], before[-1][0] - header.time_s) if before else ""


def _heat(entries: Iterable[Entry[SessionRecord]]) -> list[Mapping[str, Any]]:
    """A row per pulse that was asked for; one that was cut and is not booked yet has no duration."""
    rows: dict[str, dict[str, Any]] = {}
    for entry in entries:
        r = entry.record
        if isinstance(r, HeatAsked):
            rows[r.step] = {"step": r.step, "asked_at_s": entry.time_s, "temperature_c": r.target_c}
            rows[r.step] |= {"asked_s": r.duration_s, "held_s": "", "worth_s": ""}
        elif isinstance(r, Heated):
            row = rows.setdefault(r.step, {"step": r.step, "asked_at_s": "", "temperature_c": 0.0, "asked_s": ""})
            row |= {"temperature_c": r.temperature_c, "held_s": r.duration_s, "worth_s": r.worth_s}
    return list(rows.values())


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    rows = list(rows)
    with path.open("w", newline="") as file:
        if rows:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
