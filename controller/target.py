"""Which of the particles in a look is the one that is wanted: the same as before, through drift and jumps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.particles.following import Following, Seen
from analysis.particles.measurement import measured
from analysis.particles.outlines import Method, best_method, outlines


class Target:
    """One particle of a session, told from its neighbours by following all of them from look to look."""

    def __init__(self, method: Method | None = None) -> None:
        self._method = method or best_method()
        self._following = Following()
        self._own: int | None = None
        self._unit_nm = 1.0

    def off_centre_px(
        self, image: NDArray[np.generic], pixel_nm: float, image_shift_nm: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Offset (y, x) of the target from the image's centre; None when it is not seen whole.

        In the first look it is the particle nearest to the centre. Looks may differ in pixel size and image shift: what
        was shifted on purpose is not drift.
        """
        try:
            labels = outlines(image, self._method)
        except ValueError:
            return None
        bodies = measured(image, labels, pixel_nm)
        middle = 0.5 * (np.array(image.shape) - 1.0)
        offsets_px = np.array([(b.y_px, b.x_px) for b in bodies]).reshape(-1, 2) - middle
        if not bodies and self._own is None:
            return None
        if self._own is None:
            self._unit_nm = pixel_nm
        places = (offsets_px * pixel_nm - image_shift_nm) / self._unit_nm
        seen = [
            Seen(float(y), float(x), b.diameter_nm.value / self._unit_nm)
            for (y, x), b in zip(places, bodies, strict=True)
        ]
        told = len(self._following.events)
        names = self._following.add(seen)
        for event in self._following.events[told:]:
            if event.what == "merged" and event.name == self._own:
                self._own = event.into
        if self._own is None:
            self._own = names[int(np.argmin(np.hypot(*offsets_px.T)))]
        if self._own not in names:
            if self._own not in {track.name for track in self._following.tracks}:
                self._following, self._own = Following(), None  # lost for good: the next look begins anew
            return None
        own = names.index(self._own)
        return None if bodies[own].cut else self._weighed(image, labels == bodies[own].label)

    @staticmethod
    def _weighed(image: NDArray[np.generic], own: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The middle of its brightness, which tilts about the axis as its outline does not."""
        from scipy.ndimage import center_of_mass

        signal = np.asarray(image, np.float64)
        weight = np.where(own, signal - np.percentile(signal, 5.0), 0.0)
        return np.array(center_of_mass(weight)) - 0.5 * (np.array(image.shape) - 1.0)
