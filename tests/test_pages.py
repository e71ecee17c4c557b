"""What the README and the pages say can be done: every command, every block, every link."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import typer.main

from controller.cli.app import application

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
WRITTEN = [p for p in PAGES if p.name not in ("decisions.md", "architecture.md")]
"""Pages that tell people what to type; the others tell why."""


def commands_in(page: Path) -> list[str]:
    """Lines of indented blocks, and words in backquotes, that begin with the program's name."""
    text = page.read_text()
    typed = re.findall(r"^    (?:\.venv/bin/)?(alloyscope .*)$", text, re.MULTILINE)
    named = re.findall(r"`(alloyscope [a-z][^`]*)`", text.replace("\n", " "))
    return [re.split(r"\s{2,}#|\s#\s", line)[0].strip() for line in (*typed, *named)]


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.name}: {body.splitlines()[0]}", body)
        for page in PAGES
        for body in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture(scope="module")
def known() -> dict[str, click.Command]:
    group = typer.main.get_command(application())
    return dict(group.commands)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda p: p.name)
def test_each_command_that_is_named_is_there_and_takes_what_is_given(page, known):
    for line in commands_in(page):
        words = [w for w in shlex.split(line.replace("[", " ").replace("]", " ")) if w not in ("...", "|")]
        names = words[1].split("|")
        for name in names:
            assert name in known, f"{line!r}: there is no command {name!r}"
            command = known[name]
            while isinstance(command, click.Group) and len(words) > 2 and words[2] in command.commands:
                command = command.commands[words[2]]
            taken = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            given = {w.split("=")[0] for w in words[2:] if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", w)}
            assert given <= taken | {"--help"}, f"{line!r}: {name} takes no {sorted(given - taken)}"


def test_there_are_commands_to_be_looked_at():
    assert sum(len(commands_in(page)) for page in WRITTEN) > 60


@pytest.mark.parametrize(("where", "block"), blocks("toml"), ids=[w for w, _ in blocks("toml")])
def test_each_toml_block_is_toml(where, block):
    assert tomllib.loads(block), where


@pytest.mark.parametrize(("where", "block"), blocks("python"), ids=[w for w, _ in blocks("python")])
def test_each_python_block_is_python(where, block):
    compile(block, where, "exec")


def test_the_notebook_page_runs(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/notebook.md").read_text(), re.DOTALL)
    ran = "\n".join(line for line in block.splitlines() if "open_session" not in line)  # tests/alloyscope opens one
    ended = subprocess.run(
        [sys.executable, "-c", ran],
        env=os.environ | {"MPLBACKEND": "agg", "PYTHONPATH": str(PROJECT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr


def test_files_that_are_named_are_there():
    for page in WRITTEN:
        for name in re.findall(
            r"`((?:examples|docs|simulators|drivers|analysis|tests|benchmarks)/[\w./-]+)`", page.read_text()
        ):
            assert (PROJECT / name).exists(), f"{page.name} names {name}"


def test_the_readme_is_one_screen_and_its_links_lead_somewhere():
    text = (PROJECT / "README.md").read_text()
    assert len(text.splitlines()) <= 50
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (PROJECT / target).exists(), target


def test_the_site_is_built_without_a_dead_link_and_asks_nothing_of_a_network(tmp_path):
    site = tmp_path / "site"
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", "scripts/site.yml", "-d", str(site)],
        cwd=PROJECT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for page in site.glob("*.html"):
        fetched = re.findall(
            r'<(?:script|img|iframe)[^>]*src="(https?:[^"]+)|<link[^>]*stylesheet[^>]*href="(https?:[^"]+)',
            page.read_text(),
        )
        assert not fetched, f"{page.name}: {fetched}"
    assert "fit_diffusivity" in (site / "api.html").read_text()
