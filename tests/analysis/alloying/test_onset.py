import numpy as np
import pytest

from analysis.alloying.onset import OnsetAnalysis
from drivers.frames import Frame, FrameHeader, HeatPulse, SeriesEnd
from tests.analysis.peers.ball import projections, radial_diffusion

RADIUS_NM, CORE_NM, PIXEL_NM, SHAPE = 20.0, 12.0, 0.6, (112, 112)
ELECTRONS = 400.0
"""Per pixel and unit of thickness in nm, over 100."""


def image(rng, tau_nm2: float, *, y_nm: float = 0.0, x_nm: float = 0.0) -> np.ndarray:
    c = radial_diffusion(CORE_NM, RADIUS_NM, tau_nm2)
    mean = projections(c, RADIUS_NM, 15.0, (0.0, y_nm, x_nm), [0.0], PIXEL_NM, SHAPE)[0]
    return rng.poisson(0.01 * ELECTRONS * mean * 10.0) + 0.0


def taken(analysis: OnsetAnalysis, pixels, *temperatures_c: float, **header):
    facts = {"tilt_deg": 0.0, "pixel_nm": PIXEL_NM, "offset": 0.0, "gain": 1.0} | header
    heat = tuple(HeatPulse(t, 300.0) for t in temperatures_c)
    frame = Frame(
        FrameHeader(
            seq=0, session="s", step="i", index=0, particle="A", core="Au", shell="Ag", time_s=0.0, heat=heat, **facts
        ),
        pixels,
    )
    return analysis.add_image([frame], SeriesEnd(seq=1, step="i", particle="A", frames=1, planned=1, what="image"))


def test_the_onset_lies_between_the_last_stair_without_and_the_first_with_it():
    for seed in range(5):
        rng = np.random.default_rng([seed, 7])
        analysis = OnsetAnalysis("A")
        stairs = ((250.0, 0.0), (300.0, 0.0), (350.0, 8.0), (400.0, 60.0))
        results = [taken(analysis, image(rng, 0.0))]
        for n, (_, tau_nm2) in enumerate(stairs, 1):
            pixels = image(rng, tau_nm2, y_nm=rng.normal(0, 1.0), x_nm=rng.normal(0, 1.0))
            results.append(taken(analysis, pixels, *(t for t, _ in stairs[:n])))
        lost = [r.contrast_lost.value for r in results]
        assert max(abs(v) for v in lost[:3]) < 0.03, seed
        assert lost[2] < lost[3] < lost[4], seed
        assert [r.onset is None for r in results] == [True, True, True, False, False], seed
        assert (results[-1].onset.below_c, results[-1].onset.above_c) == (300.0, 350.0), seed
        assert results[-1].onset.estimate_c.value == 325.0


def test_no_onset_is_claimed_where_only_noise_and_place_differ():
    claims, misses = [], []
    for seed in range(30):
        rng = np.random.default_rng([seed, 8])
        analysis = OnsetAnalysis("A")
        taken(analysis, image(rng, 0.0))
        result = taken(analysis, image(rng, 0.0, y_nm=rng.normal(0, 1.5), x_nm=rng.normal(0, 1.5)), 200.0)
        misses.append(result.contrast_lost.value / result.contrast_lost.std)
        if result.onset is not None:
            claims.append(seed)
    assert not claims
    assert np.mean(np.abs(misses) < 2.0) > 0.9


def test_a_loss_seen_once_by_chance_and_gone_again_is_no_onset(rng):
    analysis = OnsetAnalysis("A")
    taken(analysis, image(rng, 0.0))
    assert taken(analysis, image(rng, 60.0), 100.0).onset is not None
    assert taken(analysis, image(rng, 0.0), 100.0, 150.0).onset is None


def test_the_cooler_end_is_a_stair_that_was_cooler(rng):
    """Two images before any heat, then the same temperature twice."""
    analysis = OnsetAnalysis("A")
    taken(analysis, image(rng, 0.0))
    taken(analysis, image(rng, 0.0))
    assert taken(analysis, image(rng, 0.0), 400.0).onset is None
    onset = taken(analysis, image(rng, 30.0), 400.0, 400.0).onset
    assert (onset.below_c, onset.above_c, onset.estimate_c) == (None, 400.0, None)


def test_a_reference_that_was_heated_is_said_of_every_image(rng):
    analysis = OnsetAnalysis("A")
    taken(analysis, image(rng, 0.0), 300.0)
    assert "taken after heating" in taken(analysis, image(rng, 0.0), 300.0, 350.0).quality


@pytest.mark.parametrize(
    ("pixels", "header", "words"),
    [
        (np.full(SHAPE, np.nan), {}, "no usable image"),
        (None, {"pixel_nm": 0.3}, "pixel size"),
        (None, {"tilt_deg": 20.0}, "tilted to 20 deg"),
    ],
)
def test_an_image_that_cannot_be_compared_says_why(rng, pixels, header, words):
    analysis = OnsetAnalysis("A")
    taken(analysis, image(rng, 0.0))
    result = taken(analysis, image(rng, 0.0) if pixels is None else pixels, 100.0, **header)
    assert result.contrast_lost is None
    assert words in result.quality


def test_an_empty_field_is_no_reference(rng):
    assert "no particle" in taken(OnsetAnalysis("A"), rng.poisson(3.0, SHAPE) + 0.0).quality
