"""A routing policy: which system gets a task, by its shape. Read by the `router` harness, written by `harness route`.

    policy: 1                       # the version of this form
    rules:                          # in order; the first that matches decides
      - name: high-stakes           # optional; else `rule 1`, `rule 2`, ...
        when: {stakes: high, horizon: [medium, long], tools: '>3', context: ['>=1000', '<100000']}
        use: opus-bash
        evidence: 41 of 44 in run 20260101T000000Z-mine-abc123   # optional, for readers
    default: gpt-direct
    made: 2026-01-01                # optional, for readers
    expires: 2026-04-01             # optional: after that day every run warns

Within a rule all conditions must hold. A list of words means any of them, a list of comparisons all of them. What a
task does not say about its shape matches no condition on it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import get_args

import yaml

from harness.errors import ConfigError, Fault, Place
from harness.plugins.loader import did_you_mean
from harness.records.content import Json
from harness.records.task import Horizon, Level, Shape

WORDS: Mapping[str, tuple[str, ...]] = {"horizon": get_args(Horizon), "stakes": get_args(Level), "surface": ()}
"""Conditions on words, and the words there are; () is any word."""
NUMBERS = ("tools", "context")
"""Conditions on numbers."""

_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_COMPARISON = re.compile(r"(>=|<=|==|>|<)?[ ]*([0-9]+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `words`: any of these; `numbers`: all of these comparisons, as `(sign, number)`."""

    name: str
    use: str
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)

    def matches(self, shape: Shape) -> bool:
        """Whether every condition holds."""
        for key, options in self.words.items():
            if getattr(shape, key) not in options:
                return False
        for key, comparisons in self.numbers.items():
            value = getattr(shape, key)
            if value is None or not all(_COMPARE[sign](value, n) for sign, n in comparisons):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in order, and what is used when none matches. After `expires` its evidence is old: runs warn, and go on."""

    rules: tuple[Rule, ...]
    default: str
    expires: date | None = None

    def route(self, shape: Shape) -> tuple[str, str]:
        """The system for a shape, and the name of the rule that chose it (`default` for none)."""
        for rule in self.rules:
            if rule.matches(shape):
                return rule.use, rule.name
        return self.default, "default"

    @property
    def systems(self) -> tuple[str, ...]:
        """Every system it can choose, once, in order."""
        return tuple(dict.fromkeys([*(r.use for r in self.rules), self.default]))


def parse_policy(text: str, shown_as: str) -> Policy:
    """A policy from its YAML. Raises ConfigError with every fault and its place; `shown_as` is the file's name."""
    reader = _Reader(shown_as, text.splitlines())
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark
        place = Place(shown_as, mark.line + 1, mark.column + 1) if mark else Place(shown_as)
        raise ConfigError([Fault(f"not YAML: {e.problem}", place, "a comparison must be quoted: '>3'")]) from e
    except yaml.YAMLError as e:
        raise ConfigError([Fault(f"not YAML: {e}", Place(shown_as))]) from e
    if node is None:
        raise ConfigError([Fault("the policy is empty", Place(shown_as), "it needs at least 'default: SYSTEM'")])
    policy = reader.policy(node)
    if reader.faults:
        raise ConfigError(reader.faults)
    return policy


