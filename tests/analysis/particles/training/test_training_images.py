"""Images to learn from: their truth is consistent, and what is learned from them can be exported and run."""

import importlib.util

import numpy as np
import pytest

from analysis.particles.learned import SHIPPED, normalised
from analysis.particles.training.drawn_images import recorded, scene


def test_a_scene_is_the_same_each_time_and_its_truth_agrees_with_itself():
    for number in range(12):
        drawn, again = scene(3, number, 128), scene(3, number, 128)
        for part in ("signal", "labels", "depth"):
            np.testing.assert_array_equal(getattr(drawn, part), getattr(again, part))
        body = drawn.labels > 0
        assert np.all(drawn.depth[~body] == 0.0)
        assert np.all((drawn.depth[body] > 0.0) & (drawn.depth[body] <= 1.0))
        assert np.all(drawn.signal[body] != 0.0)
        down = (drawn.labels[1:] != drawn.labels[:-1]) & body[1:] & body[:-1]
        # At a border between two particles the depth is that of an outline, not of an inside.
        assert np.all(np.minimum(drawn.depth[1:], drawn.depth[:-1])[down] < 0.8)


def test_a_scene_is_recorded_anew_each_time_on_the_same_particles():
    drawn = scene(3, 1, 192)
    first, second = (normalised(recorded(drawn, np.random.default_rng(seed))) for seed in (1, 2))
    body = drawn.labels > 0
    assert not np.allclose(first, second)
    for image in (first, second):
        assert np.isfinite(image).all()
        assert image[body].mean() > image[~body].mean()


def test_the_shipped_weights_are_small():
    assert SHIPPED.stat().st_size < 15e6


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: the `training` extra")
@pytest.mark.filterwarnings(
    "default::DeprecationWarning"
)  # PyTorch's plain exporter; its other one takes a package more
def test_a_network_is_trained_exported_and_run(tmp_path):
    import onnxruntime
    import torch

    from analysis.particles.training.train import export, trained

    torch.set_num_threads(1)
    network = trained(seed=1, steps=4, scenes=4)
    export(network, tmp_path / "a.onnx")
    image = normalised(recorded(scene(3, 1, 96), np.random.default_rng(0)))[None, None]
    (told,) = onnxruntime.InferenceSession(tmp_path / "a.onnx").run(None, {"image": image})
    assert told.shape == (1, 2, 96, 96)
    with torch.no_grad():
        np.testing.assert_allclose(told, network(torch.from_numpy(image)).numpy(), atol=1e-4)
    again = trained(seed=1, steps=4, scenes=4)
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())
