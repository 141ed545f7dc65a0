"""YAML with places for the price file: `path in the data -> line and column`, and pydantic's faults put there.

The configuration layer has its own reader; this one is apart because prices are that layer's sibling.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import ConfigError, Fault, Place
from harness.records.content import Json

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """YAML data with the place of each value and key. `digest` is of the text, 16 hexadecimal digits."""

    data: Json
    file: str
    lines: tuple[str, ...]
    values: Mapping[Path_, tuple[int, int]]
    keys: Mapping[Path_, tuple[int, int]]
    digest: str

    def place(self, path: Path_, *, key: bool = False) -> Place:
        """The place of a value, or of its key; the nearest parent's when there is none."""
        table = self.keys if key else self.values
        while path and path not in table:
            path, table = path[:-1], self.values
        return Place(self.file, *table.get(path, (0, 0)))

    def source_line(self, place: Place) -> str:
        """The line as it was written."""
        return self.lines[place.line - 1] if 0 < place.line <= len(self.lines) else ""


def read_placed(path: Path) -> Placed:
    """Read a YAML file. Raises ConfigError for a file that is absent, not UTF-8, not YAML, or has a key twice."""
    shown = path.name
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as e:
        raise ConfigError([Fault(f"no such file: {path}", help="name another price file or leave it out")]) from e
    except UnicodeDecodeError as e:
        raise ConfigError([Fault(f"{shown} is not UTF-8 (byte {e.start})", Place(shown))]) from e
    lines = tuple(text.splitlines())
    loader = yaml.CSafeLoader(text)
    values: dict[Path_, tuple[int, int]] = {}
    keys: dict[Path_, tuple[int, int]] = {}
    faults: list[Fault] = []
    try:
        root = loader.get_single_node()
        if root is not None:
            _walk(root, (), (values, keys), faults, shown, set())
        data = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        place = Place(shown, mark.line + 1, mark.column + 1) if mark else Place(shown)
        line = lines[mark.line] if mark and mark.line < len(lines) else ""
        raise ConfigError([Fault(f"not YAML: {e.problem or e.context}", place, source_line=line)]) from e
    except (yaml.YAMLError, ValueError) as e:
        raise ConfigError([Fault(f"not YAML: {e}", Place(shown))]) from e
    finally:
        loader.dispose()
    placed = Placed(data, shown, lines, values, keys, hashlib.sha256(text.encode()).hexdigest()[:16])
    if faults:
        raise ConfigError([Fault(f.what, f.place, f.help, placed.source_line(f.place)) for f in faults if f.place])
    return placed


def faults_of(error: ValidationError, placed: Placed, model: type[BaseModel]) -> list[Fault]:
    """Pydantic's faults in our words, each at its place in the file."""
    return [_fault(dict(e), placed, model) for e in error.errors(include_url=False)]


def _fault(error: Mapping[str, Any], placed: Placed, model: type[BaseModel]) -> Fault:
    path = _in_data(error["loc"], placed.data)
    kind = error["type"]
    name = str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        place = placed.place(path, key=True)
        names = _names(model, path[:-1])
        close = difflib.get_close_matches(name, names, n=1)
        help = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(names)}"
        return Fault(f"unknown key '{name}'", place, help, placed.source_line(place))
    place = placed.place(path)
    if kind == "missing":
        return Fault(f"'{name}' is missing", place, "", placed.source_line(place))
    message = str(error["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if path and not isinstance(error["input"], dict | list):
        message = f"{'.'.join(str(p) for p in path if isinstance(p, str))}: {message}, not '{error['input']}'"
    return Fault(message, place, "", placed.source_line(place))


def _in_data(loc: tuple[str | int, ...], data: Json) -> Path_:
    """Pydantic's location without the parts that are not in the data (union tags); a missing last key stays."""
    path: list[str | int] = []
    here = data
    for i, part in enumerate(loc):
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            if i == len(loc) - 1 and isinstance(here, dict):
                path.append(part)
            continue
        path.append(part)
    return tuple(path)


def _names(model: type[BaseModel], path: Path_) -> list[str]:
    """The keys that may stand at a path."""
    here: type[BaseModel] = model
    for part in path:
        if isinstance(part, str) and part in here.model_fields:
            here = next((m for m in _models(here.model_fields[part].annotation)), here)
    return [field.alias or name for name, field in here.model_fields.items()]


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, UnionType) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for inner in get_args(annotation) for m in _models(inner)]


def _walk(
    node: yaml.Node,
    path: Path_,
    tables: tuple[dict[Path_, tuple[int, int]], dict[Path_, tuple[int, int]]],
    faults: list[Fault],
    shown: str,
    seen: set[int],
) -> None:
    """Fill the tables. A node that aliases repeat is visited once, so that no alias bomb or loop can hang us."""
    values, keys = tables
    if id(node) in seen:
        return
    seen.add(id(node))
    values[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            _walk(item, (*path, i), tables, faults, shown, seen)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value)
            place = (key.start_mark.line + 1, key.start_mark.column + 1)
            if (*path, name) in keys:
                first = keys[(*path, name)][0]
                faults.append(Fault(f"key '{name}' is given twice", Place(shown, *place), f"first on line {first}"))
            keys[(*path, name)] = place
            _walk(value, (*path, name), tables, faults, shown, seen)
