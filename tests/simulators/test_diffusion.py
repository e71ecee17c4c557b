from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from simulators.diffusion import _next_polynomial, diffuse
from simulators.rehearsal import IMAGING, voxels_across
from simulators.shapes import Shape, rotated, sphere
from simulators.specimens import SPECIMENS, Voxels, build, voxels_of


def block(length_nm: float, width_nm: float) -> Shape:
    return lambda z, y, x: np.maximum(
        np.maximum(np.abs(x) - 0.5 * length_nm, np.abs(y) - 0.5 * width_nm), np.abs(z) - 0.5 * width_nm
    )


def grid(reach_nm: tuple[float, float, float], h: float) -> tuple[np.ndarray, ...]:
    axes = [np.arange(-np.ceil(r / h) - 2, np.ceil(r / h) + 3) * h for r in reach_nm]
    return tuple(np.meshgrid(*axes, indexing="ij", sparse=True))


def ball(h: float) -> Voxels:
    return voxels_of(sphere(10.0), sphere(6.0), grid((10.0, 10.0, 10.0), h), h)


def test_gold_is_conserved_and_evens_out():
    voxels = ball(0.7)
    later = diffuse(voxels.gold, voxels, 30.0)
    assert voxels.gold_fraction(later) == pytest.approx(voxels.gold_fraction(voxels.gold), rel=2e-5)
    assert voxels.spread(later) < 0.05 * voxels.spread(voxels.gold)
    assert later[voxels.metal > 0].min() > -1e-4


def test_two_pulses_are_one_long_pulse():
    voxels = ball(0.9)
    twice = diffuse(diffuse(voxels.gold, voxels, 3.0), voxels, 5.0)
    np.testing.assert_allclose(twice, diffuse(voxels.gold, voxels, 8.0), atol=2e-5)


@pytest.mark.parametrize("in_plane_deg", [0.0, 8.0, 25.0, 45.0])
def test_the_slow_mode_along_a_turned_block_decays_at_its_rate(in_plane_deg):
    length_nm, width_nm, h, tau = 30.0, 10.0, 0.4, 60.0
    turn = np.radians(in_plane_deg)
    shape = rotated(block(length_nm, width_nm), in_plane_deg)
    axes = grid((5.0, 15.0 * np.sin(turn) + 5.0, 15.0 * np.cos(turn) + 5.0), h)
    voxels = voxels_of(shape, shape, axes, h)
    _, y, x = np.meshgrid(*[(np.arange(n) - 0.5 * (n - 1)) * h for n in voxels.metal.shape], indexing="ij")
    along = np.cos(turn) * x + np.sin(turn) * y
    mode = np.where(voxels.metal > 0, np.sin(np.pi * along / length_nm), 0.0).astype(np.float32)
    left = diffuse(mode, voxels, tau)
    weight = voxels.metal * mode
    rate = -np.log((weight * left).sum() / (weight * mode).sum()) / tau
    assert rate == pytest.approx((np.pi / length_nm) ** 2, rel=0.004)


@pytest.mark.parametrize("root", [4.493409, 7.725252])
def test_a_mode_of_a_coarse_ball_decays_as_in_a_continuous_one(root):
    voxels, k = ball(0.8), root / 10.0
    axes = np.meshgrid(*[(np.arange(n) - 0.5 * (n - 1)) * 0.8 for n in voxels.metal.shape], indexing="ij", sparse=True)
    r_nm = np.maximum(np.sqrt(sum(a**2 for a in axes)), 1e-6)
    mode = np.where(voxels.metal > 0, np.sin(k * r_nm) / r_nm, 0.0).astype(np.float32)
    weight = voxels.metal.astype(float)
    mode -= np.where(weight > 0, (weight * mode).sum() / weight.sum(), 0.0).astype(np.float32)
    left = diffuse(mode, voxels, 1.0 / k**2)
    assert -np.log((weight * left * mode).sum() / (weight * mode**2).sum()) == pytest.approx(1.0, rel=0.0015)


def test_the_kernel_is_the_same_compiled_and_plain(rng):
    now, before = (rng.random((5, 4, 6)).astype(np.float32) for _ in range(2))
    cells = tuple(rng.random((5, 4, 6)).astype(np.float32) for _ in range(4))
    compiled, plain = ([before.copy(), np.zeros_like(now)] for _ in range(2))
    for first in (True, False):
        _next_polynomial(now, *compiled, cells, np.float32(0.1), np.float32(0.3), first)
        _next_polynomial.py_func(now, *plain, cells, np.float32(0.1), np.float32(0.3), first)
    for a, b in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_finer_twin_alloys_the_same():
    taus = (2.0, 6.0)
    degrees = []
    for h in (0.8, 0.5):
        voxels = ball(h)
        fraction = voxels.gold_fraction(voxels.gold)
        sharp = np.sqrt(fraction * (1.0 - fraction))
        degrees.append([1.0 - voxels.spread(diffuse(voxels.gold, voxels, tau)) / sharp for tau in taus])
    for coarse, fine in pairwise(degrees):
        np.testing.assert_allclose(coarse, fine, atol=0.003)


def test_the_twin_is_no_copy_of_the_analysis():
    """Its grid is at least 1.6 times finer than the pixels, and no simple multiple."""
    for name, imaging in IMAGING.items():
        specimen = SPECIMENS[name]
        voxel_nm = build(replace(specimen, silica_nm=1.0), voxels_across(specimen)).voxel_nm
        ratio = imaging.pixel_nm / voxel_nm
        assert ratio >= 1.6, f"{name}: {ratio:.2f}"
        assert min(abs(n * ratio - round(n * ratio)) for n in (1, 2)) > 0.05, f"{name}: {ratio:.3f}"
