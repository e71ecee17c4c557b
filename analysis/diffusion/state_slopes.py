"""What a heated state's projections are, and how they change with each of its unknowns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.diffusivity_law import DiffusivityLaw
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.change import COATS, Change
from analysis.particle_model.model import ParticleModel
from analysis.particle_model.shape_modes import shape_modes
from analysis.particle_model.surfaces import occupancy_slope
from analysis.particle_model.turned import GENERATORS
from analysis.tomography.projector import Stack, Volume

SHARED = ("ln_tau", "bow", "slope", "peak")
"""What is one for all states of a particle, but for the first, which follows from D."""
CAUSES = {
    "turned": ("turn_z", "turn_y", "turn_x"),
    "lost": ("shrunk",),
    "rounded": ("rounded", "rounded_wide"),
    "coated": ("coat", "coat_wide"),
    "blurred": ("blur",),
    "hollow": ("void", "void_z", "void_y", "void_x"),
}
"""What may become of one state, and the unknowns that describe it."""
OWN = ("scale", *(name for names in CAUSES.values() for name in names))
UNKNOWNS = (*SHARED, *OWN)
HOLLOW = "hollow"
WHOLE = tuple(name for name in UNKNOWNS if name not in CAUSES[HOLLOW])
"""All of them of a particle without a void, which has no surface that slopes could move."""
SUSPECTS = {
    "that it turned": CAUSES["turned"],
    "that its surface moved": (*CAUSES["lost"], *CAUSES["rounded"]),
    "carbon on it": CAUSES["coated"],
    "another focus": CAUSES["blurred"],
    "composition: how the metals shine mixed, or D changes with it": SHARED[1:],
}
"""What would explain a state's misfit, in words, and the unknowns that say so."""
PLAIN = ("ln_tau", "scale")
TURNING = (*PLAIN, *CAUSES["turned"])


def with_causes(causes: Sequence[str]) -> tuple[str, ...]:
    """Unknowns of a state that such causes have, in the order of `UNKNOWNS`."""
    asked = {*PLAIN, *(name for cause in causes for name in CAUSES[cause])}
    return tuple(name for name in UNKNOWNS if name in asked)


@dataclass(frozen=True)
class StatePoint:
    """One value for each of a state's unknowns."""

    ln_tau: float
    """tau in nm2, of D at the mean composition."""
    bow: float
    """Intensity at equal parts above the mean of the metals, over their difference."""
    law: DiffusivityLaw
    scale: float
    """Intensity relative to the unheated series."""
    change: Change

    def stepped(self, step: NDArray[np.float64]) -> StatePoint:
        """By as much of each of `UNKNOWNS`; the scale's is relative."""
        own = step[len(SHARED) :]
        blur = 7 + COATS
        change = self.change.stepped(own[1:4], own[4:7], own[7:blur], float(own[blur]), own[blur + 1 :])
        law = DiffusivityLaw(self.law.slope + float(step[2]), self.law.peak + float(step[3]))
        return StatePoint(
            self.ln_tau + float(step[0]), self.bow + float(step[1]), law, self.scale * (1.0 + float(own[0])), change
        )

    def at(self, ln_tau: float) -> StatePoint:
        return replace(self, ln_tau=ln_tau)

    @property
    def shared(self) -> NDArray[np.float64]:
        """Values of `SHARED`."""
        return np.array([self.ln_tau, self.bow, self.law.slope, self.law.peak])

    @property
    def away(self) -> NDArray[np.float64]:
        """(unknown,) how far each is from what is expected of it; nothing where anything is."""
        change = self.change
        void_px = 0.0 if change.void is None else change.void.radius_px
        own = [*change.moved_px, *change.coats, change.blur_px2, void_px, *np.zeros(3)]
        return np.array([0.0, *self.shared[1:], *np.zeros(4), *own])


@dataclass(frozen=True)
class StateSlopes:
    """Signals of one state at one point, and their slopes."""

    signal: Stack
    """(tilt, y, x) over `columns`, of the scale."""
    by_tilt: Stack
    unknowns: tuple[Stack, ...]
    """One for each unknown that was asked for, in order."""


def intensity(model: ParticleModel, composition: Volume, bow: float) -> Volume:
    """Of a particle whose metals may shine more, or less, mixed than apart."""
    bent = composition + np.float32(4.0 * bow) * composition * (1.0 - composition) if bow else composition
    return model.intensity(bent)


