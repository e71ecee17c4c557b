"""The report of a session: what it says is what the session found, it needs nothing else, and its notebook runs."""

import asyncio
import csv
import json
import re
import shutil
import warnings

import pytest

from analysis.report.story import SessionStory
from analysis.results import Estimate, ImageResult, to_line
from controller.record.past import Past
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.errors import ConfigError
from drivers.recorded.folder import SessionFolder
from drivers.recorded.journal import Journal, records_of
from drivers.recorded.records import CloseFailed, Heated, NoteWritten
from tests.command import alloyscope
from tests.flows.recording import MAPPED, SMALL
from tests.torture.rig import NoAnalysis, file_of

FIGURES = {"alloying", "slices_NC2", "depth_NC2", "d_by_interval", "temperature", "conserved"}


@pytest.fixture
def session(session_file, tmp_path, recorded):
    """A session that was run to its end."""
    return recorded(session_file(), tmp_path / "s")


def test_it_says_what_was_found_and_needs_nothing_else(session, tmp_path):
    done = alloyscope("report", session.folder, "--pdf", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (session.folder / "report" / "report.html").read_text()
    d = session.told["particles"]["NC2"]["diffusivities"][0]
    value, std, systematic, exponent = map(
        float,
        re.search(r"D = <span class=\"d\">\(([\d.]+) ± ([\d.]+) \(stat\) ± ([\d.]+) \(syst\)\)e(-\d+)", page).groups(),
    )
    assert value * 10**exponent == pytest.approx(d["value"], rel=1e-2)
    assert std * 10**exponent == pytest.approx(d["std"], rel=0.06)
    assert systematic * 10**exponent == pytest.approx(d["std_systematic"], rel=0.06)
    for words in ("SIMULATED", "Mychinko", "truth of the twin", "The plan was completed", "no command, no fault"):
        assert words in page, words
    # Names of an XML vocabulary are no addresses that anything is fetched from.
    loaded = re.findall(r'(?:src|href)="(?!#)([^"]*)"', page) + re.findall(r"url\((?!#)([^)]*)\)", page)
    assert [at for at in loaded if not at.startswith("data:")] == []
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert (session.folder / "report" / "report.pdf").read_bytes().startswith(b"%PDF")
    shown = {path.stem for path in (session.folder / "report" / "figures").iterdir()}
    assert shown == FIGURES | {"turning_NC2"}
    for name in FIGURES:
        assert f'id="{name}"' in page
        for ending in ("svg", "png", "pdf", "csv"):
            assert (session.folder / "report" / "figures" / f"{name}.{ending}").stat().st_size > 100


def test_its_tables_are_the_numbers_of_the_session(session, tmp_path):
    assert alloyscope("report", session.folder, cwd=tmp_path).returncode == 0
    with (session.folder / "report" / "figures" / "alloying.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    states = [s for s in session.told["particles"]["NC2"]["states"] if s["heated_s"] > 0.0]
    assert [float(r["alloying"]) for r in rows] == [s["alloying"]["value"] for s in states]
    with (session.folder / "report" / "figures" / "conserved.csv").open(newline="") as file:
        volumes = [float(r["volume_nm3"]) for r in csv.DictReader(file)]
    assert volumes == [s["volume_nm3"] for s in session.told["particles"]["NC2"]["states"]]


def test_its_notebook_runs(session, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    assert alloyscope("report", session.folder, cwd=tmp_path).returncode == 0
    shown = []
    monkeypatch.chdir(session.folder / "report")  # as Jupyter does
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.get_fignums()) or plt.close("all"))
    cells = json.loads((session.folder / "report" / "notebook.ipynb").read_text())["cells"]
    space: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for cell in cells:
            if cell["cell_type"] == "code":
                exec(compile(cell["source"], cell["id"], "exec"), space)  # it is our own
    assert len(shown) == 4  # the course and three slices


def test_a_session_that_was_cut_has_a_report_of_what_there_is(session, tmp_path):
    at = SessionFolder(session.folder)
    lines = at.journal.read_bytes().splitlines(keepends=True)
    at.journal.write_bytes(b"".join(lines[: len(lines) // 2]))
    at.results.unlink()
    shutil.rmtree(at.volumes)
    assert alloyscope("report", session.folder, cwd=tmp_path).returncode == 0
    page = (session.folder / "report" / "report.html").read_text()
    assert "cut off" in page
    assert "No results are in this folder" in page
    (line,) = [line for line in alloyscope("list", tmp_path, cwd=tmp_path).stdout.splitlines() if line.startswith("s ")]
    assert "killed; can go on" in line
    told = alloyscope("status", session.folder, cwd=tmp_path).stdout
    assert "killed; can go on" in told


def test_a_map_has_its_figure(session_file, tmp_path, recorded):
    session = recorded(session_file(**(SMALL | MAPPED)), tmp_path / "s")
    assert alloyscope("report", session.folder, cwd=tmp_path).returncode == 0
    page = (session.folder / "report" / "report.html").read_text()
    (found,) = session.told["particles"]["NC2"]["edx"]
    assert f'id="edx_{found["step"].replace("/", "_")}"' in page
    assert f"Au {found['composition_at_pct']['Au']:.2f}"[:5] in page


def test_nothing_of_another_hand_is_overwritten(session, tmp_path):
    other = tmp_path / "mine"
    other.mkdir()
    (other / "notes.txt").write_text("kept")
    for more in ((), ("--force",)):
        refused = alloyscope("report", session.folder, "--to", other, *more, cwd=tmp_path)
        assert refused.returncode == 2
        assert "is there already" in refused.stderr
    assert (other / "notes.txt").read_text() == "kept"
    assert alloyscope("report", session.folder, "--to", tmp_path / "r", cwd=tmp_path).returncode == 0
    assert alloyscope("report", session.folder, "--to", tmp_path / "r", cwd=tmp_path).returncode == 2
    assert alloyscope("report", session.folder, "--to", tmp_path / "r", "--force", cwd=tmp_path).returncode == 0
    for command in ("report", "status"):
        refused = alloyscope(command, other, cwd=tmp_path)
        assert refused.returncode == 2
        assert "is not a session folder" in refused.stderr
    assert alloyscope("list", tmp_path / "nowhere", cwd=tmp_path).returncode == 2


def test_sessions_are_listed_with_what_they_found(session, tmp_path):
    (tmp_path / "empty").mkdir()
    done = alloyscope("list", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("s ")]
    assert "completed" in line
    assert "SIMULATED NC2 D(450 C) (" in line
    told = alloyscope("status", session.folder, cwd=tmp_path).stdout
    assert "frames acquired" in told
    assert "NC2: D(450 C) = " in told


def test_notes_are_kept_and_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("controller.session.LiveAnalysis", NoAnalysis)
    source, answers = tmp_path / "session.toml", []
    source.write_text("# made by a test\n")
    clock = SteppedClock()
    session = Session(file_of((), ()), source, SessionFolder(tmp_path / "s"), clock)

    async def whole() -> None:
        running = asyncio.create_task(session.run())
        await asyncio.sleep(0)
        for text in ("a grain\n boundary <beside> it", "  "):
            answers.append(await session.command(f"note {text}"))
        await running

    clock.run(whole())
    assert answers == ["noted", "a note needs words"]
    assert [r.text for r in records_of(tmp_path / "s", NoteWritten)] == ["a grain boundary <beside> it"]
    assert alloyscope("report", tmp_path / "s", cwd=tmp_path).returncode == 0
    assert "note: a grain boundary &lt;beside&gt; it" in (tmp_path / "s" / "report" / "report.html").read_text()


def test_what_is_booked_after_the_end_is_no_cut(session):
    """A pulse that was cut short and a device that would not close are written down last."""
    at = SessionFolder(session.folder)
    journal = Journal(at.journal, SteppedClock(1e4))
    journal.write(Heated(step="c09/heat", temperature_c=450.0, duration_s=1.0, worth_s=1.0))
    journal.write(CloseFailed(message="the lid stays open"))
    journal.close()
    story = SessionStory.read(session.folder)
    assert (story.over, story.ended_well, story.ending) == (True, True, "completed")
    assert "not closed well: the lid stays open" in [h.words for h in story.happenings()]
    assert [(p.asked_s, p.booked.worth_s) for p in story.pulses][-1] == (None, 1.0)
    with pytest.raises(ConfigError, match="its plan is completed"):
        Past.read(session.folder)


def test_images_and_their_doubts_are_reported(session, tmp_path):
    at = SessionFolder(session.folder)
    image = ImageResult(
        step="c05/NC2/image",
        particle="NC2",
        heated_c=350.0,
        heated_s=600.0,
        contrast_lost=Estimate(0.31, 0.02),
        onset=None,
        quality="poor: out of focus",
        simulated=True,
    )
    at.results.write_bytes(to_line(image))
    assert alloyscope("report", session.folder, cwd=tmp_path).returncode == 0
    page = (session.folder / "report" / "report.html").read_text()
    assert "0.310 ± 0.020" in page
    assert 'class="verdict doubt"' in page
    assert "c05/NC2/image: poor: out of focus" in page
    at.results.unlink()
    assert alloyscope("report", session.folder, cwd=tmp_path).returncode == 0
    assert "No results are in this folder" in (session.folder / "report" / "report.html").read_text()
    assert "not analysed here" in alloyscope("list", tmp_path, cwd=tmp_path).stdout
