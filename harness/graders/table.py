"""`table`: a table or grid, cell by cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field, PrivateAttr

from harness.api import Grade, Grader, GraderCase, Json, Verdict, Work
from harness.toolkit.answers import bad_reference, no_answer, no_reference, not_found
from harness.toolkit.fields import FieldRule, Rule, same_field
from harness.toolkit.normalise import canonical, excerpt
from harness.toolkit.tables import Format, Grid, by_name, column_key, grid_of, read_table

MAX_UNORDERED = 500
"""Rows that are paired by likeness; larger tables need `key`, because pairing is quadratic."""


class Table(Grader):
    """The cells of the answer's table equal the reference's.

    Tables are read from Markdown, CSV (also with tabs or semicolons), JSON rows and JSON grids; the last one counts.
    Value: right cells / (right + wrong + missing + surplus cells). Passed from `threshold`.
    """

    format: Format = "auto"
    """How the answer is written: auto, markdown, csv or json (list of lists, list of objects)."""
    header: bool = True
    """The first row names the columns; they are then matched by name in any order. Without it, by position."""
    rows: Literal["ordered", "any"] = "ordered"
    """Rows are compared in order, or in any order (each reference row with the most alike answer row)."""
    key: tuple[str, ...] = ()
    """Columns that identify a row: rows are paired by them, in any order. Of rows with one key the first counts."""
    columns: dict[str, FieldRule | Rule] = Field(default_factory=dict)
    """Rules by column name: `price: {rule: numeric, tolerance: 0.01}`, `remark: ignored`."""
    default: Rule = "exact"
    """The rule of other cells. Cells that are texts are compared without outer whitespace and emphasis."""
    extra_columns: Literal["allow", "forbid"] = "allow"
    """Columns that the reference does not have: overlooked, or counted as wrong cells."""
    tries: int = Field(default=1, ge=1, le=10)
    """How many of the system's answers count, best first (ARC allows 2)."""
    threshold: float = Field(default=1.0, ge=0, le=1)
    """Smallest value that passes."""

    example: ClassVar[Mapping[str, Json]] = {
        "key": ["city"],
        "columns": {"population": {"rule": "numeric", "relative": 0.01}},
    }
    cases = (
        GraderCase("Here:\n\n| b | a |\n|---|---|\n| 2 | 1 |\n", True, [{"a": 1, "b": 2}]),
        GraderCase("a,b\n1,2", True, "| a | b |\n|--|--|\n| 1 | 2 |"),
        GraderCase("```json\n[[0, 1], [1, 0]]\n```", True, [[0, 1], [1, 0]], {"header": False}),
        GraderCase("[[0, 1], [1, 1]]", False, [[0, 1], [1, 0]], {"header": False}),
        GraderCase("a,b\n3,4\n1,2", True, "a,b\n1,2\n3,4", {"rows": "any"}),
        GraderCase("no table here", False, [[1]], {"header": False}),
        GraderCase("a,b\n1,2", None, "not a table"),
    )

    _rules: dict[str, FieldRule] = PrivateAttr(default_factory=dict)
    _default: FieldRule = PrivateAttr(default=FieldRule())

    def model_post_init(self, context: object, /) -> None:
        """Spell out the short forms of rules."""
        self._rules = {column_key(c): FieldRule(rule=r) if isinstance(r, str) else r for c, r in self.columns.items()}
        self._default = FieldRule(rule=self.default)

    def check_reference(self, reference: Json) -> str:
        """A table in any of the forms, with the key columns in it."""
        if reference is None:
            return "table needs a reference"
        grid = _reference(reference, self.header)
        if isinstance(grid, str):
            return grid
        if not grid.rows or not any(grid.rows):
            return "the reference has no cells"
        names = by_name(grid)
        if grid.columns and len(names) < len(grid.columns):
            return "the reference has two columns of the same name"
        absent = [c for c in (*self.key, *self.columns) if column_key(c) not in names]
        if absent:
            return f"the reference has no column '{absent[0]}'" + ("" if grid.columns else ": it has no header")
        if self.key and max(Counter(_keys(grid, self.key)).values()) > 1:
            return "two rows of the reference have the same key"
        if self.rows == "any" and not self.key and len(grid.rows) > MAX_UNORDERED:
            return f"more than {MAX_UNORDERED} rows in any order need a key"
        return ""

    async def grade(self, work: Work) -> Verdict:
        """Grade each try that counts; the best one decides."""
        if missing := no_answer(work.output):
            return missing
        reference = work.task.reference
        if reference is None:
            return no_reference()
        if fault := self.check_reference(reference):
            return bad_reference(fault)
        wanted = _reference(reference, self.header)
        if isinstance(wanted, str):
            return bad_reference(wanted)
        tries = [work.output.answer or "", *work.output.answers][: self.tries]
        return max((self._grade_one(text, wanted) for text in dict.fromkeys(tries)), key=lambda g: g.value)

    def _grade_one(self, text: str, wanted: Grid) -> Grade:
        got = read_table(text, self.format, wanted.columns is not None)
        if isinstance(got, str):
            return not_found(got)
        if wanted.columns is None and got.columns is not None:
            got = Grid(None, got.rows)
        pairs, surplus = self._pair(got, wanted)
        order = self._columns(got, wanted)
        right = total = 0
        wrong: list[str] = []
        for number, (mine, theirs) in enumerate(pairs, 1):
            ok = [
                self._same(mine, at, cell, rule)
                for (at, rule), cell in zip(order, theirs, strict=False)
                if rule.rule != "ignored"
            ]
            right, total = right + sum(ok), total + len(ok)
            if not all(ok):
                wrong.append(f"row {number}" + (" (absent)" if mine is None else ""))
        counted = sum(rule.rule != "ignored" for _, rule in order)
        too_many = len(surplus) * counted + self._surplus_columns(got, wanted, [m for m, _ in pairs if m is not None])
        value = right / (total + too_many) if total + too_many else 0.0
        passed = value >= self.threshold and (self.threshold < 1 or right == total + too_many)
        why = f"{right} of {total} cells are right" + (f", {too_many} too many" if too_many else "")
        why += f"; wrong: {', '.join(wrong[:8])}" if wrong else ""
        shape = f"{len(got.rows)} rows x {len(got.columns or (got.rows[0] if got.rows else ()))} columns"
        parts: dict[str, Json] = {"right": right, "cells": total, "surplus": too_many}
        return Grade(value, passed, "right" if passed else "wrong", why, shape, parts=parts)

    def _columns(self, got: Grid, wanted: Grid) -> list[tuple[int | None, FieldRule]]:
        """For each reference column: its position in the answer (None when absent) and its rule."""
        width = max(map(len, wanted.rows), default=0)
        if wanted.columns is None:
            return [(i, self._default) for i in range(width)]
        names = by_name(got)
        return [(names.get(column_key(c)), self._rules.get(column_key(c), self._default)) for c in wanted.columns]

    def _surplus_columns(self, got: Grid, wanted: Grid, paired: Sequence[tuple[Json, ...]]) -> int:
        if wanted.columns is None:
            width = max(map(len, wanted.rows), default=0)
            return sum(max(0, len(row) - width) for row in paired)
        if self.extra_columns == "allow":
            return 0
        known = {column_key(c) for c in wanted.columns}
        return len(paired) * sum(column_key(c) not in known for c in got.columns or ())

    def _pair(
        self, got: Grid, wanted: Grid
    ) -> tuple[list[tuple[tuple[Json, ...] | None, tuple[Json, ...]]], list[int]]:
        """Each reference row with its answer row, and the answer rows that are left over."""
        if self.key:
            places: dict[tuple[str, ...], list[int]] = {}
            for i, k in enumerate(_keys(got, self.key)):
                places.setdefault(k, []).append(i)
            chosen = [places[k][0] if k in places else None for k in _keys(wanted, self.key)]
        elif self.rows == "any":
            chosen = self._most_alike(got, wanted)
        else:
            chosen = [i if i < len(got.rows) else None for i in range(len(wanted.rows))]
        taken = {i for i in chosen if i is not None}
        pairs = [(got.rows[i] if i is not None else None, row) for i, row in zip(chosen, wanted.rows, strict=True)]
        return pairs, [i for i in range(len(got.rows)) if i not in taken]

    def _most_alike(self, got: Grid, wanted: Grid) -> list[int | None]:
        """Greedy pairing by the number of equal cells, most alike first, earlier rows first among equals."""
        order = self._columns(got, wanted)
        scored = []
        for w, row in enumerate(wanted.rows):
            for g, mine in enumerate(got.rows[: 2 * MAX_UNORDERED]):
                same = sum(self._same(mine, at, cell, rule) for (at, rule), cell in zip(order, row, strict=False))
                scored.append((-same, w, g))
        chosen: list[int | None] = [None] * len(wanted.rows)
        taken: set[int] = set()
        for _, w, g in sorted(scored):
            if chosen[w] is None and g not in taken:
                chosen[w] = g
                taken.add(g)
        return chosen

    def _same(self, row: tuple[Json, ...] | None, at: int | None, wanted: Json, rule: FieldRule) -> bool:
        if row is None or at is None or at >= len(row):
            return False
        got = row[at]
        if isinstance(got, str) or isinstance(wanted, str) or got is None or wanted is None:
            return same_field(_cell(got), _cell(wanted), rule)
        return same_field(got, wanted, rule)


def _cell(value: Json) -> str:
    """A cell as text: an empty cell is null, true is `true`, emphasis around it is dropped."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return canonical(str(value)).strip("*_` ")


def _keys(grid: Grid, key: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The key of each row, compared without case."""
    names = by_name(grid)
    places = [names.get(column_key(k), -1) for k in key]
    return [tuple(_cell(row[p]).casefold() if 0 <= p < len(row) else "" for p in places) for row in grid.rows]


def _reference(reference: Json, header: bool) -> Grid | str:
    if isinstance(reference, str):
        found = read_table(reference, "auto", header)
        if isinstance(found, Grid) and len(found.rows) + bool(found.columns) < 2 and "," not in reference:
            return "the reference is no table"
        return found if isinstance(found, Grid) else "the reference is no table"
    found = grid_of(reference, header)
    return found if isinstance(found, Grid) else f"the reference is no table: {excerpt(found)}"
