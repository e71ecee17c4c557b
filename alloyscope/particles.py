"""The particles in an image: where they are, how large, and of which shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alloyscope import inputs
from alloyscope.card import card

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.particles.measurement import Measured

_METHODS = ("otsu", "watershed", "learned")
_DENOISED = ("no", "gaussian", "non-local means")


@dataclass(frozen=True, eq=False)
class ParticlesFound:
    """Outlines and measures of the particles in one image, as `find_particles` gives them."""

    labels: NDArray[np.int32]
    """(y, x), from 1; 0 where there is no particle."""
    particles: tuple[Measured, ...]
    """Each with ``diameter_nm``, ``area_nm2``, ``aspect_ratio`` and others as value and std, and its ``shape``."""
    image: NDArray[np.generic]
    pixel_nm: float
    method: str
    quality: str

    def __len__(self) -> int:
        return len(self.particles)

    @property
    def value(self) -> NDArray[np.float64]:
        """(particle,) diameters."""
        return np.array([p.diameter_nm.value for p in self.particles])

    @property
    def std(self) -> NDArray[np.float64]:
        """(particle,) of each diameter."""
        return np.array([p.diameter_nm.std for p in self.particles])

    @property
    def unit(self) -> str:
        return "nm"

    def _repr_html_(self) -> str:
        from analysis.particles.particle_report import whereabouts

        rows = [(str(p.label), whereabouts(p, self.labels.shape, self.pixel_nm)) for p in self.particles]
        return card(f"{len(self)} particles, by {self.method}", rows, quality=self.quality)

    def plot(self) -> Figure:
        """The image with every particle's outline and number."""
        from alloyscope.figure import grey, new_figure
        from analysis.particles.particle_report import picture

        figure, (axes,) = new_figure(width=5.0, height=5.0)
        drawn = picture(self.image, self.labels)
        times = drawn.shape[0] / self.labels.shape[0]
        grey(axes, drawn, f"{len(self)} particles", self.pixel_nm / times)
        for p in self.particles:
            axes.text(times * p.x_px, times * p.y_px, str(p.label), color="C3", ha="center", va="center")
        return figure


def find_particles(
    image: ArrayLike,
    pixel_nm: float,
    *,
    method: Literal["otsu", "watershed", "learned"] | None = None,
    denoised: Literal["no", "gaussian", "non-local means"] = "no",
    bright_field: bool = False,
) -> ParticlesFound:
    """Find and measure the particles in an image.

    Parameters
    ----------
    image : (y, x), particles bright on dark (HAADF), or dark with `bright_field`
    pixel_nm : pixel size
    method : ``learned`` outlines (needs onnxruntime), ``watershed`` by levels, ``otsu`` the plain threshold of
        Zhang et al., arXiv:2409.16637 (2024); by default the best that is installed
    denoised : beforehand, as Zhang et al., arXiv:2409.16637 (2024)

    Raises
    ------
    ValueError
        For an image that is none, or of the other contrast.
    ImportError
        For learned outlines without onnxruntime.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> y, x = np.indices((64, 64))
    >>> discs = 40.0 * ((y - 20) ** 2 + (x - 20) ** 2 < 81) + 40.0 * ((y - 44) ** 2 + (x - 45) ** 2 < 81)
    >>> image = np.random.default_rng(0).poisson(discs + 4.0)
    >>> found = al.find_particles(image, 0.5, method="watershed")
    >>> len(found), [p.shape for p in found.particles]
    (2, ['round', 'round'])
    >>> bool(np.all(np.abs(found.value - 9.0) < 3 * found.std))
    True
    """
    from analysis.particles.looked_at import look_at
    from analysis.particles.outlines import best_method
    from analysis.particles.particle_report import line

    given = inputs.image(image)
    size_nm = inputs.above_zero(pixel_nm, "pixel_nm", "nm")
    by: Literal["otsu", "watershed", "learned"] = best_method() if method is None else method
    inputs.one_of(by, "method", _METHODS)
    inputs.one_of(denoised, "denoised", _DENOISED)
    if by == "learned" and best_method() != "learned":
        raise ImportError(
            "learned outlines take onnxruntime, which is not installed: pip install 'alloyscope[learned]'"
        )
    try:
        seen = look_at(given, size_nm, by, denoised, bright_field=bool(bright_field))
    except ValueError as error:
        remedy = str(error).replace("drop --bright-field", "give bright_field=False")
        raise ValueError(f"image: {remedy.replace('give --bright-field', 'give bright_field=True')}") from error
    quality = _quality(seen.particles, line("image", seen.particles), seen.notes)
    return ParticlesFound(seen.labels, seen.particles, given, size_nm, by, quality)


def _quality(particles: tuple[Measured, ...], summary: str, notes: tuple[str, ...]) -> str:
    if not particles:
        return f"poor: {summary}"
    cut = [str(p.label) for p in particles if p.cut]
    problems = [f"cut by the edge of the image, sizes are lower bounds: {', '.join(cut)}"] if cut else []
    problems += notes
    return f"poor: {'; '.join(problems)}" if problems else "good"
