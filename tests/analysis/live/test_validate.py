import re
from dataclasses import replace

import numpy as np
import pytest

from analysis.live.pipeline import Pipeline
from analysis.live.settings import AnalysisSettings
from analysis.live.validation import Trial, rehearsal, score, table, validate
from analysis.results import DiffusivityResult
from drivers.errors import ConfigError


def trial(seed: int, value: float, std: float | None) -> Trial:
    fitted, stds = {"projections": value, "curve": value}, {"projections": std, "curve": std}
    return Trial("NC2", "standard", seed, 2.0e-19, fitted, stds, 0.02e-19, 1.0, "good", 1.0)


def test_a_score_tells_bias_scatter_and_coverage():
    rng = np.random.default_rng(5)
    trials = [trial(i, 2.0e-19 * (1.01 + 0.02 * x), 0.04e-19) for i, x in enumerate(rng.normal(size=400))]
    found = score(trials, "NC2", "projections")
    assert found.bias_percent == pytest.approx(1.0, abs=0.3)
    assert found.scatter_percent == pytest.approx(2.0, rel=0.1)
    assert found.sigma_percent == pytest.approx(2.0)
    assert found.bound_percent == pytest.approx(1.0)
    assert 0.58 < found.within_1_sigma < 0.70
    (ratio,) = (line for line in table([found], trials) if "times its bound" in line)
    assert float(re.search(r"is (\S+) times", ratio).group(1)) == pytest.approx(
        found.scatter_percent / found.bound_percent, abs=0.01
    )


def test_trials_that_only_bound_d_are_counted_out_not_in():
    found = score([trial(1, 2e-19, 1e-21), trial(2, 9e-19, None)], "NC2", "curve")
    assert found.seeds == 1
    assert found.bias_percent == pytest.approx(0.0)


@pytest.mark.slow  # test_poor_sessions has a smaller one
@pytest.mark.parametrize("seed", [1, 2])
def test_a_rod_that_rounds_off_gets_a_range_that_holds_the_truth(seed):
    session, pipeline, found = rehearsal().session("SR", seed), Pipeline(AnalysisSettings(seed=seed)), []
    while not any(isinstance(r, DiffusivityResult) for r in found):  # the state's own result is the last
        found += pipeline.feed(next(session.items))
    d, state = found[-2:]
    assert "reshaped" in state.quality
    # Of the twin after 15 s: alloyed to 98 %, its elongation decayed as exp(-tau / 12 nm2).
    assert abs(state.alloying.value - 0.98) < state.alloying.total
    assert state.aspect_ratio / found[0].aspect_ratio == pytest.approx((1 + 1.4 * np.exp(-7.5 / 12)) / 2.4, rel=0.05)
    assert not np.isfinite(d.diffusivities[0].std)
    # All but alloyed: the state cannot tell how fast it went.
    least = float(re.search(r"only tells D above (\S+) m2/s", d.quality).group(1))
    assert 0.2 * session.d_m2_per_s < least < session.d_m2_per_s


def test_unknown_names_are_refused_before_anything_runs():
    with pytest.raises(ConfigError, match="no particle 'NX'"):
        validate(["NX"], 1, "standard", lambda _: None)
    with pytest.raises(ConfigError, match="no variant 'fast'"):
        validate(["NC2"], 1, "fast", lambda _: None)
    with pytest.raises(ConfigError, match="no imperfection 'fog'; there are none, attenuation"):
        validate(["NC2"], 1, "standard", lambda _: None, imperfections=["none", "fog"])


def test_imperfections_are_scored_each_for_itself():
    plain = [trial(i, 2.0e-19, 0.04e-19) for i in (1, 2)]
    lifted = [
        replace(t, imperfections="black_level", fitted_m2_per_s=dict.fromkeys(t.fitted_m2_per_s, 2.2e-19))
        for t in plain
    ]
    scores = [score([*plain, *lifted], "NC2", "projections", name) for name in ("none", "black_level")]
    assert [s.bias_percent for s in scores] == pytest.approx([0.0, 10.0])
    assert [s.seeds for s in scores] == [2, 2]
    rows = [line for line in table(scores, [*plain, *lifted]) if "NC2" in line]
    assert ["black_level" in row for row in rows] == [False, True]
