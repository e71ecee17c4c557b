"""One particle through its heating session: tilt series in, degree of alloying and D out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.alloying.composition_path import CompositionPath
from analysis.alloying.first_state import FirstState, fit_first_state
from analysis.alloying.fit import Fit, fit_diffusivity
from analysis.alloying.heated_state import HeatedState, fit_heated_state
from analysis.alloying.joint_fit import fit_joint
from analysis.alloying.measurement import ITERATIONS, AlloyingCurve, Measurement, Reading
from analysis.alloying.spread import SPREADS
from analysis.alloying.two_phase import TwoPhase, find_two_phases
from analysis.results import Diffusivity, DiffusivityResult, Estimate, IntervalDiffusivity, Result, StateResult
from analysis.tilt_series import FEWEST_TILTS, TiltSeries, prepare, problems_of, usable, window
from analysis.tomography.alignment import shifted
from analysis.tomography.counting import Noise, estimate_noise
from analysis.tomography.projector import Volume
from analysis.tomography.reconstruction import reconstruct
from drivers.frames import Frame, FrameHeader, SeriesEnd

_VOLUME_MOVED = 0.03
_SURFACE_PX = 0.08
_CURVE_SURFACE_PX = 0.15
"""Uncertainty of the particle's surface, one standard deviation; in `curve` it stands for the reconstruction's, too."""
_POOR_MISFIT, _WORST_MISFIT = 30.0, 100.0
"""Squared misses of the projections, in units of their noise: said in words; taken as no core-shell particle."""
_LEAST_CONTRAST = 1.15
_THINNEST_SHELL_PX = 1.0
_NOT_FOUND = "no core-shell particle was found in the first tilt series"
_WORST_SCATTER = 0.03
_WORST_LEVEL = 0.08
_DEGREE_STD = 0.003


@dataclass(frozen=True)
class _Reference:
    """What the unheated state taught."""

    field_px: tuple[int, ...]
    crop: tuple[slice, slice]
    measurement: Measurement
    curve: AlloyingCurve
    reading: Reading
    level_degree: float
    per_surface_px: float
    """Change of ln D when the surface moves by one px (D scales with length squared), more where the model misfits."""
    path: CompositionPath
    noise: Noise
    volume_nm3: float
    pixel_nm: float
    axis_deg: float
    mass_per_tilt: float
    """Mean sum of a projection, particle and surroundings."""
    problems: list[str]

    def estimate(self, degree: float) -> Estimate:
        """A degree of alloying with its error: that of the unalloyed level fades as alloying proceeds."""
        return Estimate(float(degree), float(np.hypot(self.level_degree * (1.0 - degree), _DEGREE_STD)))


@dataclass(frozen=True)
class _Heated:
    """What one heated state taught."""

    header: FrameHeader
    degree: float
    """Degree of alloying from the reconstruction."""
    state: HeatedState
    problems: list[str]


@dataclass(frozen=True)
class _Numbers:
    """What a state's reconstruction says; nothing where it could not be told."""

    alloying: Estimate | None = None
    volume_nm3: float | None = None
    gold_fraction: float | None = None
    by_spread: dict[str, float] = field(default_factory=dict)


