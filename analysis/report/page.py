"""The report as one page of HTML that needs nothing else and prints well."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.metadata import version

from analysis.report import published
from analysis.report.figures import ReportFigure
from analysis.report.story import SessionStory
from analysis.results import Diffusivity, DiffusivityResult
from drivers.units import clock_time, counted

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, "Segoe UI", Roboto, sans-serif; color: #1b1f24; margin: 0 auto; max-width: 52rem;
       padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 1.8rem 0 .5rem; }
.ribbon { background: #f6c344; color: #3b2c00; font-weight: 700; letter-spacing: .12em; text-align: center;
          padding: .3rem; margin: 0 -1.5rem 1rem; }
.verdict { border-left: .3rem solid #2e7d32; padding: .3rem .8rem; background: #f4f6f8; }
.verdict.doubt { border-color: #b3541e; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #d8dee4; vertical-align: top; }
th { font-weight: 600; }
.d { font-size: 1.25rem; font-weight: 600; } .small { color: #57606a; font-size: .85rem; }
figure { margin: 1.2rem 0; break-inside: avoid; } figure svg { width: 100%; height: auto; }
figcaption { color: #57606a; font-size: .85rem; } pre { font-size: .8rem; background: #f4f6f8; padding: .6rem;
overflow-x: auto; white-space: pre-wrap; }
figure.moving img { max-width: 100%; }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } details, figure.moving { display: none; }
               .ribbon { margin: 0 0 .6rem; } h2 { break-after: avoid; } tr { break-inside: avoid; }
               figure { margin: .4rem 0; } figure svg { max-height: 8.2cm; } }
"""
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
        *(_figure(figure, svg) for figure, svg in drawn),
        *(_moving(*turned) for turned in turning),
        *_states(story),
        *_images(story),
        *_budget(story),
        *_heat_and_dose(story),
        *_happenings(story),
        f"<h2>Methods</h2><p>{escape(_METHODS)}</p>",
        *_provenance(story),
    ]
    title = escape(story.begin.session)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _head(story: SessionStory) -> Iterator[str]:
    begin = story.begin
    if begin.simulated:
        yield '<div class="ribbon">SIMULATED: no real specimen was measured</div>'
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
        yield "".join(f"<p>{_words(words)}</p>" for words in images[-1].closing_words({}))
    if story.law is not None:
        yield "".join(f"<p>{_words(words)}</p>" for words in story.law.words())
    for fit in story.fits.values():
        if fit.d_of_c is not None:
            yield "".join(f"<p>{_words(w)}</p>" for w in fit.words() if "D holds at" in w)
        if fit.taken_into_account:
            yield f"<p>{escape(fit.particle)}: taken into account: {escape('; '.join(fit.taken_into_account))}.</p>"
    yield from (f"<p>{escape(m.particle)}, {escape(m.step)}: {_words(m.headline)}</p>" for m in story.maps)


def _d_told(fit: DiffusivityResult, d: Diffusivity, truth: dict[str, float] | None) -> Iterator[str]:
    told = f"{_words(str(d))} m²/s" if d.known else "only bounded"
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
    yield f'<p class="small">{"<br>".join(_words(b) for b in beside)}</p>'


def _states(story: SessionStory) -> Iterator[str]:
    rows = [
        (
            escape(s.particle),
            f"{s.heated_s:.4g}",
            "-" if s.alloying is None else _words(str(s.alloying)),
            "-" if s.volume_nm3 is None else f"{s.volume_nm3:.0f}",
            "-" if s.gold_fraction is None else f"{100 * s.gold_fraction:.2f}",
            f"{s.frames}/{s.planned}{f', {len(s.rejected)} left out' if s.rejected else ''}",
            escape(s.quality),
        )
        for of in story.states.values()
        for s in of
    ]
    if rows:
        yield "<h2>States</h2>"
        columns = (
            "particle",
            "heated (s)",
            "alloying (± stat. and syst. together)",
            "volume (nm³)",
            "core's element (at%)",
            "tilts",
            "quality",
        )
        yield _table(columns, rows)


def _images(story: SessionStory) -> Iterator[str]:
    rows = [
        (
            escape(i.particle),
            "before any heat" if i.heated_c is None else f"{i.heated_c:g}",
            "-" if i.contrast_lost is None else _words(str(i.contrast_lost)),
            escape(i.quality),
        )
        for of in story.images.values()
        for i in of
    ]
    if rows:
        yield "<h2>Images</h2>"
        yield _table(("particle", "highest temperature (°C)", "contrast lost", "quality"), rows)


def _budget(story: SessionStory) -> Iterator[str]:
    rows = [
        (escape(fit.particle), f"{d.temperature_c:g}", escape(share.cause), f"{100 * share.part:.2g}")
        for fit in story.fits.values()
        for d in fit.diffusivities
        for share in d.budget
    ]
    if rows:
        yield "<h2>Where the systematic error of D comes from</h2>"
        yield _table(("particle", "T (°C)", "cause", "part of D (%)"), rows)


def _heat_and_dose(story: SessionStory) -> Iterator[str]:
    rows = []
    for pulse in story.pulses:
        asked = "-" if pulse.asked_s is None else f"{pulse.asked_s:g}"
        held, worth = ("not booked", "-") if (b := pulse.booked) is None else (f"{b.duration_s:g}", f"{b.worth_s:g}")
        rows.append((escape(pulse.step), f"{pulse.temperature_c:g}", asked, held, worth))
    if rows:
        yield "<h2>Heat and dose</h2>"
        yield _table(("step", "T (°C)", "asked (s)", "held (s)", "worth with its ramp (s)"), rows)
    for particle, dose in story.dose_e_per_nm2.items():
        yield f"<p>{escape(particle)} has taken {dose:.3g} electrons per nm².</p>"


def _happenings(story: SessionStory) -> Iterator[str]:
    found = story.happenings()
    yield "<h2>What happened besides the plan</h2>"
    if not found:
        yield "<p>Nothing: no command, no fault.</p>"
        return
    yield _table(("at", "what"), [(clock_time(h.time_s), escape(h.words)) for h in found])


def _provenance(story: SessionStory) -> Iterator[str]:
    begin = story.begin
    versions = ", ".join(f"{name} {version(name)}" for name in ("alloyscope", "numpy", "scipy", "numba"))
    yield "<h2>Provenance</h2>"
    yield f"<p>{escape(versions)}; seed {begin.seed}; microscope {escape(begin.microscope or '-')}.</p>"
    if begin.imported_from:
        yield f"<p>Imported from {escape(', '.join(begin.imported_from))}.</p>"
    if story.folder.session_file.is_file():
        text = story.folder.session_file.read_text(errors="replace")
        yield f"<details><summary>The session file, as run</summary><pre>{escape(text)}</pre></details>"


def _figure(figure: ReportFigure, svg: str) -> str:
    return f'<figure id="{escape(figure.name)}">{svg}<figcaption>{_words(figure.caption)}</figcaption></figure>'


def _moving(particle: str, caption: str, gif: bytes) -> str:
    """Where it can move: not on paper."""
    picture = f'<img src="data:image/gif;base64,{b64encode(gif).decode()}" alt="{escape(caption)}">'
    return (
        f'<figure class="moving" id="turning_{escape(particle)}">{picture}'
        f"<figcaption>{_words(caption)}</figcaption></figure>"
    )


def _words(text: str) -> str:
    """As HTML, with the sign that a terminal need not have."""
    return escape(text).replace(" +- ", " ± ")


def _table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already."""
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
