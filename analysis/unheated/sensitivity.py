"""How D changes with what is believed of the unheated particle: its surfaces, levels and blur."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.fick import ROUGHLY, diffuse
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.model import ParticleModel
from analysis.tomography.noise import Noise
from analysis.tomography.projector import Stack, Volume

_DEGREE = 0.6
"""Of alloying, where a heated state tells most of D."""
_STEP_PX, _LEVEL_STEP, _BLUR_STEP_PX2, _CURVATURE_STEP, _MIXED_STEP_PX2 = 0.2, 0.02, 0.05, 0.02, 0.3


@dataclass(frozen=True)
class Sensitivity:
    """Change of ln D, as the projections of a half-alloyed state would give it."""

    outside_per_px: float
    """When the outside moves outwards everywhere."""
    interface_per_px: float
    """When the core grows."""
    shell_level: float
    """Per relative change."""
    core_step: float
    blur_per_px2: float
    curvature: float
    """Of the response."""
    mixed_per_px2: float
    """When the metals are mixed more before any heat."""


def sensitivity(
    model: ParticleModel,
    trajectory: CompositionTrajectory,
    tilts_deg: NDArray[np.float64],
    noise: Noise,
) -> Sensitivity:
    """Finite differences of a heated state's projections, each matched by a change of ln tau and of the scale."""
    ln_tau = trajectory.ln_tau_at(_DEGREE)
    tau_nm2 = float(np.exp(ln_tau))
    scene = model.scene(tilts_deg)
    around = scene.around(model.surroundings)
    by_tau = scene.particle(model.metal * trajectory.at(ln_tau)[1] * np.float32(model.core_step))

    def heated(changed: ParticleModel) -> Volume:
        start, metal, faces = changed.composition, changed.metal, changed.face_fractions
        (alloyed,) = diffuse(start, metal, [tau_nm2], trajectory.voxel_nm, faces, growth=ROUGHLY)
        return alloyed

    alloyed = heated(model)

    def seen(changed: ParticleModel, composition: Volume = alloyed) -> Stack:
        scattered = changed.scene(tilts_deg).particle(changed.intensity(composition)) + around
        return changed.response.signal(scattered)

    plain = seen(model)
    weight = noise.weights(plain)
    gain = model.response.slope(scene.particle(model.intensity(trajectory.at(ln_tau)[0])) + around)
    told = gain * by_tau
    part = float(np.vdot(weight * plain, told)) / float(np.vdot(weight * plain, plain))
    score = weight * (told - np.float32(part) * plain)
    sharpness = float(np.vdot(score, told))

    def slope(step: float, changed: ParticleModel, composition: Volume = alloyed) -> float:
        return -float(np.vdot(score, seen(changed, composition) - plain)) / (sharpness * step)

    def slope_of_way(step: float, changed: ParticleModel) -> float:
        """Of what makes it alloy otherwise as well."""
        return slope(step, changed, heated(changed))

    return Sensitivity(
        outside_per_px=slope_of_way(_STEP_PX, replace(model, outside=model.outside - np.float32(_STEP_PX))),
        interface_per_px=slope_of_way(_STEP_PX, replace(model, interface=model.interface - np.float32(_STEP_PX))),
        shell_level=slope(_LEVEL_STEP, replace(model, shell_level=model.shell_level * (1.0 + _LEVEL_STEP))),
        core_step=slope(_LEVEL_STEP, replace(model, core_step=model.core_step * (1.0 + _LEVEL_STEP))),
        curvature=slope(_CURVATURE_STEP, replace(model, response=model.response.bent(_CURVATURE_STEP))),
        mixed_per_px2=slope_of_way(_MIXED_STEP_PX2, replace(model, mixed_px2=model.mixed_px2 + _MIXED_STEP_PX2)),
        blur_per_px2=slope(_BLUR_STEP_PX2, replace(model, blur_px=float(np.hypot(model.blur_px, _BLUR_STEP_PX2**0.5)))),
    )
