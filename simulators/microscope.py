"""A STEM that sees the twin: goniometer, drift, probe, HAADF detector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError, DeviceError
from drivers.interfaces import DriverContext, Scan, ScanSettings, StagePosition
from drivers.units import electrons_per_nm2
from simulators.chip import WINDOW_OFFSETS_C
from simulators.imaging import Optics, Response, View, attenuation, brightest, detect, exposed
from simulators.imperfect.beam_path import BeamPath, bright_tilts_deg, magnified, membranes, neighbours, response
from simulators.imperfect.imperfections import NONE, of_the_microscope
from simulators.places import Place, places
from simulators.rays import warm_up
from simulators.specimens import VOXELS_ACROSS
from simulators.twin import Particle, Twin

_STAGE_SPEED_NM_PER_S = 2000.0
_SETTLE_S = 0.5
_CONVERGENCE_RAD = 0.01
_THERMAL_DRIFT_NM_PER_C = 0.012
_THERMAL_DRIFT_S = 40.0
_MEMBRANE_BAND_NM = 30.0
_RESUMED_S = 30.0
"""A clock that begins later is that of a session which goes on."""


class SimulatedMicroscope:
    """Implements `Microscope`. Same seed, same bytes.

    Parameters
    ----------
    particles : tables with ``specimen``, or ``made`` of what `MadeSpecimen` takes, and optionally any field of `Place`:
        ``x_nm y_nm z_nm window name`` ...
    chip_design : ``double-spiral`` or ``circular-spiral``; sets the windows' true offsets
    window_offsets_c : overrides the design's offsets
    current_pa : probe current
    tilt_error_deg : one standard deviation between the tilt read back and the true one
    jitter_nm : image displacement after each stage move, one standard deviation
    drift_nm_per_sqrt_s : random walk of the stage
    height_change_nm : height gained over 90 deg of tilt (imperfect eucentric height)
    tilt_speed_deg_per_s : of the stage on its way to a tilt
    bulge_nm_per_c : how the hot window moves in (z, y, x); the part `left_behind` of it stays after each quench
    stage_turn_deg, stage_mirrored, stage_backlash_nm : how its axes lie on the image, and their play
    voxels_across : fineness of the twin's grid; lower it only for quick looks
    imperfections : ``typical``, the name of an effect, or a table of sizes (`Imperfections`); those of a state, a
        series or a pulse are in ``alloyscope validate`` alone
    """

    simulated = True

    def __init__(
        self,
        name: str,
        context: DriverContext,
        particles: Sequence[Mapping[str, Any]],
        chip_design: str = "circular-spiral",
        window_offsets_c: Mapping[str, float] | None = None,
        current_pa: float = 50.0,
        probe_sigma_nm: float = 0.6,
        gain: float = 12.0,
        offset: float = 420.0,
        read_noise: float = 6.0,
        tilt_error_deg: float = 0.2,
        jitter_nm: float = 0.7,
        drift_nm_per_sqrt_s: float = 0.15,
        height_change_nm: float = 4.0,
        bulge_nm_per_c: tuple[float, float, float] = (0.0, 0.0, 0.0),
        left_behind: float = 0.05,
        max_tilt_deg: float = 75.0,
        stage_turn_deg: float = 0.0,
        stage_mirrored: bool = False,
        stage_backlash_nm: float = 0.0,
        tilt_speed_deg_per_s: float = 2.0,
        voxels_across: float = VOXELS_ACROSS,
        imperfections: str | Mapping[str, Any] = NONE,
    ) -> None:
        if chip_design not in WINDOW_OFFSETS_C:
            raise ConfigError(
                "microscope.options.chip_design", [f"{chip_design!r}: choose {' or '.join(WINDOW_OFFSETS_C)}"]
            )
        laid = places(particles, "microscope.options")
        sizes = {"current_pa": current_pa, "gain": gain, "voxels_across": voxels_across, "max_tilt_deg": max_tilt_deg}
        wrong = [f"{key}: must be above 0 (found {size:g})" for key, size in sizes.items() if not size > 0.0]
        if wrong:
            raise ConfigError("microscope.options", wrong)
        self.name = name
        self._context, self._clock = context, context.clock
        self._places = laid
        self._offsets_c = dict(window_offsets_c or WINDOW_OFFSETS_C[chip_design])
        self._current_pa = current_pa
        self._optics = Optics(probe_sigma_nm, gain, offset, read_noise)
        self._jitter_nm, self._walk_nm, self._height_change_nm = jitter_nm, drift_nm_per_sqrt_s, height_change_nm
        self._bulge_nm_per_c, self._left_behind = np.asarray(bulge_nm_per_c, float), left_behind
        self._max_tilt_deg, self._tilt_speed_deg_per_s = max_tilt_deg, tilt_speed_deg_per_s
        self._voxels_across = voxels_across
        flaws_rng = np.random.default_rng([context.seed, 73])
        self._flaws = of_the_microscope(imperfections, flaws_rng)
        self._bright_deg = bright_tilts_deg(self._flaws, flaws_rng)
        self._tilt_error_deg = float(np.hypot(tilt_error_deg, self._flaws.tilt_error_deg))
        self._attenuation = 0.0
        self._response: Response | None = None
        self._rng = np.random.default_rng([context.seed, 23])
        self._twin: Twin | None = None
        turn, hand = np.radians(stage_turn_deg), -1.0 if stage_mirrored else 1.0
        self._on_image = np.array([[hand * np.cos(turn), np.sin(turn)], [-hand * np.sin(turn), np.cos(turn)]])
        """What a move (y, x) of the stage displaces the image by."""
        self._play_nm = stage_backlash_nm
        self._stage, self._truly_nm = StagePosition(), np.zeros(2)
        self._blanked = True
        self._defocus_nm = 0.0
        self._image_shift_nm = np.zeros(2)
        self._beam_shift_nm = np.zeros(2)
        self._jitter = np.zeros(2)
        self._drift_nm = np.zeros(2)
        self._drift_time_s = 0.0
        self._thermal_way = self._rng.normal(size=2) / np.sqrt(2.0)
        if self._clock.now() > _RESUMED_S:  # nobody sees the noise of the beginning once more
            self._rng = np.random.default_rng([context.seed, 23, round(self._clock.now())])

    @property
    def current_pa(self) -> float:
        """Of the probe; nothing while it is blanked."""
        return 0.0 if self._blanked else self._current_pa

    async def connect(self) -> None:
        with self._clock.working():
            building = asyncio.to_thread(
                Twin, self._context.folder, self._places, self._offsets_c, self._voxels_across, self._flaws
            )
            # What compiles does so now, with the chip cold, not in the middle of a session.
            twin, _ = await asyncio.gather(building, asyncio.to_thread(warm_up))
            twin.write_truth({"seed": self._context.seed, "imperfections": self._flaws.told()})
            await asyncio.to_thread(self._know_brightest, twin)
            self._twin = twin
            await asyncio.to_thread(self._render, 4.0, (8, 8), 0.0)

    async def make_safe(self) -> None:
        self._blanked = True

    async def close(self) -> None:
        self._blanked = True

    def tilt_range_deg(self) -> tuple[float, float]:
        return -self._max_tilt_deg, self._max_tilt_deg

    async def move_to(self, position: StagePosition) -> None:
        if abs(position.tilt_deg) > self._max_tilt_deg:
            raise DeviceError(
                self.name,
                f"asked to tilt to {position.tilt_deg:g} deg, the holder ends at "
                f"{self._max_tilt_deg:g} deg; lower the tilt range",
            )
        way_nm = np.hypot(position.x_nm - self._stage.x_nm, position.y_nm - self._stage.y_nm)
        turn_deg = abs(position.tilt_deg - self._stage.tilt_deg)
        await self._clock.sleep(max(way_nm / _STAGE_SPEED_NM_PER_S, turn_deg / self._tilt_speed_deg_per_s) + _SETTLE_S)
        self._stage = position
        self._take_up_play()
        self._jitter = self._rng.normal(0.0, self._jitter_nm, 2)

    def _take_up_play(self) -> None:
        """What is asked moves the stage once the play on that side is gone."""
        asked_nm = np.array([self._stage.y_nm, self._stage.x_nm])
        self._truly_nm = np.clip(self._truly_nm, asked_nm, asked_nm + self._play_nm)

    async def read_stage(self) -> StagePosition:
        return self._stage

    async def set_beam_blank(self, blanked: bool) -> None:
        self._blanked = blanked

    async def set_defocus(self, defocus_nm: float) -> None:
        self._defocus_nm = defocus_nm

    async def shift_beam(self, dy_nm: float, dx_nm: float) -> None:
        self._beam_shift_nm[:] = dy_nm, dx_nm

    async def shift_image(self, dy_nm: float, dx_nm: float) -> None:
        self._image_shift_nm[:] = dy_nm, dx_nm

    async def scan(self, settings: ScanSettings) -> Scan:
        await self._clock.sleep(settings.frame_s)
        return await self._scan_at(settings, self._stage.tilt_deg)

    async def sweep(self, settings: ScanSettings, to_deg: float, rate_deg_per_s: float) -> AsyncGenerator[Scan, None]:
        start_deg, began_s = self._stage.tilt_deg, self._clock.now()
        way = np.sign(to_deg - start_deg) * rate_deg_per_s
        while abs(self._stage.tilt_deg - to_deg) > 1e-9:
            await self._clock.sleep(settings.frame_s)
            tilt_deg = start_deg + way * (self._clock.now() - began_s)
            tilt_deg = min(tilt_deg, to_deg) if way > 0 else max(tilt_deg, to_deg)
            swept_deg = min(abs(tilt_deg - self._stage.tilt_deg), rate_deg_per_s * settings.frame_s)
            self._stage = replace(self._stage, tilt_deg=float(tilt_deg))
            yield await self._scan_at(settings, float(tilt_deg - 0.5 * np.sign(way) * swept_deg), float(swept_deg))

    async def _scan_at(self, settings: ScanSettings, tilt_deg: float, swept_deg: float = 0.0) -> Scan:
        flaws = self._flaws
        true_deg = (1.0 + 0.01 * flaws.tilt_scale_percent) * tilt_deg + flaws.tilt_offset_deg
        true_deg += self._rng.normal(0.0, self._tilt_error_deg)
        with self._clock.working():
            fraction = await asyncio.to_thread(
                exposed, lambda at_deg: self._render(settings.pixel_nm, settings.shape, at_deg), true_deg, swept_deg
            )
        dose = electrons_per_nm2(self._current_pa, settings.dwell_s, settings.pixel_nm)
        electrons = 0.0 if self._blanked else dose * settings.pixel_nm**2
        return Scan(
            image=detect(fraction, electrons, self._optics, self._rng, self._response),
            time_s=self._clock.now(),
            stage=replace(self._stage, tilt_deg=tilt_deg),
            pixel_nm=settings.pixel_nm,
            electrons_per_nm2=0.0 if self._blanked else dose,
            gain=self._optics.gain,
            offset=self._optics.offset,
            defocus_nm=self._defocus_nm,
            image_shift_nm=(float(self._image_shift_nm[0]), float(self._image_shift_nm[1])),
            swept_deg=swept_deg,
            current_pa=self._current_pa,
        )

    def _know_brightest(self, twin: Twin) -> None:
        flaws = self._flaws
        if flaws.told():
            top = max(brightest(p.scatters[0]) for p in twin.particles)
            self._attenuation = attenuation(top, 0.01 * flaws.attenuation_percent)
            self._response = response(flaws, top)

    def _render(self, pixel_nm: float, shape: tuple[int, int], tilt_deg: float) -> NDArray[np.float32]:
        image, flaws = np.zeros(shape, np.float32), self._flaws
        for particle, view in self.views(pixel_nm, shape, tilt_deg):
            beside, brighter = neighbours(particle.specimen, flaws), 0.01 * flaws.diffraction_percent
            metal, coat = particle.scatters
            path = BeamPath(metal, (coat,), beside, self._bright_deg, brighter)
            image += path.seen(replace(view, attenuation=self._attenuation), tilt_deg)
        if membrane := membranes(flaws, _MEMBRANE_BAND_NM):
            image += self._view(Place(""), pixel_nm, shape, tilt_deg).of(beside=membrane)
        return image

    def views(self, pixel_nm: float, shape: tuple[int, int], tilt_deg: float) -> Iterator[tuple[Particle, View]]:
        """The particles in the field as they now are, each with how it is now seen."""
        assert self._twin is not None, "connect() builds the twin"
        self._twin.catch_up()
        self._drift()
        field_nm = pixel_nm * max(shape)
        for particle in self._twin.particles:
            view = self._view(particle.place, pixel_nm, shape, tilt_deg)
            if max(abs(c + s) for c, s in zip(view.centre_nm[1:], view.image_shift_nm, strict=True)) <= field_nm:
                yield particle, view

    def _view(self, place: Place, pixel_nm: float, shape: tuple[int, int], tilt_deg: float) -> View:
        """How what lies at a place is now seen."""
        assert self._twin is not None, "connect() builds the twin"
        heated_c = self._twin.warmer_c + self._left_behind * self._twin.quenched_c
        bulge_nm = self._bulge_nm_per_c * heated_c
        height_nm = self._height_change_nm * np.sin(np.radians(tilt_deg)) + bulge_nm[0]
        shift_nm = self._image_shift_nm + self._jitter
        self._take_up_play()
        from_stage_nm = self._truly_nm - np.array([place.y_nm, place.x_nm])
        y_nm, x_nm = self._on_image @ from_stage_nm + self._drift_nm + bulge_nm[1:]
        z_nm = self._stage.z_nm - place.z_nm + height_nm
        blur_nm = np.hypot(self._optics.probe_sigma_nm, _CONVERGENCE_RAD * (self._defocus_nm - z_nm))
        return View(
            tilt_deg=tilt_deg,
            centre_nm=(z_nm, y_nm, x_nm),
            image_shift_nm=(float(shift_nm[0]), float(shift_nm[1])),
            pixel_nm=(1.0 + 0.01 * self._flaws.magnification_percent) * pixel_nm,
            shape=shape,
            probe_sigma_nm=float(blur_nm),
            magnified=magnified(self._flaws),
            shear=0.01 * self._flaws.shear_percent,
        )

    def _drift(self) -> None:
        """A random walk, and a creep after each change of temperature that dies away in a minute."""
        assert self._twin is not None, "connect() builds the twin"
        now, before = self._clock.now(), self._drift_time_s
        self._drift_nm += self._rng.normal(0.0, 1.0, 2) * self._walk_nm * np.sqrt(max(0.0, now - before))
        if self._twin.last_change is not None:
            at_s, size_c = self._twin.last_change
            left = np.exp(-np.array([max(before, at_s) - at_s, now - at_s]) / _THERMAL_DRIFT_S)
            self._drift_nm += self._thermal_way * _THERMAL_DRIFT_NM_PER_C * size_c * (left[0] - left[1])
        self._drift_time_s = now
