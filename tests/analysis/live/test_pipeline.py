from collections.abc import Iterator

import numpy as np
import pytest

from analysis.diffusion.fick import diffuse
from analysis.live.faults import RAISED
from analysis.live.pipeline import Pipeline
from analysis.live.settings import AnalysisSettings
from analysis.results import DiffusivityResult, Provisional, Result, StateResult, pretty
from analysis.tomography.projector import project
from drivers.frames import Frame, FrameHeader, HeatPulse, SeriesEnd
from tests.analysis.peers.ball import projections, radial_diffusion

TILTS = np.arange(-70.0, 71.0, 4.0)


def series(stack, seq: int, step: str, heat=(), **header) -> Iterator[Frame | SeriesEnd]:
    facts = {"core": "Au", "shell": "Ag", "pixel_nm": 0.8} | header
    for index, image in enumerate(stack):
        yield Frame(
            FrameHeader(
                seq=seq + index,
                session="s",
                step=step,
                index=index,
                particle="A",
                time_s=0.0,
                tilt_deg=float(TILTS[index]),
                heat=tuple(heat),
                simulated=True,
                **facts,
            ),
            image,
        )
    yield SeriesEnd(seq=seq + len(stack), step=step, particle="A", frames=len(stack), planned=len(TILTS))


def run(pipeline: Pipeline, items) -> list[Result]:
    return [r for item in items for r in pipeline.feed(item)]


def counted(volume, rng, electrons=10.0):
    return rng.poisson(electrons * project(volume, TILTS)).astype(np.uint16)


def test_an_independent_particle_gives_its_d_back(rng, core_shell):
    truth = core_shell(56)
    mask, core = truth > 0, (truth > 5).astype(np.float32)
    seconds, d_nm2 = (20.0, 60.0, 200.0), 0.24
    pipeline = Pipeline()
    results = run(pipeline, series(counted(truth, rng), 0, "c00/A/tilt"))
    heat: tuple[HeatPulse, ...] = ()
    states = diffuse(core, mask, [d_nm2 * s for s in seconds], 0.8)
    for number, (total, state) in enumerate(zip(seconds, states, strict=True), 1):
        heat += (HeatPulse(450.0, total - sum(p.duration_s for p in heat)),)
        volume = np.where(mask, 4.0 + 5.0 * state, 0.0).astype(np.float32)
        results += run(pipeline, series(counted(volume, rng), 100 * number, f"c{number:02d}/A/tilt", heat))
    last = [r for r in results if isinstance(r, DiffusivityResult)][-1]
    assert last.quality == "good"
    assert last.diffusivities[0].value == pytest.approx(2.4e-19, rel=0.10)
    assert abs(last.diffusivities[0].value - 2.4e-19) < 2.0 * last.diffusivities[0].without_temperature
    volumes = [r.volume_nm3 for r in results if isinstance(r, StateResult)]
    np.testing.assert_allclose(volumes, np.count_nonzero(mask) * 0.8**3, rtol=0.06)


def test_the_degree_is_told_before_the_series_ends_when_there_is_time(rng, monkeypatch):
    def ball(tau_nm2: float) -> np.ndarray:
        c = radial_diffusion(9.5, 15.0, tau_nm2)
        return rng.poisson(60.0 * projections(c, 15.0, 0.0, (1.0, -0.5, 0.3), TILTS, 0.8, (60, 60))).astype(np.uint16)

    unheated = list(series(ball(0.0), 0, "c00/A/tilt"))
    heated = list(series(ball(8.0), 100, "c01/A/tilt", [HeatPulse(450.0, 40.0)]))
    hurried = Pipeline(AnalysisSettings(picture_px=96))
    run(hurried, unheated)
    assert not any(isinstance(r, Provisional) for r in run(hurried, heated[:20]))
    seconds = iter(range(0, 10**6, 60))
    monkeypatch.setattr("analysis.live.pipeline.time.monotonic", lambda: float(next(seconds)))
    patient = Pipeline(AnalysisSettings(picture_px=96))
    run(patient, unheated)
    results = run(patient, heated)
    told = [r for r in results if isinstance(r, Provisional)]
    assert [p.frames for p in told] == [18, 24, 30, 36]
    (final,) = [r.alloying for r in results if isinstance(r, StateResult) and r.alloying is not None]
    assert 0.2 < final.value < 0.9
    for p in told:
        assert abs(p.alloying.value - final.value) < 3.0 * np.hypot(p.alloying.total, final.total), p