class ParticleAnalysis:
    """Takes finished tilt series of one particle in order; gives results with quality in words."""

    def __init__(self, name: str, seed: int, spread: str = "std") -> None:
        self.name = name
        self._spread = spread
        self.last_volume: Volume | None = None
        """The newest reconstruction (z, y, x)."""
        self._seed = seed
        self._reference: _Reference | None = None
        self._states: list[_Heated] = []

    def add_series(self, frames: list[Frame], end: SeriesEnd) -> list[Result]:
        """Analyse one tilt series; never raises for poor data."""
        began = time.monotonic()
        kept, rejected = usable(frames)
        header = frames[-1].header if frames else None
        if header is None or len(kept) < 3:
            return [self._state(end, header, len(kept), rejected, began, [f"only {len(kept)} usable tilts"])]
        series, jumped = prepare(kept, None if self._reference is None else self._reference.axis_deg)
        rejected += jumped
        used = len(series.tilts_deg)
        problems = problems_of(series, end)
        if used < FEWEST_TILTS or not (header.core and header.shell):
            self.last_volume = reconstruct(series.aligned, series.tilts_deg, iterations=ITERATIONS)
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

    def _first_state(self, series: TiltSeries, problems: list[str]) -> _Numbers:
        header, tilts_deg = series.header, series.tilts_deg
        if header.heat:
            problems.append(
                "the first tilt series was taken after heating: there is no unalloyed state to compare with"
            )
            self.last_volume = reconstruct(series.aligned, tilts_deg, iterations=ITERATIONS)
            return _Numbers()
        crop = window(series.aligned)
        aligned = np.ascontiguousarray(series.aligned[:, crop[0], crop[1]])
        volume = self.last_volume = reconstruct(aligned, tilts_deg, iterations=ITERATIONS)
        start = find_two_phases(aligned, tilts_deg, volume)
        refusal = _poor_start(start)
        if refusal:
            problems.append(refusal)
            return _Numbers()
        noise = estimate_noise(series.raw)
        if header.gain is not None:
            noise = Noise(header.gain, noise.read_variance)
        first = fit_first_state(series.raw, tilts_deg, series.alignment.shifts_px, start, crop[1].start, noise)
        particle = first.model
        refusal = _not_core_shell(first)
        if refusal:
            problems.append(refusal)
            return _Numbers()
        if first.misfit > _POOR_MISFIT:
            problems.append(f"a core in a shell misses the first tilt series by {first.misfit:.0f} times the noise")
        volume = self.last_volume = self._reconstruct(series, first.shifts_px, crop)
        measurement = Measurement(particle, crop, tilts_deg, noise, self._seed)
        curve = measurement.curve(header.pixel_nm, self._spread)
        reading = measurement.read(volume)
        spread = SPREADS[self._spread]
        simulated, alloyed = curve.readings[0].values, curve.alloyed.values
        range_ = spread(reading.values, alloyed) - spread(alloyed, alloyed)
        if range_ < 0.1 * SPREADS["std"](alloyed, alloyed):
            problems.append("the first tilt series looks fully alloyed already")
            return _Numbers()
        level = 0.5 * abs(spread(reading.values, alloyed) - spread(simulated, alloyed)) / range_ + 0.002
        if level > _WORST_LEVEL:
            problems.append("no core in a shell explains the first tilt series: already alloyed, or not core-shell")
            return _Numbers()
        volume_nm3 = particle.volume_px * header.pixel_nm**3
        self._reference = _Reference(
            field_px=series.raw.shape[1:],
            crop=crop,
            measurement=measurement,
            curve=curve,
            reading=reading,
            level_degree=level,
            per_surface_px=2.0 / 3.0 * particle.surface_px2 / particle.volume_px * max(1.0, first.misfit) ** 0.5,
            path=CompositionPath(particle, header.pixel_nm),
            noise=noise,
            volume_nm3=volume_nm3,
            pixel_nm=header.pixel_nm,
            axis_deg=series.axis_deg,
            mass_per_tilt=float(aligned.sum()) / len(aligned),
            problems=list(problems),
        )
        at_start = dict.fromkeys(SPREADS, 0.0)
        return _Numbers(Estimate(0.0, float(level)), volume_nm3, particle.core_fraction, at_start)

    def _heated_state(self, series: TiltSeries, header: FrameHeader, problems: list[str]) -> _Numbers:
        reference = self._reference
        assert reference is not None, "called only after the first state"
        if abs(header.pixel_nm / reference.pixel_nm - 1.0) > 0.005 or series.raw.shape[1:] != reference.field_px:
            problems.append(f"pixel size or field differs from the first state's ({reference.pixel_nm:g} nm)")
            return _Numbers()
        particle = reference.measurement.particle
        state = fit_heated_state(
            series.raw, series.tilts_deg, series.alignment.shifts_px, particle, reference.path, reference.noise
        )
        volume = self.last_volume = self._reconstruct(series, state.shifts_px, reference.crop)
        reading = reference.measurement.read(volume)
        if not np.isfinite(reading.values).all():
            problems.append("the particle is not where the first state left it")
            return _Numbers()
        degree = reference.curve.measured(reference.reading, reading)
        growth = reading.bright_voxels / reference.reading.bright_voxels * reference.curve.bright_at(0.0)
        growth /= reference.curve.bright_at(degree)
        if abs(growth - 1.0) > _VOLUME_MOVED:
            problems.append(f"the volume moved by {100 * (growth - 1):+.1f} %: reshaping, sublimation or a bad series")
        if header.heat:
            if state.misfit > _POOR_MISFIT:
                problems.append(f"diffusion misses this tilt series by {state.misfit:.0f} times the noise")
            self._states.append(_Heated(header, float(degree), state, problems))
        mass = particle.volume_px * reference.measurement.expected_mean
        seen = series.aligned[:, reference.crop[0], reference.crop[1]]
        gained = (float(seen.sum()) / len(seen) - reference.mass_per_tilt) / mass
        contrast = particle.core_step / reference.measurement.expected_mean
        return _Numbers(
            reference.estimate(degree),
            reference.volume_nm3 * growth,
            particle.core_fraction + gained / contrast,
            {name: reference.curve.measured(reference.reading, reading, name) for name in SPREADS},
        )

    def _reconstruct(self, series: TiltSeries, shifts_px: NDArray[np.float64], crop: tuple[slice, slice]) -> Volume:
        """The particle's window, with shifts that a fit has refined."""
        stack = shifted(series.raw, shifts_px)[:, crop[0], crop[1]]
        return reconstruct(np.ascontiguousarray(stack), series.tilts_deg, iterations=ITERATIONS)

    def _diffusivity(self, simulated: bool) -> list[Result]:
        reference, heated = self._reference, self._states
        if reference is None or not heated:
            return []
        temperatures = tuple(sorted({round(p.temperature_c, 1) for h in heated for p in h.header.heat}))
        seconds = np.array([_seconds(h.header, temperatures) for h in heated])
        degree = np.array([h.degree for h in heated])
        path, surface = reference.path, _SURFACE_PX * reference.per_surface_px
        by_curve = fit_diffusivity(
            reference.curve,
            seconds,
            temperatures,
            degree,
            surface_ln_std=_CURVE_SURFACE_PX * reference.per_surface_px,
            level_degree=reference.level_degree,
        )
        fit = fit_joint(
            seconds,
            temperatures,
            np.array([h.state.ln_tau for h in heated]),
            np.array([h.state.ln_std * max(1.0, h.state.misfit) ** 0.5 for h in heated]),
            np.array([path.degree_slope(h.state.ln_tau) for h in heated]),
            surface_ln_std=surface,
        )
        total = seconds.sum(axis=1)
        draw_s = np.linspace(0.0, float(total.max()), 60)
        times = np.stack([np.interp(draw_s, np.r_[0.0, total], np.r_[0.0, s]) for s in seconds.T], axis=1)
        curve = reference.curve.degree(times @ (fit.d_m2_per_s * 1e18))
        return [
            DiffusivityResult(
                particle=self.name,
                states=len(heated),
                diffusivities=_diffusivities(fit),
                by_curve=_diffusivities(by_curve),
                heated_s=tuple(float(t) for t in total),
                measured=tuple(reference.estimate(d) for d in degree),
                uncorrected=tuple(float(d / degree[-1]) if degree[-1] > 0 else 0.0 for d in degree),
                by_interval=_by_interval(heated, surface),
                curve_s=tuple(float(t) for t in draw_s),
                curve=tuple(float(c) for c in curve),
                quality=_fit_quality(fit, by_curve, reference.problems, [p for h in heated for p in h.problems]),
                simulated=simulated,
            )
        ]

    def _state(
        self,
        end: SeriesEnd,
        header: FrameHeader | None,
        used: int,
        rejected: list[str],
        began: float,
        problems: list[str],
        series: TiltSeries | None = None,
        numbers: _Numbers | None = None,
    ) -> StateResult:
        numbers = numbers or _Numbers()
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
            volume_nm3=numbers.volume_nm3,
            gold_fraction=numbers.gold_fraction,
            quality="good" if not problems else "poor: " + "; ".join(problems),
            simulated=header.simulated if header is not None else False,
            shifts_px=() if series is None else tuple((float(y), float(x)) for y, x in series.alignment.shifts_px),
            tilt_axis_deg=0.0 if series is None else series.axis_deg,
            analysis_s=time.monotonic() - began,
        )


