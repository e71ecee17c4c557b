"""X-rays that a film takes back, against a sum over its depth and published coefficients."""

import numpy as np
import pytest

from analysis.edx.absorption import Film, mass_absorption, thickness_that_matters_nm, with_absorption
from analysis.edx.k_factors import k_factors
from analysis.edx.x_ray_lines import line_family
from drivers.errors import ConfigError
from tests.command import alloyscope


@pytest.mark.parametrize(
    ("element", "kev", "cm2_per_g"),
    [("O", 1.0, 4590.0), ("Al", 2.0, 2263.0), ("Si", 10.0, 33.9), ("Fe", 10.0, 170.6), ("Au", 5.0, 666.1)],
)
def test_coefficients_are_those_that_are_published(element, kev, cm2_per_g):
    """Hubbell and Seltzer, NISTIR 5632 (1995), which count scattering too."""
    assert mass_absorption(element, kev) == pytest.approx(cm2_per_g, rel=0.05)


def test_coefficients_jump_at_an_edge():
    below, above = mass_absorption("Fe", 7.10), mass_absorption("Fe", 7.13)
    assert above > 6.0 * below


def escaping(film: Film, coefficient: float) -> float:
    """Part of the photons made at all depths that come out, by summing."""
    depth_cm = 1e-7 * film.thickness_nm * (np.arange(4000) + 0.5) / 4000
    way_cm = depth_cm / np.sin(np.radians(film.take_off_deg))
    return float(np.exp(-coefficient * film.density_g_per_cm3 * way_cm).mean())


def test_a_thick_film_has_the_composition_of_a_thin_one():
    """NiAl of 250 nm, of which nickel takes a good part of the aluminium's X-rays."""
    families = [line_family(name, 200.0) for name in ("Al_Ka", "Ni_Ka")]
    factors = k_factors(families, ["Al_Ka=1", "Ni_Ka=1"])
    film = Film(250.0, 25.0, 5.9, 20.0)
    weights = np.array([26.98, 58.69]) / (26.98 + 58.69)
    counts = []
    for family in families:
        coefficient = sum(w * mass_absorption(e, family.main_kev) for w, e in zip(weights, ("Al", "Ni"), strict=True))
        counts.append(10000.0 * escaping(film, coefficient))
    assert counts[0] < 0.85 * counts[1]
    corrected, notes = with_absorption(factors, families, np.array(counts), film)
    amounts = counts * np.exp(corrected.ln_k)
    assert amounts[0] / amounts.sum() == pytest.approx(0.5, abs=1e-3)
    assert "Al_Ka" in notes[0]
    # A film thicker by one sigma would have its composition off by one sigma.
    thicker, _ = with_absorption(factors, families, np.array(counts), Film(275.0, 0.0, 5.9, 20.0))
    change = np.diff(thicker.ln_k - corrected.ln_k)[0]
    told = np.sqrt(np.array([1.0, -1.0]) @ corrected.covariance @ np.array([1.0, -1.0]))
    assert abs(change) < told < 1.6 * abs(change)


def test_absorption_matters_sooner_for_soft_lines():
    def matters(*names: str) -> float:
        families = [line_family(name, 200.0) for name in names]
        factors = k_factors(families, [f"{name}=1" for name in names])
        return thickness_that_matters_nm(factors, families, np.array([1000.0, 1000.0]))

    assert matters("O_Ka", "Ni_Ka") < matters("Al_Ka", "Ni_Ka") < 0.2 * matters("Fe_Ka", "Cu_Ka")


@pytest.mark.parametrize(
    ("film", "words"),
    [((-1.0, 0.0, 5.0, 20.0), "thickness"), ((9.0, 0.0, 50.0, 20.0), "density"), ((9.0, 0.0, 5.0, 0.0), "take-off")],
)
def test_films_that_cannot_be_are_refused(film, words):
    with pytest.raises(ConfigError, match=words):
        Film(*film)


def test_a_film_is_given_whole_or_not_at_all(tmp_path):
    (tmp_path / "map.h5").touch()
    done = alloyscope("edx", "map.h5", "--lines", "Al_Ka,Ni_Ka", "--thickness-nm", "120", cwd=tmp_path)
    assert done.returncode == 2
    assert "give all three" in done.stderr
