"""What keeps the house easy to find one's way in: names that mean one thing, and things that one place knows."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("alloyscope", "analysis", "controller", "drivers", "simulators")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def test_no_class_name_stands_for_two_things():
    places = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_papers_are_cited_by_authors_and_year():
    numbered = [str(p.relative_to(ROOT)) for p in SOURCES if re.search(r"\bpapers? \d{3}\b", p.read_text(), re.I)]
    assert not numbered


@pytest.mark.parametrize("name", ["journal.jsonl", "guard.jsonl", "results.jsonl", "session.nxs", "endpoints.json"])
def test_one_module_knows_where_things_lie_in_a_session_folder(name):
    quoted = re.compile(rf'"[^"\n ]*{re.escape(name)}"')
    knowing = {p.relative_to(ROOT).as_posix() for p in SOURCES if quoted.search(p.read_text())}
    assert knowing == {"drivers/recorded/folder.py"}


def test_every_match_over_a_union_that_grows_says_so():
    """A step, block or event of a new kind must not be passed over in silence."""
    growing = {"step", "block", "event", "question"}
    silent = []
    for path in (p for p in SOURCES if p.is_relative_to(ROOT / "controller")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Match) and isinstance(node.subject, ast.Name) and node.subject.id in growing:
                last = ast.unparse(node.cases[-1])
                if "assert_never" not in last:
                    silent.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not silent
