"""Where specimens lie on the chip, as a session file lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from pydantic import ValidationError

from drivers.errors import ConfigError
from drivers.toml_file import in_words
from simulators.imaging import brightest, scatterers
from simulators.made_specimen import MadeSpecimen
from simulators.specimens import SPECIMENS, Specimen, Voxels, build

_MADE = "made"
_MOST_SCATTERED = 0.7
"""Part of the beam."""
_TRIED_ACROSS = 24.0
"""Voxels, of a look at whether a core fits in."""


@dataclass(frozen=True)
class Place:
    """Where a specimen lies, published or made: the stage position that centres it, and its window.

    Its diffusion coefficient, activation energy and pose may differ from the specimen's.
    """

    specimen: str = ""
    """Of `SPECIMENS`."""
    x_nm: float = 0.0
    y_nm: float = 0.0
    z_nm: float = 0.0
    window: str = "centre"
    made: MadeSpecimen | None = None
    """Instead of a published one."""
    name: str = ""
    """By which the truth is written; by default the specimen's."""
    d_450_m2_per_s: float | None = None
    q_j_per_mol: float | None = None
    in_plane_deg: float | None = None
    about_axis_deg: float | None = None

    def as_laid(self) -> Specimen:
        """The specimen with what differs here."""
        own: dict[str, Any] = {
            "d_450_m2_per_s": self.d_450_m2_per_s,
            "q_j_per_mol": self.q_j_per_mol,
            "in_plane_deg": self.in_plane_deg,
            "about_axis_deg": self.about_axis_deg,
            "name": self.name or None,
        }
        laid = SPECIMENS[self.specimen] if self.made is None else self.made.specimen(_MADE)
        return replace(laid, **{k: v for k, v in own.items() if v is not None})


def _too_thick(voxels: Voxels) -> Iterator[str]:
    """What no beam goes through: the twin counts each electron once."""
    scattered = brightest(scatterers(voxels, voxels.gold)[0])
    if scattered > _MOST_SCATTERED:
        found = f"it would scatter {100 * scattered:.0f} % of the beam, where the twin's images mean nothing"
        yield f"{found} above {100 * _MOST_SCATTERED:.0f} %; make it smaller, or of lighter metals"


def places(tables: Sequence[Mapping[str, Any]], where: str) -> list[Place]:
    """Particles as a session file lists them.

    Raises
    ------
    ConfigError
        With every particle that cannot be laid, and why.
    """
    known, found, problems = [f.name for f in fields(Place)], [], []
    for number, table in enumerate(tables, 1):
        this = f"particles[{number}]"
        strange = [key for key in table if key not in known]
        problems += [f"{this}.{key}: unknown key; known here: {', '.join(known)}" for key in strange]
        published, made = table.get("specimen"), table.get("made")
        if strange:
            continue
        if (published is None) == (made is None):
            problems.append(f"{this}: give it a specimen, one of {', '.join(SPECIMENS)}, or what it is made of: made")
        elif made is None and str(published) not in SPECIMENS:
            problems.append(f"{this}: no specimen {published!r}; there are {', '.join(SPECIMENS)}")
        else:
            try:
                whole = None if made is None else MadeSpecimen.model_validate(made)
                place = Place(**{**table, "made": whole})
                if whole is not None:
                    problems += [f"{this}.made: {words}" for words in _too_thick(build(place.as_laid(), _TRIED_ACROSS))]
                found.append(place)
            except ValidationError as error:
                problems += [f"{this}.made: {words}" for words in in_words(error, MadeSpecimen)]
            except ValueError as error:
                problems.append(f"{this}.made: {error}; lower its core_percent, or choose another core_shape")
    names = [place.name for place in found if place.made is not None]
    if len(set(names)) < len(names) or (len(names) > 1 and "" in names):
        problems.append("particles: made ones need names of their own, by which their truth is written: name")
    if problems:
        raise ConfigError(where, problems)
    return found
