"""The unheated particle, fitted to its projections.

A reconstruction blurs edges and smears them along the missing wedge. The unheated particle, though, is known: pure
metal around pure metal. So what is sought are two surfaces, two levels, the blur, faint surroundings and, for every
projection, its shift and its true tilt: the most likely ones for the counted electrons, with smooth surfaces as the
prior. Gauss-Newton steps, each solved by conjugate gradients through the projector and its adjoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.particle_model.exposures import Exposures
from analysis.particle_model.model import ParticleModel
from analysis.particle_model.response import SignalResponse
from analysis.particle_model.surfaces import distance_to, redistanced
from analysis.particle_model.surroundings import COARSE_PX
from analysis.tomography.projections import Projections
from analysis.tomography.projector import in_vectors
from analysis.unheated.conjugate_gradients import Unknowns
from analysis.unheated.linear_projections import NUISANCES, LinearProjections
from analysis.unheated.segmentation import TwoPhase

_STAGES = (((6.0, 150.0), 12, 0.03), ((2.5, 20.0), 1, 0.0), ((1.5, 6.0), 6, 0.001))
"""Over how many px a surface moves as one, how freely (white noise of that size, smoothed so), most rounds of it, and
the part by which a round must lower the misfit for another one to follow.

Whole faces find their place first, which a prior on small scales would hold back across the wedge; then details. Faces
are left as soon as they are in place: so free a fit has the levels make up for edges that it cannot draw.
"""
_TOLD = 8.0
"""By so many standard deviations, what is not as in a book is set free and all begins anew."""
_AS_GOOD = 1.005
"""Times the misfit of a fit without it: what is set free takes away freedom that the surfaces had misused."""
_TOO_FAR, _RUN_AWAY = 1.05, 1.5
"""Times the best misfit so far: half-way back; begun anew, with what the model misses counted as noise."""
_MARGIN_PX = 4
_TOP = 0.9995
"""Of the pixels lie below what counts as the strongest signal."""


@dataclass(frozen=True)
class FirstState:
    """The fitted particle, and how its projections lie."""

    model: ParticleModel
    exposures: Exposures
    misfit: float
    """Mean squared residual over its expected variance; 1 when only counting noise is left."""
    linear: LinearProjections
    """The projections about the model."""
    settled: bool = True
    """Whether the misfit had stopped falling."""
    nuisances: tuple[str, ...] = ()
    """Those of `NUISANCES` that the projections tell."""


def fit_first_state(projections: Projections, start: TwoPhase, first_column: int) -> FirstState:
    """Fit the particle model to a tilt series.

    Parameters
    ----------
    start : a first segmentation; its y and z centred on the tilt axis
    first_column : where its x begins in the projections
    """
    model = _first_model(start, projections, first_column)

    def fitted(free: Sequence[str]) -> FirstState:
        found = _fit(model, projections, free, cautious=False) or _fit(model, projections, free, cautious=True)
        assert found is not None, "cautious rounds never give up"
        return found

    found = fitted(())
    free = [name for name in NUISANCES if found.linear.told_of(name) > _TOLD]
    if free:
        closer = fitted(free)
        found = replace(closer, nuisances=tuple(free)) if closer.misfit < _AS_GOOD * found.misfit else found
    return found


def _fit(model: ParticleModel, projections: Projections, free: Sequence[str], *, cautious: bool) -> FirstState | None:
    """The best of all rounds; nothing when full steps ran away, as they may where the model never fits well."""
    exposures = Exposures.of(projections)
    best: FirstState | None = None
    settled = True
    for scale, most, least_gain in _STAGES:
        way: Unknowns | None = None
        misfits: list[float] = []
        for _ in range(most):
            linear = LinearProjections(model, projections, exposures, scale, free, cautious=cautious)
            misfits.append(linear.misfit)
            calm = len(misfits) > 2 and misfits[-1] > (1.0 - least_gain) * misfits[-2]
            if best is None or linear.misfit < best.misfit:
                best = FirstState(model, exposures, linear.misfit, linear)
            elif linear.misfit > _RUN_AWAY * best.misfit and not cautious:
                return None
            elif linear.misfit > _TOO_FAR * best.misfit:
                model, exposures, way = _halfway(best.model, model), best.exposures.halfway(exposures), None
                continue
            if calm:
                model, exposures = best.model, best.exposures
                break
            model, exposures, way = linear.step(way)
        else:
            # A stage of one round only changes the scale; one that went past its best has nothing more to gain.
            settled &= most == 1 or best is None or best.misfit < misfits[-1]
    return None if best is None else replace(best, settled=settled)


def _halfway(a: ParticleModel, b: ParticleModel) -> ParticleModel:
    """Between two models of one particle."""
    return replace(
        a,
        outside=redistanced(np.float32(0.5) * (a.outside + b.outside)),
        interface=redistanced(np.float32(0.5) * (a.interface + b.interface)),
        shell_level=0.5 * (a.shell_level + b.shell_level),
        core_step=0.5 * (a.core_step + b.core_step),
        blur_px=0.5 * (a.blur_px + b.blur_px),
        surroundings=np.float32(0.5) * (a.surroundings + b.surroundings),
        response=a.response.bent(0.5 * (b.response.curvature - a.response.curvature)),
        mixed_px2=0.5 * (a.mixed_px2 + b.mixed_px2),
    )


def _first_model(start: TwoPhase, projections: Projections, first_column: int) -> ParticleModel:
    z, y, x = (np.flatnonzero(start.mask.any(axis=tuple(a for a in range(3) if a != k))) for k in range(3))
    size, rows = start.mask.shape[0], projections.raw.shape[1]
    half_z, half_y = (
        min(size // 2, int(np.ceil(np.abs(hit - 0.5 * (size - 1)).max() + 0.5)) + _MARGIN_PX) for hit in (z, y)
    )
    width = start.mask.shape[2]
    beside = slice(max(0, int(x[0]) - _MARGIN_PX), min(width, int(x[-1]) + 1 + _MARGIN_PX))
    columns = in_vectors(beside, width)
    middle = 0.5 * size
    box = (
        slice(int(np.ceil(middle)) - half_z, int(middle) + half_z),
        slice(int(np.ceil(middle)) - half_y, int(middle) + half_y),
        columns,
    )
    coarse = -(-rows // COARSE_PX)
    return ParticleModel(
        outside=distance_to(start.mask)[box],
        interface=distance_to(start.core)[box],
        shell_level=start.shell_level,
        core_step=start.core_level - start.shell_level,
        blur_px=start.blur_px,
        surroundings=np.zeros((coarse, coarse, -(-(columns.stop - columns.start) // COARSE_PX)), np.float32),
        rows=rows,
        first_column=first_column + columns.start,
        swept_deg=projections.swept_deg,
        response=SignalResponse(top=float(np.quantile(projections.raw, _TOP))),
    )