def _poor_start(start: TwoPhase) -> str | None:
    """Why a segmentation is no start for a core-shell particle."""
    if np.count_nonzero(start.mask) < 300 or np.count_nonzero(start.core) < 50 or start.shell_level <= 0.0:
        return _NOT_FOUND
    if start.core_level < _LEAST_CONTRAST * start.shell_level:
        return (
            f"core and shell differ only by {start.core_level / start.shell_level:.2f} in intensity: "
            "already alloyed, or not core-shell"
        )
    return None


def _not_core_shell(first: FirstState) -> str | None:
    """Why a fitted particle is not taken for a core in a shell."""
    particle = first.model
    if particle.volume_px < 300 or not 0.01 < particle.core_fraction < 0.99:
        return _NOT_FOUND
    shell_px = (1.0 - particle.core_fraction) * particle.volume_px / max(particle.surface_px2, 1.0)
    if shell_px < _THINNEST_SHELL_PX or particle.core_step < (_LEAST_CONTRAST - 1.0) * particle.shell_level:
        return (
            f"the shell would be {shell_px:.1f} px thick and the core "
            f"{1.0 + particle.core_step / particle.shell_level:.2f} times as bright: already alloyed, "
            "not core-shell, or too coarse a pixel"
        )
    if first.misfit > _WORST_MISFIT:
        return (
            f"a core in a shell misses the first tilt series by {first.misfit:.0f} times the noise: "
            "already alloyed, not core-shell, or a neighbour in the field"
        )
    return None


