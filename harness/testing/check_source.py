"""The contract of task sources: lazy, the same rows each time, JSON values, places, faults that a user can mend."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
from pydantic import ValidationError

from harness.errors import HarnessError
from harness.plugins.contracts import Row, TaskSource
from harness.records.content import Json
from harness.testing.checks import Finding, check_class

SOME = 1000
"""So many rows of a source are looked at; a source may be large."""


def check_source(cls: type[TaskSource], workspace: Path, params: Mapping[str, Json] | None = None) -> list[Finding]:
    """Every check on a source class, with its example or with `params`.

    A source that ships `example_files` is tried in an empty workspace that holds just these.
    """
    findings = check_class(cls, workspace)
    if params is not None or not cls.example_files:
        return [*findings, *_tried(cls, dict(cls.example if params is None else params), workspace)]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in cls.example_files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return [*findings, *_tried(cls, dict(cls.example), Path(folder))]


def _tried(cls: type[TaskSource], params: dict[str, Json], workspace: Path) -> list[Finding]:
    try:
        source = cls.model_validate(params)
        wrong = list(source.check(workspace))
    except (ValidationError, HarnessError) as e:
        return [Finding("its parameters are sound", False, str(e))]
    if wrong:
        return [Finding("its parameters are sound", False, "; ".join(wrong))]
    try:
        first, second = _some(source, workspace), _some(source, workspace)
    except Exception as e:  # noqa: BLE001 - the plugin under test: what it raises is the finding
        return [Finding("its rows can be read", False, f"{type(e).__name__}: {e}")]
    return [
        Finding("its parameters are sound", True),
        Finding("its rows can be read", bool(first), "" if first else "there is no row"),
        Finding("is lazy", not isinstance(source.rows(workspace), list | tuple), "yield rows, one at a time"),
        Finding("gives the same rows in the same order", first == second, ""),
        *_rows_are_sound(first),
    ]


def _rows_are_sound(rows: list[Row]) -> list[Finding]:
    not_json = next((f"{row.place}: {why}" for row in rows if (why := _not_json(row))), "")
    placeless = next((f"row {i}" for i, row in enumerate(rows, start=1) if not row.place), "")
    places = len({row.place for row in rows})
    return [
        Finding("its values are JSON", not not_json, not_json),
        Finding("every row has a place", not placeless, placeless),
        Finding("every place is another", places == len(rows), f"{places} places for {len(rows)} rows"),
    ]


def _some(source: TaskSource, workspace: Path) -> list[Row]:
    return list(itertools.islice(source.rows(workspace), SOME))


def _not_json(row: Row) -> str:
    if not all(isinstance(name, str) for name in row.values):
        return "a column's name is not text"
    try:
        same = msgspec.json.decode(msgspec.json.encode(dict(row.values))) == dict(row.values)
    except (TypeError, ValueError, msgspec.MsgspecError) as e:
        return str(e)
    return "" if same else "a value does not come back from JSON as it was"
