"""The GPU gives what the processor gives. Without one, the reason why not is printed."""

import numpy as np
import pytest

from analysis.tomography.cuda_projector import CudaProjector, why_no_cuda
from analysis.tomography.device import projector_on
from analysis.tomography.projector import Projector
from analysis.tomography.reconstruction import reconstruct

needs_gpu = pytest.mark.skipif(bool(why_no_cuda()), reason=why_no_cuda() or "there is one")
TILTS = np.r_[np.arange(-80.0, 81.0, 5.0), 90.0, -90.0, 0.01, 45.0]


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@needs_gpu
@pytest.mark.parametrize(("shape", "rows"), [((40, 40, 50), None), ((31, 44, 7), 60), ((44, 31, 33), 20)])
def test_both_ways_are_those_of_the_processor(shape, rows):
    rng = np.random.default_rng(1)
    cpu, gpu = (kind(TILTS, shape, rows) for kind in (Projector, CudaProjector))
    volume = rng.random(shape, np.float32)
    stack = rng.random(cpu.forward(volume).shape, np.float32)
    assert apart(gpu.forward(volume), cpu.forward(volume)) < 1e-5
    assert apart(gpu.backward(stack), cpu.backward(stack)) < 1e-5


@needs_gpu
def test_back_is_the_adjoint_of_forth_on_the_gpu():
    rng = np.random.default_rng(2)
    gpu = CudaProjector(TILTS, (30, 36, 20))
    volume, stack = rng.random(gpu.shape, np.float32), rng.random((len(TILTS), 36, 20), np.float32)
    forth = np.vdot(gpu.forward(volume).astype(np.float64), stack)
    assert forth == pytest.approx(np.vdot(volume.astype(np.float64), gpu.backward(stack)), rel=1e-6)


@needs_gpu
@pytest.mark.parametrize("method", ["mlem", "osem", "sirt"])
def test_a_reconstruction_is_the_same(method):
    rng = np.random.default_rng(3)
    volume = np.zeros((48, 48, 40), np.float32)
    volume[12:30, 15:36, 8:30] = 1.0
    tilts_deg = np.arange(-70.0, 71.0, 2.0)
    counts = rng.poisson(20.0 * Projector(tilts_deg, volume.shape).forward(volume)).astype(np.float32)
    found = [reconstruct(counts, tilts_deg, iterations=20, method=method, device=d) for d in ("cuda", "cpu")]
    assert apart(*found) < 1e-4
    assert isinstance(found[0], np.ndarray)


@needs_gpu
def test_the_same_input_gives_the_same_digits():
    volume = np.random.default_rng(4).random((40, 40, 40), np.float32)
    once, again = (CudaProjector(TILTS, volume.shape).forward(volume) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.skipif(not why_no_cuda(), reason="there is a GPU")
def test_without_a_gpu_the_processor_serves_unless_one_was_asked_for():
    assert type(projector_on("auto", TILTS, (300, 300, 300))) is Projector
    with pytest.raises(ValueError, match=r"'cuda' was asked for, but CuPy .*use 'cpu'"):
        projector_on("cuda", TILTS, (8, 8, 8))


def test_what_is_small_stays_on_the_processor():
    assert type(projector_on("auto", TILTS, (20, 20, 20))) is Projector
