"""A notebook that begins where the report ends: the same figures, from the session's own files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from analysis.report.story import SessionStory

_WORDS = "# {title}\n\n{kind}The figures of the report once more, from the session's own files."
_OPEN = """from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import alloyscope as al
from analysis.results import DiffusivityResult, StateResult

session = al.open_session(Path({folder!r}))
session.table()"""
_ALLOYING = """fits = {r.particle: r for r in session.results if isinstance(r, DiffusivityResult)}
for fit in fits.values():
    degree, std = zip(*((m.value, m.total) for m in fit.measured))
    plt.errorbar(fit.heated_s, degree, std, fmt="o", label=fit.particle)
    plt.plot(fit.curve_s, fit.curve)
    print(*fit.words(), sep="\\n")
plt.xlabel("time at temperature (s)")
plt.ylabel("degree of alloying")
plt.legend()
plt.show()"""
_INTERVALS = """for fit in fits.values():
    for i in fit.by_interval:
        print(f"{fit.particle} {i.from_s:g} to {i.to_s:g} s: {i.value:.3g} +- {i.std:.2g} m2/s")"""
_SLICES = """import mrcfile

states = [r for r in {r.step: r for r in session.results if isinstance(r, StateResult)}.values()]
for state in states:
    path = session.folder / "volumes" / f"{state.step.replace('/', '_')}.mrc"
    if path.is_file():
        volume = mrcfile.read(path)
        plt.imshow(volume[len(volume) // 2], cmap="viridis")
        plt.title(f"{state.particle} after {state.heated_s:.4g} s")
        plt.show()"""


def write_notebook(path: Path, story: SessionStory) -> None:
    """In the format of Jupyter, version 4."""
    # As Jupyter starts it, in its own folder: the session may move, and says nothing of whose computer it was.
    folder = os.path.relpath(story.folder.path.resolve(), path.parent.resolve())
    kind = "SIMULATED. " if story.begin.simulated else ""
    cells: list[dict[str, object]] = [
        {"cell_type": "markdown", "metadata": {}, "source": _WORDS.format(title=story.begin.session, kind=kind)},
        *(_code(text) for text in (_OPEN.format(folder=folder), _ALLOYING, _INTERVALS, _SLICES)),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    told = {"language_info": {"name": "python"}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    path.write_text(json.dumps({"cells": cells, "metadata": told, "nbformat": 4, "nbformat_minor": 5}, indent=1))


def _code(text: str) -> dict[str, object]:
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": text}