def _diffusivities(fit: Fit) -> tuple[Diffusivity, ...]:
    return tuple(
        Diffusivity(t, float(d), float(s))
        for t, d, s in zip(fit.temperatures_c, fit.d_m2_per_s, fit.std_m2_per_s, strict=True)
    )


def _by_interval(heated: list[_Heated], surface_ln_std: float) -> tuple[IntervalDiffusivity, ...]:
    """D of every interval by itself: it starts at the state measured before it (paper 004)."""
    found = []
    tau, tau_std, start_s = 0.0, 0.0, 0.0
    for h in heated:
        pulses = h.header.heat
        end_s = sum(p.duration_s for p in pulses)
        new = [
            p for p, passed in zip(pulses, np.cumsum([p.duration_s for p in pulses]), strict=True) if passed > start_s
        ]
        now = float(np.exp(h.state.ln_tau))
        now_std = now * h.state.ln_std if np.isfinite(h.state.ln_std) else np.inf
        temperatures = {round(p.temperature_c, 1) for p in new}
        if end_s > start_s and len(temperatures) == 1:
            value, seconds = (now - tau) / (end_s - start_s), end_s - start_s
            std = float(np.hypot(np.hypot(now_std, tau_std) / seconds, surface_ln_std * value))
            found.append(IntervalDiffusivity(temperatures.pop(), start_s, end_s, value * 1e-18, std * 1e-18))
        tau, tau_std, start_s = now, now_std, end_s
    return tuple(found)


def _seconds(header: FrameHeader, temperatures: tuple[float, ...]) -> list[float]:
    return [sum(p.duration_s for p in header.heat if round(p.temperature_c, 1) == t) for t in temperatures]


def _fit_quality(fit: Fit, by_curve: Fit, *problems: list[str]) -> str:
    found = [p for group in problems for p in group]
    if fit.saturated:
        found.append("D is only bounded: no state between unalloyed and fully alloyed")
    if by_curve.scatter > _WORST_SCATTER:
        found.append(
            f"the diffusion curve misses the data by {by_curve.scatter:.3f}: lattice diffusion alone may not hold"
        )
    return "good" if not found else "poor: " + "; ".join(dict.fromkeys(found))
