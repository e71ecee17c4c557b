"""Which of the particles in a look is the one that is wanted: the same as before, through drift and jumps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.particles.following import Following, Seen
from analysis.particles.measurement import Measured, measured
from analysis.particles.outlines import Labels, Method, best_method, outlines

_NEIGHBOUR, _CUT = 0.2, 0.1
"""A body with this part of the brightest one's light may be a target; with this part of the border, it is cut by it."""
_SIZES_APART = 0.3
"""Of ln diameter, seen twice of one particle."""
_MOST_MISSES = 2
"""Looks in a row without the target, after which the next look begins anew."""


def warm_up() -> None:
    """Import and load what looking takes: seconds, in which a guard would take the controller for hanging."""
    y, x = np.indices((64, 64))
    Target().off_centre_px(100.0 * (np.hypot(y - 32, x - 32) < 12) + y % 3, 1.0, np.zeros(2))


class Target:
    """One particle of a session, told from its neighbours by following all of them from look to look.

    Parameters
    ----------
    diameter_nm : where it is known; else that of the first look counts from then on
    """

    def __init__(self, method: Method | None = None, *, diameter_nm: float | None = None) -> None:
        self._diameter_nm = diameter_nm
        self._method = method or best_method()
        self._following = Following()
        self._own: int | None = None
        self._unit_nm = 1.0
        self._misses = 0

    @property
    def known(self) -> bool:
        """Whether a look has told which particle it is."""
        return self._own is not None

    def off_centre_px(
        self, image: NDArray[np.generic], pixel_nm: float, image_shift_nm: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Offset (y, x) of the target from the image's centre; None when it is not seen whole.

        In the first look it is the particle of its size that is nearest to the centre. Looks may differ in pixel size
        and image shift: what was shifted on purpose is not drift. Slow: not for the event loop.
        """
        try:
            labels = outlines(image, self._method)
            bodies = measured(image, labels, pixel_nm)
        except ValueError:
            return None
        middle = 0.5 * (np.array(image.shape) - 1.0)
        offsets_px = np.array([(b.y_px, b.x_px) for b in bodies]).reshape(-1, 2) - middle
        first = not self.known
        if first:
            self._following, self._unit_nm = Following(), pixel_nm
        names = self._names(bodies, offsets_px * pixel_nm - image_shift_nm)
        if first and bodies:
            nearest = _nearest(image, bodies, offsets_px, self._diameter_nm)
            self._own, self._diameter_nm = names[nearest], self._diameter_nm or bodies[nearest].diameter_nm.value
        if self._own not in names:
            self._misses += 1
            if self._misses >= _MOST_MISSES:
                self._own = None
            return None
        self._misses = 0
        return _weighed(image, labels, bodies[names.index(self._own)])

    def _names(self, bodies: tuple[Measured, ...], places_nm: NDArray[np.float64]) -> list[int | None]:
        """Each body's, by its place on the specimen."""
        seen = [
            Seen(float(y), float(x), body.diameter_nm.value / self._unit_nm)
            for body, (y, x) in zip(bodies, places_nm / self._unit_nm, strict=True)
        ]
        told = len(self._following.events)
        self._following.shift_px = np.zeros(2)  # heat moves a window each time another way
        names = self._following.add(seen)
        for event in self._following.events[told:]:
            if event.what == "merged" and event.name == self._own:
                self._own = event.into
        return [*names]


def _nearest(
    image: NDArray[np.generic],
    bodies: tuple[Measured, ...],
    offsets_px: NDArray[np.float64],
    diameter_nm: float | None,
) -> int:
    """To the centre, of those of such a size; where there is none or it is not known, of those that are no specks."""
    if diameter_nm is not None:
        alike = np.abs([np.log(b.diameter_nm.value / diameter_nm) for b in bodies]) < _SIZES_APART
        if alike.any():
            return int(np.argmin(np.where(alike, np.hypot(*offsets_px.T), np.inf)))
    dark = float(np.percentile(np.asarray(image, np.float64), 5.0))
    light = np.array([b.area_nm2.value * (b.intensity.value - dark) for b in bodies])
    return int(np.argmin(np.where(light > _NEIGHBOUR * light.max(), np.hypot(*offsets_px.T), np.inf)))


def _weighed(image: NDArray[np.generic], labels: Labels, body: Measured) -> NDArray[np.float64] | None:
    """The middle of its brightness, which tilts about the axis as its outline does not; None when the field cuts it."""
    from scipy.ndimage import center_of_mass

    own = labels == body.label
    border = np.concatenate([own[0], own[-1], own[:, 0], own[:, -1]])
    if np.count_nonzero(border) > _CUT * border.size:
        return None
    signal = np.asarray(image, np.float64)
    weight = np.where(own, signal - np.percentile(signal, 5.0), 0.0)
    return np.array(center_of_mass(weight)) - 0.5 * (np.array(image.shape) - 1.0)
