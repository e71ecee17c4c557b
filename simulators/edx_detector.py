"""An X-ray detector at the simulated microscope: photons of gold, silver, the coat and the column."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from drivers.elements import SYMBOLS
from drivers.errors import ConfigError
from drivers.frames import Photons
from drivers.interfaces import DriverContext, EdxSettings, Scan, ScanSettings, XRays
from drivers.units import ELECTRONS_PER_PA_S
from simulators.microscope import SimulatedMicroscope
from simulators.x_rays import Emission, Map, XRayDetector, photons

_COAT = {"Si_Ka": 0.02, "O_Ka": 0.015}
"""Lines of mesoporous silica over those of as much gold."""
_USUAL_K = 1.4
_L_FROM, _M_FROM = 37, 72
"""Atomic numbers from which the next series is seen best."""
_BREMSSTRAHLUNG, _OF_THE_FILM_NM = 0.25, 1.0
"""Photons of all energies per photon of gold's line; what the support film gives, as nm of gold."""


class SimulatedEdxDetector:
    """Implements `EdxDetector` on a `SimulatedMicroscope`. Same seed, same photons.

    Parameters
    ----------
    photons_per_nm : of gold's main line, per electron and nm of gold
    k : Cliff-Lorimer factor by atoms of each line the metals emit, relative to ``Au_Ma``; a metal that is not among
        them has its main line, with a usual factor
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
        through: dict[str, Map] = {}
        coat_nm: Map = np.zeros(scan.shape)
        for particle, view in self._microscope.views(scan.pixel_nm, scan.shape, tilt_deg):
            voxels, gold = particle.shown
            held = voxels.metal * gold
            core_nm, shell_nm = (view.of((d, voxels.voxel_nm)) for d in (held, voxels.metal - held))
            for metal, path_nm in zip(voxels.metals, (core_nm, shell_nm), strict=True):
                through[metal] = through.get(metal, np.zeros(scan.shape)) + path_nm
            if voxels.silica.any():
                coated_nm = view.of((voxels.silica, voxels.silica_voxel_nm))
                coat_nm += np.maximum(coated_nm - core_nm - shell_nm, 0.0)
        told = {name.partition("_")[0] for name in self._k}
        factors = self._k | {_main_line(metal): _USUAL_K for metal in through if metal not in told}
        lines = {
            name: per_nm * through[metal] / k
            for name, k in factors.items()
            if (metal := name.partition("_")[0]) in through
        }
        if coat_nm.any():
            lines |= {name: per_nm * part * coat_nm for name, part in _COAT.items()}
        metal_nm = sum(through.values(), 0.1 * coat_nm + _OF_THE_FILM_NM)
        stray = {name: electrons * part for name, part in self._stray.items()}
        emission = Emission(lines, np.asarray(_BREMSSTRAHLUNG * per_nm * metal_nm), self._beam_kev, stray)
        return photons(emission, self._detector, self._rng)


def _main_line(metal: str) -> str:
    """What a detector up to 20 keV sees best of it."""
    number = SYMBOLS.index(metal) + 1
    return f"{metal}_{'Ka' if number < _L_FROM else 'La' if number < _M_FROM else 'Ma'}"
