"""Every result draws itself, and shows itself in a notebook."""

import numpy as np
import pytest

import alloyscope as al
from tests.alloyscope.conftest import TILTS

KEV = 0.02 * np.arange(512)
PEAKS = 2.0 * np.exp(-0.5 * ((KEV - 2.984) / 0.045) ** 2) + np.exp(-0.5 * ((KEV - 2.123) / 0.04) ** 2)


def edx_map():
    y, x = np.indices((24, 24)) - 11.5
    thick = np.sqrt(np.maximum(64.0 - y**2 - x**2, 0.0))[..., None]
    counts = np.random.default_rng(0).poisson(0.5 * thick * PEAKS)
    return al.spectrum_image(counts, pixel_nm=0.5, channel_ev=20, beam_kev=200, simulated=True)


def image_of_discs():
    y, x = np.indices((64, 64))
    discs = 40.0 * ((y - 20) ** 2 + (x - 20) ** 2 < 81) + 40.0 * ((y - 44) ** 2 + (x - 45) ** 2 < 81)
    return np.random.default_rng(0).poisson(discs + 4.0)


def states():
    particle = al.CoreShell("sphere", 26.0, 16.0, voxel_nm=1.3)
    course = al.simulate_diffusion(particle, [0, 60], d_m2_per_s=2.4e-19)
    draw, tilts = np.random.default_rng(0).poisson, np.arange(-70, 71, 5)
    made = []
    for composition, heat in ((course.start, []), (course.end, [(450, 60)])):
        images = al.project(np.pad(course.occupancy * (1.0 + composition), 4), tilts)
        made.append(al.ParticleState(draw(40 * images), tilts, 1.3, heat, simulated=True))
    return made


@pytest.fixture(scope="module")
def fitted():
    return al.fit_diffusivity(states())


MADE = {
    "alignment": lambda series: al.align(series, TILTS),
    "volume": lambda series: al.reconstruct(series, TILTS, iterations=3, aligned=True, pixel_nm=0.7),
    "volume without scale": lambda series: al.reconstruct(series, TILTS, iterations=3, aligned=True),
    "course": lambda _: al.simulate_diffusion(al.CoreShell("cube", 12.0, 8.0), [0, 10, 60], temperature_c=450),
    "law": lambda _: al.fit_arrhenius([400, 420, 400, 420], [2e-20, 4e-20, 1e-20, 2e-20], [1e-21] * 4, list("aabb")),
    "no law": lambda _: al.fit_arrhenius([400.0], [2e-20], [1e-21]),
    "composition": lambda _: al.quantify_edx(edx_map(), ["Ag_La", "Au_Ma"]),
    "rings": lambda _: al.radial_profile(edx_map(), ["Ag_La", "Au_Ma"]),
    "particles": lambda _: al.find_particles(image_of_discs(), 0.5, method="watershed"),
}


@pytest.mark.parametrize("what", MADE)
def test_a_result_draws_itself(what, series, figures, tmp_path):
    from matplotlib.figure import Figure

    result = MADE[what](series)
    figure = result.plot()
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "figure.png", dpi=40)
    html = result._repr_html_()
    assert html.startswith("<table>")
    assert html.endswith("</table>")
    assert result.unit
    assert result.quality == "good" or result.quality.startswith("poor: ")
    assert hasattr(result, "value")
    assert hasattr(result, "std")


def test_a_scale_bar_is_there_where_the_pixel_is_known(series, figures):
    with_scale, without = (MADE[k](series).plot() for k in ("volume", "volume without scale"))
    assert any("nm" in text.get_text() for text in with_scale.axes[0].texts)
    assert not without.axes[0].texts


def test_d_and_the_degrees_behind_it_are_drawn_and_said_to_be_simulated(fitted, figures, tmp_path):
    assert fitted.quality == "good"
    assert abs(fitted.value[0] - 2.4e-19) < 0.2e-19
    for result in (fitted, fitted.degrees):
        result.plot().savefig(tmp_path / "figure.png", dpi=40)
        assert "SIMULATED" in result._repr_html_()
    assert "m2/s" in fitted._repr_html_()


def test_the_degrees_alone_are_those_behind_d(fitted):
    alone = al.alloying(states())
    np.testing.assert_array_equal(alone.value, fitted.degrees.value)
    assert alone.heated_s.tolist() == [0.0, 60.0]
    assert 0.0 < alone.value[1] < 1.0 + 2.0 * alone.std[1]
    assert alone.quality == "good"


def test_names_in_a_card_are_escaped():
    from alloyscope.card import card

    assert "<script>" not in card("<script>", [("<b>", "<i>")], quality="poor: <u>")
