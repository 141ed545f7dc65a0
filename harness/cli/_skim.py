"""A quick look at suites, tasks and runs for `harness list`: plain YAML and JSON, no plugin loaded, nothing checked.

`run` and `show` read the same files with every check; a list must come at once, and also when something is wrong.
What cannot be read becomes a line in `Skimmed.troubles`, and the rest is still listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from harness.config.workspace import QUARANTINE, QUARANTINED

MAX_DEPTH = 8
"""Suites included by suites included by suites: a circle ends here, and `run` says where it is."""


COUNT_BYTES = 32 * 1024**2
"""A data file larger than this, or a CSV with quotes (whose cells may hold line breaks), is not counted for a list."""


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task, or a block of rows that makes many (`rows` is their number, None when only reading them would tell)."""

    suite: str
    id: str
    family: str
    shape: Mapping[str, object]
    tags: tuple[str, ...]
    graders: tuple[str, ...]
    place: str
    rows: int | None = 1


@dataclass(frozen=True, slots=True)
class SystemLine:
    """A system of a suite. `default` ones run when none is named."""

    suite: str
    name: str
    harness: str
    models: str
    default: bool
    place: str


@dataclass(slots=True)
class Skimmed:
    """A suite at a glance."""

    name: str
    place: str
    description: str = ""
    epochs: object = 1
    tasks: list[TaskLine] = field(default_factory=list)
    systems: list[SystemLine] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def n_tasks(self) -> str:
        """The number of tasks; with a plus when a block of rows could not be counted without reading it."""
        known = sum(t.rows or 0 for t in self.tasks)
        return f"{known:,}{'+' if any(t.rows is None for t in self.tasks) else ''}"


def skim_suite(workspace: Path, path: Path) -> Skimmed:
    """A suite and the tasks its globs find."""
    shown = shown_path(workspace, path)
    suite = Skimmed(name=path.parent.name, place=shown)
    loaded = _load(workspace, path, suite)
    if loaded is None:
        return suite
    data, node = loaded
    suite.name = str(data.get("suite") or suite.name)
    suite.description = str(data.get("description") or "")
    suite.epochs = data.get("epochs", 1)
    defaults = _mapping(data.get("defaults"))
    _systems(data, node, suite, shown)
    _tasks_of(workspace, path, (data, node), (suite, defaults, 0))
    _mark_quarantined(workspace, path.parent / QUARANTINE, suite)
    return suite


def _mark_quarantined(workspace: Path, file: Path, suite: Skimmed) -> None:
    """Give tasks under quarantine the tag that a run gives them."""
    loaded = _load(workspace, file, suite) if file.is_file() else None
    entries = loaded[0].get("quarantine") if loaded else None
    if not isinstance(entries, list):
        return
    today = date.today().isoformat()
    held = {e.get("task") for e in entries if isinstance(e, dict) and str(e.get("expires", "")) >= today}
    suite.tasks = [replace(t, tags=(*t.tags, QUARANTINED)) if t.id in held else t for t in suite.tasks]


def shown_path(workspace: Path, path: Path) -> str:
    """A path as a person in the workspace would write it."""
    return path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else str(path)


Loaded = tuple[dict[str, Any], yaml.Node]
Bag = tuple[Skimmed, dict[str, Any], int]


def _load(workspace: Path, path: Path, suite: Skimmed) -> Loaded | None:
    """A YAML mapping and its node, or None with the trouble noted."""
    shown = shown_path(workspace, path)
    try:
        loader = yaml.CSafeLoader(path.read_bytes())
        node = loader.get_single_node()
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        suite.troubles.append(f"{shown}{where}: {e.problem or e.context}")
        return None
    except (OSError, yaml.YAMLError, ValueError) as e:
        suite.troubles.append(f"{shown}: {' '.join(str(e).split())}")
        return None
    if not isinstance(data, dict) or node is None:
        suite.troubles.append(f"{shown}: not a mapping")
        return None
    return data, node


def _tasks_of(workspace: Path, path: Path, loaded: Loaded, bag: Bag) -> None:
    """The tasks a suite file names: inline ones, and those of files its globs find."""
    data, node = loaded
    suite, _, depth = bag
    globs: list[str] = []
    for item, at in _items(data.get("tasks"), _child(node, "tasks")):
        if isinstance(item, str):
            globs.append(item)
        elif isinstance(item, dict):
            _one_task(workspace, (item, at), shown_path(workspace, path), bag)
    globs += [g for g in _strings(data.get("include"))]
    for file in _files(workspace, globs, path):
        inner = _load(workspace, file, suite)
        if inner is None:
            continue
        if "suite" in inner[0]:
            if file != path and depth < MAX_DEPTH and _names_files(workspace, file, data.get("include")):
                _tasks_of(workspace, file, inner, (suite, _mapping(inner[0].get("defaults")), depth + 1))
            continue
        _task_file(workspace, file, inner, bag)


