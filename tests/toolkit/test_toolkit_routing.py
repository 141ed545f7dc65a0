"""Routing policies: which rule decides, and what is said about a bad one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.records.task import Shape
from harness.toolkit.routing import parse_policy

POLICY = """\
policy: 1
rules:
  - name: risky and long
    when: {stakes: high, horizon: [medium, long]}
    use: opus
    evidence: 41 of 44
  - when: {tools: '>3', context: ['>=1000', '<100_000']}
    use: bash
  - when: {surface: document, tools: 0}
    use: reader
default: cheap
made: 2026-01-01
expires: 2026-04-01
"""


@pytest.mark.parametrize(
    ("shape", "system", "rule"),
    [
        (Shape(stakes="high", horizon="long"), "opus", "risky and long"),
        (Shape(stakes="high", horizon="long", tools=9, context=5000), "opus", "risky and long"),
        (Shape(stakes="high", horizon="short"), "cheap", "default"),
        (Shape(stakes="high"), "cheap", "default"),
        (Shape(tools=4, context=1000), "bash", "rule 2"),
        (Shape(tools=3, context=1000), "cheap", "default"),
        (Shape(tools=4, context=100_000), "cheap", "default"),
        (Shape(tools=4), "cheap", "default"),
        (Shape(surface="document", tools=0), "reader", "rule 3"),
        (Shape(surface="document"), "cheap", "default"),
        (Shape(), "cheap", "default"),
    ],
)
def test_the_first_rule_that_holds_decides(shape: Shape, system: str, rule: str) -> None:
    assert parse_policy(POLICY, "p.yaml").route(shape) == (system, rule)


def test_it_names_every_system_once() -> None:
    assert parse_policy(POLICY, "p.yaml").systems == ("opus", "bash", "reader", "cheap")


@given(sign=st.sampled_from([">", ">=", "<", "<=", "=="]), limit=st.integers(0, 10**6), value=st.integers(0, 10**6))
def test_comparisons_mean_what_they_say(sign: str, limit: int, value: int) -> None:
    policy = parse_policy(f"rules: [{{when: {{context: '{sign}{limit}'}}, use: a}}]\ndefault: b\n", "p")
    wanted = eval(f"{value} {sign} {limit}")
    assert policy.route(Shape(context=value))[0] == ("a" if wanted else "b")


BAD = """\
policy: 2
rules:
  - when: {stakes: hihg, tols: 3}
    use: a
  - when: {tools: many}
    use: 7
  - use: b
  - name: x
    when: {}
    usee: c
  - name: x
    when: {stakes: low, stakes: high}
    use: d
expires: soon
"""


def test_every_fault_is_told_with_its_place() -> None:
    with pytest.raises(ConfigError) as e:
        parse_policy(BAD, "tasks/p.yaml")
    told = [(f.place.line, f.place.column, f.what) for f in e.value.faults if f.place]
    assert told == [
        (1, 1, "the policy has no 'default'"),
        (1, 9, "the policy's version must be 1"),
        (3, 20, "no stakes 'hihg'"),
        (3, 26, "unknown key 'tols' in 'when'"),
        (5, 19, "'tools' must be a number or a comparison"),
        (6, 10, "'use' must be text"),
        (7, 5, "rule 3 has no 'when'"),
        (8, 5, "rule 4 has no 'use'"),
        (9, 11, "'when' is empty, so later rules are never reached"),
        (10, 5, "unknown key 'usee' in rule 4"),
        (11, 5, "a second rule is named 'x'"),
        (12, 25, "'stakes' is said twice in 'when'"),
        (14, 10, "'expires' must be a date such as 2026-01-31"),
    ]
    assert "did you mean 'high'?" in e.value.render() and "tasks/p.yaml:3:20" in e.value.render()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the policy is empty"),
        ("- a", "the policy must be a mapping"),
        ("default: {", "not YAML"),
        ("rules: [{when: {tools: >3}, use: a}]\ndefault: b", "not YAML"),
        ("default: a\n---\ndefault: b", "not YAML"),
        ("default: yes", "'default' must be text"),
        ("default: a\nrules: x", "'rules' must be a list"),
        ("default: a\nrules: [x]", "rule 1 must be a mapping"),
        ("default: a\nrules: [{when: x, use: b}]", "'when' must be a mapping"),
        ("default: a\nrules: [{when: {surface: }, use: b}]", "'surface' must be text"),
        ("default: a\nrules: [{when: {tools: -1}, use: b}]", "'tools' must be a number"),
        ("default: a\nrules: [{when: {tools: {a: 1}}, use: b}]", "'tools' must be a number"),
        ("default: \x00", "not YAML"),
    ],
)
def test_bad_policies(text: str, what: str) -> None:
    with pytest.raises(ConfigError) as e:
        parse_policy(text, "p.yaml")
    assert e.value.faults[0].what.startswith(what)


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_a_config_error(text: str) -> None:
    try:
        parse_policy(text, "p.yaml")
    except ConfigError as e:
        assert e.faults
