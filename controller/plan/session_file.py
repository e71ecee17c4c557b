"""``session.toml``: what a microscopist writes, loaded strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from analysis.diffusion.activation_energy import ActivationEnergy
from analysis.diffusion.uncertainty import Uncertainty
from analysis.particles.wanted import Wanted
from controller.plan.blocks import Block, SteeredBlock
from controller.plan.quantities import CurrentPa, DwellUs, Metal, Name, PixelNm, PlaceNm, RampCPerS, TiltDeg, Words
from controller.plan.stage_section import StageSection
from controller.plan.telemetry_section import LEVELS, TelemetrySection
from drivers.interfaces import EdxSettings, ScanSettings
from drivers.limits import ChipLimits
from drivers.toml_file import Strict, load_toml


class ChipSection(Strict):
    """The heating chip, and what of a temperature counts as reached."""

    backend: str
    """As `alloyscope devices` lists them, or ``my_chip.py:MyChip`` beside this file."""
    ramp_c_per_s: RampCPerS = 1000.0
    """Of every pulse whose block says nothing else."""
    tolerance_c: float = Field(1.0, gt=0, le=100)
    """How near to what was asked a temperature counts as reached."""
    settle_s: float = Field(0.2, ge=0, le=3600)
    """A temperature is reached at the moment from which readings stay within the tolerance for so long."""
    limits: ChipLimits = ChipLimits()
    """Never exceeded, whatever the plan says."""
    options: dict[str, Any] = Field(default_factory=dict)
    """As the backend takes them."""


class MicroscopeSection(Strict):
    """Stage, beam and HAADF detector."""

    backend: str
    """As `alloyscope devices` lists them, or ``my_microscope.py:MyMicroscope`` beside this file."""
    options: dict[str, Any] = Field(default_factory=dict)
    """As the backend takes them."""


class ScanSection(Strict):
    """The field of every image."""

    pixel_nm: PixelNm
    """Size of a pixel."""
    shape: tuple[int, int] = (128, 128)
    """Rows and columns; the particle should fill about half of them."""
    dwell_us: DwellUs = 3.0
    """Per pixel."""
    current_pa: CurrentPa = 50.0
    """For the dose estimate; frames carry the dose the microscope reports."""

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        if min(self.shape) < 16 or max(self.shape) > 8192:
            raise ValueError("shape must lie between 16x16 and 8192x8192 pixels")
        return self

    def settings(self) -> ScanSettings:
        return ScanSettings(self.pixel_nm, self.shape, self.dwell_us * 1e-6)


class EdxSection(Strict):
    """The X-ray detector, and the maps that are taken with it."""

    backend: str
    """As `alloyscope devices` lists them, or ``my_detector.py:MyDetector`` beside this file."""
    lines: tuple[str, ...] = Field(min_length=2)
    """Main lines, one per element, such as ``Ag_La``."""
    k: tuple[str, ...] = ()
    """Cliff-Lorimer factors, such as ``Ag_La/Au_Ma=1.44:0.01``; computed, less well, where none is given."""
    k_basis: Literal["atomic", "weight"] = "atomic"
    """Whether `k` is of atomic or, as makers have it, of weight fractions."""
    pixel_nm: PixelNm
    """Size of a map's pixel."""
    shape: tuple[int, int] = (64, 64)
    """Rows and columns of a map."""
    dwell_us: DwellUs = 1000.0
    """Per pixel and frame."""
    frames: int = Field(100, ge=1, le=100_000)
    """Of a map, at most."""
    current_pa: CurrentPa = 50.0
    """For the dose estimate; frames carry the dose the microscope reports."""
    sigma_at_pct: float | None = Field(None, gt=0, le=100)
    """A map is enough when the worst-known element's error has come down to this; without it, all frames are taken."""
    tilts_deg: tuple[TiltDeg, ...] = Field((0.0,), min_length=1, max_length=200)
    """A map at each of them."""
    options: dict[str, Any] = Field(default_factory=dict)
    """As the backend takes them."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if min(self.shape) < 8 or max(self.shape) > 4096:
            raise ValueError("shape must lie between 8x8 and 4096x4096 pixels")
        if len(set(self.tilts_deg)) < len(self.tilts_deg):
            raise ValueError("tilts_deg holds a tilt twice")
        return self

    def settings(self) -> EdxSettings:
        return EdxSettings(ScanSettings(self.pixel_nm, self.shape, self.dwell_us * 1e-6), self.frames)


class TiltScheme(Strict):
    """Tilts of one series."""

    mode: Literal["stepped", "continuous"] = "stepped"
    """Stop for each image, or tilt through."""
    from_deg: TiltDeg = -70.0
    """First tilt."""
    to_deg: TiltDeg = 70.0
    """Last tilt, if the steps meet it."""
    step_deg: float = Field(2.0, ge=0.01)
    """Between two images."""
    rate_deg_per_s: float = Field(0.5, ge=1e-3, le=1e3)
    """Continuous mode: stage speed; a frame is kept every `step_deg`."""

    @model_validator(mode="after")
    def _spans_something(self) -> Self:
        if abs(self.to_deg - self.from_deg) < self.step_deg:
            raise ValueError("from_deg and to_deg must lie at least one step_deg apart")
        return self

    def tilts_deg(self) -> tuple[float, ...]:
        n = int(np.floor(abs(self.to_deg - self.from_deg) / self.step_deg + 1e-9))
        way = self.step_deg if self.to_deg > self.from_deg else -self.step_deg
        return tuple(float(round(self.from_deg + way * i, 6)) for i in range(n + 1))


class Tracking(Strict):
    """What is corrected before each tilt series, because heat moves and bulges the window; each look costs dose."""

    centre: bool = False
    """Bring the particle back to the middle, seen in a field twice as wide."""
    eucentric: bool = False
    """Bring it back to the height of the tilt axis, seen at two tilts."""
    at_deg: float = Field(15.0, gt=0, le=45)
    """Those tilts."""

    @property
    def on(self) -> bool:
        return self.centre or self.eucentric


class SurveySection(Strict):
    """The overviews in which particles are chosen, once, before the first recording."""

    pixel_nm: PixelNm
    """Size of an overview's pixel."""
    shape: tuple[int, int] = (512, 512)
    """Rows and columns of an overview."""
    dwell_us: DwellUs = 3.0
    """Per pixel."""

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        if min(self.shape) < 64 or max(self.shape) > 4096:
            raise ValueError("shape must lie between 64x64 and 4096x4096 pixels")
        return self

    def settings(self) -> ScanSettings:
        return ScanSettings(self.pixel_nm, self.shape, self.dwell_us * 1e-6)


