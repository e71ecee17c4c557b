"""What the first tilt series of a particle teaches, or why it teaches nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.alloying.simulated_measurement import (
    AlloyingCurve,
    Reading,
    SimulatedMeasurement,
    aspect_of,
    comparable_volume,
)
from analysis.alloying.spread import SPREADS
from analysis.diffusion.diffusivity_law import DiffusivityLaw
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.exposures import Exposures
from analysis.particle_model.turned import Turned
from analysis.results import Estimate
from analysis.tomography.alignment import shifted
from analysis.tomography.noise import Noise, estimate_noise
from analysis.tomography.projector import Volume
from analysis.tomography.tilt_series import AlignedSeries, crop_around_particle
from analysis.unheated.first_state import FirstState, fit_first_state
from analysis.unheated.segmentation import TwoPhase, find_two_phases, touches_neighbour
from analysis.unheated.sensitivity import sensitivity

POOR_MISFIT, _WORST_MISFIT = 30.0, 100.0
"""Squared misses of the projections, in units of their noise: said in words; taken as no core-shell particle."""
_EXPLAINED_MISFIT = 1.5
"""Below it the model lacks nothing: what its simulated reconstruction lacks is the reconstruction's."""
_LEAST_CONTRAST = 1.15
_THINNEST_SHELL_PX = 1.0
_NOT_FOUND = "no core-shell particle was found in the first tilt series"
_WORST_LEVEL = 0.08
_MARGIN_PX = 5
SURFACE_PX = 0.009
"""What the voxel grid leaves open of the particle's surface."""
_LEVEL_STD, _DEGREE_STD = 0.001, 0.003
_FEWEST_COUNTS = 1e-4
"""Of the first tilt series': one with fewer, or a fit that ran away, tells nothing anyhow."""
_DISAGREE = "reconstruction against projections"


