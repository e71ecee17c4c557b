"""The report as one page of HTML that needs nothing else and prints well."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from analysis.report import hypertext, published
from analysis.report.story import SessionStory
from analysis.results import Diffusivity, DiffusivityResult
from drivers.units import clock_time, counted

if TYPE_CHECKING:
    from analysis.report.figures import ReportFigure

_METHODS = (
    "Tilt series were aligned and reconstructed by maximum-likelihood iterations (expectation maximisation, 20 "
    "updates by up to four ordered subsets of the tilts: Hudson and Larkin, IEEE Trans. Med. Imaging 13 (1994) 601); "
    "the degree of alloying is one minus the spread of the composition over its spread before heating, referred to "
    "simulations of the unheated and of the fully alloyed particle with the series' own noise, missing wedge and "
    "blur (Mychinko et al., Small 17 (2021) 2102348, Methods; Skorikov et al., ACS Nano 13 (2019) 13421). D is the "
    "maximum-likelihood value over all recorded projections of a model that solves Fick's second law inside the "
    "particle's own shape; a pulse counts with the time at temperature that its ramp was worth. Activation energy "
    "and offsets between windows follow Chen et al., Part. Part. Syst. Charact. (2023), "
    "doi:10.1002/ppsc.202300070. Statistical errors are of counting, one standard deviation; systematic ones are "
    "the root of the sum of squares of the causes in the table."
)


def page(
    story: SessionStory, drawn: Sequence[tuple[ReportFigure, str]], turning: Sequence[tuple[str, str, bytes]] = ()
) -> str:
    """The whole page.

    Parameters
    ----------
    drawn : figures with their SVG
    turning : particles that turn, with a caption and the moving picture (GIF)
    """
    parts = [
        *_head(story),
        "<h2>Result</h2>",
        *_headline(story),
        *(hypertext.figure(figure, svg) for figure, svg in drawn),
        *(_moving(*turned) for turned in turning),
        *_states(story),
        *_images(story),
        *_budget(story),
        *_heat_and_dose(story),
        *_happenings(story),
        f"<h2>Methods</h2><p>{escape(_METHODS)}</p>",
        *_provenance(story),
    ]
    return hypertext.document(story.begin.session, parts)


def _head(story: SessionStory) -> Iterator[str]:
    begin = story.begin
    if begin.simulated:
        yield hypertext.ribbon("SIMULATED: no real specimen was measured")
    kind = "imported" if begin.imported_from else "dry run" if begin.dry else "session"
    yield f"<h1>{escape(begin.session)}</h1>"
    yield f'<p class="small">{kind} of {escape(", ".join(begin.particles))}; began {escape(begin.utc or "untold")}</p>'
    doubts = story.doubts
    well = story.ended_well and not doubts
    yield f'<div class="verdict{"" if well else " doubt"}">{escape(_sentence(story.ending))} {escape(story.account)}.'
    yield "".join(f"<br>{escape(d)}" for d in doubts[:8]) + "</div>"


def _sentence(ending: str) -> str:
    return f"The session ended: {ending}." if ending != "completed" else "The plan was completed."


def _headline(story: SessionStory) -> Iterator[str]:
    truth = story.truth()
    found = [(fit, d) for fit in story.fits.values() for d in fit.diffusivities]
    for fit, d in found:
        yield from _d_told(fit, d, truth.get(fit.particle))
    if not story.results:
        yield "<p>No results are in this folder: <code>alloyscope analyse FOLDER</code> finds them from the frames.</p>"
    elif not found and story.states:
        yield "<p>No diffusion coefficient: it takes a particle with a tilt series before heat and one after it.</p>"
    for images in story.images.values():
        yield "".join(f"<p>{hypertext.words(words)}</p>" for words in images[-1].closing_words({}))
    if story.law is not None:
        yield "".join(f"<p>{hypertext.words(words)}</p>" for words in story.law.words())
    for fit in story.fits.values():
        if fit.d_of_c is not None:
            yield "".join(f"<p>{hypertext.words(w)}</p>" for w in fit.words() if "D holds at" in w)
        if fit.taken_into_account:
            yield f"<p>{escape(fit.particle)}: taken into account: {escape('; '.join(fit.taken_into_account))}.</p>"
    yield from (f"<p>{escape(m.particle)}, {escape(m.step)}: {hypertext.words(m.headline)}</p>" for m in story.maps)


def _d_told(fit: DiffusivityResult, d: Diffusivity, truth: dict[str, float] | None) -> Iterator[str]:
    told = f"{hypertext.words(str(d))} m²/s" if d.known else "only bounded"
    yield f'<p>{escape(fit.particle)} at {d.temperature_c:g} °C: D = <span class="d">{told}</span></p>'
    beside = [f"from {counted(fit.states, 'state')} after heat; {fit.quality}; one standard deviation each"]
    known = published.published(fit.particle, d.temperature_c)
    if known is not None:
        beside.append(f"published for a particle called {fit.particle}: {known} m²/s ({published.SOURCE})")
    if truth is not None and abs(d.temperature_c - published.AT_C) < 0.5 and d.known:
        true = truth["d_450_m2_per_s"]
        off = (
            f"{100 * (d.value / true - 1):+z.1f} %, {(d.value - true) / d.total:+z.1f} of the total standard deviation"
        )
        beside.append(f"truth of the twin: {true:.3g} m²/s; the fit is off by {off}")
    yield f'<p class="small">{"<br>".join(hypertext.words(b) for b in beside)}</p>'


def _states(story: SessionStory) -> Iterator[str]:
    rows = [
        (
            escape(s.particle),
            f"{s.heated_s:.4g}",
            "-" if s.alloying is None else hypertext.words(str(s.alloying)),
            hypertext.words(s.volume_in_words),
            hypertext.words(s.composition_in_words),
            f"{s.frames}/{s.planned}{f', {len(s.rejected)} left out' if s.rejected else ''}",
            escape(s.quality),
        )
        for of in story.states.values()
        for s in of
    ]
    if rows:
        yield "<h2>States</h2><p>± is one standard deviation, statistical and systematic together.</p>"
        columns = (
            "particle",
            "heated (s)",
            "alloying",
            "volume (nm³)",
            "core's element (at%)",
            "tilts",
            "quality",
        )
        yield hypertext.table(columns, rows)


def _images(story: SessionStory) -> Iterator[str]:
    rows = [
        (
            escape(i.particle),
            "before any heat" if i.heated_c is None else f"{i.heated_c:g}",
            "-" if i.contrast_lost is None else hypertext.words(str(i.contrast_lost)),
            escape(i.quality),
        )
        for of in story.images.values()
        for i in of
    ]
    if rows:
        yield "<h2>Images</h2>"
        yield hypertext.table(("particle", "highest temperature (°C)", "contrast lost", "quality"), rows)


def _budget(story: SessionStory) -> Iterator[str]:
    rows = [
        (escape(fit.particle), f"{d.temperature_c:g}", escape(share.cause), f"{100 * share.part:.2g}")
        for fit in story.fits.values()
        for d in fit.diffusivities
        for share in d.budget
    ]
    if rows:
        yield "<h2>Where the systematic error of D comes from</h2>"
        yield hypertext.table(("particle", "T (°C)", "cause", "part of D (%)"), rows)


def _heat_and_dose(story: SessionStory) -> Iterator[str]:
    rows = []
    for pulse in story.pulses:
        asked = "-" if pulse.asked_s is None else f"{pulse.asked_s:g}"
        held, worth = ("not booked", "-") if (b := pulse.booked) is None else (f"{b.duration_s:g}", f"{b.worth_s:g}")
        rows.append((escape(pulse.step), f"{pulse.temperature_c:g}", asked, held, worth))
    if rows:
        yield "<h2>Heat and dose</h2>"
        yield hypertext.table(("step", "T (°C)", "asked (s)", "held (s)", "worth with its ramp (s)"), rows)
    for particle, dose in story.dose_e_per_nm2.items():
        yield f"<p>{escape(particle)} has taken {dose:.3g} electrons per nm².</p>"


def _happenings(story: SessionStory) -> Iterator[str]:
    found = story.happenings()
    yield "<h2>What happened besides the plan</h2>"
    if not found:
        yield "<p>Nothing: no command, no fault.</p>"
        return
    yield hypertext.table(("at", "what"), [(clock_time(h.time_s), escape(h.words)) for h in found])


def _provenance(story: SessionStory) -> Iterator[str]:
    begin = story.begin
    yield "<h2>Provenance</h2>"
    yield f"<p>{escape(hypertext.versions())}; seed {begin.seed}; microscope {escape(begin.microscope or '-')}.</p>"
    if begin.imported_from:
        yield f"<p>Imported from {escape(', '.join(begin.imported_from))}.</p>"
    if story.folder.session_file.is_file():
        text = story.folder.session_file.read_text(errors="replace")
        yield f"<details><summary>The session file, as run</summary><pre>{escape(text)}</pre></details>"


def _moving(particle: str, caption: str, gif: bytes) -> str:
    """Where it can move: not on paper."""
    picture = f'<img src="data:image/gif;base64,{b64encode(gif).decode()}" alt="{escape(caption)}">'
    return (
        f'<figure class="moving" id="turning_{escape(particle)}">{picture}'
        f"<figcaption>{hypertext.words(caption)}</figcaption></figure>"
    )
