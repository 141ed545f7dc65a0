"""The reference page of the YAML files, made from the models that check them: docs/reference/yaml.md.

`python -m harness.config.manual docs/reference/yaml.md` writes it; a test fails when it is stale.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harness.config.boxes import FileSpec, SandboxFields
from harness.config.schema import (
    BudgetSpec,
    CoverageSpec,
    Defaults,
    LimitsSpec,
    NightlySpec,
    PartSpec,
    RetriesSpec,
    RowsFile,
    ShapeSpec,
    SuiteFile,
    SystemSpec,
    TasksFile,
    TaskSpec,
)

PARTS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("A suite file", SuiteFile),
    ("A system", SystemSpec),
    ("A task", TaskSpec),
    ("A file of many tasks", TasksFile),
    ("A file of rows", RowsFile),
    ("`defaults`", Defaults),
    ("`limits`", LimitsSpec),
    ("`shape`", ShapeSpec),
    ("`sandbox`", SandboxFields),
    ("A part of a prompt", PartSpec),
    ("An entry of `files`", FileSpec),
    ("`budget`", BudgetSpec),
    ("`coverage`", CoverageSpec),
    ("`nightly`", NightlySpec),
    ("`retries`", RetriesSpec),
)

HEAD = """\
<!-- made by `python -m harness.config.manual docs/reference/yaml.md`; edit harness/config/schema.py instead -->
# The YAML

Every key of suite and task files. A key that is not here is a fault, told with its line, its column and what was
probably meant. `harness schema` writes the same as JSON Schemas, with the parameters of every installed plugin; the
first line of a new file names its schema, so that an editor completes and checks while you type.

"""

TAIL = """\
## Plugins

A harness, a grader, a model or a source is named in one of these ways:

| written | means |
|---|---|
| `match` | the installed plugin `match` with its defaults |
| `{use: match, ignore: [case]}` | the same with parameters; an unknown one is a fault |
| `graders/tone.py:Tone` | a class in a file of the workspace; without `:Tone` the only one of its kind in the file |
| `house-tone` (graders) | the definition `graders/house-tone.yaml`: `use`, parameters and a `description` |
| `anthropic/claude-x` (models) | the plugin before the first `/`, the model's name after it |

A grader in a task also takes `name` (what reports call it) and `informative: true` (recorded, never decides). When two
graders of a suite have one name and different parameters, the later one gets the beginning of its digest:
`match@1f3a9c`.

## What YAML would read as something else

YAML 1.1 has readings that turn a right answer into a wrong one without a word. These are refused, with what to write:

| written | YAML's reading |
|---|---|
| `no`, `yes`, `on`, `off` | booleans; write `true` or `false`, or quote the word |
| `007` | an octal number |
| `12:30` | a number in base 60 |
| `2026-01-02` | a date |
| `.nan`, `.inf` | numbers that JSON does not have |
| `3.10` for a text, or in a `reference` | the number 3.1 |
| one key twice | the later one wins |

Anchors, aliases and `<<` work. Tags such as `!!binary` and several documents in one file do not.

By example: [write tasks](../how-to/write-tasks.md). Parameters of graders, harnesses, models: [plugins](plugins.md).
"""


def yaml_manual() -> str:
    """The whole page."""
    return HEAD + "\n".join(_part(title, model) for title, model in PARTS) + "\n" + TAIL


def _part(title: str, model: type[BaseModel]) -> str:
    doc = "\n".join(line.strip() for line in (model.__doc__ or "").strip().splitlines())
    rows = "\n".join(_rows(model))
    return f"## {title}\n\n{doc}\n\n| key | default | |\n|---|---|---|\n{rows}\n"


def _rows(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        text = " ".join((field.description or "").split()).replace("|", "\\|")
        yield f"| `{name}` | {_default(field)} | {text}{_options(field.annotation)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value in ("", [], {}) or isinstance(value, BaseModel):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _options(annotation: Any) -> str:
    """The words a field may hold, if it is one of a few."""
    for part in (annotation, *typing.get_args(annotation)):
        if typing.get_origin(part) is typing.Literal:
            return " One of " + ", ".join(f"`{word}`" for word in typing.get_args(part)) + "."
    return ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(yaml_manual(), encoding="utf-8")
