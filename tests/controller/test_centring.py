import numpy as np

from controller.centring import off_centre_px


def discs(*places, side: int = 96, radius: float = 10.0) -> np.ndarray:
    y, x = np.indices((side, side)) - 0.5 * (side - 1)
    return 100.0 + sum(1000.0 * (np.hypot(y - at_y, x - at_x) < radius) for at_y, at_x in places)


def test_a_lone_particle_is_found_where_it_is():
    np.testing.assert_allclose(off_centre_px(discs((7.0, -12.0))), (7.0, -12.0), atol=0.1)


def test_of_two_particles_the_nearest_to_the_middle_is_followed():
    np.testing.assert_allclose(off_centre_px(discs((3.0, 2.0), (3.0, 34.0))), (3.0, 2.0), atol=0.1)


def test_a_particle_cut_by_the_field_and_an_empty_field_are_not_followed(rng):
    assert off_centre_px(discs((0.0, 47.0), radius=30.0)) is None
    assert off_centre_px(np.zeros((64, 64))) is None
