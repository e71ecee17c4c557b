"""Strict loading of the TOML files people write: every error at once, with line, key and what to write instead."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Tag, ValidationError

from drivers.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
NAME_PATTERN = r"^[A-Za-z0-9_.-]+$"
"""Of what becomes part of a file's name."""


class Strict(BaseModel):
    """A table of a file: frozen, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def load_toml(path: Path, model: type[Model]) -> Model:
    """Read and validate a TOML file; raises `ConfigError` that carries every problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read ({error.strerror}); check the path"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), ["is not UTF-8 text; write a TOML file"]) from error
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), [_of_syntax(error, text)]) from error
    except ValidationError as error:
        raise ConfigError(str(path), [_in_words(e, text, model) for e in _own(error.errors(), model)]) from error


def in_words(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What is wrong with a table that is not a file of its own."""
    return [_in_words(e, "", model).removeprefix("file: ") for e in _own(list(error.errors()), model)]


def _own(errors: list[Any], model: type[BaseModel]) -> list[Any]:
    """Without those that another says: a list lacks an item that is there, a key is missing that is misspelt."""
    places = [e["loc"] for e in errors]
    misspelt = {(*e["loc"][:-1], _near(e["loc"], model)) for e in errors if e["type"] == "extra_forbidden"}
    return [
        e
        for e in errors
        if not (e["type"] == "missing" and e["loc"] in misspelt)
        and not (e["type"] == "too_short" and any(p[: len(e["loc"])] == e["loc"] != p for p in places))
    ]


def _near(place: tuple[Any, ...], model: type[BaseModel]) -> str:
    """The known key that an unknown one is most like; empty where none is."""
    known = _fields_at(model, _keys(place[:-1], model))
    return next(iter(difflib.get_close_matches(str(place[-1]), known, 1, 0.5)), "")


def _keys(place: tuple[Any, ...], model: type[BaseModel]) -> list[Any]:
    """As the file has them: without tags."""
    return [k for k in place if not (isinstance(k, str) and k in _tags(model))]


def _in_words(error: Any, text: str, model: type[BaseModel]) -> str:
    keys = _keys(error["loc"], model)
    where = _dotted(keys)
    line = _line_of(text, keys)
    place = f"line {line}: {where}" if line else (where or "file")
    if error["type"] == "extra_forbidden":
        near = _near(error["loc"], model)
        hint = f"did you mean {near!r}?" if near else f"known here: {', '.join(_fields_at(model, keys[:-1]))}"
        return f"{place}: unknown key; {hint}"
    found, about = error.get("input"), error.get("ctx", {})
    if error["type"] == "missing" and isinstance(keys[-1], int):
        return f"{place}: missing; the list is too short (found {found!r})"
    if error["type"] == "missing":
        return f"{place}: missing; add {keys[-1]} = ..."
    if error["type"] in ("tuple_type", "list_type"):
        if isinstance(found, dict):
            return f"{place}: is to be a list of tables; write [[{where}]] above each"
        return f"{place}: is to be a list, in [square brackets] (found {found!r})"
    if error["type"].startswith("union_tag"):
        kinds = re.findall(r"'([^']+)'", about.get("expected_tags", "")) or sorted(_tags(model))
        like = difflib.get_close_matches(str(about.get("tag", "")), kinds, 1, 0.5)
        asked = f"no such kind as {about['tag']!r}" if "tag" in about else "kind: missing"
        hint = f"did you mean {like[0]!r}?" if like else f"there are {', '.join(kinds)}"
        return f"{place}: {asked}; {hint}"
    shown = f" (found {found!r})" if not isinstance(found, (dict, list)) else ""
    return f"{place}: {_plain(error['type'], about) or error['msg'].removeprefix('Value error, ')}{shown}"


def _plain(kind: str, about: dict[str, Any]) -> str:
    """What pydantic says for programmers, for people; empty where its words do."""
    bounds = {"greater_than_equal": "ge", "greater_than": "gt", "less_than_equal": "le", "less_than": "lt"}
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    if kind in bounds:
        key = bounds[kind]
        return f"must be {words[key]} {about[key]:g}"
    if kind in ("int_type", "int_parsing", "int_from_float"):
        return "must be a whole number"
    if kind in ("float_type", "float_parsing"):
        return "must be a number, without quotes and unit"
    if kind == "finite_number":
        return "must be a finite number"
    if kind in ("bool_type", "bool_parsing"):
        return "must be true or false, without quotes"
    if kind == "string_type":
        return 'must be text, in "quotes"'
    if kind == "literal_error":
        return f"must be {about['expected']}"
    if kind == "too_short":
        return f"must have {about['min_length']} value(s) or more"
    if kind == "string_pattern_mismatch" and about.get("pattern") == NAME_PATTERN:
        return "may have letters, digits, dots, - and _ only, since files are named by it"
    if kind in ("dict_type", "model_type", "dataclass_type"):
        return "is to be a table: { key = value } or a [section] of its own"
    return ""


def _of_syntax(error: tomllib.TOMLDecodeError, text: str) -> str:
    """Where the file is no TOML, and what that mostly comes from."""
    at = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
    lines = text.splitlines()
    if at is None or int(at.group(1)) > len(lines):
        return f"is not valid TOML: {error}; look for a bracket or a quote that is never closed"
    number, column = int(at.group(1)), int(at.group(2))
    line, what = lines[number - 1].strip(), str(error).partition(" (at line")[0]
    after = lines[number - 1][max(0, column - 2) :]
    if re.search(r"[\u2018-\u201f\u00ab\u00bb]", line):
        hint = 'write straight quotes: "..."'
    elif re.search(r"=\s*[+-]?\d+,\d", line):
        hint = "write decimals with a point: 450.0"
    elif what == "Invalid value" and re.match(r"\s*[^\W\d]", after):
        hint = 'text stands in quotes: "..."'
    elif what.startswith("Cannot overwrite"):
        hint = "the key or section is there twice; sections of a list are written [[name]]"
    else:
        hint = "look at that place and the line above"
    return f"line {number}: is not valid TOML ({what[0].lower()}{what[1:]}) in {line!r}; {hint}"


def _dotted(keys: list[Any]) -> str:
    out = ""
    for key in keys:
        out += f"[{key + 1}]" if isinstance(key, int) else (f".{key}" if out else str(key))
    return out


def _tags(model: type[BaseModel]) -> set[str]:
    """Values of ``kind``, and tags: pydantic puts them into the path of a tagged union, the file does not."""
    fields = [field for m in _models(model) for field in m.model_fields.items()]
    kinds = {str(value) for name, field in fields if name == "kind" for value in get_args(field.annotation)}
    return kinds | {tag for _, field in fields for tag in _tags_in(field.annotation)}


def _tags_in(annotation: Any) -> list[str]:
    if isinstance(annotation, Tag):
        return [annotation.tag]
    return [tag for part in get_args(annotation) for tag in _tags_in(part)]


def _models(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> set[type[BaseModel]]:
    seen = set() if seen is None else seen
    if model not in seen:
        seen.add(model)
        for field in model.model_fields.values():
            for inner in _models_in(field.annotation):
                _models(inner, seen)
    return seen


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in get_args(annotation) for m in _models_in(part)]


def _fields_at(model: type[BaseModel], keys: list[Any]) -> list[str]:
    here = [model]
    for key in keys:
        if isinstance(key, int):
            continue
        here = [m for h in here if key in h.model_fields for m in _models_in(h.model_fields[key].annotation)]
    return sorted({name for h in here for name in h.model_fields})


def _line_of(text: str, keys: list[Any]) -> int | None:
    """Line of a key, by following table headers; the header's own line when the key is not in it."""
    names = [k for k in keys if isinstance(k, str)]
    wanted = {_table_of(keys[:i]): k for i, k in enumerate(keys) if isinstance(k, int)}
    table: list[str] = []
    counts: dict[str, int] = {}
    best: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(#.*)?$", line)
        if header:
            table = [part.strip() for part in header.group(1).split(".")]
            path = ".".join(table)
            counts = {k: v for k, v in counts.items() if not k.startswith(path + ".")}
            counts[path] = counts.get(path, -1) + 1
        inside = table == names[: len(table)] and all(counts.get(k, v) == v for k, v in wanted.items())
        key = re.match(r"\s*([A-Za-z0-9_-]+)\s*=", line)
        if inside and header:
            best = number
        elif inside and key and names[len(table) : len(table) + 1] == [key.group(1)]:
            return number
    return best


def _table_of(keys: list[Any]) -> str:
    """The path as a table header writes it: names only."""
    return ".".join(k for k in keys if isinstance(k, str))
