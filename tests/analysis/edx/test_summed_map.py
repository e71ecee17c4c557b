"""Frames of an EDX map that drifts, put back where the first one was."""

import numpy as np
import pytest

from analysis.edx.summed_map import SummedMap
from analysis.live.live_map import LiveMap
from drivers.frames import Frame, FrameHeader, SpectrumHeader
from simulators.edx_particles import amounts, emission, segregated_ball
from simulators.x_rays import XRayDetector, photons

PIXEL_NM, FRAMES = 0.25, 24


def frames(rng, walk_px: float, *, channels: int = 1024, channel_ev: float = 20.0) -> list[tuple[Frame, np.ndarray]]:
    """A ball that wanders, frame by frame with its true place."""
    place_px, made = np.array([31.0, 32.0]), []
    for index in range(FRAMES):
        atoms = amounts(segregated_ball(4.0, 0.5, 0.5, 1.5), (64, 64), PIXEL_NM, tuple(place_px))
        k = {"Ag_La": 1.44, "Au_Ma": 1.0}
        counted = photons(emission(atoms, k, 1.5, 80.0), XRayDetector(channels, channel_ev), rng)
        spectrum = SpectrumHeader(
            channels=channels,
            channel_ev=channel_ev,
            offset_ev=0.0,
            fwhm_mn_ev=130.0,
            beam_kev=80.0,
            frames=FRAMES,
            lines=("Ag_La", "Au_Ma"),
            k=("Ag_La/Au_Ma=1.44:0.01",),
        )
        header = FrameHeader(
            seq=index,
            session="s",
            step="c00/A/edx",
            index=index,
            particle="A",
            core="Au",
            shell="Ag",
            time_s=4.0 * index,
            tilt_deg=0.0,
            pixel_nm=PIXEL_NM,
            spectrum=spectrum,
        )
        haadf = rng.poisson(20.0 + 40.0 * (atoms["Ag"] + atoms["Au"])).astype(np.uint16)
        made.append((Frame(header, haadf, counted), place_px.copy()))
        place_px = place_px + walk_px * rng.normal(size=2)
    return made


def test_drift_is_told_to_a_third_of_a_pixel_and_taken_out():
    off_px = []
    for seed in range(4):
        drifting = frames(np.random.default_rng(seed), 0.8)
        summed = SummedMap(drifting[0][0])
        for frame, _ in drifting:
            summed.add(frame)
        places = np.array([place for _, place in drifting])
        assert np.hypot(*(places - places[0]).T).max() > 2.0
        off_px.append(np.array(summed.shifts_px) - (places[0] - places))
        assert summed.not_placed == 0
        # Nothing is lost but what was pushed out of the field.
        taken = sum(len(f.photons) for f, _ in drifting)
        assert 0.9 * taken < summed.image.counts.sum() <= taken
    assert np.sqrt(np.mean(np.square(off_px))) < 0.33


def test_a_frame_that_shows_nothing_does_not_move_the_map(rng):
    shown = frames(rng, 0.0)
    summed = SummedMap(shown[0][0])
    for frame, _ in shown[:6]:
        summed.add(frame)
    dark = shown[6][0]
    summed.add(Frame(dark.header, rng.poisson(20.0, dark.image.shape).astype(np.uint16), dark.photons[:0]))
    assert summed.not_placed == 1
    assert "1 of 7 frames" in summed.blurred
    before = summed.image.counts.sum()
    assert before == sum(len(f.photons) for f, _ in shown[:6])
    for frame, _ in shown[7:]:
        summed.add(frame)
    assert np.abs(np.array(summed.shifts_px)[7:]).max() < 0.5


def test_channels_finer_than_20_ev_are_summed(rng):
    (frame, _), *_ = frames(rng, 0.0, channels=4096, channel_ev=5.0)
    summed = SummedMap(frame)
    summed.add(frame)
    axis = summed.image.axis
    assert axis.channels == 1024
    assert axis.channel_kev == pytest.approx(0.02)
    total = summed.image.total
    assert total.sum() == len(frame.photons)
    peak_kev = axis.energies_kev[np.argmax(np.where(axis.energies_kev > 1.5, total, 0.0))]
    assert peak_kev == pytest.approx(2.12, abs=0.04)  # gold M


def test_each_frame_sharpens_the_composition_and_the_last_word_has_the_components(rng):
    told = None
    live = None
    errors = []
    for frame, _ in frames(rng, 0.3):
        live = live or LiveMap(frame)
        live.add(frame)
        told = live.result(final=False)
        errors.append(told.known_at_pct)
        if told.frames > 3:
            assert any(part["of_particle"] for part in told.report["components"])
    assert live is not None
    assert errors[-1] < 0.4 * errors[0]
    assert (told.frames, told.planned, told.final) == (FRAMES, FRAMES, False)
    last = live.result(final=True)
    silver = last.composition_at_pct["Ag"]
    assert abs(silver.value - 50.0) < 4.0 * silver.total
    assert set(last.pictures) == {"HAADF", "Ag_La", "Au_Ma"}
    assert last.report["profile"]["radius_nm"]
    assert last.report["components"]
    assert last.quality == "good"


def test_a_map_without_counts_says_so_and_gives_no_number(rng):
    (frame, _), *_ = frames(rng, 0.0)
    live = LiveMap(frame)
    live.add(Frame(frame.header, frame.image, frame.photons[:0]))
    told = live.result(final=True)
    assert told.composition_at_pct == {}
    assert told.known_at_pct == np.inf
    assert "no counts" in told.quality
