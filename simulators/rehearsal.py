"""Whole heating sessions of one specimen with a known truth, for validating the analysis.

The same specimens, diffusion, projector and detector as the simulated microscope, without stage, chip and clock: the
times at temperature are exact, so that what is scored is the analysis alone, unless imperfections are asked for. Each
seed lays the specimen differently. Same specimen, conditions, imperfections and seed, same frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from drivers.errors import ConfigError
from drivers.frames import Frame, FrameHeader, HeatPulse, SeriesEnd, StreamItem
from drivers.interfaces import Rehearsed
from simulators.imaging import Optics, View, detect, exposed
from simulators.imperfect.beam_path import magnified
from simulators.imperfect.imperfections import NONE, OF_THE_PARTICLE, Imperfections, imperfections, named
from simulators.rehearsed_states import SessionOptics, heated, taus_nm2
from simulators.specimens import SPECIMENS, Specimen

PULSES_S = (15.0, 15.0, 15.0, 15.0, 30.0, 30.0, 60.0, 120.0, 300.0)
"""Mychinko et al., Small 2021: 15, 30, 45, 60, 90, 120, 180, 300, 600 s in all."""
TEMPERATURE_C = 450.0
_MOST_IN_PLANE_DEG = 15.0
_ELONGATED = 1.5
_FINER = 1.637


@dataclass(frozen=True)
class Imaging:
    """How one specimen is imaged: a pixel that samples it well, and a dose that leaves 5 % noise in a voxel."""

    pixel_nm: float
    shape: tuple[int, int]
    electrons_per_pixel: float


IMAGING = {
    "NC1": Imaging(0.9, (128, 128), 4400.0),
    "NC2": Imaging(0.8, (128, 128), 4400.0),
    "NR1": Imaging(0.5, (144, 144), 8500.0),
    "NR2": Imaging(0.5, (144, 192), 8500.0),
    "NR3": Imaging(0.45, (144, 192), 8500.0),
    "NR4": Imaging(0.5, (144, 192), 8500.0),
    "SR": Imaging(0.4, (128, 128), 14000.0),
}


@dataclass(frozen=True)
class Conditions:
    """What may be varied between sessions of one specimen."""

    dose_factor: float = 1.0
    highest_deg: float = 70.0
    step_deg: float = 2.0
    dropped_tilts: int = 0
    scrambled: bool = False
    tilt_error_deg: float = 0.2
    drift_nm: float = 1.0
    """Displacement between neighbouring exposures, root mean square."""
    probe_sigma_nm: float = 0.6
    swept_deg: float = 0.0
    """Tilt during one exposure."""
    height_nm: float = 3.0
    """Particle's height above the tilt axis, one standard deviation."""
    pulses_s: tuple[float, ...] = PULSES_S


VARIANTS = {
    "standard": Conditions(),
    "half dose": Conditions(dose_factor=0.5),
    "+-60 deg": Conditions(highest_deg=60.0),
    "10 tilts dropped": Conditions(dropped_tilts=10),
    "scrambled tilts": Conditions(scrambled=True),
    "continuous tilt": Conditions(swept_deg=2.0),
    "six states": Conditions(pulses_s=(15.0, 30.0, 60.0, 120.0, 240.0)),
}


class SimulatedRehearsal:
    """Implements `Rehearsal` with the twin's specimens."""

    def particles(self) -> Sequence[str]:
        return list(IMAGING)

    def variants(self) -> Sequence[str]:
        return list(VARIANTS)

    def imperfections(self) -> Sequence[str]:
        return imperfections()

    def session(self, particle: str, seed: int, variant: str = "standard", imperfections: str = NONE) -> Rehearsed:
        """A session's truth and its stream of frames.

        Raises
        ------
        ConfigError
            When no specimen, variant or imperfection has that name.
        """
        if particle not in IMAGING:
            raise ConfigError("particle", [f"no specimen {particle!r}; there are {', '.join(IMAGING)}"])
        if variant not in VARIANTS:
            raise ConfigError("variant", [f"no variant {variant!r}; there are {', '.join(VARIANTS)}"])
        rng = np.random.default_rng([seed, 73])
        flaws = named(imperfections, rng, elongated=SPECIMENS[particle].aspect > _ELONGATED)
        return Rehearsed(
            d_m2_per_s=SPECIMENS[particle].d_450_m2_per_s,
            volume_nm3=SPECIMENS[particle].volume_nm3,
            items=_items(particle, seed, VARIANTS[variant], flaws, rng),
            imperfections=flaws.told(),
        )


