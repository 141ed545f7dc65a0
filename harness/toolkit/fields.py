"""Rules for comparing one field or cell with its reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.records.content import Json
from harness.toolkit.json_out import same_json
from harness.toolkit.normalise import EVERYTHING, ignore_set, normaliser
from harness.toolkit.numbers import base_value, comparable, read_reference

Rule = Literal["exact", "normalised", "numeric", "set", "ignored"]

_LOOSE = normaliser(ignore_set(EVERYTHING))


class FieldRule(BaseModel):
    """How one field is compared."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rule: Rule = "exact"
    """exact (same JSON value; 1 is 1.0, true is not 1); normalised (texts without case, punctuation, whitespace,
    articles); numeric (numbers also in texts, with tolerance and units); set (a list in any order); ignored."""
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """With numeric: largest absolute difference."""
    relative: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """With numeric: largest difference as a share of the reference."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How much this field counts in the value."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One field that is compared: where it is (as shown, and step by step), its value, and its rule."""

    path: str
    steps: tuple[str | int, ...]
    value: Json
    rule: FieldRule


def leaves(
    value: Json, rules: dict[str, FieldRule], default: FieldRule, path: str = "", steps: tuple[str | int, ...] = ()
) -> Iterator[Leaf]:
    """Every field of a reference that is compared. A rule on an object or a list holds for all that is in it, but a
    list under `set` is one field, and what is ignored is none."""
    rule = rule_for(path, rules) or default
    if rule.rule == "ignored":
        return
    if rule.rule == "set" and isinstance(value, list):
        yield Leaf(path, steps, value, rule)
    elif isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, rules, rule, f"{path}.{key}" if path else key, (*steps, key))
    elif isinstance(value, list) and value:
        for i, inner in enumerate(value):
            yield from leaves(inner, rules, rule, f"{path}[{i}]", (*steps, i))
    else:
        yield Leaf(path, steps, value, rule)


def rule_for(path: str, rules: dict[str, FieldRule]) -> FieldRule | None:
    """The rule said for a path: `items[0].price`, or `items[].price` for every position."""
    if path in rules:
        return rules[path]
    if "[" in path and rules:
        import re

        return rules.get(re.sub(r"\[[0-9]+\]", "[]", path))
    return None


def same_field(got: Json, wanted: Json, rule: FieldRule) -> bool:
    """Whether a field agrees with its reference under its rule."""
    match rule.rule:
        case "ignored":
            return True
        case "numeric":
            return _same_number(got, wanted, rule)
        case "normalised":
            if isinstance(got, str) and isinstance(wanted, str):
                return _LOOSE(got) == _LOOSE(wanted)
            return same_json(got, wanted)
        case "set":
            return _same_set(got, wanted)
        case "exact":
            return same_json(got, wanted)


def _same_set(got: Json, wanted: Json) -> bool:
    if not isinstance(got, list) or not isinstance(wanted, list) or len(got) != len(wanted):
        return same_json(got, wanted)
    rest = list(got)
    for one in wanted:
        at = next((i for i, other in enumerate(rest) if same_json(one, other)), -1)
        if at < 0:
            return False
        del rest[at]
    return True


def _same_number(got: Json, wanted: Json, rule: FieldRule) -> bool:
    if isinstance(got, bool) or isinstance(wanted, bool):
        return got is wanted
    if got is None or wanted is None or isinstance(got, (list, dict)) or isinstance(wanted, (list, dict)):
        return same_json(got, wanted)
    a, b = read_reference(str(got), "english"), read_reference(str(wanted), "english")
    if a is None or b is None:
        return b is None and same_json(got, wanted)
    if comparable(a, b):
        return False
    scale = b.unit or a.unit
    left, right = base_value(a, scale), base_value(b, scale)
    if a.percent != b.percent:
        left, right = (left / 100 if a.percent else left), (right / 100 if b.percent else right)
    room = max(
        Fraction(repr(rule.tolerance)) * (scale.factor if scale else 1), abs(right) * Fraction(repr(rule.relative))
    )
    return abs(left - right) <= room
