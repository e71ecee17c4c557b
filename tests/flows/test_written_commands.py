"""Every command that the README and the pages tell people to type, on small data of the names that they give."""

import fcntl
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import typer.main
from scipy.ndimage import gaussian_filter

from controller.cli.app import application
from tests.command import ALLOYSCOPE, alloyscope
from tests.conftest import SESSION
from tests.flows.recording import MAPPED, SMALL, Recorded
from tests.flows.test_processes import running, until  # noqa: F401  # a fixture
from tests.test_pages import PROJECT, WRITTEN, commands_in

ELSEWHERE = {
    r"run .*--listen|assist ": "tests/flows/test_shared_analysis.py",
    r"serve( |$)": "tests/flows/test_browser.py",
    r"monitor mqtt:": "tests/controller/telemetry/test_sessions.py",
    r"watch ": "tests/flows/test_watch.py",
    r"heat ": "tests/flows/test_watch.py",
    r"simulate ": "tests/flows/test_lab_rehearsal.py",
    r"calibrate stage": "tests/controller/acquire/test_stage.py",
    r"device-host ": "tests/drivers/test_device_host.py",
    r"devices test": "tests/drivers/test_conformance_on_wires.py",
    r".*--scheduler": "tests/flows/test_many_sources.py",
    r"validate ": "tests/analysis/live/test_validate.py",
    r"init SESSION.toml$": "tests/controller/plan/test_first_file.py",
    r"run session.toml --trust": "tests/controller/cli/test_trusted_code.py",
    r"run SESSION.toml$": "tests/flows/test_processes.py",
    r"stop ": "tests/flows/test_processes.py",
}
"""What needs another program or minutes, and the file of tests that types it."""
BY_PEOPLE = (
    "validate --particles NC2 --seeds 3",
    "validate --imperfections attenuation,composition_bow --variant 'six states' --particles NR1,NC2 --seeds 1",
    "validate --particles NC2,NR3,NC1,NR1,NR2,NR4 --seeds 10 --first-seed 91",
)
"""Minutes to hours each: typed for the tables of docs/validation.md, while tests call what the command calls."""
NAMED_ALONE = {"analyse", "assist", "check", "edx", "import", "run", "serve", "schema", "devices"}
"""Commands that a page also names without what they need."""
RUNNING = ("pause", "skip", "repeat", "change", "note", "resume", "abort")
"""Of a session that runs; in this order, since each leaves it as the next one needs it."""
IN_ORDER = ("README.md", "tutorial.md")
"""Pages whose commands go on from each other; elsewhere each begins anew."""
STEERED = """kind = "steered"
policy = "until"
particle = "NC2"
temperature_c = 450.0
first_s = 60.0
alloying = 0.1
most_pulses = 2
"""
STANDS_FOR = {
    "SERIES": "A_00.mrc",
    "FILE": "A_00.rawtlt",
    "IMAGE": "balls.tif",
    "MAP": "FOLDER/frames/c01_NC2_edx.h5",
    "FOLDERS": "BEAMTIME",
    "KIND": "tiff",
}
"""Words that are no file's name, and what takes their place."""


def typed(page: Path) -> list[str]:
    """Its commands, alternatives by themselves, as far as they name all that they need."""
    commands = typer.main.get_command(application()).commands
    found = []
    for line in commands_in(page):
        for name in line.split()[1].split("|"):
            rest = re.sub(
                r"\[([A-Z]+)\]|(?<=[A-Z])\.\.\.", r"\1", line.split(maxsplit=2)[2] if " " in line[12:] else ""
            )
            if complete(commands[name], shlex.split(rest)):
                found.append(f"{name} {rest}".strip())
    return list(dict.fromkeys(found))


def kinds(page: Path) -> set[str]:
    """First words of what is typed of it."""
    return {command.split()[0] for command in typed(page)}


def complete(command: Any, words: list[str]) -> bool:
    """Whether it could be run: a page also names commands without what they need."""
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    flags = {name for param in command.params if getattr(param, "is_flag", False) for name in param.opts}
    given, waiting = [], iter(words)
    for word in waiting:
        if not word.startswith("-") or word == "-":
            given.append(word)
        elif word not in flags and "=" not in word:
            next(waiting, None)
    needed = [param for param in command.params if param.required]
    arguments = sum(param.param_type_name == "argument" for param in needed)
    options = [param.opts for param in needed if param.param_type_name == "option"]
    return len(given) >= arguments and all(any(name in words for name in names) for names in options)


def is_tested_elsewhere(command: str) -> str | None:
    return next((where for pattern, where in ELSEWHERE.items() if re.match(pattern, command)), None)


HERE = [
    (page.name, command)
    for page in WRITTEN
    for command in typed(page)
    if is_tested_elsewhere(command) is None and command.split()[0] not in RUNNING
]


def balls() -> np.ndarray:
    """An image of bright balls on a film, with noise."""
    rng, image = np.random.default_rng(1), np.zeros((256, 256), np.float32)
    y, x = np.indices(image.shape)
    for cy, cx, radius_px in ((60, 70, 22), (150, 60, 18), (90, 180, 25), (190, 180, 20)):
        image += np.sqrt(np.maximum(radius_px**2 - (y - cy) ** 2 - (x - cx) ** 2, 0.0))
    return rng.poisson(20.0 + 8.0 * gaussian_filter(image, 1.0)).astype(np.uint16)