def _lying(particle: str, seed: int) -> Specimen:
    """The specimen as it happens to lie: its long axis roughly along the tilt axis, any side up."""
    rng = np.random.default_rng([seed, 72])
    return replace(
        SPECIMENS[particle],
        in_plane_deg=float(rng.uniform(-_MOST_IN_PLANE_DEG, _MOST_IN_PLANE_DEG)),
        about_axis_deg=float(rng.uniform(0.0, 360.0)),
    )


def voxels_across(specimen: Specimen) -> float:
    """A grid that is finer than the images' pixels by a factor that is no simple ratio."""
    return _FINER * float(np.cbrt(specimen.volume_nm3)) / IMAGING[specimen.name].pixel_nm


def _items(
    particle: str, seed: int, conditions: Conditions, flaws: Imperfections, flaws_rng: np.random.Generator
) -> Iterator[StreamItem]:
    specimen, pulses_s = _lying(particle, seed), conditions.pulses_s
    steps_nm2 = taus_nm2(specimen, pulses_s, TEMPERATURE_C, flaws, flaws_rng)
    states = heated(specimen, voxels_across(specimen), steps_nm2, flaws.only(OF_THE_PARTICLE))
    session_optics = SessionOptics(specimen, states[0], flaws, flaws_rng)
    imaging = IMAGING[particle]
    rng = np.random.default_rng([seed, 71])
    optics = Optics(probe_sigma_nm=conditions.probe_sigma_nm)
    electrons = imaging.electrons_per_pixel * conditions.dose_factor
    seq = 0
    heat: tuple[HeatPulse, ...] = ()
    larger, tilted = 1.0 + 0.01 * flaws.magnification_percent, 1.0 + 0.01 * flaws.tilt_scale_percent
    for number, state in enumerate(states):
        series = session_optics.series(state, number / len(pulses_s), conditions.probe_sigma_nm)
        if number:
            heat = (*heat, HeatPulse(TEMPERATURE_C, pulses_s[number - 1]))
        step = f"c{number:02d}/{particle}/tilt"
        tilts_deg = np.arange(-conditions.highest_deg, conditions.highest_deg + 1e-6, conditions.step_deg)
        planned = len(tilts_deg)
        tilts_deg = np.sort(rng.choice(tilts_deg, planned - conditions.dropped_tilts, replace=False))
        if conditions.scrambled:
            tilts_deg = rng.permutation(tilts_deg)
        height_nm = rng.normal(0.0, conditions.height_nm)
        place_nm = rng.normal(0.0, imaging.pixel_nm, 2)
        for index, tilt_deg in enumerate(tilts_deg):
            # Recentring pulls a wandering particle back, a tenth of the way at each tilt.
            place_nm = 0.9 * place_nm + rng.normal(0.0, conditions.drift_nm / np.sqrt(2.0), 2)
            true_deg = float(tilted * tilt_deg + flaws.tilt_offset_deg + rng.normal(0.0, conditions.tilt_error_deg))
            true_deg += flaws.tilt_error_deg * float(flaws_rng.normal())
            view = View(
                tilt_deg=true_deg,
                centre_nm=(height_nm, 0.0, 0.0),
                image_shift_nm=(float(place_nm[0]), float(place_nm[1])),
                pixel_nm=larger * imaging.pixel_nm,
                shape=imaging.shape,
                probe_sigma_nm=series.probe_sigma_nm,
                magnified=magnified(flaws),
                shear=0.01 * flaws.shear_percent,
                attenuation=session_optics.attenuation,
            )
            fraction = exposed(partial(series.path.seen, view), true_deg, conditions.swept_deg)
            header = FrameHeader(
                seq=seq,
                session="rehearsal",
                step=step,
                index=index,
                particle=particle,
                core="Au",
                shell="Ag",
                time_s=float(seq),
                tilt_deg=float(tilt_deg),
                swept_deg=conditions.swept_deg,
                pixel_nm=imaging.pixel_nm,
                heat=heat,
                electrons_per_nm2=electrons / imaging.pixel_nm**2,
                gain=optics.gain,
                offset=optics.offset,
                simulated=True,
            )
            yield Frame(header, detect(fraction, electrons, optics, rng, series.response))
            seq += 1
        yield SeriesEnd(seq=seq, step=step, particle=particle, frames=len(tilts_deg), planned=planned)
        seq += 1
