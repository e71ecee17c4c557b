"""Many old sessions at once: by processes here or on a dask cluster, each tells what it tells alone."""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from analysis.live.particle_history import ParticleHistory
from analysis.reanalysis.executors import TRIES, LocalProcesses, _deaf_to_ctrl_c
from analysis.reanalysis.many import AnalysedSource, analyse_many
from analysis.reanalysis.offline import analyse
from analysis.reanalysis.particle_task import AnalysedParticle, ParticleTask, analyse_particle
from analysis.reanalysis.result_table import rows_of
from analysis.reanalysis.source import find_sources
from drivers.errors import ConfigError
from tests.command import ALLOYSCOPE, alloyscope

TWO = {
    'particles = [{ specimen = "NC2" }]': 'particles = [{ specimen = "NC2" }, { specimen = "NC1", y_nm = 2000.0 }]',
    "[[particles]]": '[[particles]]\nname = "NC1"\ncore = "Au"\nshell = "Ag"\n\n[[particles]]',
}


@pytest.fixture(autouse=True)
def found_by_workers(monkeypatch) -> None:
    """What they are asked for here is in this file."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture
def beam_time(session_file, tmp_path, recorded) -> Path:
    """A folder of two sessions, one of two particles, and what else lies in such a folder."""
    folder = tmp_path / "beam time"
    coarse = {"durations_s": "[30.0]", "step_deg": 10.0}
    recorded(session_file(**coarse, **TWO), folder / "monday" / "two")
    recorded(session_file(**coarse), folder / "tuesday")
    shutil.copy(tmp_path / "session.toml", folder / "monday")
    (folder / "notes.txt").write_text("the second one is better")
    return folder


class InThisProcess:
    """So that what is monkeypatched here holds for it."""

    def run(self, tasks: list[ParticleTask]) -> Iterator[tuple[ParticleTask, AnalysedParticle]]:
        for task in reversed(tasks):
            yield task, analyse_particle(task)


def killing_itself(task: ParticleTask) -> AnalysedParticle:
    if task.particle == "NC1":
        os.kill(os.getpid(), signal.SIGKILL)
    return AnalysedParticle(seconds=1.0)


def killing_itself_once(task: ParticleTask) -> AnalysedParticle:
    mark = task.source / "was here"
    if task.particle == "NC1" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return analyse_particle(task)


def summaries(sources: list[AnalysedSource]) -> dict[str, Any]:
    return {s.name: json.loads(json.dumps(s.summary)) for s in sources}


def alone(folder: Path) -> dict[str, Any]:
    return {
        name: json.loads(json.dumps(analyse(path, lambda _: None))) for name, path in find_sources([folder]).items()
    }


def test_a_folder_is_searched_for_sessions_and_manifests_alone(beam_time, tmp_path):
    manifest = '[[particle]]\nname = "A"\ncore = "Au"\nshell = "Ag"\n[[particle.state]]\ntilt_series = "a.mrc"\n'
    (beam_time / "old.toml").write_text(manifest)
    found = find_sources([beam_time, beam_time / "tuesday"])
    assert list(found) == ["monday/two", "old.toml", "tuesday"]
    with pytest.raises(ConfigError, match="nor does it hold one"):
        find_sources([beam_time, tmp_path / "beam time" / "monday" / "two" / "frames"])


def test_links_and_names_that_are_alike_are_sources_of_their_own(beam_time, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "z" / "y").mkdir(parents=True)
    shutil.copytree(beam_time / "tuesday", tmp_path / "y" / "s1")
    shutil.copytree(beam_time / "tuesday", tmp_path / "z" / "y" / "s1")
    (tmp_path / "x" / "s1").symlink_to(beam_time / "tuesday")
    (tmp_path / "x" / "round").symlink_to(tmp_path / "x")
    places = [tmp_path / "z", tmp_path / "x", tmp_path / "y" / "s1"]
    assert len(find_sources(places)) == 3
    assert {p.resolve() for p in find_sources(places).values()} == {
        (tmp_path / "z" / "y" / "s1"),
        beam_time / "tuesday",
        (tmp_path / "y" / "s1"),
    }
    template = '[[particle]]\nname = "A"\ncore = "Au"\nshell = "Ag"\n[[particle.state]]\ntilt_series = "a.mrc"\n'
    (tmp_path / "m.toml").write_text(template)
    (tmp_path / "slip.toml").write_text(template.replace('"A"', '"A'))
    for folder in ("x", "y"):
        (tmp_path / folder / "m.toml").symlink_to(tmp_path / "m.toml")
    found = find_sources([tmp_path / "x" / "m.toml", tmp_path / "y" / "m.toml", tmp_path])
    assert {"m.toml", "slip.toml"} < set(found) and sum(name.endswith("m.toml") for name in found) == 3


def test_a_session_that_runs_or_was_cut_at_once_costs_nobody_else(beam_time):
    journal = (beam_time / "monday" / "two" / "journal.jsonl").read_text().splitlines(keepends=True)
    begun = next(n for n, line in enumerate(journal) if '"series_begin"' in line)
    for name, lines in (("aborted", journal[:begun]), ("cut", journal[: begun + 1])):
        (beam_time / name / "frames").mkdir(parents=True)
        (beam_time / name / "journal.jsonl").write_text("".join(lines))

    class Growing(InThisProcess):
        """While its particles are analysed, the session begins another."""

        def run(self, tasks):
            with (beam_time / "tuesday" / "journal.jsonl").open("a") as file:
                file.write(journal[begun].replace("NC1", "NC9").replace("NC2", "NC9"))
            return super().run([t for t in tasks if t.source.name != "two"])

    shutil.rmtree(beam_time / "monday" / "two")
    told: list[str] = []
    found = {
        s.name: s
        for s in analyse_many(find_sources([beam_time]), Growing(), "std", report=lambda s: told.append(s.name))
    }
    assert set(found) == set(told) == {"aborted", "cut", "tuesday"}
    assert "no recorded frames" in found["aborted"].problems[""] and "leave it out" in found["aborted"].problems[""]
    assert found["cut"].problems == found["tuesday"].problems == {} and found["tuesday"].results
    assert [row.quality for row in rows_of([found["aborted"]])] == [found["aborted"].problems[""]]


def idle(task: ParticleTask) -> AnalysedParticle:
    if task.particle == "slow":
        time.sleep(3.0)
    return AnalysedParticle(seconds=float(os.getpid()))


def test_a_worker_that_dies_with_nothing_to_do_is_replaced():
    tasks = [ParticleTask(Path("s"), name, "std") for name in ("quick", "slow", "later")]
    running = LocalProcesses(2, idle).run(tasks)
    first = next(running)[1]
    os.kill(int(first.seconds), signal.SIGKILL)
    assert {task.particle for task, found in running if not found.problem} == {"slow", "later"}


@pytest.mark.parametrize("left", ["after all", "in the middle", "after a death"])
def test_nothing_of_its_processes_stays(left):
    """A thread that still closes its pipe as Python ends was a traceback of Python's own, once in thirty runs."""
    before = set(threading.enumerate())
    running = LocalProcesses(2, idle).run([ParticleTask(Path("s"), name, "std") for name in ("quick", "slow")])
    assert next(running)[0].particle == "quick"
    if left == "after a death":
        for worker in active_children():
            os.kill(worker.pid, signal.SIGKILL)
    if left != "in the middle":
        assert len(list(running)) == 1
    running.close()
    assert not active_children() and not set(threading.enumerate()) - before


