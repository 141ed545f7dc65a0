"""Tables in answers: Markdown, CSV or TSV, JSON rows, JSON grids."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records.content import Json
from harness.toolkit.json_out import read_json

Format = Literal["auto", "markdown", "csv", "json"]
MAX_CELLS = 200_000
_FENCE = re.compile(r"```[ \t]*+[a-zA-Z]*+[ \t]*+\r?\n(.*?)```", re.S)
_RULE_ROW = re.compile(r"^\s*+\|?\s*+:?-++:?\s*+(?:\|\s*+:?-++:?\s*+)*+\|?\s*+$")
_GRIDS = re.compile(r"\[\s*+\[[^\[\]]*+\](?:\s*+,\s*+\[[^\[\]]*+\])*+\s*+\]")
_PIPE = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of cells; `columns` is None where the table has no header."""

    columns: tuple[str, ...] | None
    rows: tuple[tuple[Json, ...], ...]


def read_table(text: str, form: Format, header: bool) -> Grid | str:
    """The table of a text, or why there is none. The last table counts, as in ARC and in WideSearch's format."""
    if form in ("auto", "json"):
        found = read_json(text)
        if not found.fault and isinstance(found.value, (list, dict)):
            return grid_of(found.value, header)
        if form == "json" or (found.label == "ambiguous" and form == "auto"):
            last = _last_grid(text)
            return grid_of(last, header) if last is not None else (found.fault or "the JSON is no table")
    blocks = _FENCE.findall(text)
    for block in [*reversed(blocks), text]:
        rows = _markdown(block) if form in ("auto", "markdown") else []
        if not rows and form in ("auto", "csv") and (block is not text or not blocks):
            rows = _csv(block, strict=form == "auto" and block is text)
        if rows:
            return _with_header([tuple(r) for r in rows], header)
    return "there is no table in the answer"


def grid_of(value: Json, header: bool) -> Grid | str:
    """A table from JSON: a list of lists, a list of objects, or `{"columns": [...], "rows": [[...]]}`."""
    if isinstance(value, dict) and isinstance(value.get("rows"), list):
        columns = value.get("columns")
        inner = grid_of(value["rows"], False)
        if isinstance(inner, str) or not isinstance(columns, list) or inner.columns is not None:
            return inner
        return Grid(tuple(str(c) for c in columns), inner.rows)
    if not isinstance(value, list) or not value:
        return "the JSON is no table: a list of rows is needed"
    if all(isinstance(row, dict) for row in value):
        columns = list(dict.fromkeys(str(key) for row in value for key in row))
        return Grid(tuple(columns), tuple(tuple(row.get(c) for c in columns) for row in value))
    if all(isinstance(row, list) for row in value):
        return _with_header([tuple(row) for row in value], header)
    return "the JSON is no table: its rows are neither all lists nor all objects"


def by_name(grid: Grid) -> Mapping[str, int]:
    """Column positions by comparable name: lower case, without spaces, underscores and emphasis."""
    return {column_key(name): i for i, name in reversed(list(enumerate(grid.columns or ())))}


def column_key(name: str) -> str:
    """How column names are compared."""
    return re.sub(r"[\s_*`-]+", "", name).casefold()


def _with_header(rows: Sequence[tuple[Json, ...]], header: bool) -> Grid | str:
    if sum(map(len, rows)) > MAX_CELLS:
        return f"the table has more than {MAX_CELLS} cells"
    if not header:
        return Grid(None, tuple(rows))
    return Grid(tuple(str(c) for c in rows[0]), tuple(rows[1:]))


def _markdown(text: str) -> list[list[str]]:
    """The cells of the last pipe table. Lines with a pipe belong together until a line without one."""
    tables: list[list[str]] = [[]]
    for line in text.splitlines():
        if "|" in line:
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    lines = next((t for t in reversed(tables) if t), [])
    if not any(_RULE_ROW.match(line) for line in lines) and not all(line.lstrip().startswith("|") for line in lines):
        return []
    return [_pipe_cells(line) for line in lines if not _RULE_ROW.match(line)]


def _pipe_cells(line: str) -> list[str]:
    cells = [c.replace("\\|", "|").strip() for c in _PIPE.split(line.strip())]
    if cells and not cells[0] and line.lstrip().startswith("|"):
        cells = cells[1:]
    if cells and not cells[-1] and line.rstrip().endswith("|"):
        cells = cells[:-1]
    return cells


def _csv(text: str, *, strict: bool) -> list[list[str]]:
    """The rows of CSV, TSV or semicolon-separated text. `strict` asks for the same two or more cells in every row."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if not lines or any(len(line) > 100_000 for line in lines):
        return []
    mark = max("\t;,", key=lambda m: min(line.count(m) for line in lines))
    try:
        rows = [
            [c.strip() for c in r]
            for r in csv.reader(io.StringIO("\n".join(lines)), delimiter=mark, skipinitialspace=True)
        ]
    except csv.Error:
        return []
    rows = [r for r in rows if r]
    widths = {len(r) for r in rows}
    return [] if strict and (len(widths) > 1 or widths == {1}) else rows


def _last_grid(text: str) -> Json:
    """The last list of lists in the text, or None."""
    for candidate in reversed(_GRIDS.findall(text[-200_000:])[-64:]):
        value = read_json(candidate, bare=True)
        if not value.fault:
            return value.value
    return None
