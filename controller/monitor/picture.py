"""A grey image in half blocks: two pixels a character, any terminal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual.widget import Widget


class PicturePanel(Widget):
    """A framed image; give it uint8 pixels (y, x) with `show`."""

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(id=id)
        self.border_title = title
        self._pixels: NDArray[np.uint8] | None = None

    def show(self, pixels: NDArray[np.uint8], caption: str) -> None:
        self._pixels = pixels
        self.border_subtitle = caption
        self.refresh()

    def render(self) -> Text:
        if self._pixels is None:
            return Text("waiting for data", style="dim")
        return half_blocks(self._pixels, self.size.width, self.size.height)


def half_blocks(pixels: NDArray[np.uint8], width: int, height: int) -> Text:
    """Fit an image into `width` x `height` characters, centred, its aspect kept."""
    rows, columns = pixels.shape
    scale = min(width / columns, 2 * height / rows)
    w, h = max(1, int(columns * scale)), max(2, int(rows * scale) // 2 * 2)
    y = (np.arange(h) * rows / h).astype(int)
    x = (np.arange(w) * columns / w).astype(int)
    small = pixels[y][:, x]
    out = Text("\n" * ((height - h // 2) // 2), no_wrap=True)
    indent = " " * ((width - w) // 2)
    for upper, lower in zip(small[0::2], small[1::2], strict=True):
        out.append(indent)
        for a, b in zip(upper, lower, strict=True):
            out.append("▀", style=f"rgb({a},{a},{a}) on rgb({b},{b},{b})")
        out.append("\n")
    out.rstrip()
    return out
