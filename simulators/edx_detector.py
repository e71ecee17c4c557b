"""An X-ray detector at the simulated microscope: photons of gold, silver, the coat and the column."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from drivers.errors import ConfigError
from drivers.frames import Photons
from drivers.interfaces import DriverContext, EdxSettings, Scan, ScanSettings, XRays
from drivers.units import ELECTRONS_PER_PA_S
from simulators.microscope import SimulatedMicroscope
from simulators.x_rays import Emission, Map, XRayDetector, photons

_COAT = {"Si_Ka": 0.02, "O_Ka": 0.015}
"""Lines of mesoporous silica over those of as much gold."""
_BREMSSTRAHLUNG, _OF_THE_FILM_NM = 0.25, 1.0
"""Photons of all energies per photon of gold's line; what the support film gives, as nm of gold."""


class SimulatedEdxDetector:
    """Implements `EdxDetector` on a `SimulatedMicroscope`. Same seed, same photons.

    Parameters
    ----------
    photons_per_nm : of gold's main line, per electron and nm of gold
    k : Cliff-Lorimer factor by atoms of each line the metals emit, relative to ``Au_Ma``
    stray : photons per electron of lines that come from everywhere: grid, pole piece, support
    """

    simulated = True

    def __init__(
        self,
        name: str,
        context: DriverContext,
        beam_kev: float = 80.0,
        photons_per_nm: float = 2e-6,
        k: Mapping[str, float] = MappingProxyType({"Ag_La": 1.44, "Au_Ma": 1.0, "Au_La": 2.1}),
        stray: Mapping[str, float] = MappingProxyType({"C_Ka": 2.5e-7, "Cu_Ka": 1e-7, "Si_Ka": 2e-8}),
        channels: int = 1024,
        channel_ev: float = 20.0,
        fwhm_mn_ev: float = 130.0,
    ) -> None:
        if not isinstance(context.microscope, SimulatedMicroscope):
            raise ConfigError("edx.backend", ["the simulated detector needs the simulated microscope"])
        self.name = name
        self._microscope, self._clock = context.microscope, context.clock
        self._beam_kev, self._photons_per_nm = beam_kev, photons_per_nm
        self._k, self._stray = dict(k), dict(stray)
        self._detector = XRayDetector(channels, channel_ev, 0.0, fwhm_mn_ev)
        self._rng = np.random.default_rng([context.seed, 29])

    async def connect(self) -> None:
        """The microscope builds the twin."""

    async def make_safe(self) -> None:
        """It only listens."""

    async def close(self) -> None:
        """Nothing is open."""

    async def map_frames(self, settings: EdxSettings) -> AsyncGenerator[Scan, None]:
        for _ in range(settings.frames):
            scan = await self._microscope.scan(settings.scan)
            with self._clock.working():
                counted = await asyncio.to_thread(self._count, settings.scan, scan.stage.tilt_deg)
            d = self._detector
            x_rays = XRays(
                photons=counted,
                channels=d.channels,
                channel_ev=d.channel_ev,
                offset_ev=d.offset_ev,
                beam_kev=self._beam_kev,
                fwhm_mn_ev=d.fwhm_mn_ev,
                live_s=settings.scan.frame_s,
            )
            yield replace(scan, x_rays=x_rays)

    def _count(self, scan: ScanSettings, tilt_deg: float) -> Photons:
        """Photons of one frame; absorption and shadowing are left out."""
        electrons = self._microscope.current_pa * scan.dwell_s * ELECTRONS_PER_PA_S
        per_nm = electrons * self._photons_per_nm
        through: dict[str, Map] = {name: np.zeros(scan.shape) for name in ("Ag", "Au", "coat")}
        for particle, view in self._microscope.views(scan.pixel_nm, scan.shape, tilt_deg):
            voxels, gold = particle.shown
            held = voxels.metal * gold
            gold_nm, silver_nm = (view.of((d, voxels.voxel_nm)) for d in (held, voxels.metal - held))
            through["Au"] += gold_nm
            through["Ag"] += silver_nm
            if voxels.silica.any():
                coated_nm = view.of((voxels.silica, voxels.silica_voxel_nm))
                through["coat"] += np.maximum(coated_nm - gold_nm - silver_nm, 0.0)
        lines = {name: per_nm * through[name.partition("_")[0]] / k for name, k in self._k.items()}
        if through["coat"].any():
            lines |= {name: per_nm * part * through["coat"] for name, part in _COAT.items()}
        metal_nm = through["Ag"] + through["Au"] + 0.1 * through["coat"] + _OF_THE_FILM_NM
        stray = {name: electrons * part for name, part in self._stray.items()}
        emission = Emission(lines, np.asarray(_BREMSSTRAHLUNG * per_nm * metal_nm), self._beam_kev, stray)
        return photons(emission, self._detector, self._rng)
