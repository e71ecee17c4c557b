"""A scale bar on a picture of matplotlib's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BARS_NM = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
_LONGEST_BAR = 0.35
"""Of the image's width."""


def draw_scale_bar(axes: Axes, shape: tuple[int, ...], pixel_nm: float) -> None:
    """White, with its length, in the lower left corner; none where no round length fits."""
    rows, columns = shape[:2]
    fitting = [b for b in _BARS_NM if b <= _LONGEST_BAR * columns * pixel_nm]
    if not fitting:
        return
    long_px = fitting[-1] / pixel_nm
    y, x = 0.93 * rows, 0.05 * columns
    axes.plot([x, x + long_px], [y, y], color="white", linewidth=3, solid_capstyle="butt")
    axes.text(x + 0.5 * long_px, y - 0.02 * rows, f"{fitting[-1]:g} nm", color="white", ha="center", va="bottom")
