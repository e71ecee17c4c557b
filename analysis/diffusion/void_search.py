"""Where a void may have opened in a heated particle: where its projections lack most of what a ball would take."""

from __future__ import annotations

import numpy as np

from analysis.diffusion.state_slopes import PLAIN, StatePoint, state_slopes
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.exposures import Exposures
from analysis.particle_model.model import ParticleModel
from analysis.particle_model.void import FittedVoid
from analysis.tomography.projections import Projections

_BEGINS, _LEAST_PX = 0.12, 2.0
"""Radius to begin with, over the cube root of the particle's volume: half a per cent of it."""
_WORTH = 0.002
"""Of chi2, that the ball must explain as it is, however bright what it takes; a tenth of what a void has to."""
_SOFTER = 0.6
"""A Gaussian's sigma over the radius of the ball that it stands for."""


def void_near(
    projections: Projections,
    model: ParticleModel,
    trajectory: CompositionTrajectory,
    point: StatePoint,
    exposures: Exposures,
) -> FittedVoid | None:
    """A small ball where what is missed is best explained by one; nothing where nothing is lacking.

    What is missed, weighted, goes back into the box (the score of a deficit there) and is summed over a ball. That
    finds a place, not a size: steps do the rest, where the ball itself explains a little.
    """
    from scipy.ndimage import gaussian_filter

    tilts_deg = projections.tilts_deg + exposures.tilt_errors_deg
    slopes, changed = state_slopes(
        model, trajectory, point, tilts_deg, projections.raw.shape[2], swept_deg=projections.swept_deg, which=PLAIN
    )
    stack, seen = projections.moved(exposures.shifts_px, changed.columns)
    missed, weight = projections.missed(exposures.exposed(slopes.signal), stack, seen)
    scene = changed.scene(tilts_deg, projections.swept_deg)
    lacking = -scene.particle_back(weight * missed)
    _, turned = point.change.of(model, projections.raw.shape[2])
    if turned is not None:
        lacking = turned.field_back(lacking)
    radius_px = max(_LEAST_PX, _BEGINS * float(np.cbrt(model.volume_px)))
    shining = np.where(model.outside < -radius_px, lacking, 0.0)
    summed = gaussian_filter(np.asarray(shining, np.float32), _SOFTER * radius_px)
    where = np.unravel_index(int(np.argmax(summed)), summed.shape)
    if not summed[where] > 0.0:
        return None
    begun = FittedVoid(np.array(where, np.float64), radius_px)
    if turned is None:  # else the ball would have to be turned with it; a turned state is tried as it is
        ball = np.clip(0.5 + begun.depth(model.outside.shape), 0.0, 1.0) * model.metal
        shadow = scene.particle(np.asarray(ball, np.float32))
        score, information = float(np.vdot(lacking, ball)), float(np.vdot(weight * shadow, shadow))
        if score <= 0.0 or score**2 < _WORTH * information * float(np.vdot(weight * missed, missed)):
            return None
    return begun
