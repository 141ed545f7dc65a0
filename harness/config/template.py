"""A task template over the columns of a row: Jinja2, sandboxed, strict about names.

A text that is exactly one expression keeps the value's own type. Row data is only ever data: it is never read as a
template. Plain `{{ name }}` is done without Jinja2, with the same result: that is what 100,000 rows need.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment

from harness.config.document import Loc
from harness.plugins.loader import did_you_mean
from harness.records.content import Json

Values = Mapping[str, Json]
Render = Callable[[Values], Json]


class TemplateFault(Exception):
    """A template or its use on a row failed; `loc` is where in the template, `help` what would mend it."""

    def __init__(self, what: str, loc: Loc, help: str = "") -> None:
        super().__init__(what)
        self.loc = tuple(loc)
        self.help = help


class Template:
    """A compiled template: `constant` fields, and `dynamic` ones that are made anew for each row."""

    def __init__(self, raw: Mapping[str, Json]) -> None:
        """Raises TemplateFault for a text that is not a template."""
        self._environment = _environment()
        compiled = {key: self._compile(value, (key,)) for key, value in raw.items()}
        self.constant = {k: raw[k] for k, made in compiled.items() if made is None}
        self.dynamic = {k: made for k, made in compiled.items() if made is not None}

    def render(self, values: Values) -> dict[str, Json]:
        """The dynamic fields for one row. Raises TemplateFault."""
        return {key: made(values) for key, made in self.dynamic.items()}

    def _compile(self, value: Json, loc: Loc) -> Render | None:
        if isinstance(value, str):
            return self._text(value, loc) if "{{" in value or "{%" in value or "{#" in value else None
        if isinstance(value, list):
            made = [self._compile(v, (*loc, i)) for i, v in enumerate(value)]
            if not any(made):
                return None
            pairs = list(zip(made, value, strict=True))
            return lambda row: [m(row) if m else v for m, v in pairs]
        if isinstance(value, dict):
            by_key = {k: (self._compile(v, (*loc, k)), v) for k, v in value.items()}
            if not any(m for m, _ in by_key.values()):
                return None
            return lambda row: {k: m(row) if m else v for k, (m, v) in by_key.items()}
        return None

    def _text(self, text: str, loc: Loc) -> Render:
        try:
            body = self._environment.parse(text.strip()).body
            whole = self._environment.parse(text).body
        except jinja2.TemplateSyntaxError as e:
            raise TemplateFault(f"not a template: {e.message}", loc, "a literal {{ is written {{ '{{' }}") from e
        if len(body) == 1 and isinstance(body[0], nodes.Output) and len(body[0].nodes) == 1:
            node = body[0].nodes[0]
            if isinstance(node, nodes.Name):
                return _column(node.name, loc)
            if not isinstance(node, nodes.TemplateData):
                return self._expression(text.strip(), loc)
        if len(whole) == 1 and isinstance(whole[0], nodes.Output):
            pieces = whole[0].nodes
            simple = [p for p in pieces if isinstance(p, nodes.Name | nodes.TemplateData)]
            if len(simple) == len(pieces):
                return _joined([p.data if isinstance(p, nodes.TemplateData) else _column(p.name, loc) for p in simple])
        return _guarded(self._environment.from_string(text).render, loc)

    def _expression(self, text: str, loc: Loc) -> Render:
        source = re.sub(r"^\{\{[-+]?|[-+]?\}\}$", "", text)
        evaluate = self._environment.compile_expression(source, undefined_to_none=False)

        def native(row: Values) -> Any:
            value = evaluate(row)
            if isinstance(value, jinja2.Undefined):
                str(value)
            return value

        return _guarded(native, loc)


def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True, extensions=[]
    )
    environment.filters["slug"] = slug
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    return environment


def slug(value: object) -> str:
    """A text made fit for an id: every other character becomes a dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", str(value)).strip("-.")


def _column(name: str, loc: Loc) -> Render:
    def column(row: Values) -> Json:
        try:
            return row[name]
        except KeyError:
            raise _no_column(name, row, loc) from None

    return column


def _joined(pieces: list[str | Render]) -> Render:
    return lambda row: "".join([p if isinstance(p, str) else str(p(row)) for p in pieces])


def _guarded(evaluate: Callable[[Values], Any], loc: Loc) -> Render:
    def guarded(row: Values) -> Json:
        try:
            return _json(evaluate(row), loc)
        except TemplateFault:
            raise
        except jinja2.UndefinedError as e:
            name = re.match(r"'(\w+)' is undefined", str(e))
            raise _no_column(name[1], row, loc) if name else TemplateFault(str(e), loc) from e
        except Exception as e:
            raise TemplateFault(f"the template failed: {type(e).__name__}: {e}", loc) from e

    return guarded


def _no_column(name: str, row: Values, loc: Loc) -> TemplateFault:
    columns = [c for c in row if c not in EXTRA]
    close = did_you_mean(name, columns)
    there = f"columns: {', '.join(columns)}"
    return TemplateFault(f"the row has no column '{name}'", loc, f"{close} — {there}" if close else there)


EXTRA = ("row", "row_number")
"""Names a template has beside the columns: the whole row (for odd column names), and its number from 1."""


def _json(value: Any, loc: Loc) -> Json:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_json(v, loc) for v in value]
    if isinstance(value, dict):
        return {str(k): _json(v, loc) for k, v in value.items()}
    raise TemplateFault(
        f"the template gave a {type(value).__name__}, not data", loc, "end a chain of filters in | list"
    )