@dataclass(frozen=True)
class Reference:
    """What the unheated state taught: all that later states are compared with."""

    field_px: tuple[int, ...]
    crop: tuple[slice, slice]
    measurement: SimulatedMeasurement
    curve: AlloyingCurve
    reading: Reading
    artefacts: float
    """Variance of the reconstruction's values that the simulated one lacks, where the model explains the projections.

    Streaks from faces near the end of the tilt range stay in every state; a lack of contrast fades with alloying.
    """
    level_degree: float
    per_surface_px: float
    """Change of ln D when the surface moves by one px (D scales with length squared), more where the model misfits."""
    first_ln_std: float
    """Of ln D, by what the counting noise of the first tilt series leaves open: surfaces, levels, blur."""
    response_ln_std: float
    """Of ln D, by what it leaves open besides of the response and of an interface that is not sharp."""
    misfit: float
    """Mean squared miss of a pixel of the first tilt series, in units of its variance."""
    settled: bool
    """Whether its fit had come to an end."""
    trajectory: CompositionTrajectory
    noise: Noise
    volume_nm3: float
    pixel_nm: float
    axis_deg: float
    mass_per_tilt: float
    """Mean sum of a projection, particle and surroundings."""
    nuisances: tuple[str, ...]
    """What of the first tilt series is not as in a book: `linear_projections.NUISANCES`."""
    problems: list[str]

    @property
    def surface_to_volume_per_nm(self) -> float:
        particle = self.measurement.particle
        return particle.surface_px2 / particle.volume_px / self.pixel_nm

    def about(self, law: DiffusivityLaw) -> Reference:
        """With the particle's way to the alloy simulated with D changing with composition; its curve stays behind."""
        return replace(self, trajectory=CompositionTrajectory(self.measurement.particle, self.pixel_nm, law))

    def with_its_curve(self) -> Reference:
        """With the alloying curve of the way to the alloy that it has."""
        return replace(self, curve=self.measurement.curve(self.trajectory, self.curve.spread))

    @cached_property
    def aspect(self) -> float:
        """Length over width."""
        return aspect_of(self.measurement.particle.metal > 0.5)

    @property
    def counted_degree_std(self) -> float:
        """Of a degree of alloying by the standard deviation, by the counting noise of the first tilt series."""
        simulated, alloyed = self.curve.readings[0].values, self.curve.alloyed.values
        range_ = float(simulated.std() - alloyed.std())
        return self.measurement.counted_spread_std / range_ if range_ > 0.0 else float("inf")

    def foresee(self) -> None:
        """Have at hand what the first heated state will ask for: how the way bends, what noise does to a degree."""
        self.trajectory.foresee()
        _ = self.counted_degree_std

    @cached_property
    def course(self) -> tuple[float, ...]:
        """Degree of alloying of the metals themselves at the nodes of `curve`."""
        tau_nm2 = self.curve.tau_nm2
        return tuple(0.0 if t <= 0.0 else self.trajectory.degree_of_metals(float(np.log(t))) for t in tau_nm2)

    def as_the_first(
        self, reading: Reading, tilts_deg: NDArray[np.float64], ceiling: float | None, tau_nm2: float
    ) -> Reading:
        """A reading as the first state's tilts and detector would have given it.

        Missing tilts leave streaks of their own, and what a detector clips is contrast.
        """
        concentration, _ = self.trajectory.at(float(np.log(tau_nm2)))
        ways = self.measurement.through(tilts_deg, ceiling), self.measurement
        own, first = (m.simulate(concentration) for m in ways)
        return reading.cleared(float(own.values.var() - first.values.var()))

    def as_before_it_turned(self, volume: Volume, turn: NDArray[np.float64]) -> Volume:
        """The window's reconstruction, turned back about the particle's centre."""
        inside = np.argwhere(self.measurement.particle.metal_in_crop(*self.crop) > 0.5)
        return Turned(self.measurement.particle, turn, volume.shape[2]).back(volume, inside.mean(axis=0))

    def artefact_degree(self, now: Reading) -> float:
        """By how much a degree of alloying rises when all the artefacts are taken off."""
        start, cleared = self.reading.cleared(self.artefacts), now.cleared(self.artefacts)
        return self.curve.measured(start, cleared) - self.curve.measured(self.reading, now)

    def estimate(
        self, degree: float, artefact_degree: float = 0.0, ln_tau: float | None = None, *, counts: float = 1.0
    ) -> Estimate:
        """A degree of alloying with its error: that of the unalloyed level fades as alloying proceeds.

        Where it differs by more than that from the degree at the `ln_tau` that the projections tell, either is as
        likely to be right, and the difference over the root of two is in its error. Its tilt series has so many
        `counts`, over the first one's.
        """
        value = degree + 0.5 * artefact_degree
        # The unheated state's noise matters less the more is alloyed.
        std = self.counted_degree_std * float(np.hypot(max(counts, _FEWEST_COUNTS) ** -0.5, 1.0 - degree))
        budget = {
            "the unalloyed level": self.level_degree * abs(1.0 - degree),
            "streaks of the reconstruction": 0.5 * abs(artefact_degree),
            "spread as a measure": _DEGREE_STD,
        }
        kept = {cause: size for cause, size in budget.items() if size > 0.0}
        found = Estimate(value, std, kept)
        apart = 0.0 if ln_tau is None else abs(value - float(self.curve.degree(np.exp([ln_tau]))[0]))
        if apart > 2.0 * found.total:
            found = Estimate(value, std, kept | {_DISAGREE: float(np.sqrt(0.5)) * apart})
        return found


class NotCoreShell(Exception):
    """Why a first tilt series cannot be compared with later ones; for the quality, never for the user as an error."""


