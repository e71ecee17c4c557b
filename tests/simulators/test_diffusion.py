import numpy as np
import pytest

from simulators.diffusion import _implicit, _solve_lines, diffuse
from simulators.shapes import sphere


def test_mass_is_conserved_in_a_ball(rng):
    axis = np.arange(-12, 13) * 1.0
    grid = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = sphere(11.0)(*grid) < 0
    start = np.where(inside, rng.random(inside.shape), 0.0).astype(np.float32)
    later = diffuse(start, inside, 30.0, 1.0)
    assert later.sum() == pytest.approx(start.sum(), rel=1e-5)
    assert later[inside].std() < 0.3 * start[inside].std()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_slowest_mode_of_a_box_decays_at_its_rate(axis):
    n, h = 32, 0.7
    position = (np.arange(n) + 0.5) / n
    shape = [6, 6, 6]
    shape[axis] = n
    mode = np.moveaxis(np.broadcast_to(np.cos(np.pi * position), (6, 6, n)), 2, axis).astype(np.float32)
    tau = 40.0
    later = diffuse(np.ascontiguousarray(mode), np.ones(shape, bool), tau, h)
    rate = 2.0 * (1.0 - np.cos(np.pi / n)) / h**2
    assert np.linalg.norm(later) / np.linalg.norm(mode) == pytest.approx(np.exp(-rate * tau), rel=2e-3)


def test_the_kernels_are_the_same_compiled_and_plain(rng):
    inside = rng.random((9, 4, 3)) > 0.2
    start = rng.random((9, 4, 3)).astype(np.float32)
    compiled, plain = start.copy(), start.copy()
    _solve_lines(compiled, inside, 0.8)
    solve = _solve_lines.py_func
    scope = dict(solve.__globals__)
    scope["_implicit"] = _implicit.py_func
    type(solve)(solve.__code__, scope)(plain, inside, 0.8)
    np.testing.assert_allclose(compiled, plain, atol=1e-6)