def _task_file(workspace: Path, path: Path, loaded: Loaded, bag: Bag) -> None:
    data, node = loaded
    shown = shown_path(workspace, path)
    if isinstance(data.get("tasks"), list):
        defaults = _merged(bag[1], _mapping(data.get("defaults")))
        for item, at in _items(data["tasks"], _child(node, "tasks")):
            if isinstance(item, dict):
                _one_task(workspace, (item, at), shown, (bag[0], defaults, bag[2]))
    elif any(key in data for key in ("id", "rows", "prompt", "prompt_file")):
        _one_task(workspace, (data, node), shown, bag)


def _merged(outer: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """A file's defaults over its suite's: shapes are merged and tags added, as the configuration does it."""
    shape = _mapping(outer.get("shape")) | _mapping(inner.get("shape"))
    return outer | inner | {"shape": shape, "tags": [*_strings(outer.get("tags")), *_strings(inner.get("tags"))]}


def _one_task(workspace: Path, loaded: tuple[dict[str, Any], yaml.Node], shown: str, bag: Bag) -> None:
    data, node = loaded
    suite, defaults, _ = bag
    rows: int | None = 1
    said = data
    if "rows" in data:
        said = _mapping(data.get("template"))
        rows = _count_rows(((workspace / shown).parent, workspace), data["rows"])
    id = str(said.get("id", "?"))
    suite.tasks.append(
        TaskLine(
            suite=suite.name,
            id=id,
            family=str(said.get("family") or defaults.get("family") or id),
            shape=_mapping(defaults.get("shape")) | _mapping(said.get("shape")),
            tags=tuple(dict.fromkeys([*_strings(defaults.get("tags")), *_strings(said.get("tags"))])),
            graders=tuple(_grader_name(g) for g in _listed(said.get("graders") or defaults.get("graders"))),
            place=f"{shown}:{node.start_mark.line + 1}:{node.start_mark.column + 1}",
            rows=rows,
        )
    )


def _systems(data: dict[str, Any], node: yaml.Node, suite: Skimmed, shown: str) -> None:
    for item, at in _items(data.get("systems"), _child(node, "systems")):
        if not isinstance(item, dict):
            continue
        models = item.get("models")
        if isinstance(models, dict):
            said = ", ".join(f"{role}={_use(model)}" for role, model in models.items())
        else:
            said = _use(item.get("model"))
        suite.systems.append(
            SystemLine(
                suite=suite.name,
                name=str(item.get("name", "?")),
                harness=_use(item.get("harness")),
                models=said,
                default=item.get("default") is not False,
                place=f"{shown}:{at.start_mark.line + 1}:{at.start_mark.column + 1}",
            )
        )


def _use(value: object) -> str:
    """A plugin as one word: `scripted`, `anthropic/claude-x`, or `-`."""
    if isinstance(value, dict):
        use, name = value.get("use"), value.get("name")
        return "/".join(str(v) for v in (use, name) if v)
    return str(value) if value is not None else "-"


def _grader_name(value: object) -> str:
    return str(value.get("name") or value.get("use") or "?") if isinstance(value, dict) else str(value)


def _count_rows(folders: Sequence[Path], rows: object) -> int | None:
    """Lines of a JSONL or CSV file beside the task or in the workspace; None for what only reading would tell."""
    path = rows if isinstance(rows, str) else _mapping(rows).get("path")
    if not isinstance(path, str) or not path.endswith((".jsonl", ".csv", ".tsv")):
        return None
    for folder in folders:
        try:
            with (folder / path).open("rb") as file:
                data = file.read(COUNT_BYTES + 1)
        except OSError:
            continue
        if len(data) > COUNT_BYTES or (not path.endswith(".jsonl") and b'"' in data):
            return None
        lines = sum(1 for line in data.splitlines() if line.strip())
        return lines if path.endswith(".jsonl") else max(0, lines - 1)
    return None


def _files(workspace: Path, globs: Sequence[str], suite_file: Path) -> Iterator[Path]:
    """Files in the order of the globs, each once, the suite's own file left out."""
    seen = {suite_file}
    for pattern in globs:
        try:
            found = sorted(workspace.glob(pattern))
        except (ValueError, NotImplementedError):
            continue
        for path in found:
            if path.is_file() and path not in seen:
                seen.add(path)
                yield path


def _names_files(workspace: Path, file: Path, include: object) -> bool:
    return any(file in set(workspace.glob(pattern)) for pattern in _strings(include))


def _child(node: yaml.Node, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value  # type: ignore[no-any-return]  # types-PyYAML leaves the pairs untyped
    return None


def _items(value: object, node: yaml.Node | None) -> list[tuple[Any, yaml.Node]]:
    """Items of a list with their nodes; a single value is a list of one."""
    if value is None or node is None:
        return []
    if isinstance(value, list) and isinstance(node, yaml.SequenceNode):
        return list(zip(value, node.value, strict=True))
    return [(value, node)]


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _strings(value: object) -> list[str]:
    return [str(v) for v in _listed(value) if isinstance(v, str | int | float)]


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
