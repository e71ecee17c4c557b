"""A grey image in half blocks: two pixels a character, any terminal."""

from __future__ import annotations

from textwrap import fill
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual.timer import Timer

from analysis.results import Outlined, Preview
from controller.events import Picture
from controller.monitor.panels.drawn import DrawnRows, entitle, in_runs
from controller.monitor.state import WatchedSession

_RIM = np.array([255, 170, 0])
_LATE = 2
"""Frames."""
_LEAST_WIDTH, _LEAST_HEIGHT = 14, 6
"""Of a slice that shows anything, and of a picture that has room for a scale bar."""
_MOST_BAR, _LEAST_BAR = 0.5, 3
"""Of a picture's width, and in columns."""
_LEVELS = 24
"""Of brightness that are told apart: of more a screen this coarse shows nothing, and each change of colour is sent."""
_CELLS_PER_S, _MOST_WAIT_S = 40.0, 4.0
"""A new picture waits until a slow line has room for it, for some 50 bytes a character, and never longer."""
_VIRIDIS = [(68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129), (92, 200, 99)]
_VIRIDIS += [(170, 220, 50), (253, 231, 37)]
VIRIDIS = np.array([np.interp(np.arange(256), np.linspace(0, 255, 9), c) for c in zip(*_VIRIDIS, strict=True)]).T
"""(256, 3), of even steps to every eye, that of those who see red and green alike as well."""


class PicturePanel(DrawnRows):
    """A framed image; give it uint8 pixels (y, x) with `show`."""

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(id=id)
        self.border_title = title
        self._pixels: NDArray[np.uint8] | None = None
        self._rims: NDArray[np.uint8] | None = None
        self._instead = "no picture yet"
        self._shown_step, self._due_s = "", 0.0
        self._later: Timer | None = None
        self._pixel_nm = 0.0
        self.table: NDArray[np.float64] | None = None

    def show(
        self, pixels: NDArray[np.uint8], *captions: str, rims: NDArray[np.uint8] | None = None, pixel_nm: float = 0.0
    ) -> None:
        """The first caption that there is room for; `rims`, of the same shape, is 1 where an outline is drawn.

        With a pixel's size there is a scale bar.
        """
        self._pixels, self._rims, self._pixel_nm = pixels, rims, pixel_nm
        self.framed(captions=captions)
        self.draw_anew()

    def waits(self, step: str) -> bool:
        """Whether it is too early for another picture of the same step."""
        now_s = monotonic()
        if step == self._shown_step and now_s < self._due_s:
            if self._later is None:  # nothing else may come that has it drawn
                self._later = self.set_timer(self._due_s - now_s, self._draw_held_back)
            return True
        self._shown_step = step
        self._due_s = now_s + min(_MOST_WAIT_S, self.size.width * self.size.height / _CELLS_PER_S)
        return False

    def _draw_held_back(self) -> None:
        self._later = None
        self.app.redraw()  # type: ignore[attr-defined]  # of the monitor, the one app that has it

    def show_none(self, lacks: str) -> None:
        """Say that there will be none."""
        if lacks and lacks != self._instead:
            self._instead = lacks
            self.draw_anew()

    def drawn(self, width: int, height: int) -> Text:
        if self._pixels is None:
            return Text(fill(self._instead, max(width, 1)), style="dim")
        return self._with_bar(self._pixels, width, height, self._rims)

    def _with_bar(
        self, pixels: NDArray[np.uint8], width: int, height: int, rims: NDArray[np.uint8] | None = None
    ) -> Text:
        """With its scale bar, where there is room for one."""
        bar = Text()
        if self._pixel_nm and height > _LEAST_HEIGHT:
            height -= 1
            across = shown_size(pixels.shape, width, height)[0]
            bar = scale_bar(self._pixel_nm * pixels.shape[1] / across, across, width)
        drawn = half_blocks(pixels, width, height, rims, self.table)
        if bar.plain:
            drawn.append("\n")
            drawn.append(bar)
        return drawn


class FramePicture(PicturePanel):
    """The last frame, with the outlines found in it."""

    def draw(self, session: WatchedSession) -> None:
        picture, outlined = session.picture, session.outlined
        if picture is None:
            self.show_none(session.lacks)
            return
        if not session.over and self.waits(picture.step):
            return
        pixels = np.frombuffer(picture.pixels, np.uint8).reshape(picture.shape)
        tilt, found, rims = f"{picture.tilt_deg:+.1f} deg", [], None
        if outlined is not None and belongs(outlined, picture):
            found, rims = in_words(outlined), rims_in(outlined, pixels.shape)
        captions = (f"{tilt}, {found[0]}", *found, tilt) if found else (tilt,)
        self.show(pixels, *captions, rims=rims, pixel_nm=picture.pixel_nm)


class SlicePicture(PicturePanel):
    """An orthoslice of the reconstruction so far, beside that of the particle's first series where there is room."""

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(title, id=id)
        self.table = VIRIDIS
        self._before: NDArray[np.uint8] | None = None

    def draw(self, session: WatchedSession) -> None:
        now = session.preview
        if now is None:
            self.show_none(session.lacks)
            return
        if not session.over and self.waits(now.step):
            return
        first = session.slices_of(now.particle)[0]
        beside = first.step != now.step and self.size.width >= 2 * _LEAST_WIDTH + 1
        self._before = pixels_of(first) if beside else None
        entitle(self, "slice: first, now" if beside else "orthoslice")
        self.show(pixels_of(now), f"{now.frames} tilts", pixel_nm=now.pixel_nm)

    def drawn(self, width: int, height: int) -> Text:
        if self._pixels is None or self._before is None:
            return super().drawn(width, height)
        half = (width - 1) // 2
        before, now = (self._with_bar(p, half, height) for p in (self._before, self._pixels))
        return _beside(before, now, half)