@pytest.fixture(scope="module")
def small(tmp_path_factory, recorded: Recorded) -> Path:
    """A folder in which all files that the pages name are there, small enough to be analysed at once."""
    place = tmp_path_factory.mktemp("written")

    def write(path: Path, **swap: str) -> Path:
        text = SESSION.format(durations_s="[10.0]", mode="stepped", step_deg=5.0)
        for old, new in ((k, v) for k, v in (SMALL | swap).items() if not k.isidentifier()):
            text = text.replace(old, new)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    recorded(write(place / "mapped.toml", **MAPPED), place / "FOLDER")
    for name in ("SESSION.toml", "session.toml", "examples/mychinko2021_nc2.toml"):
        write(place / name)
    # To steer takes tilts enough for a degree of alloying.
    whole = SESSION.format(durations_s="[10.0]", mode="stepped", step_deg=10.0)
    (place / "examples" / "steered_until.toml").write_text(whole.partition('kind = "pulses"')[0] + STEERED)
    exported = alloyscope("export", "FOLDER", "--as", "mrc", "--to", "out", cwd=place)
    assert exported.returncode == 0, exported.stderr
    series = sorted((place / "out").glob("*_tilt.mrc"))
    for number, stack in enumerate(series[:2]):
        shutil.copy(stack, place / f"A_{number:02d}.mrc")
        for beside in (stack.with_suffix(".rawtlt"), stack.with_suffix(".json")):
            if beside.exists():
                shutil.copy(beside, place / f"A_{number:02d}{beside.suffix}")
    manifest = re.findall(r"^```toml\n(.*?)^```", (PROJECT / "docs" / "old-data.md").read_text(), re.M | re.S)[0]
    for name in ("MANIFEST.toml", "old.toml"):
        (place / name).write_text(manifest.replace("pixel_nm = 0.6", "pixel_nm = 2.0"))
    for folder in ("BEAMTIME/monday", "MORE/s1"):
        shutil.copytree(place / "FOLDER", place / folder)
    per_nm = 2.0
    tifffile.imwrite(place / "balls.tif", balls(), imagej=True, resolution=(per_nm, per_nm), metadata={"unit": "nm"})
    return place


def watched_on_a_terminal(words: list[str], place: Path) -> None:
    """Until it shows the particle; then a person leaves."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color"}
    screen = subprocess.Popen(
        [*ALLOYSCOPE, *words], cwd=place, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        drawn = b""
        while b"NC2" not in drawn:
            drawn += os.read(ours, 1 << 16)  # raises when the screen has ended instead
        os.write(ours, b"q")
        with suppress(OSError):  # what it still draws, until it has gone
            while os.read(ours, 1 << 16):
                pass
        assert screen.wait(timeout=20) == 0
    finally:
        screen.kill()
        screen.wait()
        os.close(ours)


@pytest.fixture
def type_in(tmp_path, small) -> Callable[[str, Path], None]:
    def typed_in(command: str, place: Path) -> None:
        words = [STANDS_FOR.get(word, word) for word in shlex.split(command)]
        if words[0] == "monitor":
            watched_on_a_terminal(words, place)
            return
        if words[0] == "particles":
            words[1] = "balls.tif"
        if "--out" in words and (place / words[words.index("--out") + 1]).exists():
            shutil.rmtree(place / words[words.index("--out") + 1])
        done = alloyscope(*words, cwd=place)
        assert done.returncode == 0, f"alloyscope {' '.join(words)}: {done.stdout[-800:]}{done.stderr[-2000:]}"
        if words[0] == "init":
            made = place / words[1]
            made.write_text(re.sub(r"^step_deg = .*$", "step_deg = 20.0", made.read_text(), flags=re.MULTILINE))

    return typed_in


@pytest.fixture
def place(small, tmp_path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "here"))


@pytest.mark.parametrize(
    ("page", "command"),
    [(page, command) for page, command in HERE if page not in IN_ORDER],
    ids=lambda word: word.replace("/", "-"),
)
def test_a_command_of_a_page_does_what_it_says(page, command, place, type_in):
    type_in(command, place)


@pytest.mark.parametrize("page", IN_ORDER)
def test_the_commands_of_a_page_go_on_from_each_other(page, place, type_in):
    for command in (command for name, command in HERE if name == page):
        type_in(command, place)


def test_the_commands_for_a_session_that_runs(running, tmp_path):  # noqa: F811
    written = {name: command for page in WRITTEN for command in typed(page) if (name := command.split()[0]) in RUNNING}
    assert set(written) == set(RUNNING)
    process, folder = running(20.0, durations_s="[4000.0, 4000.0]", step_deg=20.0)
    until(lambda: (folder / "endpoints.json").exists(), 60.0, "its begin", process)
    steps = {"c05/heat": "c02/heat", "c06": "c02", "c04/NC2/tilt": "c00/NC2/tilt"}
    for name in RUNNING:
        words = [steps.get(word, str(folder) if word == "FOLDER" else word) for word in shlex.split(written[name])]
        done = alloyscope(*words, cwd=tmp_path)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        time.sleep(0.2)
    assert process.wait(80.0) == 0


def test_what_is_tested_elsewhere_is():
    named = [command for page in WRITTEN for command in typed(page)]
    for pattern, where in ELSEWHERE.items():
        own = [command for command in named if re.match(pattern, command)]
        assert own, f"no page has {pattern!r} any more"
        text = (PROJECT / where).read_text()
        for command in own:
            word = f'"{command.split()[0]}"'
            assert word in text or command in BY_PEOPLE, f"{where} does not type {command}"
    assert len(HERE) > 40


def test_only_what_is_no_command_is_not_typed():
    left = [line for page in WRITTEN for line in commands_in(page) if line.split()[1].split("|")[0] not in kinds(page)]
    assert {line.split()[1] for line in left} <= NAMED_ALONE
