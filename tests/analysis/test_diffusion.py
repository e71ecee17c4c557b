import numpy as np
import pytest

from analysis.alloying.diffusion import _combine, _laplacian, diffuse


def last(states):
    *_, state = states
    return state


def test_mass_is_conserved_inside_any_mask(rng):
    mask = rng.random((14, 15, 16)) > 0.3
    start = rng.random(mask.shape).astype(np.float32)
    state = last(diffuse(start, mask, [0.5, 4.0, 40.0], 0.8))
    assert state[mask].sum() == pytest.approx(start[mask].sum(), rel=5e-5)  # float32 sums
    assert state[mask].std() < start[mask].std()


def test_the_slowest_mode_decays_at_its_rate():
    n, h = 40, 0.5
    mode = np.broadcast_to(np.cos(np.pi * (np.arange(n) + 0.5) / n), (4, 5, n)).astype(np.float32)
    tau = 25.0
    state = last(diffuse(mode, np.ones(mode.shape, bool), [tau], h))
    rate = 2.0 * (1.0 - np.cos(np.pi / n)) / h**2
    assert np.linalg.norm(state) / np.linalg.norm(mode) == pytest.approx(np.exp(-rate * tau), rel=2e-3)


def test_a_core_shell_ball_follows_the_series_solution():
    radius_nm, core_nm, h = 10.0, 6.0, 0.4
    axis = (np.arange(54) - 26.5) * h
    r = np.sqrt(sum(a**2 for a in np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)))
    mask, start = r < radius_nm, (r < core_nm).astype(np.float32)
    for tau, state in zip((2.0, 6.0, 12.0), diffuse(start, mask, [2.0, 6.0, 12.0], h), strict=True):
        truth = ball_variance(radius_nm, core_nm, tau) / ball_variance(radius_nm, core_nm, 0.0)
        found = state[mask].var() / start[mask].var()
        assert np.sqrt(found) == pytest.approx(np.sqrt(truth), abs=0.012), tau


def ball_variance(radius: float, core: float, tau: float) -> float:
    """Variance of concentration in a ball without flux through its surface (Crank, section 6.3)."""
    q = neumann_roots(400) / radius
    # Eigenfunctions sin(q r) / r with weight r^2.
    norm = 0.5 * radius - np.sin(2 * q * radius) / (4 * q)
    overlap = (np.sin(q * core) - q * core * np.cos(q * core)) / q**2
    return float(np.sum(overlap**2 / norm * np.exp(-2 * q**2 * tau)) * 3.0 / radius**3)


def neumann_roots(n: int) -> np.ndarray:
    """Positive roots of tan(x) = x."""
    x = (np.arange(1, n + 1) + 0.5) * np.pi
    for _ in range(20):
        x = (np.arange(1, n + 1)) * np.pi + np.arctan(x)
    return x


def test_the_error_in_time_falls_with_the_square_of_the_step(monkeypatch):
    import analysis.alloying.diffusion as module

    n = 24
    mode = np.broadcast_to(np.cos(3 * np.pi * (np.arange(n) + 0.5) / n), (3, 3, n)).astype(np.float32)
    tau = 12.0
    exact = np.exp(-2.0 * (1.0 - np.cos(3 * np.pi / n)) * tau)
    errors = []
    steps = (12.0, 6.0, 3.0)
    for step in steps:
        c = np.pad(mode, 1)
        inside = np.pad(np.ones(mode.shape, np.float32), 1)
        for _ in range(round(tau / step)):
            c = module._rkl2_step(c, inside, step)
        errors.append(abs(np.linalg.norm(c) / np.linalg.norm(mode) - exact))
    order = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 1.6 < order < 3.0


def test_times_must_rise():
    with pytest.raises(ValueError, match="rise"):
        list(diffuse(np.zeros((3, 3, 3), np.float32), np.ones((3, 3, 3), bool), [2.0, 1.0], 1.0))


def test_the_kernels_are_the_same_compiled_and_plain(rng):
    c, inside = rng.random((5, 6, 7)).astype(np.float32), (rng.random((5, 6, 7)) > 0.3).astype(np.float32)
    compiled, plain = np.zeros_like(c), np.zeros_like(c)
    _laplacian(c, inside, compiled)
    _laplacian.py_func(c, inside, plain)
    np.testing.assert_allclose(compiled, plain, atol=1e-5)
    terms, weights = (c, 2 * c, 3 * c, c * c, inside), np.arange(5, dtype=np.float32)
    _combine(compiled, terms, weights)
    _combine.py_func(plain, terms, weights)
    np.testing.assert_allclose(compiled, plain, atol=1e-5)
