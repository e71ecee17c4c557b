import numpy as np
import pytest

from analysis.tomography.projector import Projector, _backward, _forward, project
from simulators.rays import line_integrals

TILTS = np.arange(-70.0, 71.0, 7.0)
ALL_ROUND = np.array([-180.0, -133.0, -95.0, -90.0, -89.99, -45.0, 0.0, 0.01, 30.0, 60.0, 90.0, 90.01, 120.0, 179.0])


def test_projection_and_back_projection_are_adjoint(rng):
    volume = rng.random((40, 36, 13)).astype(np.float32)
    projector = Projector(TILTS, volume.shape, rows=31)
    stack = rng.random((len(TILTS), 31, 13)).astype(np.float32)
    left = float(np.sum(projector.forward(volume).astype(np.float64) * stack))
    right = float(np.sum(volume.astype(np.float64) * projector.backward(stack)))
    assert left == pytest.approx(right, rel=1e-5)


def test_it_is_adjoint_in_every_single_weight_whatever_the_tilt(rng):
    volume = rng.random((7, 9, 1)).astype(np.float32)
    for rows in (5, 9, 14):
        for tilt_deg in ALL_ROUND:
            projector = Projector(np.array([tilt_deg]), volume.shape, rows=rows)
            units = np.eye(rows, dtype=np.float32)
            weights = np.array([projector.backward(unit[None, :, None]).ravel() for unit in units])
            np.testing.assert_allclose(
                projector.forward(volume)[0, :, 0], weights @ volume.ravel(), rtol=1e-5, atol=1e-5
            )


def test_a_volume_turned_by_a_right_angle_projects_as_one_tilted_by_it(rng):
    volume = np.zeros((24, 24, 3), np.float32)
    volume[6:18, 6:18] = rng.random((12, 12, 3))
    turned = np.ascontiguousarray(np.rot90(volume, axes=(0, 1)))
    for tilt_deg in (-60.0, -10.0, 0.0, 35.0):
        here, there = (project(v, np.array([t])) for v, t in ((volume, tilt_deg + 90.0), (turned, tilt_deg)))
        np.testing.assert_allclose(here, there, atol=2e-3 * here.max())


def test_projection_conserves_mass_at_every_tilt(rng):
    volume = np.zeros((48, 48, 5), np.float32)
    volume[14:34, 14:34] = rng.random((20, 20, 5))
    sums = project(volume, TILTS).sum(axis=(1, 2))
    np.testing.assert_allclose(sums, volume.sum(), rtol=1e-5)


def test_a_point_above_the_axis_moves_to_larger_y_with_tilt():
    volume = np.zeros((41, 41, 1), np.float32)
    volume[30, 20, 0] = 1.0
    rows = np.arange(41) - 20.0
    for tilt_deg in (-40.0, 0.0, 25.0, 60.0):
        image = project(volume, np.array([tilt_deg]))[0, :, 0]
        # Area weights leave the centroid of a single voxel within a few hundredths of a row.
        assert float(image @ rows) == pytest.approx(10.0 * np.sin(np.radians(tilt_deg)), abs=0.05)


def test_it_agrees_with_the_rays_of_the_twin():
    n = 64
    z, y, x = np.meshgrid(*[np.arange(n) - 0.5 * (n - 1)] * 3, indexing="ij")
    ball = (1.0 / (1.0 + np.exp(np.sqrt((z - 3) ** 2 + (y + 5) ** 2 + x**2) - 14.0))).astype(np.float32)
    for tilt_deg in (-65.0, -20.0, 0.0, 33.0, 45.0, 70.0):
        mine = project(ball, np.array([tilt_deg]))[0]
        theirs = line_integrals(ball, 1.0, (0.0, 0.0), tilt_deg, np.arange(n) - 0.5 * (n - 1))
        assert np.abs(mine - theirs).max() < 0.02 * theirs.max()


def test_the_kernels_are_the_same_compiled_and_plain(rng):
    projector = Projector(np.array([-50.0, 10.0]), (6, 6, 3))
    volume = rng.random((6, 6, 3)).astype(np.float32)
    tables = (projector._cos, projector._sin, projector._footprint)
    compiled, plain = np.zeros((2, 8, 3), np.float32), np.zeros((2, 8, 3), np.float32)
    _forward(volume, compiled, *tables)
    _forward.py_func(volume, plain, *tables)
    np.testing.assert_allclose(compiled, plain, rtol=1e-5)
    back, plain_back = np.zeros_like(volume), np.zeros_like(volume)
    _backward(back, compiled, *tables)
    _backward.py_func(plain_back, compiled, *tables)
    np.testing.assert_allclose(back, plain_back, rtol=1e-5)
