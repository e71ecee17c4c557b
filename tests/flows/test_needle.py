"""The real needle series through driver, recorder, stream and worker."""

import os
import signal
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from skimage.transform import iradon_sart

from analysis.results import StateResult
from analysis.tomography.alignment import shifted
from analysis.tomography.noise import darkest_level
from analysis.tomography.tilt_axis import turned
from controller import events as ev
from controller.plan.check import checked_session
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.frames import Frame
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import records_of
from drivers.recorded.records import AnalysisStarted
from drivers.recorded.session import read_session
from drivers.recorded.tilt_series_file import read_tilt_series

SLICE_X = 150


def session_text(needle: Path) -> str:
    return f"""
title = "needle"
chip = {{ backend = "replay" }}
scan = {{ pixel_nm = 3.36, shape = [256, 256] }}
tilt = {{ from_deg = -76.0, to_deg = 76.0, step_deg = 2.0 }}
particles = [{{ name = "needle" }}]
plan = [{{ kind = "tilt-series" }}]

[microscope]
backend = "replay"
options = {{ source = "{needle}/HAADF.mrc", angles = "{needle}/HAADF.rawtlt", pixel_nm = 3.36 }}
"""


def ncc(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def sirt_of_scikit_image(sinogram: np.ndarray, tilts_deg: np.ndarray, iterations: int) -> np.ndarray:
    """An independent peer: simultaneous algebraic reconstruction by scikit-image, all rays of a sweep relaxed."""
    image = None
    for _ in range(iterations):
        image = iradon_sart(sinogram, theta=tilts_deg, image=image, relaxation=0.05, clip=(0.0, 1e9), dtype=np.float64)
    return image


@pytest.mark.slow
def test_77_frames_are_recorded_and_analysed_though_the_analysis_is_killed(real_data: Path, tmp_path: Path):
    needle = real_data / "etspy_needle_76"
    path = tmp_path / "needle.toml"
    path.write_text(session_text(needle))
    killed: list[int] = []
    pictures = 0

    def hear(event: ev.Event) -> None:
        nonlocal pictures
        pictures += isinstance(event, ev.Picture)
        if pictures == 38 and not killed:
            killed.append(records_of(tmp_path / "s", AnalysisStarted)[-1].pid)
            os.kill(killed[0], signal.SIGKILL)

    clock = SteppedClock()
    session = Session(checked_session(path), path, SessionFolder(tmp_path / "s"), clock, [hear])
    clock.run(session.run())
    assert killed
    frames = [i for i in read_session(tmp_path / "s") if isinstance(i, Frame)]
    (state,) = [r for r in session.results if isinstance(r, StateResult)]
    assert len(frames) == 77
    assert (state.frames, state.rejected) == (77, ())
    series = read_tilt_series(needle / "HAADF.mrc", needle / "HAADF.rawtlt")
    stack, angles = series.images, series.tilts_deg
    for frame, image, angle in zip(frames, stack, angles, strict=True):
        assert frame.header.tilt_deg == angle
        np.testing.assert_array_equal(frame.image, image)

    intensity = stack.astype(np.float32) - np.float32(darkest_level(stack))
    aligned = shifted(turned(intensity, state.tilt_axis_deg), np.array(state.shifts_px))
    volume = mrcfile.read(tmp_path / "s" / "volumes" / "c00_needle_tilt.mrc")
    peer = sirt_of_scikit_image(aligned[:, :, SLICE_X].T.astype(np.float64), angles, 25)
    mine = volume[:, :, SLICE_X]
    best = max(ncc(mine, turned) for turned in (peer, peer[::-1], peer.T, peer.T[::-1], peer[:, ::-1], peer.T[:, ::-1]))
    assert best > 0.95


def test_the_real_data_are_what_the_test_believes(real_data: Path):
    series = read_tilt_series(
        real_data / "etspy_needle_76" / "HAADF.mrc", real_data / "etspy_needle_76" / "HAADF.rawtlt"
    )
    assert series.images.shape == (77, 256, 256)
    assert series.tilts_deg[0] == pytest.approx(-76.0)