def fit_reference(series: AlignedSeries, seed: int, spread: str, problems: list[str]) -> tuple[Reference, Volume]:
    """Fit the unheated particle and simulate how it will alloy; also gives its reconstruction.

    Raises
    ------
    NotCoreShell
        When no core in a shell explains the series.
    """
    header, tilts_deg = series.header, series.tilts_deg
    if header.heat:
        raise NotCoreShell("the first tilt series was taken after heating: there is no unalloyed state to compare with")
    rows, columns = crop_around_particle(series.aligned)
    aligned = np.ascontiguousarray(series.aligned[:, rows, columns])
    start = find_two_phases(aligned, tilts_deg, comparable_volume(aligned, tilts_deg))
    _check_start(start)
    noise = estimate_noise(series.raw, header.gain)
    first = fit_first_state(series.projections(noise), start, columns.start)
    particle = first.model
    _check_fit(first)
    if first.misfit > POOR_MISFIT:
        problems.append(f"a core in a shell misses the first tilt series by {first.misfit:.0f} times the noise")
    elif not first.settled:
        problems.append("the fit of the unheated particle was still improving when it was stopped")
    crop = particle.crop(series.raw.shape[2], _MARGIN_PX)
    volume = reconstruct_crop(series, first.exposures, crop)
    measurement = SimulatedMeasurement(particle, crop, tilts_deg, noise, seed, series.ceiling)
    trajectory = CompositionTrajectory(particle, header.pixel_nm)
    curve = measurement.curve(trajectory, spread)
    reading = measurement.read(volume)
    explained = first.misfit < _EXPLAINED_MISFIT
    artefacts = float(reading.values.var() - curve.readings[0].values.var()) if explained else 0.0
    simulated, alloyed = curve.readings[0].values, curve.alloyed.values
    measure = SPREADS[spread]
    range_ = measure(reading.values, alloyed) - measure(alloyed, alloyed)
    if range_ < 0.1 * SPREADS["std"](alloyed, alloyed):
        raise NotCoreShell("the first tilt series looks fully alloyed already")
    level = 0.5 * abs(measure(reading.values, alloyed) - measure(simulated, alloyed)) / range_ + _LEVEL_STD
    if level > _WORST_LEVEL:
        raise NotCoreShell("no core in a shell explains the first tilt series: already alloyed, or not core-shell")
    first_ln_std, response_ln_std = first.linear.stds_of(sensitivity(particle, trajectory, tilts_deg, noise))
    return Reference(
        field_px=series.raw.shape[1:],
        crop=crop,
        measurement=measurement,
        curve=curve,
        reading=reading,
        artefacts=artefacts,
        level_degree=_LEVEL_STD if explained else level,
        per_surface_px=2.0 / 3.0 * particle.surface_px2 / particle.volume_px * max(1.0, first.misfit) ** 0.5,
        first_ln_std=first_ln_std,
        response_ln_std=response_ln_std,
        misfit=first.misfit,
        settled=first.settled,
        trajectory=trajectory,
        noise=noise,
        volume_nm3=particle.volume_px * header.pixel_nm**3,
        pixel_nm=header.pixel_nm,
        axis_deg=series.axis_deg,
        mass_per_tilt=float(series.aligned[:, crop[0], crop[1]].sum()) / len(series.aligned),
        nuisances=first.nuisances,
        problems=list(problems),
    ), volume


def reconstruct_crop(series: AlignedSeries, exposures: Exposures, crop: tuple[slice, slice]) -> Volume:
    """The particle's window, with shifts and tilts that a fit has refined."""
    even = (series.raw - exposures.backgrounds[:, None, None]) / exposures.factors[:, None, None]
    stack = shifted(np.asarray(even, np.float32), exposures.shifts_px)[:, crop[0], crop[1]]
    tilts_deg = series.tilts_deg + exposures.tilt_errors_deg
    return comparable_volume(np.ascontiguousarray(stack), tilts_deg)


def _check_start(start: TwoPhase) -> None:
    if np.count_nonzero(start.mask) < 300 or np.count_nonzero(start.core) < 50 or start.shell_level <= 0.0:
        raise NotCoreShell(_NOT_FOUND)
    if start.core_level < _LEAST_CONTRAST * start.shell_level:
        raise NotCoreShell(
            f"core and shell differ only by {start.core_level / start.shell_level:.2f} in intensity: "
            "already alloyed, or not core-shell"
        )
    if touches_neighbour(start.mask):
        raise NotCoreShell(
            "the particle touches a neighbour: they would exchange atoms, and neither can be followed alone"
        )


def _check_fit(first: FirstState) -> None:
    particle = first.model
    if particle.volume_px < 300 or not 0.01 < particle.core_fraction < 0.99:
        raise NotCoreShell(_NOT_FOUND)
    shell_px = (1.0 - particle.core_fraction) * particle.volume_px / max(particle.surface_px2, 1.0)
    if shell_px < _THINNEST_SHELL_PX or particle.core_step < (_LEAST_CONTRAST - 1.0) * particle.shell_level:
        raise NotCoreShell(
            f"the shell would be {shell_px:.1f} px thick and the core "
            f"{1.0 + particle.core_step / particle.shell_level:.2f} times as bright: already alloyed, "
            "not core-shell, or too coarse a pixel"
        )
    if first.misfit > _WORST_MISFIT:
        raise NotCoreShell(
            f"a core in a shell misses the first tilt series by {first.misfit:.0f} times the noise: "
            "already alloyed, not core-shell, or a neighbour in the field"
        )
