"""Writing a report: ``report.html``, ``figures/`` with their numbers, ``notebook.ipynb``, and on request a PDF."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.report.notebook import write_notebook
from analysis.report.page import page
from analysis.report.story import SessionStory
from drivers.errors import ConfigError

if TYPE_CHECKING:
    from analysis.report.figures import ReportFigure

MARK = "report.html"
_PDF_LINES, _PDF_WIDTH = 52, 96


def is_report(target: Path) -> bool:
    """Whether this folder holds one of ours."""
    return (target / MARK).is_file()


def write_report(source: Path, target: Path, *, force: bool = False, pdf: bool = False) -> list[Path]:
    """Write it all, or nothing; gives what was written.

    Parameters
    ----------
    target : a new or empty folder, or with `force` one that holds an older report, which is replaced

    Raises
    ------
    ConfigError
        Where there is no session, something would be overwritten, or matplotlib is missing.
    """
    check_plots()
    from analysis.report.figures import figures
    from analysis.report.turning import turning

    story = SessionStory.read(source)
    if target.exists() and (not target.is_dir() or any(target.iterdir())) and not (force and is_report(target)):
        words = f"{target} is there already; give --force to replace an older report, or another folder"
        raise ConfigError("--to", [words])
    with made_whole(target) as part:
        drawn = write_figures(figures(story), part / "figures")
        turned = list(turning(story))
        for particle, _, gif in turned:
            (part / "figures" / f"turning_{particle}.gif").write_bytes(gif)
        if pdf:
            _write_pdf(part / "report.pdf", story, [figure for figure, _ in drawn])
        (part / MARK).write_text(page(story, drawn, turned))
        write_notebook(part / "notebook.ipynb", story)
    return sorted(p for p in target.rglob("*") if p.is_file())


@contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `target` when all went well; else nothing is left of it."""
    # Of its own: a session makes one while a person may, too.
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    part.chmod(0o755)
    try:
        (part / "figures").mkdir()
        yield part
        _put_in_place(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_figures(made: Iterable[ReportFigure], folder: Path) -> list[tuple[ReportFigure, str]]:
    """Each as SVG, PNG, PDF and CSV; gives them with their SVG. They are drawn as they are asked for."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "alloyscope", "font.size": 9}):
        return [(figure, _write(figure, folder)) for figure in made]


def check_plots() -> None:
    """Raises `ConfigError` where nothing can be drawn."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise ConfigError(
            "report", ["takes matplotlib, which is not installed: pip install 'alloyscope[plots]'"]
        ) from None
    del mpl


def _put_in_place(part: Path, target: Path) -> None:
    """An older report goes away as a whole, not file by file: whoever ends this leaves one of the two."""
    old = part.with_name(part.name + "-old")
    for last in (False, True):
        try:
            if target.exists():
                target.rename(old)
            part.rename(target)
        except OSError:  # another one was put there meanwhile
            if last:
                raise
        else:
            break
        finally:
            shutil.rmtree(old, ignore_errors=True)


def _write(figure: ReportFigure, folder: Path) -> str:
    """As SVG, PNG, PDF and CSV; gives the SVG."""
    text = StringIO()
    # Laid out once: each format would do it anew, which takes longer than to draw it.
    figure.figure.draw_without_rendering()
    figure.figure.set_layout_engine("none")
    figure.figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    (folder / f"{figure.name}.svg").write_text(svg)
    figure.figure.savefig(folder / f"{figure.name}.png", dpi=200)
    figure.figure.savefig(folder / f"{figure.name}.pdf", metadata={"CreationDate": None})
    with (folder / f"{figure.name}.csv").open("w", newline="") as file:
        if figure.rows:
            table = csv.DictWriter(file, list(figure.rows[0]))
            table.writeheader()
            table.writerows(figure.rows)
    inner = svg[svg.index("<svg") :]  # the declaration and the doctype are for files
    # Identifiers are shared by all of a page: each figure has its own.
    own = f"{figure.name}-"
    return inner.replace('id="', f'id="{own}').replace('href="#', f'href="#{own}').replace("url(#", f"url(#{own}")


def _write_pdf(path: Path, story: SessionStory, made: Sequence[ReportFigure]) -> None:
    """A page of words, then a figure a page."""
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    with PdfPages(path, metadata={"Title": story.begin.session, "CreationDate": None}) as pages:
        cover = Figure(figsize=(8.27, 11.69))
        cover.text(0.08, 0.95, "\n".join(_words(story)), va="top", fontsize=9, family="monospace")
        pages.savefig(cover)
        for figure in made:
            pages.savefig(figure.figure)


def _words(story: SessionStory) -> list[str]:
    from textwrap import wrap

    truth = story.truth()
    said = [story.begin.session, *(["SIMULATED"] if story.begin.simulated else []), "", f"ended: {story.ending}"]
    said += [story.account, ""]
    for fit in story.fits.values():
        said += list(fit.closing_words(truth))
    said += [] if story.law is None else list(story.law.words())
    said += ["", *(words for of in story.states.values() for s in of for words in s.words())]
    return [line for words in said for line in (wrap(words, _PDF_WIDTH) or [""])][:_PDF_LINES]
