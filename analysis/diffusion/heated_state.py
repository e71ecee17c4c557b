"""How far a heated state has diffused, read from its projections.

Maximum likelihood of one tilt series in tau = D t. Surfaces, levels, the response and the surroundings are those of
the unheated particle, so wedge and blur are inside the model and no reconstruction is needed. Beside tau are unknown,
with priors: the series' scale; what became of the particle (`Change`); how the metals shine mixed, and how D changes
with composition, which all states share; and of every projection its `Exposures`. What a projection alone knows is
eliminated tilt by tilt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from analysis.diffusion.diffusivity_law import CONSTANT, DiffusivityLaw
from analysis.diffusion.state_equations import SharedInformation, StateEquations
from analysis.diffusion.state_slopes import (
    CAUSES,
    HOLLOW,
    PLAIN,
    TURNING,
    UNKNOWNS,
    WHOLE,
    StatePoint,
    intensity,
    with_causes,
)
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.diffusion.void_search import void_near
from analysis.particle_model.change import Change
from analysis.particle_model.exposures import Exposures
from analysis.particle_model.model import ParticleModel
from analysis.tomography.alignment import cross_correlation_shift
from analysis.tomography.projections import Projections

_ROUNDS, _WHOLE_ROUNDS = 3, 3
_LEAST_GAIN = 0.001
"""Of chi2, as a part of what there is, by which what became of the particle must explain it better."""
_DOUBT = 20.0
"""Times as much must a cause explain where the fit of the unheated particle has not settled, or misses by twice the
noise: what its model lacks looks like this or that once the composition has changed."""
_FINE_PX, _COARSER = 42.0, 6
"""Cube root of the volume below which so many times as much must be explained, to such a power: on few pixels the first
fit draws its noise into the surfaces, and every later series asks to have them smoothed."""
_TURNED_MISFIT, _REGISTERED_THROUGH, _REGISTERING_ROUNDS = 1.5, (0.12, 0.06, 0.03), 3
"""Times the usual one, above which a particle may have turned by much; blurs to find it through, over the cube root of
its volume."""
_TURNED_CLOSER = 0.9
"""Times the misfit of before, below which it has."""
UNDERSTOOD_MISFIT = 4.0
"""Of the unheated series, above which a better fit of a heated one tells what the particle's model lacks, not what
became of it."""
_HOLLOW_MISFIT, _HOLLOW_GAIN, _HOLLOW_ROUNDS, _VANISHES = 1.05, 0.02, 6, 0.5
"""Times the usual one, above which a void is looked for; the part of chi2 that it must explain; steps from a small
one; the part of its first radius below which there is none."""
_TURNED_DEG = 4.0
"""What a state that is fitted once more turned by for certain."""
_BELIEVED_MISFIT = 30.0
"""Times the usual one, above which what is said to have become of the particle is not what did."""
MISSED = 2.0
"""Times the usual one, from which what would explain it is told."""
_NO_MISFIT = 100.0
"""Times the usual one, above which a series tells no tau."""
_TRIED, _TILTS_TO_BEGIN = 10, 20

_Fit: TypeAlias = tuple[StateEquations, StatePoint, Exposures]


@dataclass(frozen=True)
class HeatedState:
    """Diffusion done in one state."""

    point: StatePoint
    ln_std: float
    """From counting noise and alignment, all else taken as known."""
    free_ln_std: float
    """The same where what became of the particle (`Change`) is unknown."""
    causes: tuple[str, ...]
    """What became of the particle, as far as the projections tell: of `CAUSES`."""
    exposures: Exposures
    misfit: float
    """Mean squared miss of a pixel, in units of what the unheated series is missed by."""
    shared: SharedInformation
    suspect: str = ""
    """What would explain best what the model misses, where that is much."""

    @property
    def ln_tau(self) -> float:
        """tau in nm2."""
        return self.point.ln_tau

    def counts_over(self, first_tilts: int) -> float:
        """Of its tilt series, over those of the unheated one, the detector being the same."""
        return len(self.exposures.factors) * self.point.scale / first_tilts

    @property
    def missed(self) -> bool:
        """Whether the model misses it by much, though not by so much that it tells no tau."""
        return MISSED < self.misfit < _NO_MISFIT

    @property
    def misfit_ln_std(self) -> float:
        """`ln_std`, wider where the model misses by more than the noise."""
        return float(self.ln_std * max(1.0, self.misfit) ** 0.5)


def fit_heated_state(
    projections: Projections,
    model: ParticleModel,
    trajectory: CompositionTrajectory,
    near: HeatedState | None = None,
    *,
    bow: float = 0.0,
    law: DiffusivityLaw = CONSTANT,
    whole: bool = True,
    usual_misfit: float = 1.0,
    settled: bool = True,
) -> HeatedState:
    """Fit tau to a tilt series.

    The best of a few tau begins, or a fit that is `near`; then Gauss-Newton steps of tau, scale and exposures, and of
    what became of the particle when that explains more than noise.

    Parameters
    ----------
    bow, law : what all states share; taken as known, and its slopes are given
    whole : whether to look for what became of the particle at all
    usual_misfit, settled : of the fit to the unheated series
    """
    what = projections, model, trajectory
    coarse = _FINE_PX / float(np.cbrt(model.volume_px))
    doubt = max(1.0 if settled else _DOUBT, 1.0 + _DOUBT * (usual_misfit - 1.0), coarse**_COARSER)
    closer = 1.0 - _LEAST_GAIN * doubt

    def freed(point: StatePoint, exposures: Exposures, causes: tuple[str, ...], rounds: int) -> _Fit:
        """The best on the way from there with such causes free; a step that makes it worse is taken by half."""
        best: _Fit | None = None
        part, left, begun = 1.0, rounds, point.change.void
        while True:
            which = with_causes(causes) if left else UNKNOWNS if HOLLOW in causes else WHOLE
            equations = StateEquations(*what, point, exposures, which, usual_misfit)
            if best is None or equations.misfit < best[0].misfit:
                best, part = (equations, point, exposures), 1.0
            else:
                part *= 0.5
            if not left:
                break
            point, exposures = _stepped(*best, trajectory, part)
            void = point.change.void
            vanishes = begun is not None and void is not None and void.radius_px < _VANISHES * begun.radius_px
            left = 0 if vanishes else left - 1
        if best[0] is not equations:
            best = StateEquations(*what, *best[1:], which, usual_misfit), *best[1:]
        return best

    def opened(fit: _Fit, causes: tuple[str, ...]) -> tuple[_Fit, tuple[str, ...]]:
        """With a void as well, where that explains enough, and more than any other cause would."""
        equations, point, exposures = fit
        if HOLLOW in causes or equations.misfit < _HOLLOW_MISFIT * usual_misfit:
            return fit, causes
        begun = void_near(*what, point, exposures)
        if begun is None:
            return fit, causes
        hollow = replace(point, change=replace(point.change, void=begun))
        found = freed(hollow, exposures, (*causes, HOLLOW), _HOLLOW_ROUNDS)
        least = max(_HOLLOW_GAIN * doubt, *equations.gains(causes).values(), 0.0)
        void = found[1].change.void
        inside = void is not None and void.lies_in(model.outside)
        explained = inside and found[0].misfit < (1.0 - least) * equations.misfit
        return (found, (*causes, HOLLOW)) if explained else (fit, causes)

    def one_by_one(fit: _Fit, causes: tuple[str, ...]) -> tuple[_Fit, tuple[str, ...]]:
        """With whatever else explains enough: what stands out first may be all there is."""
        while cause := fit[0].told(causes, doubt):
            causes = (*causes, cause)
            fit = freed(*fit[1:], causes, _WHOLE_ROUNDS)
        return fit, causes

    def finished(fit: _Fit, causes: tuple[str, ...]) -> HeatedState:
        equations, point, exposures = fit
        misfit = equations.misfit / usual_misfit
        told = point.ln_tau not in trajectory.range and misfit < _NO_MISFIT
        known, free = (equations.ln_std(own=own) if told else np.inf for own in (False, True))
        suspect = equations.suspect() if misfit > MISSED and whole else ""
        return HeatedState(point, known, free, causes, exposures, misfit, equations.shared(causes), suspect)

    point, exposures = _start(*what, bow, law) if near is None else (near.point, near.exposures)
    point = replace(point, bow=bow, law=law)
    if near is not None and near.causes:
        again = freed(point, exposures, near.causes, 1)
        if point.change.turned_deg > _TURNED_DEG or again[0].misfit < closer * _plain_misfit(*what, point, exposures):
            return finished(again, near.causes)
    # What explained a state may have been what composition explains now.
    point = replace(point, change=Change.none())
    _, point, exposures = _steps(*what, point, exposures, [PLAIN] * (_ROUNDS if near is None else 1))
    equations = StateEquations(*what, point, exposures, WHOLE if whole else PLAIN, usual_misfit)
    plain = equations, point, exposures
    if not whole or usual_misfit > UNDERSTOOD_MISFIT:
        return finished(plain, ())
    best, causes = opened(plain, ())
    if equations.straight_misfit > _TURNED_MISFIT * usual_misfit:
        # It may have turned by more than slopes reach.
        turned = _registered(*what, point, exposures)
        there = StateEquations(*what, *turned, WHOLE, usual_misfit)
        if there.misfit < _TURNED_CLOSER * equations.misfit:
            # To turn its fields is to interpolate them, which looks like blur and rounded edges.
            every = tuple(cause for cause in CAUSES if cause != HOLLOW)
            about, besides = opened(freed(*turned, every, _WHOLE_ROUNDS), every)
            # A ball with a void is also, a little, that ball turned about.
            if not causes or about[0].misfit < _TURNED_CLOSER * best[0].misfit:
                best, causes = about, besides
    tried = causes
    best, causes = one_by_one(best, causes)
    if causes != tried:
        best, causes = one_by_one(*opened(best, causes))
    believed = best[0].misfit < min(closer * plain[0].misfit, _BELIEVED_MISFIT * usual_misfit)
    return finished(best, causes) if believed else finished(plain, ())


def _steps(
    projections: Projections,
    model: ParticleModel,
    trajectory: CompositionTrajectory,
    point: StatePoint,
    exposures: Exposures,
    rounds: Sequence[Sequence[str]],
) -> _Fit:
    """So many steps of such unknowns; also the equations of the last one."""
    for which in rounds:
        equations = StateEquations(projections, model, trajectory, point, exposures, which)
        point, exposures = _stepped(equations, point, exposures, trajectory)
    return equations, point, exposures


def _stepped(
    equations: StateEquations,
    point: StatePoint,
    exposures: Exposures,
    trajectory: CompositionTrajectory,
    part: float = 1.0,
) -> tuple[StatePoint, Exposures]:
    """A part of the step that the equations ask for."""
    step, of_tilts = equations.solve()
    point = point.stepped(part * np.clip(step, -equations.farthest, equations.farthest))
    return point.at(float(np.clip(point.ln_tau, *trajectory.range))), exposures.moved(part * of_tilts)


def _plain_misfit(
    projections: Projections,
    model: ParticleModel,
    trajectory: CompositionTrajectory,
    point: StatePoint,
    exposures: Exposures,
) -> float:
    """What would be missed had nothing become of the particle."""
    bare = replace(point, change=Change.none())
    return _steps(projections, model, trajectory, bare, exposures, [PLAIN] * _ROUNDS)[0].misfit


def _registered(
    projections: Projections,
    model: ParticleModel,
    trajectory: CompositionTrajectory,
    point: StatePoint,
    exposures: Exposures,
) -> tuple[StatePoint, Exposures]:
    """Onto a particle that turned: what is seen through a wide blur first, which lets it come from afar."""
    from scipy.ndimage import gaussian_filter

    for part in _REGISTERED_THROUGH:
        sigma_px = part * float(np.cbrt(model.volume_px))
        dim = replace(
            projections, raw=np.asarray(gaussian_filter(projections.raw, (0, sigma_px, sigma_px)), np.float32)
        )
        blurred = replace(model, blur_px=float(np.hypot(model.blur_px, sigma_px)))
        _, point, exposures = _steps(dim, blurred, trajectory, point, exposures, [TURNING] * _REGISTERING_ROUNDS)
    return point, exposures


def _start(
    projections: Projections, model: ParticleModel, trajectory: CompositionTrajectory, bow: float, law: DiffusivityLaw
) -> tuple[StatePoint, Exposures]:
    """Shifts moved along the tilt axis onto the model, the most likely of a few ln tau, and the scale there."""
    # So many tell well enough where to begin.
    in_order = np.argsort(projections.tilts_deg)
    some = projections.some(in_order[:: max(1, len(in_order) // _TILTS_TO_BEGIN)])
    scene = model.scene(some.tilts_deg, some.swept_deg)
    around = scene.around(model.surroundings)

    def signal(ln_tau: float) -> NDArray[np.float32]:
        composition = trajectory.at(ln_tau, law)[0]
        return model.response.signal(scene.particle(intensity(model, composition, bow)) + around)

    alloyed = signal(trajectory.range[1])
    profile = some.moved(some.shifts_px, model.columns)[0].sum(axis=(0, 1))
    along_px = np.array([0.0, cross_correlation_shift(alloyed.sum(axis=(0, 1))[None], profile[None])[1]])
    stack, seen = some.moved(some.shifts_px + along_px, model.columns)
    _, weight = some.missed(alloyed, stack, seen)
    tried = []
    for ln_tau in np.linspace(*trajectory.range, _TRIED):
        projected = signal(float(ln_tau))
        scale = float(np.vdot(weight * projected, stack) / np.vdot(weight * projected, projected))
        missed, own = some.missed(np.float32(scale) * projected, stack, seen)
        # One weight for all, but where clipping makes it a signal's own.
        of_each = weight if some.ceiling is None else own
        tried.append((float(np.vdot(of_each, missed**2)), float(ln_tau), scale))
    _, best, scale = min(tried)
    exposures = Exposures.of(projections).with_shifts(projections.shifts_px + along_px)
    return StatePoint(best, bow, law, scale, Change.none()), exposures
