"""The measurement applied to simulated states: project, blur, count, reconstruct, take the spread.

Mychinko et al., Small 2021, and Chen et al., Part. Part. Syst. Charact. 2023, compare measured with simulated alloying
only after the simulated particle has gone through the same tilt range, noise, blur and reconstruction; the same chain
gives the 100 % reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.alloying.counted_spread import relative_spread_std
from analysis.alloying.spread import QUANTILES, SPREADS, Quantiles, degree_of, quantiles_of
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.particle_model.blur import blurred
from analysis.particle_model.model import ParticleModel, columns_of
from analysis.particle_model.void import FittedVoid
from analysis.tomography.noise import Noise
from analysis.tomography.projector import Projector, Stack, Volume
from analysis.tomography.reconstruction import reconstruct

if TYPE_CHECKING:
    from scipy.interpolate import PchipInterpolator

_ITERATIONS = 20

_SIMULATED = (0.02, 0.08, 0.2, 0.4, 0.6, 0.8, 0.93, 0.985)
"""Degrees of alloying of the composition itself at which it is put through the measurement. What is seen more or less
than that goes smoothly from one to the next: with twice as many the curve moves by 0.001."""
_RATIO, _FIRST = 1.2, 0.01
"""Of tau from one point of the curve to the next, from this degree on."""
_SAME_END = 0.02
"""Of the intensity at which a detector clips."""
_VOIDS_RIM_PX = 2.0
"""That reconstruction and blur make of its surface."""
_APART = 1e-3
"""Degrees of composition that are nearer are one."""


def comparable_volume(stack: Stack, tilts_deg: NDArray[np.float64]) -> Volume:
    """The reconstruction (z, y, x) that readings are of, measured and simulated alike."""
    return reconstruct(stack, tilts_deg, iterations=_ITERATIONS, method="osem")


@dataclass(frozen=True)
class Reading:
    """What one reconstruction says."""

    values: Quantiles
    """Of the intensity inside the particle over its mean."""
    bright_voxels: int
    """Voxels above half the shell's level: the particle's apparent size."""
    shape: NDArray[np.bool_]
    """Its brightest voxels, as many as it has at all times."""

    @cached_property
    def surface_to_volume(self) -> float:
        """Per px: the gradient of the smoothed shape, summed (coarea)."""
        from scipy.ndimage import gaussian_filter

        smooth = gaussian_filter(self.shape.astype(np.float32), 1.0)
        surface = float(np.sqrt(sum(g * g for g in np.gradient(smooth))).sum(dtype=np.float64))
        return surface / max(int(np.count_nonzero(self.shape)), 1)

    @cached_property
    def aspect(self) -> float:
        """Apparent length over width."""
        return aspect_of(self.shape)

    def cleared(self, variance: float) -> Reading:
        """Without so much of the values' variance; negative adds some."""
        own = float(self.values.var())
        narrower = np.sqrt(max(own - variance, 0.0) / own) if own > 0.0 else 1.0
        mean = self.values.mean()
        return replace(self, values=mean + narrower * (self.values - mean))

    def moved(self, other: Reading) -> float:
        """Part of the particle's volume that is elsewhere than in another reading."""
        here, both = int(np.count_nonzero(self.shape)), int(np.count_nonzero(self.shape & other.shape))
        return 1.0 - both / max(here, 1)