def test_poor_data_give_a_quality_in_words_and_no_number(rng, core_shell):
    even = np.where(core_shell(48) > 0, 6.0, 0.0).astype(np.float32)
    (alloyed,) = run(Pipeline(), series(counted(even, rng), 0, "c00/A/tilt"))
    assert alloyed.alloying is None
    assert alloyed.quality.startswith("poor")
    heated = series(counted(core_shell(48), rng), 0, "c01/A/tilt", [HeatPulse(450.0, 15.0)])
    (late,) = run(Pipeline(), heated)
    assert late.alloying is None
    assert "unalloyed" in late.quality
    blank = counted(core_shell(48), rng)
    blank[3] = 0
    (gap,) = run(Pipeline(), series(blank, 0, "c00/A/tilt"))
    assert gap.rejected == (f"{TILTS[3]:.1f} deg: blank",)
    (few,) = run(Pipeline(), series(blank[:2], 0, "c00/A/tilt"))
    assert few.alloying is None


def test_a_fault_of_ours_in_one_series_costs_that_series_alone(rng, core_shell, monkeypatch, capsys):
    """Before, the analysis process ended with it, five times, and then for good."""
    monkeypatch.delenv(RAISED)
    volumes = []
    pipeline = Pipeline(keep_volume=lambda step, *_: volumes.append(step))
    run(pipeline, series(counted(core_shell(48), rng), 0, "c00/A/tilt"))
    with monkeypatch.context() as broken:
        broken.setattr("analysis.live.particle_history.reconstruct_crop", lambda *_: 1 // 0)
        (lost,) = run(pipeline, series(counted(core_shell(48), rng), 100, "c01/A/tilt", [HeatPulse(450.0, 15.0)]))
    assert "c01/A/tilt:\nTraceback" in capsys.readouterr().err
    assert volumes == ["c00/A/tilt"]  # not the one before under its name
    assert lost.alloying is None
    assert lost.quality.startswith("poor: no number: a fault of this program (ZeroDivisionError")
    heat = [HeatPulse(450.0, 15.0), HeatPulse(450.0, 15.0)]
    *_, fit, state = run(pipeline, series(counted(core_shell(48, shell=5.0, core=8.0), rng), 200, "c02/A/tilt", heat))
    assert state.alloying is not None
    assert fit.states == 1


@pytest.mark.slow
def test_the_same_stream_gives_the_same_results_twice(rng, core_shell):
    items = list(series(counted(core_shell(36), rng), 0, "c00/A/tilt"))
    first, second = (run(Pipeline(AnalysisSettings(seed=4)), items)[0] for _ in range(2))
    assert first.alloying == second.alloying
    assert first.volume_nm3 == second.volume_nm3
    assert first.shifts_px == second.shifts_px


@pytest.mark.parametrize(
    ("value", "std", "text"),
    [
        (2.4137e-19, 5.2e-21, "(2.414 +- 0.052)e-19"),
        (0.1534, 0.0047, "0.1534 +- 0.0047"),
        (-34.2, 8.1, "-34.2 +- 8.1"),
        (148000.0, 900.0, "(1.4800 +- 0.0090)e5"),
    ],
)
def test_numbers_carry_the_digits_their_uncertainty_allows(value, std, text):
    assert pretty(value, std) == text