class ParticleSection(Strict):
    """One target; x, y, z are the stage position that centres it, or the overview that it is chosen in."""

    name: Name
    """Part of its files' names."""
    core: Metal = ""
    """Metal of the core, as a symbol or an alloy's name."""
    shell: Metal = ""
    """Metal of the shell."""
    window: Words = "centre"
    """Of the chip, in which it lies; windows differ in temperature."""
    x_nm: PlaceNm = 0.0
    """Of the stage."""
    y_nm: PlaceNm = 0.0
    """Of the stage."""
    z_nm: PlaceNm = 0.0
    """Of the stage."""
    choose: str = ""
    """What it must be like, such as ``single, round, 40-60 nm, not touching``; empty for the one at x, y."""

    @field_validator("choose")
    @classmethod
    def _understood(cls, words: str) -> str:
        if words:
            Wanted.parse(words)
        return words


class AnalysisSection(Strict):
    """The live analysis on this computer."""

    workers: int = Field(1, ge=1, le=32)
    """Processes that share the particles; more than one where there are several particles, and cores for them."""


class SessionFile(Strict):
    """A session: instruments, particles and the plan."""

    title: Words = Field(min_length=1)
    """Of the session, as the screen, the files and the report say it."""
    seed: int = Field(0, ge=0, le=2**63 - 1)
    """Of everything random: one seed gives the same twin and the same analysis twice."""
    chip: ChipSection
    """The heating chip."""
    microscope: MicroscopeSection
    """Stage, beam and HAADF detector."""
    edx: EdxSection | None = None
    """The X-ray detector, where the plan takes maps."""
    scan: ScanSection
    """Of every image but an overview's and a map's."""
    tilt: TiltScheme = TiltScheme()
    """Of every tilt series."""
    tracking: Tracking = Tracking()
    """What is corrected before a tilt series."""
    stage: StageSection = StageSection()
    """How the stage's axes lie on the image."""
    survey: SurveySection | None = None
    """The overviews, where particles are to be chosen."""
    particles: tuple[ParticleSection, ...] = Field(min_length=1)
    """Each is recorded whenever the plan records."""
    plan: tuple[Block, ...] = Field(min_length=1)
    """Blocks, in their order."""
    arrhenius: ActivationEnergy | None = None
    """Known from elsewhere; with it, one temperature already tells how much windows differ."""
    uncertainty: Uncertainty = Uncertainty()
    """How well temperature, magnification and time are known."""
    analysis: AnalysisSection = AnalysisSection()
    """How the live analysis is run."""
    telemetry: TelemetrySection | None = None
    """The MQTT broker that hears of the session."""
    report: bool = True
    """Whether a report is left in the folder when the session ends, however it does but by SIGTERM or SIGHUP."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [p.name for p in self.particles]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"particles named twice: {', '.join(twice)}; give each its own name")
        if self.telemetry is not None and (taken := [n for n in names if n in LEVELS]):
            raise ValueError(f"with [telemetry], no particle may be called {taken[0]!r}, which is a topic; rename it")
        if self.edx is None and any(block.takes_maps for block in self.plan):
            raise ValueError("the plan takes EDX maps, but there is no [edx] section that names the detector and lines")
        if self.survey is None and any(p.choose for p in self.particles):
            raise ValueError("a particle is to be chosen, but there is no [survey] section that says in what overview")
        for block in self.plan:
            if isinstance(block, SteeredBlock) and block.particle not in names:
                raise ValueError(f"a steered block follows {block.particle!r}; there are {', '.join(names)}")
            if isinstance(block, SteeredBlock) and block.about == "windows":
                self._refuse_blind(block)
        return self

    def _refuse_blind(self, block: SteeredBlock) -> None:
        """A block about windows needs two windows, and either two temperatures or a known activation energy."""
        if len({p.window for p in self.particles}) < 2:
            raise ValueError('about = "windows" needs particles in two windows')
        asked_c = {asked.temperature_c for b in self.plan for asked in b.asked("plan")}
        if self.arrhenius is None and len(asked_c) < 2:
            raise ValueError(
                'about = "windows" cannot tell a colder window from a higher activation energy at one temperature: add '
                "temperatures_c to the block, or what is known of it as arrhenius = {q_j_per_mol, q_std_j_per_mol}"
            )


def load_session(path: Path) -> SessionFile:
    """Read a session file; raises `ConfigError` with every problem."""
    return load_toml(path, SessionFile)