def pixels_of(preview: Preview) -> NDArray[np.uint8]:
    return np.frombuffer(preview.pixels, np.uint8).reshape(preview.shape)


def _beside(left: Text, right: Text, width: int) -> Text:
    """Two pictures in one, each as wide."""
    out = Text(no_wrap=True)
    lines = left.split("\n", allow_blank=True), right.split("\n", allow_blank=True)
    for number, (first, second) in enumerate(zip(*lines, strict=False)):
        first.pad_right(width + 1 - first.cell_len)
        out.append("\n" if number else "")
        out.append(first)
        out.append(second)
    return out


def belongs(found: Outlined, picture: Picture) -> bool:
    """Whether these are the picture's outlines, or so late that nothing has moved far since."""
    return found.step == picture.step and 0 <= picture.index - found.frame <= _LATE


def in_words(found: Outlined) -> list[str]:
    """How many particles are in a frame, and how large the middle one is; in full, and shorter."""
    if found.diameter_nm is None:
        return ["no particle"]
    number = "" if found.found == 1 else f"{found.found} particles, "
    apart = ", cut by the field" if found.cut else ", touching" if found.touching else ""
    size = f"{found.diameter_nm} nm"
    return [f"{number}{size}{apart}", f"{size}{apart}"]


def rims_in(found: Outlined, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Where outlines run in a picture of that shape; None when they are of another."""
    return np.frombuffer(found.rims, np.uint8).reshape(found.shape) if found.shape == shape else None


def half_blocks(
    pixels: NDArray[np.uint8],
    width: int,
    height: int,
    rims: NDArray[np.uint8] | None = None,
    table: NDArray[np.float64] | None = None,
) -> Text:
    """Fit an image into `width` x `height` characters, centred, its aspect kept; rims in a colour of their own.

    Parameters
    ----------
    table : (256, 3) red, green and blue of each level; greys by default
    """
    w, h = shown_size(pixels.shape, width, height)
    small = _binned(_binned(pixels, h, 0), w, 1)
    rim = np.zeros(small.shape, np.uint8) if rims is None else _thinned(rims, h, w)
    small = np.round(np.clip(small, 0, 255) * ((_LEVELS - 1) / 255.0)) * (255.0 / (_LEVELS - 1))
    shown = small[..., None] if table is None else table[small.astype(int)]
    colours = np.where(rim[..., None] > 0, _RIM, shown).astype(int)
    out = Text("\n" * ((height - h // 2) // 2), no_wrap=True)
    indent = " " * ((width - w) // 2)
    for upper, lower in zip(colours[0::2], colours[1::2], strict=True):
        out.append(indent)
        both = zip(upper.tolist(), lower.tolist(), strict=True)
        styles = (f"rgb({r},{g},{b}) on rgb({red},{green},{blue})" for (r, g, b), (red, green, blue) in both)
        out.append(in_runs(("▀", style) for style in styles))
        out.append("\n")
    out.rstrip()
    return out


def shown_size(shape: tuple[int, ...], width: int, height: int) -> tuple[int, int]:
    """Columns and half rows of an image of that shape in `width` x `height` characters."""
    rows, columns = shape
    scale = min(width / columns, 2 * height / rows)
    return max(1, int(columns * scale)), max(2, int(rows * scale) // 2 * 2)


def scale_bar(nm_per_column: float, across: int, width: int) -> Text:
    """Of a round length, below the left edge of an image that is `across` columns wide in the middle of `width`."""
    most_nm = _MOST_BAR * across * nm_per_column
    decade = 10.0 ** np.floor(np.log10(max(most_nm, 1e-6)))
    nm = next(decade * step for step in (5.0, 2.0, 1.0) if decade * step <= most_nm * (1.0 + 1e-9))
    columns, words = round(nm / nm_per_column), f" {nm:g} nm"
    if columns < _LEAST_BAR or columns + len(words) > width:
        return Text()
    return Text(" " * ((width - across) // 2) + "├" + "─" * (columns - 2) + "┤" + words, style="dim", no_wrap=True)


def _binned(pixels: NDArray[Any], count: int, axis: int) -> NDArray[np.float64]:
    """Means over so many stretches of an axis, which every pixel is in: picking single ones would show their noise."""
    size = pixels.shape[axis]
    first = np.arange(count) * size // count
    if count >= size:
        return np.asarray(np.take(pixels, first, axis), np.float64)
    sums = np.add.reduceat(pixels.astype(np.float64), first, axis)
    width = np.diff(np.append(first, size)).reshape([-1 if a == axis else 1 for a in range(2)])
    return np.asarray(sums / width, np.float64)


def _thinned(rims: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """On the screen's pixels, without gaps where several make one."""
    y, x = np.nonzero(rims)
    out = np.zeros((rows, columns), np.uint8)
    out[y * rows // rims.shape[0], x * columns // rims.shape[1]] = 1
    return out
