"""How D changes with what is believed of the unheated particle: its surfaces, levels and blur."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.fick import diffuse
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.model import ParticleModel
from analysis.tomography.noise import Noise
from analysis.tomography.projector import Stack

_DEGREE = 0.6
"""Of alloying, where a heated state tells most of D."""
_STEP_PX, _LEVEL_STEP, _BLUR_STEP_PX2 = 0.2, 0.02, 0.05


@dataclass(frozen=True)
class Sensitivity:
    """Change of ln D, or of its slope with composition, as the projections of a half-alloyed state would give it."""

    outside_per_px: float
    """When the outside moves outwards everywhere."""
    interface_per_px: float
    """When the core grows."""
    shell_level: float
    """Per relative change."""
    core_step: float
    blur_per_px2: float


def sensitivity(
    model: ParticleModel,
    trajectory: CompositionTrajectory,
    tilts_deg: NDArray[np.float64],
    noise: Noise,
    steeper: tuple[float, CompositionTrajectory] | None = None,
) -> Sensitivity:
    """Finite differences of a heated state's projections, each matched by a change of ln tau and of the scale.

    With a `steeper` trajectory, of that slope of ln D, it is the slope's change that is told.
    """
    ln_tau = trajectory.ln_tau_at(_DEGREE)
    tau_nm2 = float(np.exp(ln_tau))
    scene = model.scene(tilts_deg)
    by_tau = scene.particle(model.metal * trajectory.at(ln_tau)[1] * np.float32(model.core_step))

    def seen(changed: ParticleModel) -> Stack:
        (alloyed,) = diffuse(changed.composition, changed.metal, [tau_nm2], trajectory.voxel_nm, changed.face_fractions)
        return changed.scene(tilts_deg).particle(changed.intensity(alloyed))

    plain = seen(model)
    weight = noise.weights(plain + scene.around(model.surroundings))
    beside, told = [plain], by_tau
    if steeper is not None:
        bent = (steeper[1].at(ln_tau)[0] - trajectory.at(ln_tau)[0]) / np.float32(steeper[0])
        beside, told = [plain, by_tau], scene.particle(model.metal * bent * np.float32(model.core_step))
    overlap = [[float(np.vdot(weight * a, b)) for b in beside] for a in beside]
    parts = np.linalg.solve(overlap, [float(np.vdot(weight * a, told)) for a in beside])
    score = weight * (told - sum(np.float32(p) * a for p, a in zip(parts, beside, strict=True)))
    sharpness = float(np.vdot(score, told))

    def slope(step: float, changed: ParticleModel) -> float:
        return -float(np.vdot(score, seen(changed) - plain)) / (sharpness * step)

    return Sensitivity(
        outside_per_px=slope(_STEP_PX, replace(model, outside=model.outside - np.float32(_STEP_PX))),
        interface_per_px=slope(_STEP_PX, replace(model, interface=model.interface - np.float32(_STEP_PX))),
        shell_level=slope(_LEVEL_STEP, replace(model, shell_level=model.shell_level * (1.0 + _LEVEL_STEP))),
        core_step=slope(_LEVEL_STEP, replace(model, core_step=model.core_step * (1.0 + _LEVEL_STEP))),
        blur_per_px2=slope(_BLUR_STEP_PX2, replace(model, blur_px=float(np.hypot(model.blur_px, _BLUR_STEP_PX2**0.5)))),
    )
