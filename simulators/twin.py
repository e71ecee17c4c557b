"""The truth: particles in the windows of a chip, alloying as the chip's temperature tells them to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.recorded.folder import SessionFolder
from simulators.diffusion import diffuse, regular_solution
from simulators.imaging import scatterers
from simulators.imperfect.imperfections import Imperfections
from simulators.places import Place
from simulators.reshaping import rounded
from simulators.segregation import segregated
from simulators.specimens import Specimen, Voxels, build
from simulators.thermal_history import AMBIENT_C, ThermalHistory, arrhenius, tau_nm2

_COOL_C = 30.0
"""Above ambient: a pulse is over below it."""


class Particle:
    """One specimen that alloys."""

    def __init__(self, specimen: Specimen, place: Place, voxels_across: float, flaws: Imperfections) -> None:
        self.specimen = specimen
        self.place = place
        self.voxels: Voxels = build(specimen, voxels_across)
        fraction = self.voxels.gold_fraction(self.voxels.gold)
        self._relative_d = regular_solution(fraction, flaws.ln_d_fall, flaws.interaction_rt)
        self._before_nm2 = (0.5 * flaws.interface_nm) ** 2
        self.gold = diffuse(self.voxels.gold, self.voxels, self._before_nm2, self._relative_d)
        self.tau_nm2 = 0.0
        self._bow = 0.01 * flaws.composition_bow_percent
        self._show(self.voxels, self.gold)
        self._start_spread = math.sqrt(fraction * (1.0 - fraction))

    def heat(self, tau_nm2: float) -> None:
        if tau_nm2 > 1e-6:
            before_nm2 = self._before_nm2 + self.tau_nm2
            self.gold = diffuse(self.gold, self.voxels, tau_nm2, self._relative_d, before_nm2)
            self.tau_nm2 += tau_nm2
            gold = segregated(self.specimen, self.voxels, self.gold, self.tau_nm2)
            self._show(*rounded(self.specimen, self.voxels, gold, self.tau_nm2))

    def _show(self, voxels: Voxels, gold: NDArray[np.float32]) -> None:
        """Voxels and gold fraction in the shape that heating has left, and what of it scatters: metal and coat."""
        self.shown = voxels, gold
        self.scatters = scatterers(voxels, gold, self._bow)

    def alloying(self) -> float:
        """True degree of alloying: how much of the composition's spread is gone, 0..1."""
        return 1.0 - self.voxels.spread(self.gold) / self._start_spread


class Twin:
    """All particles of a chip; writes its truth under ``truth/`` in the session folder."""

    def __init__(
        self,
        folder: Path,
        places: list[Place],
        offsets_c: Mapping[str, float],
        voxels_across: float,
        flaws: Imperfections,
    ) -> None:
        self._folder = SessionFolder(folder)
        self._history = ThermalHistory(folder)
        self.offsets_c = dict(offsets_c)
        self._hotter_c = flaws.hotter_c
        self.particles = [Particle(p.as_laid(), p, voxels_across, flaws) for p in places]
        self.last_change: tuple[float, float] | None = None
        """Time and size of the last change of temperature, in s and C."""
        self.warmer_c = 0.0
        """Of the chip, above ambient."""
        self.quenched_c = 0.0
        """Sum over all pulses that are over of how far they went above ambient."""
        self._peak_c = 0.0

    def write_truth(self, more: dict[str, Any]) -> None:
        """Constants of this world, for scoring. Analysis never opens this file."""
        particles = {
            p.specimen.name: {
                "d_450_m2_per_s": p.specimen.d_450_m2_per_s,
                "q_j_per_mol": p.specimen.q_j_per_mol,
                "volume_nm3": p.voxels.volume_nm3,
                "gold_fraction": p.voxels.gold_fraction(p.voxels.gold),
                "window": p.place.window,
            }
            for p in self.particles
        }
        self._folder.truth.mkdir(parents=True, exist_ok=True)
        truth = {"simulated": True, "particles": particles, "window_offsets_c": self.offsets_c, **more}
        self._folder.particles_truth.write_text(json.dumps(truth, indent=1))

    def catch_up(self) -> None:
        """Let every particle diffuse along the chip's temperature since the last call."""
        points = self._history.new()
        if len(points) < 2:
            return
        swing = np.abs(np.diff(points[:, 1]))
        if swing.sum() > 20.0:
            self.last_change = (float(points[np.flatnonzero(swing > 1e-3)[-1] + 1, 0]), float(np.ptp(points[:, 1])))
        self._follow(points[:, 1] - AMBIENT_C)
        moved = False
        for particle in self.particles:
            law = arrhenius(particle.specimen.d_450_m2_per_s, particle.specimen.q_j_per_mol)
            tau = tau_nm2(points, law, self.offsets_c.get(particle.place.window, 0.0) + self._hotter_c)
            particle.heat(tau)
            moved |= tau > 1e-6
        if moved:
            state = {p.specimen.name: {"tau_nm2": p.tau_nm2, "alloying": p.alloying()} for p in self.particles}
            with self._folder.states_truth.open("a") as file:
                file.write(json.dumps({"time_s": float(points[-1, 0]), "particles": state}) + "\n")

    def _follow(self, warmer_c: NDArray[np.float64]) -> None:
        """Which pulses are over, for what heat leaves behind."""
        for value in warmer_c:
            self._peak_c = max(self._peak_c, float(value))
            if value < _COOL_C < self._peak_c:
                self.quenched_c += self._peak_c
                self._peak_c = 0.0
        self.warmer_c = float(warmer_c[-1])
