"""Volume and mean composition, and what each is wrong by."""

from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from analysis.diffusion.uncertainty import Uncertainty
from analysis.results import StateResult
from analysis.unheated.amounts import first_composition, later_composition, volume_of

NONE = Uncertainty(pixel_size_percent=0.0, beam_current_percent=0.0)
SUM = 9.0e5
"""Of a projection: a shell of 20, a core of 50, and a tenth of it from what surrounds them."""
PART = 0.25


def reference(misfit=1.0, ceiling=None, pixel_nm=0.8):
    """Of a particle of whose reference only this is known: a cube of 31 px at 0.8 nm."""
    finer = 0.8 / pixel_nm
    particle = SimpleNamespace(volume_px=3.0e4 * finer**3, core_fraction=PART, shell_level=20.0, core_step=30.0)
    return SimpleNamespace(
        measurement=SimpleNamespace(particle=particle, ceiling=ceiling),
        misfit=misfit,
        per_surface_px=2.0 / 3.0 * 0.19 / finer * max(1.0, misfit) ** 0.5,
        pixel_nm=pixel_nm,
        volume_nm3=15360.0,
        first_ln_std=0.002,
        response_ln_std=0.01,
        mass_per_tilt=SUM,
        crop=(slice(0, 10), slice(0, 10)),
    )


def series(brighter=1.0, ceiling=None, core="Au", shell="Ag"):
    header = SimpleNamespace(core=core, shell=shell)
    return SimpleNamespace(aligned=np.full((5, 10, 10), brighter * SUM / 100.0), ceiling=ceiling, header=header)


def later(taken=None, known=NONE, *, degree=0.0, growth=1.0, **of):
    return later_composition(reference(**of), taken or series(), known, degree, growth)


def test_a_pixel_that_is_wrong_by_a_part_is_three_of_a_volume():
    volume = volume_of(reference(), Uncertainty(pixel_size_percent=2.0))
    assert volume.value == 15360.0
    assert volume.budget["pixel size"] == pytest.approx(volume.value * (1.02**3 - 1.0), rel=0.03)


def test_a_film_is_as_thick_whatever_the_pixels_are():
    causes = [volume_of(reference(pixel_nm=p), NONE).budget["what lies around it"] for p in (0.8, 0.4, 0.2)]
    assert causes == pytest.approx([causes[0]] * 3)


def test_a_beam_that_changed_is_what_the_composition_is_wrong_by():
    """Its size is what the same series, taken with so much more current, is told to be."""
    as_before, brighter = later(known=Uncertainty(beam_current_percent=3.0)), later(series(1.03))
    assert as_before.value == pytest.approx(PART)
    assert as_before.budget["beam current"] == pytest.approx(brighter.value - PART)


def test_a_shell_that_was_lost_looks_like_less_of_the_core():
    lost = later(series(0.98), growth=0.98)
    assert lost.value < PART
    assert lost.budget["change of volume"] == pytest.approx(PART - lost.value)
    assert 0.0 < later().budget["change of volume"] < lost.budget["change of volume"]


def test_metals_that_scatter_more_where_they_are_mixed_look_like_more_of_the_brighter_one():
    """A voxel of c scatters 4 b c (1 - c) of the difference more: most where all is mixed, nothing where nothing is."""
    for degree, spread in ((0.0, 1.0), (0.4, 0.6), (1.0, 0.0)):
        c = PART + spread * (np.array([1.0, 0.0, 0.0, 0.0]) - PART)
        told = later(degree=degree).budget["law of composition"]
        assert told == pytest.approx(4.0 * 0.1 * float(np.mean(c * (1.0 - c))))


def test_atoms_that_need_other_room_are_an_error_of_the_composition_by_volumes():
    same, near, far, unknown = (
        first_composition(reference(), series(core=core, shell=shell)).budget["room of an atom"]
        for core, shell in (("Au", "Au"), ("Au", "Ag"), ("Au", "Pd"), ("Au", "Cu-Ni"))
    )
    assert same == 0.0 < near < 0.1 * far < far < unknown
    n_core, n_shell = PART / 10.21, (1.0 - PART) / 8.86
    assert far == pytest.approx(PART - n_core / (n_core + n_shell), rel=0.1)


def test_what_the_model_misses_widens_what_edges_leave_open():
    well, badly = (volume_of(reference(m), NONE) for m in (0.9, 4.0))
    assert badly.budget["edges on the voxel grid"] == pytest.approx(2.0 * well.budget["edges on the voxel grid"])
    assert badly.std == well.std


@pytest.mark.parametrize("clipped", ["first", "later"])
def test_a_detector_that_clips_tells_no_composition_later(clipped):
    first, then = (1000.0 if clipped == which else None for which in ("first", "later"))
    assert later(series(ceiling=then), ceiling=first) is None
    assert first_composition(reference(ceiling=first), series()).value == PART


def test_what_two_states_share_is_no_error_of_a_change():
    def state(growth: float | None) -> StateResult:
        volume = volume_of(reference(), Uncertainty(), growth)
        facts = {"step": "c00/A/tilt", "particle": "A", "state": 0, "heated_s": 0.0, "frames": 5, "planned": 5}
        known = {"volume_nm3": volume.value, "volume_with_errors_nm3": volume}
        return StateResult(**facts, **known, quality="good", simulated=True)

    first, then = state(None), state(1.02)
    change = then.change_of_volume(first)
    assert (change.value, change.std) == pytest.approx((0.02, 0.005 * 1.02))
    older, old = (replace(s, volume_with_errors_nm3=None) for s in (first, then))
    assert np.isnan(old.change_of_volume(older).std), "older results have no errors"
    assert (then.volume_in_words, old.volume_in_words) == ("15670 +- 670", "1.567e+04")
    row = then.row()
    assert np.hypot(row["volume_std_nm3"], row["volume_std_systematic_nm3"]) == pytest.approx(
        then.volume_with_errors_nm3.total
    )
    told = {"particles": {}}
    then.add_to(told)
    (kept,) = told["particles"]["A"]["states"]
    assert kept["volume_with_errors_nm3"]["value"] == kept["volume_nm3"] and kept["gold_fraction_with_errors"] is None
