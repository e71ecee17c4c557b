"""Sessions that no D should come out of, or only with words: small ones, counted by an ideal detector."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.ndimage import shift

from analysis.live.pipeline import Pipeline
from analysis.results import DiffusivityResult, Result, StateResult
from analysis.tomography.projector import project
from analysis.unheated.segmentation import touches_neighbour
from drivers.frames import Frame, FrameHeader, HeatPulse, SeriesEnd

TILTS = np.arange(-70.0, 71.0, 4.0)
SIDE = 56


def body(*balls: tuple[float, float, float, float, float]) -> np.ndarray:
    """Balls (z, y, x, radius, value), the later over the earlier."""
    z, y, x = np.meshgrid(*[np.arange(SIDE) - 0.5 * (SIDE - 1)] * 3, indexing="ij")
    volume = np.zeros((SIDE,) * 3, np.float32)
    for bz, by, bx, radius, value in balls:
        volume[(z - bz) ** 2 + (y - by) ** 2 + (x - bx) ** 2 < radius**2] = value
    return volume


def series(stack: np.ndarray, number: int, heat: tuple[HeatPulse, ...] = ()) -> Iterator[Frame | SeriesEnd]:
    seq, step = 1000 * number, f"c{number:02d}/A/tilt"
    for index, image in enumerate(stack):
        header = FrameHeader(
            seq=seq + index,
            session="s",
            step=step,
            index=index,
            particle="A",
            core="Au",
            shell="Ag",
            time_s=0.0,
            tilt_deg=float(TILTS[index]),
            pixel_nm=0.8,
            heat=heat,
            simulated=True,
        )
        yield Frame(header, image)
    yield SeriesEnd(seq=seq + len(stack), step=step, particle="A", frames=len(stack), planned=len(TILTS))


def counted(volume: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(12.0 * project(volume, TILTS)).astype(np.uint16)


def run(items) -> list[Result]:
    pipeline = Pipeline()
    return [r for item in items for r in pipeline.feed(item)]


def blurred_core(volume: np.ndarray, metal: np.ndarray) -> np.ndarray:
    """The core spread over the particle by a few voxels, none of it lost."""
    from scipy.ndimage import gaussian_filter

    inside = metal > 0
    weight = gaussian_filter(inside.astype(np.float32), 3.0)
    spread = gaussian_filter(np.where(inside, volume - 4.0, 0.0).astype(np.float32) / np.maximum(weight, 0.2), 3.0)
    spread *= inside
    return np.where(inside, 4.0 + spread * ((volume - 4.0) * inside).sum() / spread.sum(), 0.0).astype(np.float32)


CORE_SHELL = ((0.0, 0.0, 0.0, 15.0, 4.0), (0.0, 0.0, 0.0, 9.0, 9.0))


def test_a_particle_that_touches_a_neighbour_is_refused(rng):
    pair = body((0, -12, 0, 12, 4.0), (0, -12, 0, 7, 9.0), (0, 11, 0, 12.5, 4.0), (0, 11, 0, 7, 9.0))
    (state,) = run(series(counted(pair, rng), 0))
    assert state.alloying is None
    assert "touches a neighbour" in state.quality


@pytest.mark.parametrize("tilt", [0.0, 0.4])
def test_one_body_has_no_waist(tilt):
    z, y, x = np.meshgrid(*[np.arange(80) - 39.5] * 3, indexing="ij")
    along = np.cos(tilt) * x + np.sin(tilt) * y
    across = -np.sin(tilt) * x + np.cos(tilt) * y
    rod = np.maximum(np.hypot(across, z) - 8.0, np.abs(along) - 30.0) < 0
    cube = np.maximum(np.maximum(np.abs(along), np.abs(across)), np.abs(z)) < 16
    assert not touches_neighbour(rod)
    assert not touches_neighbour(cube)


def test_a_particle_never_heated_gives_no_d_and_says_why(rng):
    volume = body(*CORE_SHELL)
    results = run([*series(counted(volume, rng), 0), *series(counted(volume, rng), 1)])
    assert not [r for r in results if isinstance(r, DiffusivityResult)]
    first, second = (r for r in results if isinstance(r, StateResult))
    assert first.quality == "good"
    assert "not heated" in second.quality
    assert abs(second.alloying.value) < 3 * second.alloying.total + 0.01


def test_tilts_that_lose_the_particle_or_saturate_are_named_and_left_out(rng):
    volume = body(*CORE_SHELL)
    stack = counted(volume, rng)
    stack[2] = shift(stack[2], (40, 0), order=1, mode="constant")
    stack[20] = np.where(np.arange(SIDE)[:, None] < 10, 65535, stack[20])
    stack[30] = rng.permuted(stack[30].ravel()).reshape(SIDE, SIDE)
    (state,) = run(series(stack, 0))
    reasons = dict(entry.split(": ", 1) for entry in state.rejected)
    assert "saturated" in reasons[f"{TILTS[20]:.1f} deg"]
    assert "does not fit" in reasons[f"{TILTS[30]:.1f} deg"]
    assert f"{TILTS[2]:.1f} deg" in reasons
    assert len(reasons) == 3
    assert state.frames == len(TILTS) - 3
    assert state.alloying is not None


def test_a_particle_that_rounds_off_gives_a_range_and_no_sigma(rng):
    z, y, x = np.meshgrid(*[np.arange(SIDE) - 0.5 * (SIDE - 1)] * 3, indexing="ij")
    rod = np.where(np.maximum(np.hypot(y, z) - 9.0, np.abs(x) - 20.0) < 0, 4.0, 0.0)
    rod = np.where(np.maximum(np.hypot(y, z) - 5.0, np.abs(x) - 15.0) < 0, 9.0, rod).astype(np.float32)
    radius = float(np.cbrt(0.75 / np.pi * np.count_nonzero(rod)))
    ball = body((0, 0, 0, radius, 4.0 + 5.0 * np.count_nonzero(rod > 5) / np.count_nonzero(rod)))
    heat = (HeatPulse(450.0, 15.0),)
    results = run([*series(counted(rod, rng), 0), *series(counted(ball, rng), 1, heat)])
    (d,) = (r for r in results if isinstance(r, DiffusivityResult))
    assert not np.isfinite(d.diffusivities[0].std)
    assert "lattice diffusion does not describe" in d.quality
    state = next(r for r in results if isinstance(r, StateResult) and r.state == 1)
    assert "reshaped" in state.quality
    first = next(r for r in results if isinstance(r, StateResult) and r.state == 0)
    # A cylinder of 9 by 40 px that becomes a ball, which the missing wedge stretches.
    ball_to_rod = (3.0 / radius) / (2.0 / 9.0 + 2.0 / 40.0)
    assert state.surface_to_volume_per_nm / first.surface_to_volume_per_nm == pytest.approx(ball_to_rod, rel=0.06)
    assert state.shape_change > 0.3
    assert first.aspect_ratio == pytest.approx(40.0 / 18.0 * np.sqrt(4.0 / 3.0), rel=0.03)
    assert state.aspect_ratio == pytest.approx(1.0, abs=0.1)
    assert abs(state.alloying.value - 1.0) < state.alloying.total
    assert state.volume_nm3 == pytest.approx(first.volume_nm3, rel=0.08)


def test_a_heated_particle_that_kept_its_shape_is_not_called_reshaped(rng):
    volume = body(*CORE_SHELL)
    heat = (HeatPulse(450.0, 15.0),)
    results = run([*series(counted(volume, rng), 0), *series(counted(blurred_core(volume, volume), rng), 1, heat)])
    states = [r for r in results if isinstance(r, StateResult)]
    assert "reshaped" not in states[1].quality
    assert states[1].aspect_ratio == pytest.approx(1.0, abs=0.02)
    assert states[1].shape_change < 0.01
    assert 0.1 < states[1].alloying.value < 0.9


def test_a_series_cut_short_is_not_called_reshaped(rng):
    volume = body(*CORE_SHELL)
    cut = counted(blurred_core(volume, volume), rng)[: len(TILTS) // 2]
    results = run([*series(counted(volume, rng), 0), *series(cut, 1, (HeatPulse(450.0, 15.0),))])
    state = next(r for r in results if isinstance(r, StateResult) and r.state == 1)
    assert "reshaped" not in state.quality
    assert "poor" in state.quality
    assert state.shape_change is None


def test_no_d_is_told_of_a_particle_that_its_projections_and_its_reconstruction_tell_apart(rng):
    """Its core has fallen into grains all over it: on average alloyed, and nowhere."""
    particle = body(*CORE_SHELL)
    metal = particle > 0
    grains = (np.indices(particle.shape) // 5).sum(axis=0) % 2 * (np.indices(particle.shape)[0] % 10 < 5)
    part = (particle[metal] > 5.0).mean() / grains[metal].mean()
    mixed = np.where(metal, 4.0 + 5.0 * part * grains, 0.0).astype(np.float32)
    heat = (HeatPulse(450.0, 60.0),)
    results = run([*series(counted(particle, rng), 0), *series(counted(mixed, rng), 1, heat)])
    told = next(r for r in results if isinstance(r, DiffusivityResult))
    assert "no D: after 60 s the particle is" in told.quality and "by its reconstruction" in told.quality
    assert not any(d.known for d in (*told.diffusivities, *told.by_curve))
    assert "no state between" not in told.quality


def test_what_is_wrong_with_every_series_is_said_once(rng):
    """A detector that clips, series by series at other parts of the image."""
    particle = body(*CORE_SHELL)
    metal, ends = particle > 0, []
    for number, (volume, heat) in enumerate(
        [(particle, ()), (blurred_core(particle, metal), (HeatPulse(450.0, 60.0),))]
    ):
        images = counted(volume, rng)
        ends += series(np.minimum(images, int(0.93 * images.max())), number, heat)
    told = next(r for r in run(ends) if isinstance(r, DiffusivityResult))
    assert told.quality.count("the detector clips") == 1
    assert "(and the like of 1 more series)" in told.quality
