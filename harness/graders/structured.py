"""`structured`: the answer is JSON that fits a schema and agrees with the reference field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, PrivateAttr

from harness.api import Grade, Grader, GraderCase, Json, Verdict, Work
from harness.toolkit.answers import bad_reference, no_answer, no_reference, not_found
from harness.toolkit.fields import FieldRule, Rule, leaves, same_field
from harness.toolkit.json_out import Found, read_json
from harness.toolkit.normalise import excerpt

_MISSING = object()


class Structured(Grader):
    """The answer's JSON fits `json_schema` (2020-12, formats checked), and its fields equal the reference's.

    Value: the weighted share of the reference's fields that are right; an answer that breaks the schema has value 0 and
    names the place. Passed from `threshold`. JSON is found in the whole answer, in fences, or in running text; two
    different values are `ambiguous`.
    """

    json_schema: dict[str, Json] | str | None = None
    """A JSON Schema, or the workspace file (.json, .yaml) that holds it."""
    fields: dict[str, FieldRule | Rule] = Field(default_factory=dict)
    """Rules by path: `total: {rule: numeric, tolerance: 0.01}`, `items[].name: normalised`, `notes: ignored`."""
    default: Rule = "exact"
    """The rule of fields that are not named."""
    compare: bool = True
    """Compare with the reference. Without it only the schema decides."""
    extra: Literal["allow", "forbid"] = "allow"
    """Fields of the answer that the reference does not have: overlooked, or each counted as a wrong one."""
    bare: bool = False
    """The answer must be JSON and nothing else: no fence, no sentence around it."""
    threshold: float = Field(default=1.0, ge=0, le=1)
    """Smallest value that passes."""

    needs_reference = False
    example: ClassVar[Mapping[str, Json]] = {
        "fields": {"total": {"rule": "numeric", "tolerance": 0.01}, "notes": "ignored"}
    }
    cases = (
        GraderCase('```json\n{"a": 1, "b": "x"}\n```', True, {"a": 1.0, "b": "x"}),
        GraderCase('{"total": "12.50 EUR"}', True, {"total": 12.5}, {"fields": {"total": "numeric"}}),
        GraderCase('{"a": true}', False, {"a": 1}),
        GraderCase('{"a": 1} or {"a": 2}', False, {"a": 1}),
        GraderCase('{"a": "x"}', False, None, {"json_schema": {"properties": {"a": {"type": "integer"}}}}),
        GraderCase('{"tags": ["b", "a"]}', True, {"tags": ["a", "b"]}, {"fields": {"tags": "set"}}),
        GraderCase('{"a": 1}', None, None),
    )

    _rules: dict[str, FieldRule] = PrivateAttr(default_factory=dict)
    _default: FieldRule = PrivateAttr(default=FieldRule())

    def model_post_init(self, context: object, /) -> None:
        """Spell out the short forms of rules."""
        self._rules = {p: FieldRule(rule=r) if isinstance(r, str) else r for p, r in self.fields.items()}
        self._default = FieldRule(rule=self.default)

    def check(self, workspace: Path) -> Sequence[str]:
        """A schema that is absent, unreadable or no schema."""
        if self.json_schema is None:
            return () if self.compare else ("there is nothing to check: no json_schema, and compare is false",)
        try:
            self._validator(workspace)
        except ValueError as e:
            return (str(e),)
        return ()

    def digest_files(self) -> Sequence[str]:
        """The schema's file."""
        return (self.json_schema,) if isinstance(self.json_schema, str) else ()

    def check_reference(self, reference: Json) -> str:
        """A reference is needed unless there is a schema; a text must be JSON."""
        if not self.compare:
            return ""
        if reference is None:
            return "" if self.json_schema is not None else "structured needs a reference or a json_schema"
        found = _reference(reference)
        if found.fault:
            return f"the reference is {found.fault}"
        return "" if any(leaves(found.value, self._rules, self._default)) else "every field of the reference is ignored"

    async def grade(self, work: Work) -> Verdict:
        """Find the JSON, check it against the schema, compare the fields."""
        if missing := no_answer(work.output):
            return missing
        wanted = work.task.reference if self.compare else None
        if wanted is None and self.json_schema is None:
            return no_reference()
        if fault := self.check_reference(wanted):
            return bad_reference(fault)
        found = read_json(work.output.answer or "", bare=self.bare)
        if found.fault:
            return not_found(found.fault, found.label)
        shown = excerpt(json.dumps(found.value, ensure_ascii=False))
        if self.json_schema is not None:
            try:
                broken = _first_error(self._validator(work.workspace), found.value)
            except ValueError as e:
                return bad_reference(str(e))
            if broken:
                return Grade(0.0, False, "schema", excerpt(broken, 300), shown)
        if wanted is None:
            return Grade(1.0, True, "right", "fits the schema", shown)
        return self._compare(found.value, _reference(wanted).value, shown)

    def _compare(self, got: Json, wanted: Json, shown: str) -> Grade:
        right = total = 0.0
        wrong: list[str] = []
        known = set()
        for leaf in leaves(wanted, self._rules, self._default):
            known.add(leaf.steps)
            total += leaf.rule.weight
            value = _at(got, leaf.steps)
            if value is not _MISSING and same_field(value, leaf.value, leaf.rule):
                right += leaf.rule.weight
            else:
                wrong.append(leaf.path + (" (absent)" if value is _MISSING else ""))
        if self.extra == "forbid":
            for leaf in leaves(got, self._rules, self._default):
                if leaf.steps not in known and _at(wanted, leaf.steps) is _MISSING:
                    total += leaf.rule.weight
                    wrong.append(f"{leaf.path} (not asked for)")
        value = right / total
        passed = value >= self.threshold and (self.threshold < 1 or not wrong)
        why = f"{len(wrong)} wrong: {excerpt(', '.join(wrong[:8]), 300)}" if wrong else "every field is right"
        parts: dict[str, Json] = {"wrong": [excerpt(w) for w in wrong[:50]]} if wrong else {}
        return Grade(value, passed, "right" if passed else "wrong", why, shown, parts=parts)

    def _validator(self, workspace: Path) -> Any:
        """The compiled schema. Raises ValueError with the cause."""
        schema = self.json_schema
        if isinstance(schema, str):
            path = workspace / schema
            if not path.is_file():
                raise ValueError(f"no such file: {schema}")
            return _compiled(path.read_text(encoding="utf-8", errors="replace"), schema)
        return _compiled(json.dumps(schema, sort_keys=True), "json_schema")


