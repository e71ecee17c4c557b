"""The network that outlines particles, in PyTorch: a small U-Net that works on a quarter of the pixels.

From an image it tells, for every pixel, the logit of being part of a particle and how deep inside one it lies. A
learned depth parts what touches where a level cannot. Only training needs this; `learned.py` runs the exported network.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

WIDTHS = (16, 32, 48, 64, 96)
"""Channels at a half, a quarter, ... of the resolution."""
OUTPUTS = 2
"""Particle (logit) and depth."""


class Outliner(nn.Module):
    """(image, 1, y, x) to (image, 2, y, x); y and x are multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.fold, self.unfold = nn.PixelUnshuffle(2), nn.PixelShuffle(2)
        before = (4, *WIDTHS[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(_step(there, here), _step(here, here)) for there, here in zip(before, WIDTHS, strict=True)
        )
        self.reduce = nn.MaxPool2d(2)
        self.across = nn.ModuleList(nn.Conv2d(deep, here, 1) for here, deep in pairwise(WIDTHS))
        self.up = nn.ModuleList(nn.Sequential(_step(here, here), _step(here, here)) for here in WIDTHS[:-1])
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.tell = nn.Conv2d(WIDTHS[0], 4 * OUTPUTS, 1)

    def forward(self, image: Tensor) -> Tensor:
        here, levels = self.fold(image), []
        for number, block in enumerate(self.down):
            here = block(here if number == 0 else self.reduce(here))
            levels.append(here)
        for number in reversed(range(len(self.up))):
            here = self.up[number](levels[number] + self.enlarge(self.across[number](here)))
        told: Tensor = self.unfold(self.tell(here))
        return told


def _step(there: int, here: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(there, here, 3, padding=1, bias=False), nn.BatchNorm2d(here), nn.ReLU(inplace=True))