@dataclass(frozen=True)
class AlloyingCurve:
    """Readings of the simulated particle against tau = D t, and of the fully alloyed one."""

    tau_nm2: NDArray[np.float64]
    """Rising from 0."""
    composition_degrees: NDArray[np.float64]
    """Degree of alloying of the composition itself at each of them."""
    readings: tuple[Reading, ...]
    """Of the unheated particle and of those put through the measurement."""
    simulated: NDArray[np.float64]
    """Degree of alloying of the composition of each reading."""
    alloyed: Reading
    spread: str = "std"
    """One of `SPREADS`."""

    def degree(self, tau_nm2: NDArray[np.float64]) -> NDArray[np.float64]:
        """Simulated degree of alloying at tau, between points by monotone interpolation.

        After Mychinko et al., Small 2021, Methods.
        """
        return np.asarray(self._course(np.sqrt(np.clip(tau_nm2, 0.0, self.tau_nm2[-1]))))

    def tau_at(self, degree: float) -> float:
        """tau in nm2 at which the simulated particle reaches a degree of alloying."""
        return _interpolated(degree, self.degrees, np.sqrt(self.tau_nm2)) ** 2

    def measured(
        self, start: Reading, now: Reading, spread: str | None = None, alloyed: Reading | None = None
    ) -> float:
        """Degree of alloying of a measured state; the simulated alloyed particle is its 100 %.

        After Mychinko et al., Small 2021, Methods.
        """
        full = alloyed or self.alloyed
        return degree_of(SPREADS[spread or self.spread], start.values, now.values, full.values)

    def changed(self, size: Callable[[Reading], float], start: Reading, now: Reading, degree: float) -> float:
        """By what factor a size changed since the start, beyond what alloying alone makes it seem to."""
        seem = [size(r) for r in self.readings]
        return size(now) / size(start) * self._of_readings(0.0, seem) / self._of_readings(degree, seem)

    def moved_at(self, degree: float) -> float:
        """Part of the unchanged particle's volume that alloying alone makes seem elsewhere."""
        return self._of_readings(degree, [r.moved(self.readings[0]) for r in self.readings])

    def _of_readings(self, degree: float, values: Sequence[float]) -> float:
        return _interpolated(degree, self._measured, values)

    @cached_property
    def degrees(self) -> NDArray[np.float64]:
        """As measured, at each tau."""
        from scipy.interpolate import CubicSpline

        known = np.append(self.simulated, 1.0)
        # A small particle is all but alloyed at the last readings, which then tell nothing apart.
        apart = np.append(np.diff(np.maximum.accumulate(known)) > _APART, True)
        seen_more = CubicSpline(known[apart], np.append(self._measured, 1.0)[apart] - known[apart])
        return np.asarray(self.composition_degrees + seen_more(self.composition_degrees), np.float64)

    @cached_property
    def _measured(self) -> NDArray[np.float64]:
        """Degrees of the readings."""
        return np.array([self.measured(self.readings[0], r) for r in self.readings])

    @cached_property
    def _course(self) -> PchipInterpolator:
        from scipy.interpolate import PchipInterpolator

        return PchipInterpolator(np.sqrt(self.tau_nm2), self.degrees)


def _interpolated(at: float, degrees: NDArray[np.float64], values: Sequence[float] | NDArray[np.float64]) -> float:
    order = np.argsort(degrees)
    return float(np.interp(at, degrees[order], np.asarray(values, np.float64)[order]))


