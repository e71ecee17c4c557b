"""Pictures of results: a matplotlib figure to draw into, grey-scale images with a scale bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BARS_NM = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
_LONGEST_BAR = 0.35
"""Of the image's width."""


def new_figure(columns: int = 1, width: float = 5.5, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A figure with axes side by side; raises ImportError where matplotlib is missing."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("plots take matplotlib, which is not installed: pip install 'alloyscope[plots]'") from None
    figure, axes = plt.subplots(1, columns, figsize=(width, height), layout="constrained", squeeze=False)
    if "inline" in plt.get_backend().lower():
        # A notebook shows the figure that a cell returns; left open, it would show it once more.
        plt.close(figure)
    return figure, list(axes[0])


def grey(axes: Axes, image: NDArray[Any], title: str, pixel_nm: float | None = None, **how: Any) -> Any:
    """An image (y, x) with y down, and a scale bar where the pixel size is known; returns matplotlib's image."""
    shown = axes.imshow(np.asarray(image), **({"cmap": "gray", "interpolation": "nearest"} | how))
    axes.set(title=title, xticks=[], yticks=[])
    if pixel_nm is not None:
        _scale_bar(axes, image.shape, pixel_nm)
    return shown


def _scale_bar(axes: Axes, shape: tuple[int, ...], pixel_nm: float) -> None:
    rows, columns = shape[:2]
    fitting = [b for b in _BARS_NM if b <= _LONGEST_BAR * columns * pixel_nm]
    if not fitting:
        return
    long_px = fitting[-1] / pixel_nm
    y, x = 0.93 * rows, 0.05 * columns
    axes.plot([x, x + long_px], [y, y], color="white", linewidth=3, solid_capstyle="butt")
    axes.text(x + 0.5 * long_px, y - 0.02 * rows, f"{fitting[-1]:g} nm", color="white", ha="center", va="bottom")
