"""Where everything in a session's folder is: the one place that knows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path


@dataclass(frozen=True)
class SessionFolder:
    """The layout of a session's folder; it makes nothing by itself."""

    path: Path

    @property
    def session_file(self) -> Path:
        """As run."""
        return self.path / "session.toml"

    @property
    def journal(self) -> Path:
        """Every action of the controller, intent and effect."""
        return self.path / "journal.jsonl"

    @property
    def guard_journal(self) -> Path:
        return self.path / "guard.jsonl"

    @property
    def chip_readings(self) -> Path:
        return self.path / "chip.csv"

    @property
    def frames(self) -> Path:
        return self.path / "frames"

    def step_file(self, step: str, part: int = 1) -> Path:
        """``frames/c03_NC2_tilt.h5``; a step that was cut goes on in ``c03_NC2_tilt.part2.h5``."""
        return self.frames / f"{_as_name(step)}{f'.part{part}' if part > 1 else ''}.h5"

    def step_files(self, step: str) -> list[Path]:
        """Those that there are."""
        parts = (self.step_file(step, part) for part in count(1))
        return list(takewhile(Path.exists, parts))

    @property
    def index(self) -> Path:
        """Links to all step files."""
        return self.path / "session.nxs"

    def overview(self, particle: str) -> Path:
        return self.path / "overviews" / f"{particle}.tif"

    @property
    def volumes(self) -> Path:
        return self.path / "volumes"

    def volume(self, step: str) -> Path:
        return self.volumes / f"{_as_name(step)}.mrc"

    @property
    def results_table(self) -> Path:
        return self.path / "results.csv"

    @property
    def results(self) -> Path:
        """Every result, one a line."""
        return self.path / "results.jsonl"

    @property
    def endpoints(self) -> Path:
        """Addresses of the sockets, while the session runs."""
        return self.path / "endpoints.json"

    @property
    def error_log(self) -> Path:
        """Where an error that is not ours came from."""
        return self.path / "error.log"

    @property
    def guard_log(self) -> Path:
        return self.path / "guard.log"

    @property
    def deputy_lock(self) -> Path:
        """Held by a guard's deputy for as long as it lives."""
        return self.path / "deputy.lock"

    @property
    def console_log(self) -> Path:
        """What a session behind a screen would have printed."""
        return self.path / "console.log"

    @property
    def analysis_log(self) -> Path:
        return self.path / "analysis.log"

    @property
    def truth(self) -> Path:
        """What a twin knows; the analysis never opens it."""
        return self.path / "truth"

    @property
    def particles_truth(self) -> Path:
        return self.truth / "truth.json"

    @property
    def states_truth(self) -> Path:
        """What the particles really were, one line a tilt series."""
        return self.truth / "states.jsonl"

    @property
    def chip_truth(self) -> Path:
        """The chip's true temperature, by which the twin's specimen is heated."""
        return self.truth / "chip_temperature.f64"


def _as_name(step: str) -> str:
    return step.replace("/", "_")