def test_each_source_tells_what_it_tells_alone_whatever_dies(beam_time):
    expected = alone(beam_time)
    assert set(expected["monday/two"]["particles"]) == {"NC1", "NC2"}
    told: list[str] = []
    heard: list[tuple[int, int]] = []
    work = LocalProcesses(2, killing_itself_once)
    found = analyse_many(
        find_sources([beam_time]), work, "std", lambda *n: heard.append(n), lambda source: told.append(source.name)
    )
    assert (beam_time / "monday" / "two" / "was here").exists()
    assert summaries(found) == expected
    assert sorted(told) == ["monday/two", "tuesday"] and heard == [(n, 3) for n in range(4)]


def test_what_kills_its_worker_each_time_costs_itself_alone(beam_time):
    found = analyse_many(find_sources([beam_time]), LocalProcesses(2, killing_itself), "std")
    (two, tuesday) = found
    assert tuesday.problems == {} and set(two.problems) == {"NC1"}
    assert f"died, perhaps for lack of memory {TRIES} times" in two.problems["NC1"]
    assert [row.quality for row in rows_of(found) if row.particle == "NC1"] == [two.problems["NC1"]]


def test_what_is_done_is_not_done_again(beam_time, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    steps: list[str] = []
    add = ParticleHistory.add_series
    monkeypatch.setattr(
        ParticleHistory, "add_series", lambda self, frames, end: (steps.append(end.step), add(self, frames, end))[1]
    )

    def cut(done: int, parts: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    two = find_sources([beam_time / "monday"])
    with pytest.raises(KeyboardInterrupt):
        analyse_many(two, InThisProcess(), "std", cut)
    assert len(steps) == 2
    found = analyse_many(two, InThisProcess(), "std")
    assert len(steps) == 4
    assert summaries(analyse_many(two, InThisProcess(), "std")) == summaries(found)
    assert len(steps) == 4


def test_the_command_writes_one_table_and_says_what_is_unreadable(beam_time, tmp_path):
    manifest = '[[particle]]\nname = "A"\ncore = "Au"\nshell = "Ag"\n[[particle.state]]\ntilt_series = "a.mrc"\n'
    (beam_time / "old.toml").write_text(manifest)
    asked = ["analyse", beam_time, "--table", tmp_path / "t.csv", "--json", tmp_path / "t.json"]
    done = alloyscope(*asked, cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "old.toml, A: " in done.stderr and "a.mrc: there is no such file" in done.stderr
    assert "all else is analysed" in done.stderr
    assert done.stdout.count("D(450 C)") == 3 and "SIMULATED monday/two: 2 particles" in done.stdout
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["session"], r["particle"]) for r in rows] == [
        ("monday/two", "NC1"),
        ("monday/two", "NC2"),
        ("old.toml", "A"),
        ("tuesday", "NC2"),
    ]
    told = json.loads((tmp_path / "t.json").read_text())["sources"]
    one = told["tuesday"]["particles"]["NC2"]["diffusivities"][0]
    assert float(rows[3]["d_m2_per_s"]) == one["value"] and float(rows[3]["std_m2_per_s"]) == one["std"]
    assert rows[3]["simulated"] == "True" and "a.mrc" in rows[2]["quality"] and rows[2]["d_m2_per_s"] == ""
    assert told["old.toml"]["problems"]["A"] in rows[2]["quality"]


def test_a_table_of_parquet_has_types(beam_time, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    done = alloyscope("analyse", beam_time / "tuesday", "--table", tmp_path / "t.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = parquet.read_table(tmp_path / "t.parquet")
    assert str(table.schema.field("d_m2_per_s").type) == "double" and table.num_rows == 1
    assert table.to_pylist()[0]["session"] == "tuesday"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--processes", "2", "--scheduler", "tcp://127.0.0.1:1"], "give one of them"),
        (["--table", "t.xlsx"], "neither .csv nor .parquet"),
        (["--table", "nowhere/t.csv"], "the folder nowhere does not exist"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is(beam_time, tmp_path, asked, words):
    done = alloyscope("analyse", beam_time, *asked, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and not done.stdout
    assert "Traceback" not in done.stderr


def test_a_scheduler_that_does_not_answer_is_said(beam_time, tmp_path):
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    command = [*ALLOYSCOPE, "analyse", str(beam_time), "--scheduler", "tcp://127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=100)
    assert done.returncode == 2 and "no scheduler answers at tcp://127.0.0.1:1" in done.stderr and not done.stdout
    assert "Traceback" not in done.stderr


@contextlib.contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and its workers, as somebody would start them; gives its address."""
    at = folder / "scheduler.json"
    environment = os.environ | {"NUMBA_NUM_THREADS": "1", "DASK_TEMPORARY_DIRECTORY": str(folder)}
    options = ["--scheduler-file", str(at), "--no-dashboard"]

    def started(*command: str) -> subprocess.Popen[bytes]:
        out = (folder / "cluster.log").open("ab")
        with out:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *command, *options], stdout=out, stderr=out, env=environment, cwd=folder
            )

    running = [started("scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        until(at.exists, "the scheduler has not written its address")
        running += [
            started("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)) for _ in range(workers)
        ]
        yield json.loads(at.read_text())["address"], running[1:]
    finally:
        for process in reversed(running):
            process.kill()  # one that is told to end waits for the others
            process.wait(20)


def until(found, words: str, within_s: float = 60.0) -> None:
    end_s = time.monotonic() + within_s
    while not found():
        assert time.monotonic() < end_s, words
        time.sleep(0.05)


BUSY = """
import sys, time
from distributed import Client
with Client(sys.argv[1]) as client:
    while not (running := client.processing()) or not all(running.values()):
        time.sleep(0.05)
"""
"""Ends as soon as every worker has something to do."""


@pytest.mark.slow
def test_a_dask_cluster_tells_the_same_also_when_a_worker_is_killed(beam_time, tmp_path):
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    expected = alone(beam_time)
    (tmp_path / "cluster").mkdir()
    with dask_cluster(tmp_path / "cluster", 2) as (address, workers):
        command = [*ALLOYSCOPE, "analyse", str(beam_time), "--scheduler", address, "--json", str(tmp_path / "out.json")]
        asked = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        subprocess.run([sys.executable, "-c", BUSY, address], check=True, timeout=100)
        workers[0].kill()
        out, errors = asked.communicate(timeout=240)
    assert asked.returncode == 0, errors
    assert "Traceback" not in errors and out.count("D(450 C)") == 3
    assert json.loads((tmp_path / "out.json").read_text())["sources"] == expected


@pytest.mark.parametrize("when", ["as its processes start", "in the middle"])
def test_ctrl_c_ends_its_processes_and_says_how_to_go_on(beam_time, tmp_path, when):
    """As a terminal sends it: to every process of the group."""
    command = [*ALLOYSCOPE, "analyse", str(beam_time), "--processes", "1"]
    asked = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True
    )
    assert asked.stdout is not None
    if when == "in the middle":
        assert "particle" in asked.stdout.readline()
    else:
        until(lambda: len(children_of(asked.pid)) > 1, "no process has been started")
    os.killpg(asked.pid, signal.SIGINT)
    _, errors = asked.communicate(timeout=60)
    assert asked.returncode == 130 and "the same command goes on" in errors and "Traceback" not in errors


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_ctrl_c_while_a_process_is_begun_is_heard_right_after():
    """And not by that process, which is told to end by the one that was asked."""
    begun = [sys.executable, "-c", "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"]
    with pytest.raises(KeyboardInterrupt):
        _interrupted_while(lambda: subprocess.run(begun, capture_output=True, text=True, check=True).stdout)
    with _deaf_to_ctrl_c():
        assert "SIGINT" in subprocess.run(begun, capture_output=True, text=True, check=True).stdout
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def _interrupted_while(do: Callable[[], object]) -> None:
    with _deaf_to_ctrl_c():
        os.kill(os.getpid(), signal.SIGINT)
        assert do()
