import numpy as np
import pytest

from analysis.diffusion.diffusivity_law import DiffusivityLaw
from analysis.diffusion.fick import _fastest_decay, _shared, _stage, diffuse
from analysis.particle_model.surfaces import face_fractions, occupancy
from tests.analysis.peers.ball import radial_diffusion


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


def test_a_core_shell_ball_follows_the_series_solution_at_ten_times():
    radius_nm, core_nm, h = 10.0, 6.0, 0.4
    axes = np.meshgrid(*[(np.arange(54) - 26.5) * h] * 3, indexing="ij", sparse=True)
    r_px = (np.sqrt(sum(a**2 for a in axes)) / h).astype(np.float32)
    metal = occupancy(r_px - np.float32(radius_nm / h))
    metal = np.where(metal > 0.02, metal, 0.0).astype(np.float32)
    open_ = face_fractions(r_px - np.float32(radius_nm / h))
    core = occupancy(r_px - np.float32(core_nm / h))
    start = np.divide(core, metal, out=np.zeros_like(core), where=metal > 0)
    mean = (metal * start).sum() / metal.sum()
    sharp = np.sqrt(ball_variance(radius_nm, core_nm, 0.0))
    taus = np.geomspace(0.3, 20.0, 10)
    for tau, state in zip(taus, diffuse(start, metal, taus, h, open_), strict=True):
        truth = np.sqrt(ball_variance(radius_nm, core_nm, float(tau)))
        found = np.sqrt((metal * (state - mean) ** 2).sum() / metal.sum())
        assert abs(found - truth) / sharp < 0.005, f"degree at tau = {tau:.2f} nm2"


@pytest.mark.parametrize("root", [4.493409, 7.725252])
def test_a_mode_of_a_coarse_ball_decays_as_in_a_continuous_one(root):
    """12.5 voxels in radius: the plain seven-point Laplacian is 0.8 and 2.3 per cent slow here."""
    radius_px, k = 12.5, root / 12.5
    axes = np.meshgrid(*[np.arange(31) - 15.13] * 3, indexing="ij", sparse=True)
    r_px = np.sqrt(sum(a**2 for a in axes)).astype(np.float32)
    metal = occupancy(r_px - np.float32(radius_px))
    metal = np.where(metal > 0.02, metal, 0.0).astype(np.float32)
    mode = np.where(metal > 0, np.sin(k * r_px) / r_px, 0.0).astype(np.float32)
    mode -= np.where(metal > 0, (metal * mode).sum() / metal.sum(), 0.0).astype(np.float32)
    left = last(diffuse(mode, metal, [1.0 / k**2], 1.0, face_fractions(r_px - np.float32(radius_px))))
    assert -np.log((metal * left * mode).sum() / (metal * mode**2).sum()) == pytest.approx(1.0, rel=0.003)


@pytest.mark.parametrize("ln_d_slope", [-2.5, 2.0])
def test_d_that_changes_with_composition_agrees_with_a_radial_solver(ln_d_slope):
    radius_nm, core_nm, h = 10.0, 6.0, 0.4
    axes = np.meshgrid(*[(np.arange(54) - 26.5) * h] * 3, indexing="ij", sparse=True)
    r_px = (np.sqrt(sum(a**2 for a in axes)) / h).astype(np.float32)
    metal = np.where(occupancy(r_px - 25.0) > 0.02, occupancy(r_px - np.float32(25.0)), 0.0).astype(np.float32)
    core = occupancy(r_px - np.float32(core_nm / h))
    start = np.divide(core, metal, out=np.zeros_like(core), where=metal > 0)
    mean = (metal * start).sum() / metal.sum()
    sharp = np.sqrt(ball_variance(radius_nm, core_nm, 0.0))
    volume = np.diff(np.linspace(0.0, radius_nm, 301) ** 3) / radius_nm**3
    taus = np.geomspace(0.5, 15.0, 5)
    states = diffuse(start, metal, taus, h, face_fractions(r_px - np.float32(25.0)), DiffusivityLaw(ln_d_slope))
    for tau, state in zip(taus, states, strict=True):
        c = radial_diffusion(core_nm, radius_nm, float(tau), ln_d_slope=ln_d_slope)
        truth = np.sqrt(volume @ (c - (core_nm / radius_nm) ** 3) ** 2)
        found = np.sqrt((metal * (state - mean) ** 2).sum() / metal.sum())
        assert abs(found - truth) / sharp < 0.006, f"degree at tau = {tau:.2f} nm2"
        assert (metal * state).sum() == pytest.approx((metal * start).sum(), rel=5e-5)


