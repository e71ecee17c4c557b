"""The schema that editors take, and the reference pages: complete, in step with the code, of one mind with `check`."""

import tomllib
from pathlib import Path

import jsonschema
import pytest

from analysis.reanalysis.manifest import Manifest
from controller.plan.schema import SCHEMA_FILE, schema_of, unit_of
from controller.plan.session_file import SessionFile
from tests.command import alloyscope

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
PAGES = {"session": "session_file.md", "manifest": "manifest.md"}


@pytest.fixture(scope="module")
def schema():
    told = schema_of(SessionFile)
    jsonschema.Draft202012Validator.check_schema(told)
    return jsonschema.Draft202012Validator(told)


@pytest.mark.parametrize("model", [SessionFile, Manifest])
def test_every_table_and_key_says_what_it_is(model):
    told = schema_of(model)
    for name, table in {"": told, **told["$defs"]}.items():
        assert table["description"], name
        for key, entry in table["properties"].items():
            assert entry.get("description", "").endswith((".", ":")), f"{name}.{key}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_the_schema_takes_what_sessions_are_made_of(schema, example):
    schema.validate(tomllib.loads(example.read_text()))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("ramp_c_per_s = 1000.0", "ramp_c_per_second = 1000.0"),
        ("ramp_c_per_s = 1000.0", "ramp_c_per_s = -3.0"),
        ('kind = "pulses"', 'kind = "pulse"'),
        ('mode = "stepped"', 'mode = "jumping"'),
        ("pixel_nm = 2.0", 'pixel_nm = "2 nm"'),
    ],
)
def test_the_schema_refuses_what_check_refuses(schema, session_file, tmp_path, right, wrong):
    path = session_file(**{right: wrong})
    assert list(schema.iter_errors(tomllib.loads(path.read_text())))
    assert alloyscope("check", path, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("of", PAGES)
def test_the_reference_pages_are_of_this_code(tmp_path, of):
    made = alloyscope("schema", of, "--markdown", cwd=tmp_path)
    again = f"make it anew: alloyscope schema {of} --markdown > docs/{PAGES[of]}"
    assert (ROOT / "docs" / PAGES[of]).read_text() == made.stdout, again


def test_units_are_those_of_names():
    keys = {"ramp_c_per_s": "C/s", "pixel_nm": "nm", "max_c": "C", "most_dose_e_per_nm2": "e/nm2", "k": ""}
    assert {key: unit_of(key) for key in keys} == keys


def test_init_leaves_the_schema_beside_the_file_and_nobody_elses(tmp_path):
    assert alloyscope("init", "mine.toml", cwd=tmp_path).returncode == 0
    text = (tmp_path / "mine.toml").read_text()
    assert text.startswith(f"#:schema {SCHEMA_FILE}\n")
    assert "urn:alloyscope:SessionFile" in (tmp_path / SCHEMA_FILE).read_text()
    (tmp_path / SCHEMA_FILE).write_text("mine")
    assert alloyscope("init", "other.toml", cwd=tmp_path).returncode == 0
    assert (tmp_path / SCHEMA_FILE).read_text() == "mine"