def state_slopes(
    unheated: ParticleModel,
    trajectory: CompositionTrajectory,
    point: StatePoint,
    tilts_deg: NDArray[np.float64],
    width: int,
    *,
    swept_deg: float = 0.0,
    which: Sequence[str] = UNKNOWNS,
) -> tuple[StateSlopes, ParticleModel]:
    """Signals over the model's columns, with slopes of `which` unknowns: `UNKNOWNS`, or those of some of `CAUSES`.

    A surface that moves keeps the core's metal: what leaves is the shell's, and the gold of what it leaves stays.

    Parameters
    ----------
    width : columns of the projections
    """
    outer, turned = point.change.outer(unheated, width)
    model = point.change.hollowed(outer, turned)

    def lying(field: Volume) -> Volume:
        return field if turned is None else turned.field(field)

    void = point.change.void
    c, by_tau = (lying(f) for f in trajectory.at(point.ln_tau, point.law))
    gold, volume = trajectory.mean * unheated.volume_px, model.volume_px
    if point.change.moved_px.any() or void is not None:
        c += np.float32((gold - float(np.vdot(model.metal, c))) / volume)

    def kept(field: Volume) -> Volume:
        """A change of the composition that leaves the gold as it is."""
        return field - np.float32(float(np.vdot(model.metal, field)) / volume)

    box = intensity(model, c, point.bow)
    scene = model.scene(tilts_deg, swept_deg)
    scattered = scene.particle(box) + scene.around(model.surroundings)
    step_deg = 0.25
    ahead, behind = (model.scene(tilts_deg + d, swept_deg).particle(box) for d in (step_deg, -step_deg))
    by_tilt = (ahead - behind) / np.float32(2.0 * step_deg)
    mixed = np.float32(model.core_step) * model.metal
    by_c = mixed * (1.0 + np.float32(4.0 * point.bow) * (1.0 - 2.0 * c))
    signal = model.response.signal(scattered)
    gain = np.float32(point.scale) * model.response.slope(scattered)
    signal = np.float32(point.scale) * signal

    def seen(field: NDArray[np.floating]) -> Stack:
        return gain * scene.particle(np.asarray(field, np.float32))

    found = [seen(by_c * kept(by_tau))]
    if "bow" in which:
        found.append(seen(4.0 * mixed * c * (1.0 - c)))
        found += [seen(by_c * kept(lying(f))) for f in trajectory.by_law(point.ln_tau, point.law)]
    found.append(signal)
    if "turn_z" in which:
        at = [np.arange(n, dtype=np.float32) - 0.5 * (n - 1) for n in box.shape]
        z, y, x = np.meshgrid(*at, indexing="ij", sparse=True)
        gz, gy, gx = np.gradient(box)
        for generator in GENERATORS[:2]:
            moved = np.tensordot(np.radians(generator), np.stack(np.broadcast_arrays(z, y, x)), 1)
            found.append(seen(-(gz * moved[0] + gy * moved[1] + gx * moved[2])))
        found.append(gain * by_tilt)
    shining = box / np.maximum(model.metal, 1e-3)

    def leaving(metal: Volume) -> Stack:
        """A change of the occupancy: what it holds of the core's metal stays behind."""
        return seen(shining * metal - by_c * np.float32(float(np.vdot(metal, c)) / volume))

    if "shrunk" in which or "rounded" in which:
        moving = occupancy_slope(outer.outside)
        for name, mode in zip((*CAUSES["lost"], *CAUSES["rounded"]), shape_modes(outer), strict=True):
            if name in which:
                found.append(leaving(moving * mode))
    if "coat" in which:
        for layer in model.coats()[:COATS]:
            displaced = model.metal * model.in_box(layer)
            found.append(gain * (scene.around(layer) - scene.particle(displaced)))
    if "blur" in which:
        second = [np.gradient(np.gradient(signal, axis=a), axis=a) for a in (1, 2)]
        found.append(np.asarray(0.5 * (second[0] + second[1]), np.float32))
    if "void" in which and void is not None:
        found += [leaving(lying(metal)) for metal in void.slopes(unheated.outside)]
    return StateSlopes(signal, gain * by_tilt, tuple(found)), model
