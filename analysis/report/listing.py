"""Sessions in a line each, and one in some lines, for a terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from analysis.report.story import SessionStory
from drivers.errors import ConfigError
from drivers.recorded.folder import SessionFolder
from drivers.units import counted

_ROW = "{:30}  {:16}  {:24}  {}"


def sessions_in(folder: Path) -> Iterator[str]:
    """A line for each session in a folder, newest first, under a line of headings.

    Raises
    ------
    ConfigError
        For a folder that is not there.
    """
    if not folder.is_dir():
        raise ConfigError(str(folder), ["there is no such folder; name the one that holds session folders"])
    found = []
    for path in folder.iterdir():
        if not SessionFolder(path).journal.is_file():
            continue
        try:
            story = SessionStory.read(path)
        except ConfigError as error:
            found.append(("", _ROW.format(path.name, "-", "-", f"cannot be read: {error.problems[0]}")))
            continue
        found.append((story.begin.utc, _line(path, story)))
    yield _ROW.format("folder", "began (UTC)", "ended", "found")
    yield from (line for _, line in sorted(found, reverse=True))
    if not found:
        yield f"no session in {folder}"


def _line(path: Path, story: SessionStory) -> str:
    simulated = "SIMULATED " if story.begin.simulated else ""
    return _ROW.format(path.name, story.begin.utc[:16].replace("T", " "), _short(story), simulated + _found(story))


def _short(story: SessionStory) -> str:
    if story.over:
        return story.ending.partition(":")[0]
    return "runs" if lives(story.folder) else "killed; can go on"


def lives(folder: SessionFolder) -> bool:
    """Whether the process that runs it is there, on this computer."""
    try:
        os.kill(int(json.loads(folder.endpoints.read_bytes())["pid"]), 0)
    except PermissionError:
        return True  # another user's
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _found(story: SessionStory) -> str:
    values = [
        f"{fit.particle} D({d.temperature_c:g} C) {f'{d} m2/s' if d.known else 'only bounded'}"
        for fit in story.fits.values()
        for d in fit.diffusivities
    ]
    for images in story.images.values():
        values += images[-1].closing_words({})
    states = f"{counted(sum(map(len, story.states.values())), 'state')}, {counted(len(story.maps), 'map')}"
    return "; ".join(values) or (states if story.results else "not analysed here")


def status_of(story: SessionStory) -> Iterator[str]:
    """What a session is and has found so far."""
    begin = story.begin
    yield f"{'SIMULATED ' if begin.simulated else ''}session {begin.session!r} of {', '.join(begin.particles)}"
    yield f"began {begin.utc or 'at a time that is not told'}; {_short(story)}"
    if story.over and story.ending != _short(story):
        yield story.ending
    yield story.account if story.over else f"{len(story.entries)} entries in its journal"
    for states in story.states.values():
        yield from states[-1].words()
    for fit in story.fits.values():
        yield from fit.closing_words({})
    if story.law is not None:
        yield from story.law.words()
    for found in story.maps:
        yield f"{found.particle}, {found.step}: {found.headline}; {found.quality}"
    for images in story.images.values():
        yield from images[-1].words()
    pulses = [p.booked for p in story.pulses if p.booked is not None]
    yield f"{len(pulses)} pulse(s), {sum(p.worth_s for p in pulses):.4g} s at temperature"
    for particle, dose in story.dose_e_per_nm2.items():
        yield f"{particle} has taken {dose:.3g} e/nm2"
