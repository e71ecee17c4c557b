import numpy as np
import pytest

from analysis.particle_model.surfaces import distance_to, face_fractions, occupancy, occupancy_slope, redistanced


def ball(n: int, radius: float, centre: tuple[float, float, float]) -> np.ndarray:
    axes = np.meshgrid(*[np.arange(n) - 0.5 * (n - 1)] * 3, indexing="ij")
    return np.sqrt(sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True))).astype(np.float32) - np.float32(radius)


@pytest.mark.parametrize("centre", [(0.0, 0.0, 0.0), (0.3, -0.2, 0.45), (0.5, 0.5, 0.1)])
@pytest.mark.parametrize("radius", [6.0, 9.37])
def test_the_occupancy_of_a_ball_has_its_volume_wherever_it_lies(centre, radius):
    # A ramp of variance 1/12 adds a quarter of a voxel edge squared over the radius squared on a curved surface.
    expected = 4 / 3 * np.pi * radius**3 * (1 + 0.25 / radius**2)
    volume = float(occupancy(ball(28, radius, centre)).sum())
    assert volume == pytest.approx(expected, rel=2e-3)


def test_moving_a_surface_out_changes_the_occupancy_by_its_slope(rng):
    distance = rng.uniform(-1.5, 1.5, (6, 6, 6)).astype(np.float32)
    step = 1e-3
    change = (occupancy(distance + step) - occupancy(distance - step)) / (2 * step)
    np.testing.assert_allclose(change, occupancy_slope(distance), atol=2e-3)


def test_redistancing_keeps_the_surface_and_restores_its_unit_slope():
    true = ball(28, 9.37, (0.3, -0.2, 0.45))
    again = redistanced(true * (1.0 + 0.4 * np.tanh(true)))
    near = np.abs(true) < 0.5
    assert np.abs(again - true)[near].max() < 0.15
    assert float(occupancy(again).sum()) == pytest.approx(float(occupancy(true).sum()), rel=0.01)


def test_a_voxel_body_keeps_its_volume_but_for_the_smoothing_of_its_steps():
    body = ball(28, 9.37, (0.3, -0.2, 0.45)) < 0
    shrunk = body.sum() * (1 - 3 / 9.37**2)
    assert float(occupancy(distance_to(body)).sum()) == pytest.approx(shrunk, rel=0.01)


def test_the_openings_of_a_tilted_plane_are_the_areas_below_it(rng):
    normal = np.array([0.3, 0.5, 0.81])
    normal /= np.linalg.norm(normal)
    z, y, x = np.meshgrid(*[np.arange(9) - 4.0] * 3, indexing="ij")
    distance = (normal[0] * z + normal[1] * y + normal[2] * x + 0.37).astype(np.float32)
    points = rng.random((2, 20000)) - 0.5
    for axis, face_fraction in enumerate(face_fractions(distance)):
        first, second = (k for k in range(3) if k != axis)
        for at in ((4, 4, 4), (3, 5, 4), (4, 3, 3)):
            middle = distance[at] + 0.5 * normal[axis]
            below = np.mean(middle + normal[first] * points[0] + normal[second] * points[1] < 0)
            assert face_fraction[at] == pytest.approx(below, abs=0.015)