class SimulatedMeasurement:
    """One particle's measuring chain; `read` serves measured and simulated volumes alike.

    Parameters
    ----------
    ceiling : intensity at which the detector clips: what it hides of the core is hidden in simulated series, too
    """

    def __init__(
        self,
        particle: ParticleModel,
        crop: tuple[slice, slice],
        tilts_deg: NDArray[np.float64],
        noise: Noise,
        seed: int,
        ceiling: float | None = None,
    ) -> None:
        self.particle = particle
        self._crop = crop
        self._tilts_deg = tilts_deg
        self._noise = noise
        self._seed = seed
        self.ceiling = ceiling
        self._scene = particle.scene(tilts_deg)
        # All of the surroundings: what lies beyond the crop in depth still shows in it at high tilt.
        self._around = self._scene.around(particle.surroundings)
        self._region = _core_region(particle.metal_in_crop(*crop) > 0.5)

    def read(self, volume: Volume, *, reshaped: bool = False, void: FittedVoid | None = None) -> Reading:
        """Spread and size of a reconstruction whose particle lies where the model's does, in its shape or a new one.

        The spread is of the metal: a void and its rim are left out.
        """
        shape = self._shape_in(volume)
        region = _core_region(shape) if reshaped else self._region
        if void is not None:
            rim = (void.depth(self.particle.outside.shape) > -_VOIDS_RIM_PX).astype(np.float32)
            region = region & (self.particle.in_crop(rim, *self._crop) == 0.0)
        inside = volume[region]
        mean = float(inside.mean())
        if not mean > 0.0:
            return Reading(np.full(QUANTILES, np.nan), 0, shape)
        scale = self.expected_mean / mean
        bright = np.count_nonzero(volume > 0.5 * self.particle.shell_level / scale)
        return Reading(quantiles_of(inside), int(bright), shape)

    def through(self, tilts_deg: NDArray[np.float64], ceiling: float | None) -> SimulatedMeasurement:
        """The chain of the same particle at other tilts, and with another end of the detector."""
        return SimulatedMeasurement(self.particle, self._crop, tilts_deg, self._noise, self._seed, ceiling)

    def clips_as(self, ceiling: float | None) -> bool:
        """Whether a series whose detector ends there is clipped as its own is."""
        if ceiling is None or self.ceiling is None:
            return ceiling is self.ceiling
        return abs(ceiling / self.ceiling - 1.0) < _SAME_END

    def lacks(self, tilts_deg: NDArray[np.float64]) -> int:
        """How many tilts of another series these are without, or it of these."""
        apart = np.abs(tilts_deg[:, None] - self._tilts_deg)
        far = 0.5 * float(np.median(np.diff(np.sort(self._tilts_deg))))
        return int(np.sum(apart.min(axis=0) > far) + np.sum(apart.min(axis=1) > far))

    @property
    def tilts(self) -> int:
        """How many."""
        return len(self._tilts_deg)

    @property
    def span_deg(self) -> float:
        """Of its tilts."""
        return float(np.ptp(self._tilts_deg))

    @property
    def expected_mean(self) -> float:
        p = self.particle
        return p.shell_level + p.core_step * p.core_fraction

    def simulate(self, concentration: NDArray[np.float32]) -> Reading:
        """Put a composition through the chain. The same noise is drawn every time, so curves are smooth."""
        return self.read(self._reconstructed(self._ideal(concentration)))

    @cached_property
    def counted_spread_std(self) -> float:
        """Of the unheated particle's spread over its mean, by counting noise alone."""
        ideal = self._ideal(self.particle.composition)
        one, other = (self._reconstructed(ideal, more) for more in (1, 2))
        return relative_spread_std(one, other, self._region)

    def alloyed_in_the_shape_of(self, volume: Volume) -> Reading:
        """What the particle would show fully alloyed, had it the shape that a reconstruction shows."""
        rows, columns = self._crop
        metal = self._shape_in(volume).astype(np.float32)
        projected = blurred(Projector(self._tilts_deg, metal.shape).forward(metal), self.particle.blur_px)
        around = columns_of(self._around[:, rows], self.particle.first_column, columns)
        ideal = np.float32(self.expected_mean) * projected + around
        return self.read(self._reconstructed(ideal), reshaped=True)

    def _shape_in(self, volume: Volume) -> NDArray[np.bool_]:
        """The brightest voxels, as many as the particle has: reshaping keeps its volume."""
        most = min(max(1, round(self.particle.volume_px)), volume.size - 1)
        return np.asarray(volume > np.partition(volume.ravel(), -most)[-most])

    def _ideal(self, concentration: NDArray[np.float32]) -> Stack:
        """The crop's projections without noise."""
        rows, columns = self._crop
        scattered = self._scene.particle(self.particle.intensity(concentration)) + self._around
        whole = self.particle.response.signal(scattered)
        return columns_of(whole[:, rows], self.particle.first_column, columns)

    def _reconstructed(self, ideal: Stack, draw: int = 0) -> Volume:
        counted = self._noise.sample(ideal, np.random.default_rng([self._seed, draw] if draw else self._seed))
        if self.ceiling is not None:
            counted = np.minimum(counted, np.float32(self.ceiling))
        return comparable_volume(counted, self._tilts_deg)

    def curve(self, trajectory: CompositionTrajectory, spread_name: str = "std") -> AlloyingCurve:
        """Simulate the particle from room temperature to fully alloyed."""
        first, last = trajectory.ln_tau_at(_FIRST), trajectory.range[1]
        ln_tau = np.linspace(first, last, 2 + int((last - first) / np.log(_RATIO)))
        degrees = np.array([trajectory.degree(float(x)) for x in ln_tau])
        even = self.simulate(np.full(self.particle.metal.shape, self.particle.core_fraction, np.float32))
        at = [trajectory.ln_tau_at(d) for d in _SIMULATED if d < degrees[-1]]
        return AlloyingCurve(
            np.r_[0.0, np.exp(ln_tau)],
            np.r_[0.0, degrees],
            tuple(self.simulate(c) for c in (self.particle.composition, *(trajectory.at(x)[0] for x in at))),
            np.array([0.0, *(trajectory.degree(x) for x in at)]),
            even,
            spread_name,
        )


def aspect_of(mask: NDArray[np.bool_]) -> float:
    """Length over width: of the ellipsoid with the mask's second moments, the width a mean of two."""
    points = np.argwhere(mask)
    if len(points) < 4:
        return 1.0
    width, other, length = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(points.T)), 1e-3))
    return float(length / np.sqrt(width * other))


def _core_region(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without its rim, where the blur of the surface rules."""
    from scipy.ndimage import binary_erosion

    for rim in (2, 1):
        inner = np.asarray(binary_erosion(mask, iterations=rim), bool)
        if np.count_nonzero(inner) > 0.5 * np.count_nonzero(mask):
            return inner
    return mask
