"""Pictures of results: a matplotlib figure to draw into, grey-scale images with a scale bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.images.scale_bar import draw_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
        draw_scale_bar(axes, image.shape, pixel_nm)
    return shown
