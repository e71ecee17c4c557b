import numpy as np
import pytest

from analysis.tomography.projector import Projector, project
from analysis.tomography.reconstruction import Reconstruction, reconstruct

TILTS = np.arange(-70.0, 71.0, 5.0)


def particle(n: int = 40) -> np.ndarray:
    z, y, x = np.meshgrid(*[np.arange(n) - 0.5 * (n - 1)] * 3, indexing="ij")
    shell, core = np.maximum(np.maximum(abs(z), abs(y)), abs(x)) < 12, z**2 + y**2 + x**2 < 49
    return (4.0 * shell + 5.0 * core).astype(np.float32)


def likelihood(volume: np.ndarray, stack: np.ndarray) -> float:
    model = np.maximum(Projector(TILTS, volume.shape).forward(volume), 1e-6).astype(np.float64)
    return float(np.sum(stack * np.log(model) - model))


def test_mlem_stays_positive_and_its_likelihood_rises(rng):
    stack = rng.poisson(project(particle(), TILTS)).astype(np.float32)
    reconstruction = Reconstruction((40, 40, 40))
    for image, tilt_deg in zip(stack, TILTS, strict=True):
        reconstruction.add(image, tilt_deg)
    before = -np.inf
    for _ in range(8):
        reconstruction.iterate(1)
        assert reconstruction.volume().min() >= 0.0
        now = likelihood(reconstruction.volume(), stack)
        assert now > before
        before = now


def test_sirt_residual_falls_and_both_methods_find_the_particle():
    truth = particle()
    stack = project(truth, TILTS)
    projector = Projector(TILTS, truth.shape)
    residuals = [
        float(np.linalg.norm(projector.forward(reconstruct(stack, TILTS, iterations=n, method="sirt")) - stack))
        for n in (1, 5, 20)
    ]
    assert residuals[0] > residuals[1] > residuals[2]
    for method in ("mlem", "osem", "sirt"):
        volume = reconstruct(stack, TILTS, iterations=30, method=method)
        assert np.corrcoef(volume.ravel(), truth.ravel())[0, 1] > 0.93


def test_adding_tilts_one_by_one_ends_like_the_batch_and_improves_on_the_way():
    truth = particle()
    stack = project(truth, TILTS)
    running = Reconstruction(truth.shape)
    agreement = []
    for image, tilt_deg in zip(stack, TILTS, strict=True):
        running.add(image, tilt_deg)
        running.iterate(1)
        agreement.append(np.corrcoef(running.volume().ravel(), truth.ravel())[0, 1])
    assert agreement[-1] > agreement[len(agreement) // 2] > agreement[0]
    assert agreement[-1] > 0.93


def test_ordered_subsets_come_as_far_as_as_many_plain_iterations(rng):
    tilts_deg = rng.permutation(np.arange(-70.0, 71.0, 2.0))
    truth = particle()
    stack = rng.poisson(8.0 * project(truth, tilts_deg)).astype(np.float32) / np.float32(8.0)
    plain, quick = (reconstruct(stack, tilts_deg, iterations=20, method=m) for m in ("mlem", "osem"))
    error_of = [np.linalg.norm(v - truth) / np.linalg.norm(truth) for v in (plain, quick)]
    assert error_of[1] < 1.02 * error_of[0]
    assert np.linalg.norm(quick - plain) < 0.03 * np.linalg.norm(plain)
    assert quick.min() >= 0.0


def test_a_volume_once_given_stays_as_it_is(rng):
    stack = project(particle(), TILTS)
    for method in ("mlem", "osem", "sirt"):
        running = Reconstruction((40, 40, 40), method)
        for image, tilt_deg in zip(stack, TILTS, strict=True):
            running.add(image, tilt_deg)
        running.iterate(1)
        given = running.volume()
        kept = given.copy()
        running.iterate(1)
        np.testing.assert_array_equal(given, kept)
        assert np.abs(running.volume() - kept).max() > 0.0


def test_a_projection_of_the_wrong_size_is_refused():
    with pytest.raises(ValueError, match="volume needs"):
        Reconstruction((10, 10, 10)).add(np.zeros((10, 11), np.float32), 0.0)
