"""What every kind of result says of itself: also one of a kind that is added tomorrow."""

import math

import msgspec
import pytest

from analysis.results import (
    Arrhenius,
    Diffusivity,
    DiffusivityResult,
    Estimate,
    Result,
    StateResult,
    WindowOffset,
    from_line,
    to_line,
)
from analysis.results.summary import summary, write_csv

BOUNDED = DiffusivityResult(
    particle="A",
    states=1,
    diffusivities=(Diffusivity(450.0, 2.4e-19, math.inf),),
    heated_s=(15.0,),
    measured=(Estimate(0.99, 0.01),),
    curve_s=(0.0, 15.0),
    curve=(0.0, 0.99),
    quality="poor: D is only bounded",
    simulated=True,
)
LAW = Arrhenius(
    q_j_per_mol=Estimate(208e3, 1e3),
    d0_m2_per_s=Estimate(1e-5, 1e-6),
    reference="centre",
    offsets_c={"edge": WindowOffset(-34.0, 0.3, -math.inf, -33.7, 110.0)},
    misfit=1.0,
    simulated=True,
)
STATE = StateResult(
    step="c01/A/tilt", particle="A", state=1, heated_s=15.0, frames=70, planned=71, quality="good", simulated=True
)


class GrainSize(Result, frozen=True, kw_only=True):
    """Of a kind that is not there yet."""

    step: str
    particle: str
    size_nm: float

    def add_to(self, summary: dict) -> None:
        summary["particles"].setdefault(self.particle, {})["grain_nm"] = self.size_nm

    def row(self) -> dict[str, object]:
        return {"step": self.step, "size_nm": self.size_nm}


@pytest.mark.parametrize("result", [BOUNDED, LAW, STATE], ids=lambda r: type(r).__name__)
def test_a_line_of_results_gives_the_result_back_also_where_it_is_only_bounded(result):
    assert from_line(to_line(result)) == result
    assert msgspec.json.decode(to_line(result))  # and is JSON


def test_what_is_only_bounded_has_no_sigma_in_the_json_of_a_run():
    told = summary([BOUNDED], {})
    assert told["particles"]["A"]["diffusivities"][0]["std"] is None


def test_a_new_kind_is_kept_apart_from_others_of_its_step_and_has_its_place_in_json_and_table(tmp_path):
    grains = [GrainSize(step=f"c0{n}/A/tilt", particle="A", size_nm=5.0 + n) for n in range(3)]
    assert len({g.place for g in grains} | {STATE.place}) == 4
    assert len({g.identity for g in grains} | {STATE.identity}) == 4
    assert summary([STATE, *grains], {})["particles"]["A"]["grain_nm"] == 7.0
    write_csv(tmp_path / "results.csv", [STATE, *grains])
    head, *rows = (tmp_path / "results.csv").read_text().splitlines()
    assert len(rows) == 4
    assert "alloying" in head
    assert "size_nm" in head


def test_a_restarted_analysis_gives_the_same_result_once_more_and_a_newer_d_is_another():
    again = msgspec.structs.replace(STATE, analysis_s=9.0)
    assert again.identity == STATE.identity
    newer = msgspec.structs.replace(BOUNDED, states=2)
    assert newer.identity != BOUNDED.identity
    assert newer.place == BOUNDED.place


def test_an_estimate_tells_both_its_errors_and_shows_their_sum():
    told = Estimate(0.34, 0.003, {"level": 0.003, "streaks": 0.002})
    assert told.std_systematic == pytest.approx(math.hypot(0.003, 0.002))
    assert told.total == pytest.approx(math.sqrt(0.003**2 + 0.003**2 + 0.002**2))
    assert str(told) == "0.3400 +- 0.0047"
    assert told.both == "0.3400 +- 0.0030 (stat) +- 0.0036 (syst)"
    assert told.in_full() == {
        "value": 0.34,
        "std": 0.003,
        "std_systematic": told.std_systematic,
        "budget": [{"cause": "level", "std": 0.003}, {"cause": "streaks", "std": 0.002}],
    }
    alone = Estimate(0.34, 0.003)
    assert alone.both == str(alone) == "0.3400 +- 0.0030"


def test_of_an_older_result_nothing_is_said_of_how_its_error_divides():
    old = msgspec.json.decode(b'{"value": 0.3, "std": 0.01}', type=Estimate)
    assert old == Estimate(0.3, 0.01)
    assert old.in_full() == {"value": 0.3, "std": 0.01}
    assert old.total == 0.01
    row = msgspec.structs.replace(STATE, alloying=old).row()
    assert (row["alloying_std"], row["alloying_std_systematic"]) == (0.01, None)
    told = msgspec.structs.replace(STATE, alloying=Estimate(0.3, 0.01, {"level": 0.02})).row()
    assert told["alloying_std_systematic"] == 0.02
