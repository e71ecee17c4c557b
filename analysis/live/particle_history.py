"""One particle through its heating session: tilt series in, degree of alloying and D out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from analysis.alloying.simulated_measurement import Reading, comparable_volume
from analysis.alloying.spread import SPREADS
from analysis.diffusion.arrhenius import Followed
from analysis.diffusion.diffusivity_law import CONSTANT, DiffusivityLaw
from analysis.diffusion.heated_state import MISSED, UNDERSTOOD_MISFIT, HeatedState, fit_heated_state
from analysis.live.diffusivity import (
    RESHAPED_DEGREE_STD,
    diffusivity_of,
    followed,
    joint_fit_of,
    keeping_shape,
)
from analysis.live.faults import survived
from analysis.live.fitted_state import FittedState
from analysis.live.settings import AnalysisSettings
from analysis.results import Estimate, Provisional, Result, StateResult
from analysis.tomography.projections import Projections
from analysis.tomography.projector import Volume
from analysis.tomography.tilt_series import FEWEST_TILTS, AlignedSeries, prepare, problems_of, usable
from analysis.unheated.amounts import first_composition, later_composition, volume_of
from analysis.unheated.reference import POOR_MISFIT, NotCoreShell, Reference, fit_reference, reconstruct_crop
from drivers.frames import Frame, FrameHeader, SeriesEnd

_VOLUME_MOVED = 0.03
_RESHAPED = 0.05
"""Part of the volume that is elsewhere; noise and wedge make it 0.01 to 0.02, nearly all of which is expected."""
_SAME_SPAN = 0.9
_TILTS_LACKING = 3
"""Of two series together: with more, one shows artefacts that the other does not."""
_PIXEL_TOLERANCE = 0.005
_TURNED_DEG = 0.5
_BENDINGS, _FEWEST_TO_BEND = 3, 2
_BEYOND = DiffusivityLaw(slope=0.75, peak=0.4)
"""How far the law may be from the one that the way to the alloy was simulated at: half of what its parabolas span."""
_MOVED, _FARTHEST, _MOST = (np.array(v) for v in ((0.02, 0.2, 0.1), (0.1, 0.7, 0.3), (0.3, 3.5, 1.6)))
"""Of bow, slope and peak: by how much they move before all states are fitted once more, at most at once, and in all."""


@dataclass(frozen=True)
class _Numbers:
    """What a state's reconstruction says; nothing where it could not be told."""

    alloying: Estimate | None = None
    volume: Estimate | None = None
    """In nm3."""
    composition: Estimate | None = None
    by_spread: dict[str, float] = field(default_factory=dict)
    surface_to_volume_per_nm: float | None = None
    aspect_ratio: float | None = None
    shape_change: float | None = None


