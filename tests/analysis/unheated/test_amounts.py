"""Volume and mean composition, and what each is wrong by."""

from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from analysis.diffusion.uncertainty import Uncertainty
from analysis.results import StateResult
from analysis.unheated.amounts import composition_of, volume_of

NONE = Uncertainty(pixel_size_percent=0.0, beam_current_percent=0.0)
SUM = 9.0e5
"""Of a projection: a shell of 20, a core of 50, and a tenth of it from what surrounds them."""


def reference(misfit=1.0, ceiling=None):
    """Of a particle of whose reference only this is known."""
    particle = SimpleNamespace(
        volume_px=3.0e4, surface_px2=5.8e3, core_fraction=0.25, shell_level=20.0, core_step=30.0, pixel_nm=0.8
    )
    measurement = SimpleNamespace(particle=particle, ceiling=ceiling)
    crop = (slice(0, 10), slice(0, 10))
    return SimpleNamespace(
        measurement=measurement,
        misfit=misfit,
        volume_nm3=15360.0,
        first_ln_std=0.002,
        response_ln_std=0.01,
        mass_per_tilt=SUM,
        crop=crop,
    )


def series(brighter=1.0, ceiling=None):
    return SimpleNamespace(aligned=np.full((5, 10, 10), brighter * SUM / 100.0), ceiling=ceiling)


def test_a_pixel_that_is_wrong_by_a_part_is_three_of_a_volume_and_nothing_of_a_composition():
    now = Uncertainty(pixel_size_percent=2.0)
    volume = volume_of(reference(), now, first=True)
    assert volume.value == 15360.0
    assert volume.budget["pixel size"] == pytest.approx(volume.value * (1.02**3 - 1.0), rel=0.03)
    assert composition_of(reference(), now) == composition_of(reference(), NONE)


def test_a_beam_that_changed_is_what_the_composition_is_wrong_by():
    """Its size is what the same series, taken with so much more current, is told to be."""
    as_before = composition_of(reference(), Uncertainty(beam_current_percent=3.0), series())
    brighter = composition_of(reference(), NONE, series(1.03))
    assert as_before.value == pytest.approx(0.25)
    assert as_before.budget["beam current"] == pytest.approx(brighter.value - 0.25)
    assert "beam current" not in composition_of(reference(), Uncertainty()).budget


def test_metals_that_scatter_more_where_they_are_mixed_look_like_more_of_the_brighter_one():
    """A voxel of c scatters 4 b c (1 - c) of the difference more: most where all is mixed, nothing where nothing is."""
    part = 0.25
    for degree, spread in ((0.0, 1.0), (0.4, 0.6), (1.0, 0.0)):
        c = part + spread * (np.array([1.0, 0.0, 0.0, 0.0]) - part)
        told = composition_of(reference(), NONE, series(), degree).budget["law of composition"]
        assert told == pytest.approx(4.0 * 0.1 * float(np.mean(c * (1.0 - c))))


def test_what_the_model_misses_widens_what_edges_leave_open():
    well, badly = (volume_of(reference(m), NONE) for m in (0.9, 4.0))
    assert badly.budget["edges on the voxel grid"] == pytest.approx(2.0 * well.budget["edges on the voxel grid"])
    assert badly.std == well.std


@pytest.mark.parametrize("clipped", ["first", "later"])
def test_a_detector_that_clips_tells_no_composition_later(clipped):
    first, later = (1000.0 if clipped == which else None for which in ("first", "later"))
    assert composition_of(reference(ceiling=first), NONE, series(ceiling=later)) is None
    assert composition_of(reference(ceiling=first), NONE).value == 0.25


def test_what_two_states_share_is_no_error_of_a_change():
    def state(growth: float, **asked: bool) -> StateResult:
        volume = volume_of(reference(), Uncertainty(), growth, **asked)
        facts = {"step": "c00/A/tilt", "particle": "A", "state": 0, "heated_s": 0.0, "frames": 5, "planned": 5}
        return StateResult(**facts, quality="good", simulated=True, volume_nm3=volume.value, volume=volume)

    first, later = state(1.0, first=True), state(1.02)
    change = later.change_of_volume(first)
    assert change.value == pytest.approx(0.02)
    assert 0.0 < change.std < 0.5 * later.volume.total / later.volume.value
    older, old = (replace(s, volume=None) for s in (first, later))
    assert np.isnan(old.change_of_volume(older).std), "older results have no errors"
    assert old.volume_in_words == "1.567e+04"