@pytest.mark.parametrize("in_plane_deg", [0.0, 8.0, 25.0, 45.0])
def test_the_slow_mode_along_a_turned_block_decays_at_its_rate(in_plane_deg):
    length, width, tau = 60.0, 24.0, 250.0
    turn = np.radians(in_plane_deg)
    reach = (14, int(30 * np.sin(turn) + 14), int(30 * np.cos(turn) + 14))
    z, y, x = np.meshgrid(*[np.arange(2 * n) - n + 0.5 for n in reach], indexing="ij")
    along, across = np.cos(turn) * x + np.sin(turn) * y, -np.sin(turn) * x + np.cos(turn) * y
    distance = np.maximum(np.maximum(np.abs(along) - 0.5 * length, np.abs(across) - 0.5 * width), np.abs(z) - 12.2)
    distance = distance.astype(np.float32)
    metal = np.where(occupancy(distance) > 0.02, occupancy(distance), 0.0).astype(np.float32)
    mode = np.where(metal > 0, np.sin(np.pi * along / length), 0.0).astype(np.float32)
    left = last(diffuse(mode, metal, [tau], 1.0, face_fractions(distance)))
    rate = -np.log((metal * left * mode).sum() / (metal * mode * mode).sum()) / tau
    assert rate == pytest.approx((np.pi / length) ** 2, rel=0.006)


def test_voxels_cut_by_the_surface_conserve_and_even_out(rng):
    metal = rng.random((12, 13, 14)).astype(np.float32)
    metal[metal < 0.05] = 0.0
    start = rng.random(metal.shape).astype(np.float32)
    *_, state = diffuse(start, metal, [1.0, 500.0], 1.0)
    assert (metal * state).sum() == pytest.approx((metal * start).sum(), rel=5e-5)
    assert state[metal > 0.3].std() < 0.05 * start[metal > 0.3].std()


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
    import analysis.diffusion.fick as module

    n = 24
    mode = np.broadcast_to(np.cos(3 * np.pi * (np.arange(n) + 0.5) / n), (3, 3, n)).astype(np.float32)
    tau = 12.0
    on_grid = 2.0 * (1.0 - np.cos(3 * np.pi / n))
    exact = np.exp(-(on_grid + module._QUARTIC / 12.0 * on_grid**2) * tau)
    errors = []
    steps = (12.0, 6.0, 3.0)
    for step in steps:
        c = np.pad(mode, 1)
        inside = np.pad(np.ones(mode.shape, np.float32), 1)
        cells = (*(module._shared(inside, axis) for axis in range(3)), inside)
        for _ in range(round(tau / step)):
            c = module._rkl2_step(c, cells, step, 1.0 / 6.0)
        errors.append(abs(np.linalg.norm(c) / np.linalg.norm(mode) - exact))
    order = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 1.6 < order < 3.0


def test_times_must_rise():
    with pytest.raises(ValueError, match="rise"):
        list(diffuse(np.zeros((3, 3, 3), np.float32), np.ones((3, 3, 3), bool), [2.0, 1.0], 1.0))


def test_the_kernel_is_the_same_compiled_and_plain(rng):
    c, inside = rng.random((5, 6, 7)).astype(np.float32), np.pad((rng.random((3, 4, 5)) > 0.3).astype(np.float32), 1)
    inside[2, 3] = 0.0  # a line without a particle
    compiled, plain = inside.copy(), inside.copy()
    cells = (*(_shared(inside, axis) for axis in range(3)), inside)
    terms, weights = (c, 2 * c, 3 * c, c * c), np.arange(1, 6, dtype=np.float32)
    _stage(terms, cells, compiled, weights)
    _stage.py_func(terms, cells, plain, weights)
    np.testing.assert_allclose(compiled, plain, atol=1e-5)


def test_steps_are_as_long_as_the_fastest_pattern_lets_them(rng):
    """Slivers that a surface cuts decay fastest: the bound holds for them, and is no wider than it must be."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    w = np.pad(rng.random((8, 9, 10)).astype(np.float32) ** 2, 1)
    w[w < 0.02] = 0.0
    faces = tuple(np.minimum(_shared(np.sqrt(w), axis), 5.0 * _shared(w, axis)).astype(np.float32) for axis in range(3))
    capacity = np.divide(1.0, w, out=np.zeros_like(w), where=w > 0)
    root = np.sqrt(capacity.astype(np.float64))

    def decay(pattern):
        even = pattern.reshape(w.shape) * root
        flux = [f * (np.roll(even, -1, axis) - even) for axis, f in enumerate(faces)]
        return (-root * sum(f - np.roll(f, 1, axis) for axis, f in enumerate(flux))).ravel()

    operator = LinearOperator((w.size, w.size), matvec=decay, dtype=float)
    (fastest,) = eigsh(operator, k=1, which="LA", return_eigenvectors=False)
    bound = _fastest_decay((*faces, capacity))
    assert fastest * (1.0 - 1e-5) < bound < 1.05 * fastest


def test_what_lies_around_a_particle_is_left_as_it_was(rng):
    occupancy = np.zeros((9, 10, 11), np.float32)
    occupancy[2:6, 3:8, 4:9] = 1.0
    start = rng.random(occupancy.shape).astype(np.float32)
    (whole,) = diffuse(start, occupancy, [3.0], 1.0)
    (alone,) = diffuse(start[2:6, 3:8, 4:9], occupancy[2:6, 3:8, 4:9], [3.0], 1.0)
    # The mean, which is taken off first, is summed in another order.
    np.testing.assert_allclose(whole[2:6, 3:8, 4:9], alone, atol=1e-6)
    np.testing.assert_array_equal(whole[occupancy == 0.0], start[occupancy == 0.0])
