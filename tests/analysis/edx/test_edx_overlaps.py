"""Lines nearer than a detector's resolution, in spectra drawn from lines of published tables, not the product's own."""

import numpy as np
import pytest

from analysis.edx import map_report
from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.map_analysis import analyse_map
from analysis.edx.spectrum_image import SpectrumImage
from analysis.edx.x_ray_lines import line_family

PUBLISHED = {
    "Si_K": [(1.740, 1), (1.836, 0.03)],
    "S_K": [(2.307, 1), (2.464, 0.06)],
    "W_L": [(8.398, 1), (8.335, 0.11), (9.672, 0.7), (9.961, 0.2), (11.286, 0.12)],
    "W_M": [(1.775, 1), (1.835, 0.6), (2.035, 0.09), (1.383, 0.02)],
    "Mo_K": [(17.444, 1), (19.607, 0.15)],
    "Mo_L": [(2.293, 1), (2.395, 0.5), (2.518, 0.1), (2.623, 0.05), (2.016, 0.04)],
    "Fe_K": [(6.404, 1), (7.058, 0.127)],
    "C_K": [(0.277, 1)],
    "Cu_K": [(8.046, 1), (8.905, 0.12)],
}
"""keV, and weight beside the main line."""
COUNTS = 8520.0


def drawn(amounts: dict[str, float], seed: int = 1) -> SpectrumImage:
    """4 x 4 pixels that together have these counts of each main line."""
    kev = 0.01 * np.arange(2048)
    expected = np.where(kev > 0.1, 150.0 * np.exp(-kev / 4.0), 0.0)
    for name, counts in ({"C_K": 3000.0, "Cu_K": 2000.0} | amounts).items():
        for line_kev, weight in PUBLISHED[name]:
            sigma = np.sqrt(0.13**2 + 2.5e-3 * (line_kev - 5.895)) / 2.355
            peak = np.exp(-0.5 * ((kev - line_kev) / sigma) ** 2) / (sigma * np.sqrt(2.0 * np.pi))
            expected = expected + counts * weight * 0.01 * peak
    counts = np.random.default_rng(seed).poisson(np.broadcast_to(expected / 16.0, (4, 4, 2048)))
    return SpectrumImage(counts.astype(np.uint16), EnergyAxis(0.0, 0.01, 2048), 1.0, 200.0, title="drawn")


def whole(image: SpectrumImage, lines: tuple[str, str]):
    return analyse_map(image, lines, [f"{name}=1" for name in lines], rows_and_columns=(0, 4, 0, 4))


def sigmas_off(found, true: float) -> float:
    """Of the second line's counts."""
    return (found.fit.counts[0, 1] - true) / found.fit.std[0, 1]


@pytest.mark.parametrize("silicon", [0.0, COUNTS])
def test_tungsten_m_is_not_taken_for_silicon(silicon):
    found = whole(drawn({"W_L": COUNTS, "W_M": COUNTS, "Si_K": silicon}), ("W_La", "Si_Ka"))
    assert "W_Ma" in [f.name for f in found.model.families]
    assert abs(sigmas_off(found, silicon)) < 2.5
    assert found.fit.std[0, 1] < 0.15 * COUNTS
    assert any("Si_Ka and W_Ma lie 3" in note and "not resolved" in note for note in found.notes)
    assert abs(found.composition.fractions[0, 1] - silicon / (silicon + COUNTS)) < 0.06


def test_molybdenum_l_is_not_taken_for_sulfur():
    found = whole(drawn({"Mo_K": COUNTS, "Mo_L": COUNTS, "S_K": COUNTS}), ("Mo_Ka", "S_Ka"))
    assert abs(sigmas_off(found, COUNTS)) < 2.5
    assert found.composition.fractions[0, 1] == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("sulfur", [0.0, COUNTS])
def test_lines_14_ev_apart_are_known_no_better_than_where_they_lie(sulfur):
    off = []
    for seed in range(4):
        found = whole(drawn({"Mo_L": COUNTS, "S_K": sulfur}, seed), ("Mo_La", "S_Ka"))
        off.append(sigmas_off(found, sulfur))
        by_counting = found.composition.noise_std[0, 1]
        assert found.composition.std[0, 1] > 1.2 * by_counting
    assert np.abs(off).max() < 3.0


def test_lines_far_apart_lose_nothing_by_it():
    found = whole(drawn({"Fe_K": COUNTS, "W_L": COUNTS}), ("Fe_Ka", "W_La"))
    assert found.fit.std[0, 0] < 1.5 * np.sqrt(COUNTS)
    assert not found.impossible


@pytest.mark.parametrize(
    ("name", "ev"),
    [("P_Ka", 2013.4), ("S_Ka", 2307.5), ("Au_Ma", 2122.9), ("Pb_Ma", 2345.5), ("Gd_Ma", 1185.0), ("La_La", 4649.3)],
)
def test_lines_lie_where_they_were_measured(name, ev):
    """NIST SRD 128 and the X-Ray Data Booklet; alpha 1 and 2 by their strengths."""
    assert 1e3 * line_family(name, 200.0).main_kev == pytest.approx(ev, abs=0.7)


def test_a_line_far_below_zero_is_held_there_and_all_fractions_are_said_to_be_no_good():
    """A dip where sulfur should be, as a wrong background or a wrong neighbour makes it."""
    image = drawn({"Fe_K": 20000.0, "Si_K": 20000.0})
    kev = image.axis.energies_kev
    hole = 1.0 - 0.8 * np.exp(-0.5 * ((kev - 2.307) / 0.036) ** 2)
    counts = np.random.default_rng(3).binomial(20 * image.counts.astype(np.int64), hole).astype(np.uint32)
    holed = SpectrumImage(counts, image.axis, 1.0, 200.0, title="holed")
    found = analyse_map(holed, ["Fe_Ka", "Si_Ka", "S_Ka"], rows_and_columns=(0, 4, 0, 4))
    assert "S_Ka" in found.impossible
    assert found.fit.counts[0, 2] == 0.0
    assert np.all(found.composition.fractions >= 0.0)
    words = "\n".join(map_report.findings(found))
    assert "S_Ka -" in words
    assert "held at zero" in words
    assert "by a model that does not hold" in words
    assert not map_report.as_json(found)["quantified"]