class _Reader:
    """Walks the YAML nodes, which know their places, and collects faults."""

    def __init__(self, shown_as: str, lines: Sequence[str]) -> None:
        self.shown_as = shown_as
        self.lines = lines
        self.faults: list[Fault] = []

    def policy(self, node: yaml.Node) -> Policy:
        top = self._mapping(node, "the policy", ("policy", "rules", "default", "made", "expires"))
        if "policy" in top and _value(top["policy"]) != 1:
            self._fault("the policy's version must be 1", top["policy"])
        for key in ("made", "expires"):
            if key in top and not isinstance(_value(top[key]), date):
                self._fault(f"'{key}' must be a date such as 2026-01-31", top[key])
        if "default" not in top:
            self._fault("the policy has no 'default'", node, "add 'default: SYSTEM' for tasks that no rule matches")
        default = self._text(top["default"], "default") if "default" in top else ""
        rules = self._rules(top["rules"]) if "rules" in top else []
        expires = _value(top["expires"]) if "expires" in top else None
        if isinstance(expires, datetime):
            expires = expires.date()
        return Policy(tuple(rules), default, expires if isinstance(expires, date) else None)

    def _rules(self, node: yaml.Node) -> list[Rule]:
        if not isinstance(node, yaml.SequenceNode):
            self._fault("'rules' must be a list", node)
            return []
        rules: list[Rule] = []
        seen: dict[str, int] = {"default": 0}
        for number, item in enumerate(node.value, 1):
            rule = self._rule(item, number)
            if rule.name in seen:
                self._fault(f"a second rule is named '{rule.name}'", item, "a rule's name is what the report shows")
            seen[rule.name] = number
            rules.append(rule)
        return rules

    def _rule(self, node: yaml.Node, number: int) -> Rule:
        found = self._mapping(node, f"rule {number}", ("name", "when", "use", "evidence"))
        name = self._text(found["name"], "name") if "name" in found else f"rule {number}"
        words: dict[str, tuple[str, ...]] = {}
        numbers: dict[str, tuple[tuple[str, int], ...]] = {}
        for key in ("when", "use"):
            if key not in found and isinstance(node, yaml.MappingNode):
                self._fault(f"rule {number} has no '{key}'", node)
        if "when" in found:
            when = self._mapping(found["when"], "'when'", (*WORDS, *NUMBERS))
            if not when and isinstance(found["when"], yaml.MappingNode) and not found["when"].value:
                self._fault("'when' is empty, so later rules are never reached", found["when"], "use 'default'")
            for key, value in when.items():
                if key in WORDS:
                    words[key] = self._words(value, key)
                else:
                    numbers[key] = self._comparisons(value, key)
        return Rule(name, self._text(found["use"], "use") if "use" in found else "", words, numbers)

    def _words(self, node: yaml.Node, key: str) -> tuple[str, ...]:
        known = WORDS[key]
        words: list[str] = []
        for item in _items(node):
            word = self._text(item, key)
            if word and known and word not in known:
                hint = did_you_mean(word, list(known)) or f"one of: {', '.join(known)}"
                self._fault(f"no {key} '{word}'", item, hint)
            words.append(word)
        return tuple(words)

    def _comparisons(self, node: yaml.Node, key: str) -> tuple[tuple[str, int], ...]:
        found: list[tuple[str, int]] = []
        for item in _items(node):
            raw = str(item.value).strip().replace("_", "") if isinstance(item, yaml.ScalarNode) else ""
            match = _COMPARISON.fullmatch(raw)
            if match is None:
                self._fault(f"'{key}' must be a number or a comparison", item, "such as 3, '>3' or '>=100000', quoted")
            else:
                found.append((match[1] or "==", int(match[2])))
        return tuple(found)

    def _mapping(self, node: yaml.Node, what: str, keys: Sequence[str]) -> dict[str, yaml.Node]:
        found: dict[str, yaml.Node] = {}
        if not isinstance(node, yaml.MappingNode):
            self._fault(f"{what} must be a mapping with {', '.join(keys)}", node)
            return found
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            if key not in keys:
                hint = did_you_mean(key, list(keys)) or f"keys: {', '.join(keys)}"
                self._fault(f"unknown key '{key}' in {what}", key_node, hint)
            elif key in found:
                self._fault(f"'{key}' is said twice in {what}", key_node)
            else:
                found[key] = value
        return found

    def _text(self, node: yaml.Node, key: str) -> str:
        value = _value(node)
        if not isinstance(value, str) or not value.strip():
            self._fault(f"'{key}' must be text", node, "quote it if it looks like a number, a date or yes/no")
            return ""
        return value

    def _fault(self, what: str, node: yaml.Node, help_: str = "") -> None:
        line, column = node.start_mark.line, node.start_mark.column
        shown = self.lines[line] if line < len(self.lines) else ""
        self.faults.append(Fault(what, Place(self.shown_as, line + 1, column + 1), help_, shown))


def _items(node: yaml.Node) -> Sequence[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else (node,)


def _value(node: yaml.Node) -> Json:
    """The value of a scalar as YAML types it; None for anything else."""
    if not isinstance(node, yaml.ScalarNode):
        return None
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError):
        return None
