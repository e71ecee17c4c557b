"""The few ways in which a heated particle's surface moves: it loses volume, its edges and vertices round off.

Rounding moves a surface inwards where it bends more than on average, and out elsewhere: capillarity, at two scales.
"""

from __future__ import annotations

import numpy as np

from analysis.particle_model.model import ParticleModel
from analysis.particle_model.surfaces import occupancy_slope
from analysis.tomography.projector import Volume

_SCALES = (0.06, 0.15)
"""Over which the surface's bending is taken, of the cube root of the volume."""
_FARTHEST = 3.0


def shape_modes(model: ParticleModel) -> list[Volume]:
    """Displacements of the outside, inwards above zero: all over, then rounding, of unit mean square on the surface."""
    on_surface = -occupancy_slope(model.outside)
    on_surface /= on_surface.sum()
    size_px = float(np.cbrt(model.volume_px))
    modes = [np.ones_like(model.outside)]
    for scale in _SCALES:
        bent = _bending(model.outside, max(1.5, scale * size_px))
        mean = float(np.vdot(on_surface, bent))
        rms = float(np.sqrt(np.vdot(on_surface, (bent - mean) ** 2)))
        modes.append(np.clip((bent - mean) / max(rms, 1e-6), -_FARTHEST, _FARTHEST).astype(np.float32))
    return modes


def _bending(distance: Volume, scale_px: float) -> Volume:
    """Twice the mean curvature of the surface, smoothed: how much the smoothed surface recedes."""
    from scipy.ndimage import gaussian_filter

    near = np.clip(distance, -3.0 * scale_px, 3.0 * scale_px)
    return np.asarray((gaussian_filter(near, scale_px) - near) / scale_px, np.float32)
