"""One page of many sources: what it says, what it draws, and that it is whole or not there."""

import csv
import re
from dataclasses import replace

import msgspec
import pytest

from analysis.reanalysis.beam_time import check_beam_time_report, write_beam_time_report
from analysis.reanalysis.many import AnalysedSource
from analysis.results import Diffusivity, DiffusivityResult, Estimate, Result, Share
from drivers.errors import ConfigError
from tests.analysis.results.test_results import STATE

SIZE_NM3 = 1.0e5


def fit(particle: str, d: float, temperatures_c=(450.0,), quality="good", simulated=True) -> DiffusivityResult:
    """Of a particle whose alloying goes with D t."""
    seconds = (60.0, 240.0)
    return DiffusivityResult(
        particle=particle,
        states=2,
        diffusivities=tuple(
            Diffusivity(t, d * 2.0 ** ((t - 450.0) / 20.0), 0.01 * d, 0.1 * d, (Share("temperature calibration", 0.1),))
            for t in temperatures_c
        ),
        heated_s=seconds,
        measured=tuple(Estimate(1.0 - 2.0 ** (-s * d / 2e-17), 0.002, {"streaks": 0.003}) for s in seconds),
        curve_s=(),
        curve=(),
        quality=quality,
        simulated=simulated,
    )


def source(name: str, *results: Result, problems: dict[str, str] | None = None) -> AnalysedSource:
    every = [r for one in results for r in (state(one), one)]
    particles = {r.particle: {} for r in results}
    return AnalysedSource(name, tuple(every), {"particles": particles, "problems": problems or {}})


def state(one: DiffusivityResult):
    return msgspec.structs.replace(
        STATE, particle=one.particle, state=1, volume_nm3=SIZE_NM3, simulated=one.simulated, quality="good"
    )


BEAM_TIME = [
    source("monday/nc", fit("NC1", 2.4e-19), fit("NC2", 2.7e-19, quality="poor: few tilts")),
    source("tuesday", fit("NR1", 3.0e-19, (430.0, 450.0))),
    source("broken", problems={"": "holds no frames"}),
]


def test_the_page_has_every_d_with_both_errors_and_says_what_is_poor(tmp_path):
    page = write_beam_time_report(BEAM_TIME, tmp_path / "r").read_text()
    assert "3 sources, 3 particles" in page
    assert "SIMULATED: no real specimen was measured" in page
    assert "(2.40 ± 0.02 (stat) ± 0.24 (syst))e-19" in page or "(2.400 ± 0.024 (stat) ± 0.240 (syst))e-19" in page
    assert "monday/nc, NC2: poor: few tilts" in page
    assert "broken: holds no frames" in page
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"|<metadata>.*?</metadata>', "", page, flags=re.DOTALL)


def test_each_figure_comes_with_its_numbers(tmp_path):
    write_beam_time_report(BEAM_TIME, tmp_path / "r")
    numbers = {}
    for path in (tmp_path / "r" / "figures").glob("*.csv"):
        with path.open(newline="") as file:
            numbers[path.stem] = list(csv.DictReader(file))
        assert {path.with_suffix(end).is_file() for end in (".svg", ".png", ".pdf")} == {True}
    assert {name: len(rows) for name, rows in numbers.items()} == {
        "d_of_each": 4,
        "d_by_temperature": 4,
        "alloying_of_each": 4,
    }
    (first, *_) = numbers["d_of_each"]
    total = (0.01**2 + 0.1**2) ** 0.5 * 2.4e-19
    assert float(first["total_std_m2_per_s"]) == pytest.approx(total)
    with (tmp_path / "r" / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 5


def test_particles_of_one_kind_lie_on_one_curve_whatever_their_size():
    """Twice the size takes four times as long: over its own size squared it is the same."""
    from analysis.reanalysis.beam_time_figures import beam_time_figures

    small, large = fit("A", 1e-19), fit("B", 1e-19)
    large = msgspec.structs.replace(large, heated_s=tuple(4.0 * s for s in large.heated_s))
    both = source("s", small, large)
    wide = [
        msgspec.structs.replace(r, volume_nm3=8.0 * SIZE_NM3) if r.place == state(large).place else r
        for r in both.results
    ]
    (drawn,) = [f for f in beam_time_figures([replace(both, results=tuple(wide))], []) if f.name == "alloying_of_each"]
    at = {name: [r["d_t_over_size_squared"] for r in drawn.rows if r["particle"] == name] for name in "AB"}
    assert at["A"] == pytest.approx(at["B"])


def test_a_mix_of_simulated_and_real_says_which_is_which(tmp_path):
    mixed = [source("real", fit("A", 1e-19, simulated=False)), source("twin", fit("B", 1e-19))]
    page = write_beam_time_report(mixed, tmp_path / "r").read_text()
    assert "1 particle of 2 SIMULATED: see the table" in page
    assert "twin (SIMULATED)" in page
    assert "real (SIMULATED)" not in page


def test_hundreds_of_particles_fit_on_the_page(tmp_path):
    many = [source(f"s{n:03d}", fit(f"P{n}", 1e-19 * (1.0 + 0.01 * n))) for n in range(300)]
    page = write_beam_time_report(many, tmp_path / "r")
    assert page.stat().st_size < 5e6
    assert page.read_text().count("<tr>") == 301


def test_nothing_is_overwritten_and_a_failure_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "notes.txt").write_text("precious")
    with pytest.raises(ConfigError, match="is there already; name a new folder"):
        check_beam_time_report(tmp_path / "old")
    check_beam_time_report(tmp_path / "new")

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("analysis.reanalysis.beam_time._page", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left"):
        write_beam_time_report(BEAM_TIME, tmp_path / "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old"]
