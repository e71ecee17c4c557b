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
        raise ConfigError(str(path), [f"is not valid TOML: {error}"]) from error
    except ValidationError as error:
        raise ConfigError(str(path), [_in_words(e, text, model) for e in _own(error.errors())]) from error


def _own(errors: list[Any]) -> list[Any]:
    """Without those that only say that a list lacks an item, which is there and has an error of its own."""
    places = [e["loc"] for e in errors]
    return [
        e for e in errors if e["type"] != "too_short" or not any(p[: len(e["loc"])] == e["loc"] != p for p in places)
    ]


def _in_words(error: Any, text: str, model: type[BaseModel]) -> str:
    keys = [k for k in error["loc"] if not (isinstance(k, str) and k in _tags(model))]
    where = _dotted(keys)
    line = _line_of(text, keys)
    place = f"line {line}: {where}" if line else (where or "file")
    if error["type"] == "extra_forbidden":
        known = _fields_at(model, keys[:-1])
        near = difflib.get_close_matches(str(keys[-1]), known, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"{place}: unknown key; {hint}"
    if error["type"] == "missing":
        return f"{place}: missing; add {keys[-1]} = ..."
    if error["type"] in ("tuple_type", "list_type"):
        return f"{place}: is to be a list, in [square brackets] (found {error.get('input')!r})"
    found = error.get("input")
    shown = f" (found {found!r})" if not isinstance(found, (dict, list)) else ""
    return f"{place}: {error['msg'].removeprefix('Value error, ')}{shown}"


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
