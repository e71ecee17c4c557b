"""Trains the network that outlines particles, on drawn images alone.

``python -m analysis.particles.training.train --help`` says how.

It takes the `training` extra. The same seed, steps and PyTorch draw the same images in the same order.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from analysis.particles.learned import SHIPPED, normalised
from analysis.particles.training.drawn_images import Scene, recorded, scene
from analysis.particles.training.network import Outliner

_BATCH, _RATE, _DECAY = 8, 3e-3, 1e-4
_DEPTH_WEIGHT, _RIM_WEIGHT = 4.0, 3.0
"""Of the depth's loss; and of a pixel at an outline, over one elsewhere."""


class _Images(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Image (1, y, x), particles and each pixel's weight (2, y, x), and depth (1, y, x).

    Every scene comes often, each time recorded and turned anew.
    """

    def __init__(self, seed: int, scenes: int, images: int) -> None:
        self._seed, self._scenes, self._images = seed, scenes, images

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        known: dict[int, Scene] = {}
        for image in range(self._images):
            rng = np.random.default_rng([self._seed, 1, image])
            number = image if image < self._scenes else int(rng.integers(self._scenes))
            if number not in known:
                known[number] = scene(self._seed, number)
            drawn = known[number]
            turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
            signal, labels, depth = (_turned(p, turns, mirrored) for p in (drawn.signal, drawn.labels, drawn.depth))
            seen = normalised(recorded(Scene(signal, labels, depth), rng))
            target = np.stack([labels > 0, 1.0 + _RIM_WEIGHT * _rim(labels)]).astype(np.float32)
            yield (
                torch.from_numpy(seen[None]),
                torch.from_numpy(target),
                torch.from_numpy(depth[None].astype(np.float32)),
            )


def _turned(plane: NDArray[Any], turns: int, mirrored: bool) -> NDArray[Any]:
    return np.rot90(plane[:, ::-1] if mirrored else plane, turns)


def _rim(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels with another label above, below or beside them."""
    rim = np.zeros(labels.shape, np.bool_)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    for part, differs in ((rim[1:], down), (rim[:-1], down), (rim[:, 1:], right), (rim[:, :-1], right)):
        part |= differs
    return rim


def loss_of(told: Tensor, target: Tensor, depth: Tensor) -> Tensor:
    """Cross entropy of being a particle, and the error of depth inside one."""
    body, weight = target[:, :1], target[:, 1:]
    entropy = nn.functional.binary_cross_entropy_with_logits(told[:, :1], body, weight)
    miss = nn.functional.smooth_l1_loss(told[:, 1:] * body, depth * body, reduction="sum", beta=0.1)
    return entropy + _DEPTH_WEIGHT * miss / body.sum().clamp(min=1.0)


def trained(seed: int, steps: int, scenes: int) -> nn.Module:
    """The network after so many batches, its rate rising first and then falling to nothing."""
    torch.manual_seed(seed)
    network = Outliner().to(memory_format=torch.channels_last)
    best = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(best, _RATE, total_steps=steps)
    images = DataLoader(_Images(seed, scenes, steps * _BATCH), _BATCH, num_workers=1, prefetch_factor=8)
    began, mean = time.monotonic(), 0.0
    for step, (seen, target, depth) in enumerate(images):
        with torch.autocast("cpu", torch.bfloat16):
            told = network(seen.contiguous(memory_format=torch.channels_last))
        loss = loss_of(told.float(), target, depth)
        best.zero_grad()
        loss.backward()
        best.step()
        rate.step()
        mean = float(loss.detach()) if step == 0 else 0.98 * mean + 0.02 * float(loss.detach())
        if step % 50 == 0:
            print(f"step {step} of {steps}: loss {mean:.4f}, {time.monotonic() - began:.0f} s", flush=True)
    return network.eval()


def export(network: nn.Module, path: Path) -> None:
    """As ONNX, for images of any size and number."""
    plain = network.to(memory_format=torch.contiguous_format)
    sizes = {0: "image", 2: "y", 3: "x"}
    torch.onnx.export(
        plain,
        (torch.zeros(1, 1, 64, 64),),
        str(path),
        input_names=["image"],
        output_names=["told"],
        dynamic_axes={"image": sizes, "told": sizes},
        dynamo=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m analysis.particles.training.train", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2600, help=f"of {_BATCH} images of 256 x 256 pixels")
    parser.add_argument("--scenes", type=int, default=1600, help="drawn; each is recorded anew every time")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    asked = parser.parse_args()
    export(trained(asked.seed, asked.steps, asked.scenes), asked.out)
    print(f"wrote {asked.out}, {asked.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
