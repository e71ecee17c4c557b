"""A session's folder as files of one kind, all of them or none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from analysis.export.hspy_file import write_hspy_map, write_hspy_series
from analysis.export.mrc_stack import write_mrc_series
from analysis.export.step_images import StepImages, files_by_step, steps_in
from analysis.export.tables import write_tables
from analysis.export.tiff_stack import write_tiff, write_tiff_series
from analysis.files.spectrum_file import read_spectrum_image
from analysis.files.volume_file import write_volume
from drivers.errors import ConfigError
from drivers.frames import FrameHeader
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import read_journal

Kind = Literal["mrc", "tiff", "hspy", "csv"]
Say = Callable[[str], None]

_SERIES: dict[str, Callable[[Path, StepImages], None]] = {
    "mrc": write_mrc_series,
    "tiff": write_tiff_series,
    "hspy": write_hspy_series,
}


def export_session(source: Path, target: Path, kind: Kind, say: Say) -> None:
    """Write everything of a session that files of this kind can hold into a folder of its own.

    Parameters
    ----------
    target : must not exist, or be empty
    say : hears of each thing that is left out, and why

    Raises
    ------
    ConfigError
        Where there is no session, nothing recorded, or something that is not overwritten.
    """
    session = SessionFolder(source)
    any(read_journal(source))  # or it says why not
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError("--to", [f"{target} is there already; name a new folder, nothing is overwritten"])
    if not files_by_step(session):
        raise ConfigError(str(source), ["holds no recorded frames; there is nothing to export"])
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        if kind == "csv":
            write_tables(session, part)
        else:
            _write_images(session, part, kind, say)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise ConfigError(
            "--to", [f"{target} cannot be written ({error}); name a folder on a disk with room"]
        ) from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    part.replace(target)


def _write_images(session: SessionFolder, folder: Path, kind: Kind, say: Say) -> None:
    def damaged(header: FrameHeader, why: str) -> None:
        say(f"frame {header.index} of {header.step} is left out, it is damaged: {why}")

    for series in steps_in(session, damaged):
        _SERIES[kind](folder, series)
        if series.is_map and kind == "hspy":
            _write_maps(session, series, folder)
        elif series.is_map:
            say(f"{series.first.step}: its HAADF images; its X-rays are in what --as hspy writes")
        _write_volume(session, series, folder, kind)


def _write_maps(session: SessionFolder, series: StepImages, folder: Path) -> None:
    for path in files_by_step(session)[series.first.step]:
        write_hspy_map(folder / f"{path.stem}.spectra.hspy", read_spectrum_image(path), series.label)


def _write_volume(session: SessionFolder, series: StepImages, folder: Path, kind: Kind) -> None:
    """Older sessions' volumes do not know their voxels; those are the images' pixels."""
    path = session.volume(series.first.step)
    if not path.is_file() or kind == "hspy":
        return
    import mrcfile

    with mrcfile.open(path) as file:
        volume = np.asarray(file.data)
    (folder / "volumes").mkdir(exist_ok=True)
    if kind == "mrc":
        write_volume(folder / "volumes" / path.name, volume, series.pixel_nm)
    else:
        to = folder / "volumes" / f"{path.stem}.ome.tif"
        write_tiff(to, volume, series.pixel_nm, series.label, series.pixel_nm)


def files_in(folder: Path) -> Iterator[Path]:
    """What has been written, in order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