class ParticleHistory:
    """Takes finished tilt series of one particle in order; gives results with quality in words."""

    def __init__(self, name: str, settings: AnalysisSettings) -> None:
        self.name = name
        self._settings = settings
        self.last_volume: Volume | None = None
        """The newest reconstruction (z, y, x)."""
        self._reference: Reference | None = None
        self._states: list[FittedState] = []
        self._bow, self._law = 0.0, CONSTANT
        """What the states were fitted with."""
        self._straight = True
        """Whether D is taken for one that does not change with composition, whatever the states seem to tell."""

    def add_series(self, frames: list[Frame], end: SeriesEnd) -> list[Result]:
        """Analyse one tilt series; never raises for poor data."""
        began, self.last_volume = time.monotonic(), None
        kept, rejected = usable(frames)
        header = frames[-1].header if frames else None
        if header is None or len(kept) < 3:
            return [self._state(end, header, len(kept), rejected, began, [f"only {len(kept)} usable tilts"])]
        before = self._reference, list(self._states), self._bow, self._law, self._straight
        problems: list[str] = []
        try:
            return self._analysed(kept, rejected, end, began, problems)
        except Exception as error:  # noqa: BLE001  # a fault of ours in one series must not cost all others
            survived(end.step, error)
            self.last_volume = None
            self._reference, self._states, self._bow, self._law, self._straight = before
            problems.append(
                f"no number: a fault of this program ({type(error).__name__}: {error}); the frames are whole, other "
                "series are analysed; please report it, with analysis.log"
            )
            return [self._state(end, header, len(kept), rejected, began, problems)]

    def _analysed(
        self, kept: list[Frame], rejected: list[str], end: SeriesEnd, began: float, problems: list[str]
    ) -> list[Result]:
        header = kept[-1].header
        series, jumped = prepare(kept, None if self._reference is None else self._reference.axis_deg)
        rejected += jumped
        used = len(series.tilts_deg)
        problems += problems_of(series, end)
        if used < FEWEST_TILTS or not (header.core and header.shell):
            self.last_volume = comparable_volume(series.aligned, series.tilts_deg)
            if not (header.core and header.shell):
                problems.append("no core and shell named: reconstruction only")
            return [self._state(end, header, used, rejected, began, problems, series)]
        if self._reference is None:
            first = self._first_state(series, problems)
            return [self._state(end, header, used, rejected, began, problems, series, first)]
        heated = self._heated_state(series, header, problems)
        return [
            self._state(end, header, used, rejected, began, problems, series, heated),
            *self._diffusivity(header.simulated),
        ]

    def foresee(self) -> None:
        """What the first heated series will ask for, computed while its tilts are taken."""
        if self._reference is not None:
            self._reference.foresee()

    def followed(self) -> Followed | None:
        """How far the particle has diffused in its states so far; nothing before it was heated."""
        if self._reference is None or not self._states:
            return None
        return followed(self.name, self._reference, self._states)

    def provisional(self, frames: list[Frame]) -> Provisional | None:
        """The degree of alloying from the tilts so far; nothing where it cannot be told yet."""
        reference = self._reference
        kept, _ = usable(frames)
        if reference is None or len(kept) < FEWEST_TILTS or kept[0].image.shape != reference.field_px:
            return None
        header = kept[0].header
        if not header.heat or abs(header.pixel_nm / reference.pixel_nm - 1.0) > _PIXEL_TOLERANCE:
            return None
        series, _ = prepare(kept, reference.axis_deg)
        state = fit_heated_state(
            series.projections(reference.noise),
            reference.measurement.particle,
            reference.trajectory,
            bow=self._bow,
            law=self._law,
            whole=False,
        )
        if not (np.isfinite(state.ln_std) and state.misfit < POOR_MISFIT):
            return None
        low, middle, high = (
            float(reference.curve.degree(np.exp([state.ln_tau + n * state.ln_std]))[0]) for n in (-1.0, 0.0, 1.0)
        )
        std = 0.5 * (high - low) * max(1.0, state.misfit) ** 0.5
        return Provisional(
            step=header.step,
            particle=self.name,
            frames=len(series.tilts_deg),
            alloying=Estimate(middle, std, reference.estimate(middle).budget),
            simulated=header.simulated,
        )

    def _first_state(self, series: AlignedSeries, problems: list[str]) -> _Numbers:
        settings = self._settings
        try:
            reference, self.last_volume = fit_reference(series, settings.seed, settings.spread, problems)
        except NotCoreShell as refusal:
            problems.append(str(refusal))
            self.last_volume = comparable_volume(series.aligned, series.tilts_deg)
            return _Numbers()
        self._reference = reference
        # By definition, however it was counted.
        start = Estimate(0.0, 0.0, {"the unalloyed level": float(reference.level_degree)})
        return _Numbers(
            start,
            volume_of(reference, settings.uncertainty),
            first_composition(reference, series),
            dict.fromkeys(SPREADS, 0.0),
            reference.surface_to_volume_per_nm,
            reference.aspect,
            0.0,
        )

    def _heated_state(self, series: AlignedSeries, header: FrameHeader, problems: list[str]) -> _Numbers:
        reference = self._reference
        assert reference is not None, "called only after the first state"
        if (
            abs(header.pixel_nm / reference.pixel_nm - 1.0) > _PIXEL_TOLERANCE
            or series.raw.shape[1:] != reference.field_px
        ):
            problems.append(f"pixel size or field differs from the first state's ({reference.pixel_nm:g} nm)")
            return _Numbers()
        projections = series.projections(reference.noise)
        state = self._fit(projections)
        volume = self.last_volume = reconstruct_crop(series, state.exposures, reference.crop)
        change = state.point.change
        if change.turned_deg > _TURNED_DEG:
            volume = reference.as_before_it_turned(volume, change.turn)
        reading = reference.measurement.read(volume, void=change.void)
        if not np.isfinite(reading.values).all():
            problems.append("the particle is not where the first state left it")
            return _Numbers()
        alloyed = reference.curve.alloyed
        ceiling = None if series.ceiling is None else series.ceiling / state.point.scale
        alike = reference.measurement.lacks(series.tilts_deg) <= _TILTS_LACKING
        if np.isfinite(state.ln_std) and not (alike and reference.measurement.clips_as(ceiling)):
            reading = reference.as_the_first(reading, series.tilts_deg, ceiling, float(np.exp(state.ln_tau)))

        def degree_by(spread: str | None = None) -> float:
            return reference.curve.measured(reference.reading, reading, spread, alloyed)

        def changed(size: Callable[[Reading], float]) -> float:
            return reference.curve.changed(size, reference.reading, reading, degree_by())

        # A shorter series has a wider missing wedge, which changes the shape that is seen.
        comparable = float(np.ptp(series.tilts_deg)) > _SAME_SPAN * reference.measurement.span_deg
        # So has that of one which turned, whose wedge now lies elsewhere.
        comparable &= change.turned_deg < _TURNED_DEG
        hollow = 0.0 if change.void is None else change.void.volume_px / reference.measurement.particle.volume_px
        moved = max(0.0, reading.moved(reference.reading) - reference.curve.moved_at(degree_by()) - hollow)
        shape_change = moved if comparable else None
        reshaped = shape_change is not None and shape_change > _RESHAPED
        if reshaped:
            reading = reference.measurement.read(volume, reshaped=True, void=change.void)
            alloyed = reference.measurement.alloyed_in_the_shape_of(volume)
        artefact = 0.0 if reshaped else reference.artefact_degree(reading)
        degree, growth = degree_by(), changed(lambda r: r.bright_voxels)
        rounding = changed(lambda r: r.surface_to_volume)
        aspect = reference.aspect * changed(lambda r: r.aspect)
        if reshaped:
            problems.append(
                f"the particle reshaped: {100 * moved:.0f} % of its volume is elsewhere, surface to volume "
                f"changed by {100 * (rounding - 1):+.0f} %, aspect ratio from {reference.aspect:.2f} to {aspect:.2f}"
            )
        elif comparable and abs(growth - 1.0) > _VOLUME_MOVED:
            problems.append(f"the volume moved by {100 * (growth - 1):+.1f} %: sublimation or a bad series")
        if not header.heat:
            problems.append("not heated since the first state: there is nothing to fit D to")
        else:
            if state.misfit > MISSED:
                problems.append(
                    f"diffusion misses this tilt series by {state.misfit:.3g} times what the first one is missed by; "
                    f"what would explain it best: {state.suspect}"
                )
            self._states.append(FittedState(header, degree, artefact, projections, state, reshaped, problems))
        told = state.ln_tau if np.isfinite(state.ln_std) and header.heat and not reshaped else None
        found = reference.estimate(degree, artefact, told, counts=state.counts_over(reference.measurement.tilts))
        return _Numbers(
            Estimate(degree, found.std, {"reshaped": RESHAPED_DEGREE_STD}) if reshaped else found,
            volume_of(reference, self._settings.uncertainty, growth),
            later_composition(reference, series, self._settings.uncertainty, degree_by("std"), growth),
            {name: degree_by(name) for name in SPREADS},
            reference.surface_to_volume_per_nm * rounding,
            aspect,
            shape_change,
        )

    def _diffusivity(self, simulated: bool) -> list[Result]:
        if self._reference is None or not self._states:
            return []
        self._bend()
        settings = self._settings
        q = None if settings.activation is None else settings.activation.q_j_per_mol
        return [
            diffusivity_of(
                self.name,
                self._reference,
                self._states,
                settings.uncertainty,
                q,
                simulated=simulated,
                straight=self._straight,
            )
        ]

    def _bend(self) -> None:
        """Where the states together tell what they share, fit them once more from there."""
        assert self._reference is not None, "called only after the first state"
        # One state cannot tell a slope from a composition law, nor can a particle that is not understood.
        self._straight = (
            len(keeping_shape(self._states)) < _FEWEST_TO_BEND or self._reference.misfit > UNDERSTOOD_MISFIT
        )
        simulated = self._reference.trajectory
        self._bend_closer()
        if self._reference.trajectory is not simulated:
            self._reference = self._reference.with_its_curve()

    def _bend_closer(self) -> None:
        assert self._reference is not None, "called only after the first state"
        for _ in range(_BENDINGS):
            fit = joint_fit_of(self._reference, keeping_shape(self._states), straight=self._straight)
            if not fit.bent or fit.shared is None:
                return
            now = np.array([self._bow, self._law.slope, self._law.peak])
            away = fit.shared - now
            if np.all(np.abs(away) < _MOVED):
                return
            before = self._reference, self._states, self._bow, self._law
            # Parabolas hold near where they were taken.
            self._bow, slope, peak = (float(v) for v in now + np.clip(away, -_FARTHEST, _FARTHEST))
            self._law = DiffusivityLaw(slope, peak)
            beside = self._law.beside(self._reference.trajectory.about)
            if abs(beside.slope) > _BEYOND.slope or abs(beside.peak) > _BEYOND.peak:
                self._reference = self._reference.about(self._law)
            self._states = [replace(h, state=self._fit(h.projections, h.state)) for h in self._states]
            worse = sum(h.state.misfit for h in self._states) > sum(h.state.misfit for h in before[1])
            if worse or np.any(np.abs([self._bow, slope, peak]) > _MOST):
                # It does not explain them after all, or not better.
                self._reference, self._states, self._bow, self._law = before
                self._straight = self._law.constant and self._bow == 0.0
                return

    def _fit(self, projections: Projections, near: HeatedState | None = None) -> HeatedState:
        reference = self._reference
        assert reference is not None, "called only after the first state"
        return fit_heated_state(
            projections,
            reference.measurement.particle,
            reference.trajectory,
            near,
            bow=self._bow,
            law=self._law,
            usual_misfit=reference.misfit,
            settled=reference.settled,
        )

    def _state(
        self,
        end: SeriesEnd,
        header: FrameHeader | None,
        used: int,
        rejected: list[str],
        began: float,
        problems: list[str],
        series: AlignedSeries | None = None,
        numbers: _Numbers | None = None,
    ) -> StateResult:
        numbers = numbers or _Numbers()
        volume, gold = numbers.volume, numbers.composition
        pulses = header.heat if header is not None else ()
        return StateResult(
            step=end.step,
            particle=self.name,
            state=len(pulses),
            heated_s=sum(p.duration_s for p in pulses),
            frames=used,
            planned=end.planned,
            rejected=tuple(rejected),
            alloying=numbers.alloying,
            alloying_by_spread=numbers.by_spread,
            volume_nm3=None if volume is None else volume.value,
            volume_with_errors_nm3=volume,
            surface_to_volume_per_nm=numbers.surface_to_volume_per_nm,
            aspect_ratio=numbers.aspect_ratio,
            shape_change=numbers.shape_change,
            gold_fraction=None if gold is None else gold.value,
            gold_fraction_with_errors=gold,
            quality="good" if not problems else "poor: " + "; ".join(problems),
            simulated=header.simulated if header is not None else False,
            shifts_px=() if series is None else tuple((float(y), float(x)) for y, x in series.alignment.shifts_px),
            tilt_axis_deg=0.0 if series is None else series.axis_deg,
            analysis_s=time.monotonic() - began,
        )