@lru_cache(maxsize=256)
def _compiled(text: str, name: str) -> Any:
    import jsonschema

    if name.endswith((".yaml", ".yml")):
        import yaml

        try:
            schema = yaml.safe_load(text)
        except yaml.YAMLError as e:
            raise ValueError(f"{name} is not YAML: {e}") from e
    else:
        try:
            schema = json.loads(text)
        except ValueError as e:
            raise ValueError(f"{name} is not JSON: {e}") from e
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as e:
        raise ValueError(f"{name} is not a JSON Schema: {e.message} (at {e.json_path})") from e
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def _first_error(validator: Any, value: Json) -> str:
    """The first fault by place, or nothing. Raises ValueError when the schema itself cannot be followed."""
    import referencing.exceptions

    try:
        errors = sorted(validator.iter_errors(value), key=lambda e: (e.json_path, e.message))
    except (referencing.exceptions.Unresolvable, re.error) as e:
        raise ValueError(f"the schema cannot be followed: {e}") from e
    except RecursionError:
        return "the answer is nested too deeply to check"
    if not errors:
        return ""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0].json_path}: {excerpt(errors[0].message, 200)}{more}"


def _reference(reference: Json) -> Found:
    """The reference as JSON: itself, or what a text holds. A text that is no object or list is taken as a text."""
    if isinstance(reference, str) and reference.lstrip()[:1] in ("{", "["):
        return read_json(reference, bare=True)
    return Found(reference)


def _at(value: Json, steps: Sequence[str | int]) -> Any:
    """The value at the end of these steps, or _MISSING."""
    for step in steps:
        inside = (
            (isinstance(value, dict) and step in value)
            if isinstance(step, str)
            else (isinstance(value, list) and step < len(value))
        )
        if not inside:
            return _MISSING
        value = value[step]
    return value
