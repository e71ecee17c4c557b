"""Where old data lie: a manifest of files, or a session's folder; and all of them below a folder."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any, Protocol

from analysis.diffusion.activation_energy import ActivationEnergy
from analysis.diffusion.uncertainty import Uncertainty
from analysis.live.settings import AnalysisSettings
from analysis.reanalysis.manifest import Manifest, manifest_items
from analysis.results import Result, to_line
from drivers.errors import ConfigError
from drivers.frames import FrameHeader, StreamItem
from drivers.recorded.folder import SessionFolder
from drivers.recorded.session import begin_of, particles_of, planned_frames, read_session
from drivers.toml_file import load_toml

USUAL_SPREAD = "std"


@dataclass(frozen=True)
class Recorded:
    """What a stream would have carried."""

    items: list[StreamItem]
    planned: dict[str, int] = field(default_factory=dict)
    """Frames that steps without an end were to have."""
    left_out: tuple[str, ...] = ()
    """What is damaged, in words."""


class OldData(Protocol):
    """Old data of particles that are analysed together."""

    @property
    def path(self) -> Path: ...

    @property
    def particles(self) -> tuple[str, ...]:
        """In the order in which they come."""

    def settings(self, spread: str) -> AnalysisSettings: ...

    def provenance(self, spread: str) -> dict[str, Any]: ...

    def read(self, particle: str | None = None) -> Recorded:
        """All of it, or what belongs to one particle; raises `ConfigError` with every reason why it cannot be read."""

    def keep(self, results: Sequence[Result], spread: str) -> None:
        """Leave them where a report looks for them, if that is this source's custom."""


@dataclass(frozen=True)
class ManifestSource:
    """Tilt-series files that a manifest names."""

    path: Path
    manifest: Manifest
    seed: int = 0

    @property
    def particles(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p.name for p in self.manifest.particle))

    def settings(self, spread: str) -> AnalysisSettings:
        known = self.manifest
        return AnalysisSettings(
            seed=self.seed, spread=spread, activation=known.arrhenius, uncertainty=known.uncertainty
        )

    def provenance(self, spread: str) -> dict[str, Any]:
        return {"source": self.path.name, "kind": "manifest", "seed": self.seed, "spread": spread}

    def read(self, particle: str | None = None) -> Recorded:
        asked = tuple(p for p in self.manifest.particle if particle in (None, p.name))
        return Recorded(list(manifest_items(self.path, self.manifest.model_copy(update={"particle": asked}))))

    def keep(self, results: Sequence[Result], spread: str) -> None:
        return


class SessionSource:
    """A recorded session's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin = begin_of(path)
        self.particles = particles_of(path)
        """As of now: a session that still runs may begin others."""

    def settings(self, spread: str) -> AnalysisSettings:
        begin = self._begin
        return AnalysisSettings(
            seed=begin.seed,
            spread=spread,
            activation=None if begin.activation is None else ActivationEnergy(**begin.activation),
            uncertainty=Uncertainty() if begin.uncertainty is None else Uncertainty(**begin.uncertainty),
        )

    def provenance(self, spread: str) -> dict[str, Any]:
        begin = self._begin
        kind = "imported session" if begin.imported_from else "session"
        return {"source": begin.session, "kind": kind, "seed": begin.seed, "spread": spread}

    def read(self, particle: str | None = None) -> Recorded:
        left_out: list[str] = []

        def note(header: FrameHeader, why: str) -> None:
            left_out.append(f"frame {header.index} of {header.step} is left out, it is damaged: {why}")

        items = read_session(self.path, note, particle)
        if not items and particle is None:
            raise ConfigError(str(self.path), ["holds no recorded frames; nothing to analyse"])
        return Recorded(items, planned_frames(self.path), tuple(left_out))

    def keep(self, results: Sequence[Result], spread: str) -> None:
        """Of an imported session, as a live one has them; where its folder may be written to."""
        if not self._begin.imported_from or spread != USUAL_SPREAD:
            return
        path = SessionFolder(self.path).results
        part = path.with_name(path.name + ".part")
        with suppress(OSError):
            part.write_bytes(b"".join(map(to_line, results)))
            part.replace(path)


def open_source(path: Path, seed: int = 0) -> OldData:
    """A manifest (with the seed that simulated noise is drawn with) or a session's folder; raises `ConfigError`."""
    return SessionSource(path) if path.is_dir() else ManifestSource(path, load_toml(path, Manifest), seed)


def find_sources(places: Sequence[Path]) -> dict[str, Path]:
    """Every manifest, and every session's folder in or below these places, by a short name of its own.

    Raises
    ------
    ConfigError
        For folders that hold neither, all at once.
    """
    found: dict[str, Path] = {}
    problems = []
    for place in places:
        below = sorted(_below(place)) if place.is_dir() else [place]
        if not below:
            problems.append(f"{place} is not a session folder, nor does it hold one or a manifest anywhere below it")
        for path in below:
            if _place(path) not in {_place(p) for p in found.values()}:
                name = place.resolve().name if path == place else path.relative_to(place).as_posix()
                names = chain((name, str(path)), (f"{path} ({n})" for n in count(2)))
                found[next(n for n in names if n not in found)] = path
    if problems:
        raise ConfigError("analyse", problems)
    return found


def _place(path: Path) -> Path:
    """What makes two paths one source. A manifest's files are beside it, not beside what it may be a link to."""
    return path.resolve() if path.is_dir() else path.parent.resolve() / path.name


def _below(folder: Path) -> Iterator[Path]:
    been: set[Path] = set()
    for at, folders, files in os.walk(folder, followlinks=True):
        path = Path(at)
        if path.resolve() in been:  # links may lead round
            folders.clear()
            continue
        been.add(path.resolve())
        if SessionFolder(path).journal.is_file():
            folders.clear()
            yield path
            continue
        folders[:] = [f for f in folders if not f.startswith(".")]
        yield from (path / name for name in files if name.endswith(".toml") and _is_manifest(path / name))


def _is_manifest(path: Path) -> bool:
    """Session files, too, are TOML with particles; only those of a manifest have states."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    try:
        particles = tomllib.loads(text).get("particle")
    except tomllib.TOMLDecodeError:
        return "[[particle.state]]" in text  # meant as one: what is wrong with it is to be told
    return isinstance(particles, list) and any(isinstance(p, dict) and "state" in p for p in particles)
