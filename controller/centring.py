"""Bringing a particle back to where it was: to the middle of the field, and to the height of the tilt axis.

Heat shifts and bulges the window, and some of it stays after each quench. A particle off the axis by z runs across the
field by z sin(tilt), out of it at high tilt, and out of focus.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from controller.plan import MOST_LOOKS, WIDER, Recording
from controller.session_file import Tracking
from drivers.interfaces import Scan

if TYPE_CHECKING:
    from controller.acquire import Acquisition

_CLOSE_PX = 2.0
_NEIGHBOUR, _CUT = 0.2, 0.1
"""A body with this part of the largest one's weight is a particle; with this part of the border, it is cut by it."""
_MOST_HEIGHT_NM = 5000.0
"""More is no drift: the particle was mistaken for another."""


async def bring_back(acquisition: Acquisition, step: Recording, tracking: Tracking) -> None:
    """Centre and bring to eucentric height, as far as asked for; what could not be seen is journaled and left."""
    if tracking.eucentric:
        await _to_axis(acquisition, step, tracking.at_deg)
    if tracking.on:
        await _to_middle(acquisition, step)


async def _to_middle(acquisition: Acquisition, step: Recording) -> None:
    name, pixel_nm = step.particle.name, acquisition.settings.pixel_nm
    wide = replace(acquisition.settings, pixel_nm=WIDER * pixel_nm)
    for _ in range(MOST_LOOKS):
        off_nm = _off_centre_nm(await acquisition.look(step, 0.0, wide))
        if off_nm is None:
            acquisition.journal.write("not_centred", step=step.id, reason="the particle is not alone in the field")
            return
        await acquisition.shift_image(name, acquisition.image_shift_nm[name] - off_nm)
        acquisition.journal.write("centred", step=step.id, off_nm=[round(float(v), 2) for v in off_nm])
        if np.abs(off_nm).max() <= _CLOSE_PX * pixel_nm:
            return


async def _to_axis(acquisition: Acquisition, step: Recording, at_deg: float) -> None:
    """A feature above the axis moves to larger y when the tilt grows: y = z sin(tilt) + what does not tilt."""
    name = step.particle.name
    wide = replace(acquisition.settings, pixel_nm=WIDER * acquisition.settings.pixel_nm)
    low, high = [_off_centre_nm(await acquisition.look(step, t, wide)) for t in (-at_deg, at_deg)]
    if low is None or high is None:
        acquisition.journal.write("not_eucentric", step=step.id, reason="the particle is not alone in the field")
        return
    above_nm = float(high[0] - low[0]) / (2.0 * float(np.sin(np.radians(at_deg))))
    if abs(above_nm) > _MOST_HEIGHT_NM:
        acquisition.journal.write("not_eucentric", step=step.id, reason=f"{above_nm:.0f} nm off is not believed")
        return
    acquisition.height_nm[name] = acquisition.height_nm.get(name, 0.0) - above_nm
    acquisition.journal.write("eucentric", step=step.id, above_axis_nm=round(above_nm, 2))


def _off_centre_nm(scan: Scan) -> NDArray[np.float64] | None:
    off_px = off_centre_px(scan.image)
    return None if off_px is None else off_px * scan.pixel_nm


def off_centre_px(image: NDArray[np.generic]) -> NDArray[np.float64] | None:
    """Offset (y, x) of the bright object from the image's centre; None when the field cuts it.

    Of several, the one nearest to the centre.
    """
    from scipy.ndimage import label

    signal = np.asarray(image, np.float64)
    dark, bright = np.percentile(signal, (5.0, 99.5))
    weight = np.where(signal > dark + 0.3 * (bright - dark), signal - dark, 0.0)
    bodies, n = label(weight > 0.0)
    if n == 0:
        return None
    index = np.arange(n + 1)
    heavy = np.bincount(bodies.ravel(), weight.ravel(), n + 1)
    large = [k for k in index[1:] if heavy[k] > _NEIGHBOUR * heavy[1:].max()]
    rows, columns = signal.shape
    y, x = (c - 0.5 * (size - 1) for c, size in zip(np.indices(signal.shape), signal.shape, strict=True))
    centres = {k: np.array([(weight * c)[bodies == k].sum() / heavy[k] for c in (y, x)]) for k in large}
    nearest = min(large, key=lambda k: float(np.hypot(*centres[k])))
    own = bodies == nearest
    if own[0].sum() + own[-1].sum() + own[:, 0].sum() + own[:, -1].sum() > _CUT * 2 * (rows + columns):
        return None
    return centres[nearest]
