"""Bringing a particle back to where it was: to the middle of the field, and to the height of the tilt axis.

Heat shifts and bulges the window, and some of it stays after each quench. A particle off the axis by z runs across the
field by z sin(tilt), out of it at high tilt, and out of focus.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from controller.recordings import EdxMap, Recording
from controller.session_file import Tracking
from controller.target import Target
from drivers.interfaces import ScanSettings

if TYPE_CHECKING:
    from controller.acquire import Acquisition

_WIDER = 2
"""The field of a look over that of the data."""
_MOST_LOOKS, _CLOSE_PX = 3, 2.0
"""To the middle: it ends when the particle was so close already."""
_NOT_SEEN = "the particle is not seen whole in the field"
_NEIGHBOUR, _CUT = 0.2, 0.1
"""A body with this part of the largest one's weight is a particle; with this part of the border, it is cut by it."""
_MOST_HEIGHT_NM = 5000.0
"""More is no drift: the particle was mistaken for another."""


def most_frames_of_looks(tracking: Tracking, taken: Recording, finer: float) -> float:
    """Of how many frames the dose is that looking for a particle may take.

    Parameters
    ----------
    finer : how many times smaller the pixels of EDX maps are than those of frames
    """
    of_a_map = isinstance(taken, EdxMap)
    centred = tracking.on or of_a_map or bool(taken.particle.choose)
    looks = (3.0 if tracking.eucentric else 0.0) + (_MOST_LOOKS if centred else 0)
    if of_a_map and finer > 1.0:
        looks += _MOST_LOOKS * finer**2
    return looks / _WIDER**2


async def bring_back(acquisition: Acquisition, step: Recording) -> None:
    """Centre and bring to eucentric height, as far as asked for; what could not be seen is journaled and left.

    An EDX map is always centred, its field being little wider than the particle; at last in that field itself.
    """
    if acquisition.tracking.eucentric:
        await _to_axis(acquisition, step)
    first = bool(step.particle.choose) and not _known(acquisition, step)
    if acquisition.tracking.on or isinstance(step, EdxMap) or first:
        await _to_middle(acquisition, step, acquisition.settings)
    if isinstance(step, EdxMap):
        finer = replace(step.settings.scan, dwell_s=acquisition.settings.dwell_s)
        if finer.pixel_nm < acquisition.settings.pixel_nm:
            await _to_middle(acquisition, step, finer)


async def _to_middle(acquisition: Acquisition, step: Recording, settings: ScanSettings) -> None:
    name, pixel_nm = step.particle.name, settings.pixel_nm
    tilt_deg = step.tilt_deg if isinstance(step, EdxMap) else 0.0
    for _ in range(_MOST_LOOKS):
        off_nm = await _off_centre_nm(acquisition, step, tilt_deg, settings)
        if off_nm is None:
            acquisition.journal.write("not_centred", step=step.id, reason=_NOT_SEEN)
            return
        await acquisition.shift_image(name, acquisition.image_shift_nm[name] - off_nm)
        acquisition.journal.write("centred", step=step.id, off_nm=[round(float(v), 2) for v in off_nm])
        if np.abs(off_nm).max() <= _CLOSE_PX * pixel_nm:
            return


async def _to_axis(acquisition: Acquisition, step: Recording) -> None:
    """A feature above the axis moves to larger y when the tilt grows: y = z sin(tilt) + what does not tilt."""
    name, at_deg = step.particle.name, acquisition.tracking.at_deg
    if not _known(acquisition, step):
        # Tilted, a particle off the axis is far from the middle: which one it is shows untilted.
        await _off_centre_nm(acquisition, step, 0.0, acquisition.settings)
    seen_nm: list[float] = []
    for tilt_deg in (-at_deg, at_deg):
        known = _known(acquisition, step)
        off_nm = await _off_centre_nm(acquisition, step, tilt_deg, acquisition.settings) if known else None
        if off_nm is None:
            acquisition.journal.write("not_eucentric", step=step.id, reason=_NOT_SEEN)
            return
        seen_nm.append(float(off_nm[0]))
    above_nm = (seen_nm[1] - seen_nm[0]) / (2.0 * float(np.sin(np.radians(at_deg))))
    if abs(above_nm) > _MOST_HEIGHT_NM:
        acquisition.journal.write("not_eucentric", step=step.id, reason=f"{above_nm:.0f} nm off is not believed")
        return
    acquisition.height_nm[name] = acquisition.height_nm.get(name, 0.0) - above_nm
    acquisition.journal.write("eucentric", step=step.id, above_axis_nm=round(above_nm, 2))


def _known(acquisition: Acquisition, step: Recording) -> bool:
    """Whether an earlier look has told which particle it is."""
    target = acquisition.targets.get(step.particle.name)
    return target is not None and target.known


async def _off_centre_nm(
    acquisition: Acquisition, step: Recording, tilt_deg: float, settings: ScanSettings
) -> NDArray[np.float64] | None:
    """Offset (y, x) in a look at a field wider than the data's; None when the particle is not seen whole."""
    wide = replace(settings, pixel_nm=_WIDER * settings.pixel_nm)
    scan = await acquisition.look(step, tilt_deg, wide)
    target = acquisition.targets.setdefault(step.particle.name, Target())
    with acquisition.clock.working():
        off_px = await asyncio.to_thread(target.off_centre_px, scan.image, scan.pixel_nm, np.array(scan.image_shift_nm))
    return None if off_px is None else off_px * scan.pixel_nm


def off_centre_px(image: NDArray[np.generic]) -> NDArray[np.float64] | None:
    """Offset (y, x) of the bright object from the image's centre; None when the field cuts it.

    Of several, the one nearest to the centre.
    """
    from scipy.ndimage import center_of_mass, label, sum_labels

    signal = np.asarray(image, np.float64)
    dark, bright = np.percentile(signal, (5.0, 99.5))
    weight = np.where(signal > dark + 0.3 * (bright - dark), signal - dark, 0.0)
    bodies, n = label(weight > 0.0)
    if n == 0:
        return None
    heavy = sum_labels(weight, bodies, np.arange(1, n + 1))
    large = 1 + np.flatnonzero(heavy > _NEIGHBOUR * heavy.max())
    off_px = np.array(center_of_mass(weight, bodies, large)) - 0.5 * (np.array(signal.shape) - 1.0)
    nearest = int(np.argmin(np.hypot(*off_px.T)))
    own = bodies == large[nearest]
    border = np.concatenate([own[0], own[-1], own[:, 0], own[:, -1]])
    return None if np.count_nonzero(border) > _CUT * border.size else off_px[nearest]
