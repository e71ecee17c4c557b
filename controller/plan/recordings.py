"""What a plan records of one particle: tilt series, images, EDX maps, and what each costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from controller.plan.session_file import ParticleSection, TiltScheme
from drivers.interfaces import EdxSettings

_SECONDS_PER_MOVE = 1.5
"""Stage move and settling between tilts, for estimates."""
_RETURN_DEG_PER_S = 2.0


@dataclass(frozen=True)
class TiltSeries:
    """One tilt series of one particle."""

    id: str
    particle: ParticleSection
    scheme: TiltScheme
    frame_s: float

    @property
    def tilts_deg(self) -> tuple[float, ...]:
        return self.scheme.tilts_deg()

    @property
    def planned(self) -> int:
        """Frames."""
        return len(self.tilts_deg)

    @property
    def sweeps(self) -> bool:
        return self.scheme.mode == "continuous"

    @property
    def exposures(self) -> int:
        """Scans for which the beam is on; in a sweep it never goes off, and most scans are not kept."""
        if self.sweeps:
            range_deg = abs(self.scheme.to_deg - self.scheme.from_deg)
            return math.ceil(range_deg / self.scheme.rate_deg_per_s / self.frame_s)
        return len(self.tilts_deg)

    def estimate_s(self) -> float:
        range_deg = abs(self.scheme.to_deg - self.scheme.from_deg)
        back_s = range_deg / _RETURN_DEG_PER_S
        if self.sweeps:
            return range_deg / self.scheme.rate_deg_per_s + back_s
        return len(self.tilts_deg) * (self.frame_s + _SECONDS_PER_MOVE) + back_s

    def describe(self) -> str:
        s = self.scheme
        return f"{s.mode} tilt series, {len(s.tilts_deg())} tilts from {s.from_deg:g} to {s.to_deg:g} deg"


@dataclass(frozen=True)
class Image:
    """One HAADF image of one particle, not tilted."""

    id: str
    particle: ParticleSection
    frame_s: float

    @property
    def tilts_deg(self) -> tuple[float, ...]:
        return (0.0,)

    @property
    def planned(self) -> int:
        return 1

    @property
    def exposures(self) -> int:
        return 1

    def estimate_s(self) -> float:
        return self.frame_s + _SECONDS_PER_MOVE

    def describe(self) -> str:
        return f"one image of {self.particle.name}"


@dataclass(frozen=True)
class EdxMap:
    """One EDX map of one particle."""

    id: str
    particle: ParticleSection
    tilt_deg: float
    settings: EdxSettings
    sigma_at_pct: float | None
    """Enough when the composition is known so well."""

    @property
    def planned(self) -> int:
        """Frames at most."""
        return self.settings.frames

    @property
    def exposures(self) -> int:
        return self.settings.frames

    def estimate_s(self) -> float:
        return self.settings.frames * self.settings.scan.frame_s + _SECONDS_PER_MOVE

    def describe(self) -> str:
        scan, enough = self.settings.scan, self.sigma_at_pct
        until = "" if enough is None else f", until the composition is known to {enough:g} at%"
        size = f"{scan.shape[0]} x {scan.shape[1]} pixels of {scan.pixel_nm:g} nm"
        return f"EDX map at {self.tilt_deg:g} deg, {self.planned} frames of {size}{until}"


Recording = TiltSeries | Image | EdxMap
