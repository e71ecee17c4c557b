"""The JSON schema of session files and manifests, for editors, and the reference page made from it.

Descriptions are the docstrings below each key; pydantic would read them at every start of every command.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

SCHEMA_FILE = "session.schema.json"
"""Beside the session file that `alloyscope init` writes."""
SCHEMA_ID = "urn:alloyscope:"
"""By which a schema is known as one of ours."""
_UNITS = {"nm": "nm", "deg": "deg", "s": "s", "us": "us", "c": "C", "pa": "pA", "mw": "mW", "percent": "%"}
_RATES = {"c_per_s": "C/s", "deg_per_s": "deg/s", "e_per_nm2": "e/nm2", "j_per_mol": "J/mol", "at_pct": "at%"}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """With a description for every table and key."""
    told = model.model_json_schema()
    tables = {model.__name__: told, **told.get("$defs", {})}
    for kind in _with_its_parts(model):
        table = tables[kind.__name__]
        table["description"] = _one_line(kind.__doc__ or "")
        for key, words in _docstrings(kind).items():
            if key in table["properties"]:
                table["properties"][key]["description"] = words
    named = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{SCHEMA_ID}{model.__name__}"}
    return named | told


def reference_page(model: type[BaseModel], title: str, before: str) -> str:
    """Every table and key: its unit, its usual value, its meaning."""
    schema = schema_of(model)
    places = _places(schema)
    lines = [f"# {title}", "", before, ""]
    for name, heading in places.items():
        table = schema["$defs"][name] if name else schema
        lines += [f"## {heading}", "", table["description"], ""]
        lines += ["| key | unit | may be | usual | meaning |", "|---|---|---|---|---|"]
        for key, entry in table["properties"].items():
            usual = "needed" if key in table.get("required", []) else _usual(entry)
            named = ", ".join(places[inner] for inner in _tables_in(entry))
            words = ", ".join(f"`{word}`" for word in entry.get("enum", [entry["const"]] if "const" in entry else []))
            what = f"{entry['description']} {named or words}".strip()
            lines.append(f"| `{key}` | {unit_of(key)} | {_range(entry)} | {usual} | {what} |")
        lines.append("")
    return "\n".join(lines)


def unit_of(key: str) -> str:
    """As the end of a key says it; empty where there is none."""
    for end, unit in _RATES.items():
        if key.endswith(end):
            return unit
    return _UNITS.get(key.rpartition("_")[2], "") if "_" in key else ""


def as_text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


_BOUNDS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


def _range(entry: dict[str, Any]) -> str:
    """Of a number, or of each in a list."""
    found = [f"{sign} {entry[bound]:g}" for bound, sign in _BOUNDS.items() if bound in entry]
    return ", ".join(found) or next(filter(None, map(_range, _below(entry))), "")


def _usual(entry: dict[str, Any]) -> str:
    if entry.get("default") is None or "$ref" in entry:
        return ""
    return f"`{json.dumps(entry['default'], ensure_ascii=False)}`"


def _places(schema: dict[str, Any]) -> dict[str, str]:
    """How each table is headed in a file, every way that leads to it."""
    heads: dict[str, list[str]] = {}

    def visit(table: dict[str, Any], before: str) -> None:
        for key, entry in table.get("properties", {}).items():
            for inner in _tables_in(entry):
                path = f"{before}{key}"
                listed = any("items" in way for way in (entry, *_below(entry)))
                heads.setdefault(inner, []).append(f"`[[{path}]]`" if listed else f"`[{path}]`")
                visit(schema["$defs"][inner], f"{path}.")

    visit(schema, "")
    places = {"": "The file itself"}
    for inner, ways in heads.items():
        kind = schema["$defs"][inner].get("properties", {}).get("kind", {})
        kinds = " or ".join(f"`{k}`" for k in kind.get("enum", [kind.get("const")])) if kind else ""
        places[inner] = " or ".join(dict.fromkeys(ways)) + (f" of kind {kinds}" if kinds else "")
    return places


def _tables_in(entry: dict[str, Any]) -> Iterator[str]:
    if "$ref" in entry:
        yield str(entry["$ref"]).rpartition("/")[2]
    for inner in _below(entry):
        yield from _tables_in(inner)


def _below(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Its alternatives, and what each of a list is."""
    items = entry.get("items")
    return [*entry.get("anyOf", []), *entry.get("oneOf", []), *([items] if isinstance(items, dict) else [])]


def _with_its_parts(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and every other that its fields are made of."""
    seen: set[type[BaseModel]] = set()

    def visit(kind: Any) -> Iterator[type[BaseModel]]:
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            if kind in seen:
                return
            seen.add(kind)
            yield kind
            for field in kind.model_fields.values():
                yield from visit(field.annotation)
        for inner in getattr(kind, "__args__", ()):
            yield from visit(inner)

    yield from visit(model)


def _docstrings(kind: type[BaseModel]) -> dict[str, str]:
    """What stands below each key, its parents' as well."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if not issubclass(one, BaseModel) or one is BaseModel:
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        assert isinstance(body, ast.ClassDef)
        for before, after in zip(body.body, body.body[1:], strict=False):
            match before, after:
                case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str(words))):
                    found[key] = _one_line(words)
    return found


def _one_line(words: str) -> str:
    return " ".join(words.replace("``", "`").split())
