"""YAML with places: what is read, what is refused, and where it is said to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.config.document import Document, parse_document, read_document


def parse(text: str | bytes) -> Document:
    return parse_document(text if isinstance(text, bytes) else text.encode(), "f.yaml")


def told(text: str | bytes) -> list[tuple[str, str]]:
    return [(str(fault.place).removeprefix("f.yaml:"), fault.what) for fault in parse(text).faults]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: true", {"a": True}),
        ("a: False", {"a": False}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: -12", {"a": -12}),
        ("a: 1_000", {"a": 1000}),
        ("a: 0x1F", {"a": 31}),
        ("a: 3.10", {"a": 3.1}),
        ("a: 1.5e+3", {"a": 1500.0}),
        ("a: '3.10'", {"a": "3.10"}),
        ('a: "no"', {"a": "no"}),
        ("a: =", {"a": "="}),
        ("a: !!str 3.10", {"a": "3.10"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}", {"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}}),
        ("a: {<<: [{k: 1}, {k: 2, l: 2}]}", {"a": {"k": 1, "l": 2}}),
        ("\ufeffa: 1\r\nb: |\r\n  x\r\n  y\r\n", {"a": 1, "b": "x\ny\n"}),
    ],
)
def test_plain_values_are_read(text: str, value: Any) -> None:
    document = parse(text)
    assert (document.data, document.faults) == (value, [])


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("a: 1\nb: no", "2:4", "YAML reads `no` as the boolean false"),
        ("a: Yes", "1:4", "YAML reads `Yes` as the boolean true"),
        ("a: on", "1:4", "YAML reads `on` as the boolean true"),
        ("a: 007", "1:4", "YAML reads `007` as an octal number"),
        ("a: 12:30", "1:4", "YAML reads `12:30` as a number in base 60"),
        ("a: 1:30.5", "1:4", "YAML reads `1:30.5` as a number in base 60"),
        ("a: 2026-01-02", "1:4", "YAML reads `2026-01-02` as a date"),
        ("a: .nan", "1:4", "`.nan` is not a finite number"),
        ("a: [1, -.inf]", "1:8", "`-.inf` is not a finite number"),
        ("a: !!binary aGk=", "1:4", "the tag `!!binary` is not supported"),
        ("a: !thing {b: 1}", "1:4", "the tag `!thing` is not supported"),
        ("a: {b: 1, c: 2, b: 3}", "1:17", "`b` is given twice; the first is in line 1"),
        ("a: 1\n\nb: 2\na: 3", "4:1", "`a` is given twice; the first is in line 1"),
        ("no: 1", "1:1", "a key must be text; YAML reads `no` as a boolean"),
        ("1: a", "1:1", "a key must be text; YAML reads `1` as a number"),
        ("a: {{ x }}", "1:5", "a key must be text"),
        ("? [1, 2]\n: a", "1:3", "a key must be text"),
        ("a: &x [*x]", "1:4", "an alias that refers to itself"),
        ("a: {<<: 3}", "1:9", "`<<` takes a mapping or a list of mappings"),
        ("a:\n\tb: 1", "2:1", "a tab indents this line; YAML wants spaces"),
        ("a:\n  b: 1\n  \tc: 2", "3:3", "a tab indents this line; YAML wants spaces"),
        ("a: b: c", "1:5", "a second `: ` stands in this line"),
        ("a: @x", "1:4", "a value cannot begin with `@`"),
        ("a: `x`", "1:4", "a value cannot begin with ```"),
        ("a: 1\nb: 'x\nc: 2\n", "2:4", "a quote is opened here and never closed"),
        ("a: *x", "1:4", "no anchor is named `x`"),
        ("a: 1\n---\nb: 2", "2:1", "the file holds several documents; one file is one document"),
        ("a: 1\nb: \x01", "2:4", "a control character (0x01) is in the file"),
        (b"a: 1\nb: \xe9t\xe9", "2:4", "not UTF-8: byte 0xe9 at offset 8"),
        ("a: 1".encode("utf-16"), "f.yaml", "the file is UTF-16, not UTF-8"),
        ("", "f.yaml", "the file is empty"),
        ("# only a comment\n", "f.yaml", "the file is empty"),
    ],
)
def test_traps_are_told_with_their_place(text: str | bytes, place: str, what: str) -> None:
    assert told(text) == [(place, what)]


def test_every_trap_of_a_file_is_told_at_its_own_place() -> None:
    text = "a: no\nb:\n  - 007\n  - {c: 12:30, d: 2026-01-02}\nb: 1\ne: ok\nf: .inf\n"
    places = ["1:4", "3:5", "4:9", "4:19", "5:1", "7:4"]
    assert [place for place, _ in told(text)] == places


def test_a_trap_says_what_to_write() -> None:
    assert parse("a: no").faults[0].help == 'write false, or "no" for the word'
    assert parse("a: 007").faults[0].help == 'write "007" for the text, 7 for the number'


def test_a_fault_shows_the_line_with_a_caret_under_the_fault() -> None:
    assert parse("a: 1\nbé: no # x\n").faults[0].render().splitlines() == [
        "error: YAML reads `no` as the boolean false",
        "  --> f.yaml:2:5",
        "  |",
        "2 | bé: no # x",
        "  |     ^",
        '  = help: write false, or "no" for the word',
    ]


def test_an_alias_bomb_is_refused_in_time() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join(f'*a{i - 1}' for _ in range(10))}]" for i in range(1, 9)]
    assert "more than 2,000,000 values" in told("\n".join(lines))[0][1]


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000 + "]" * 100_000,
        "a: " + "{b: " * 2000 + "}" * 2000,
        "- " * 5000 + "x",
        "\n".join(" " * i + "a:" for i in range(300)),
        "a: " + "[" * 101 + "]" * 101,
    ],
)
def test_values_nested_too_deep_do_not_end_the_process(text: str) -> None:
    what = told(text)[0][1]
    assert "nested more than 100 deep" in what or "maximum nesting depth" in what  # PyYAML 6.0.4 has a limit itself


def test_many_values_side_by_side_are_not_deep() -> None:
    assert parse("a:\n" + "  - [{b: 1}]\n" * 2000).faults == []


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    document = read_document(tmp_path / "no.yaml", "no.yaml")
    assert [fault.what for fault in document.faults] == ["cannot read the file: No such file or directory"]


def test_numbers_written_otherwise_than_they_are_read_are_found() -> None:
    document = parse("a: [3.10, 1.5, '3.10', 0x1F, 12, {b: 1_000}]\n")
    assert [str(f.place) for f in document.unclear(("a",))] == ["f.yaml:1:5", "f.yaml:1:24", "f.yaml:1:38"]


words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), max_size=12
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(st.dictionaries(words, values, min_size=1, max_size=5), st.sampled_from([None, False, True]))
def test_what_pyyaml_writes_is_read_back(data: dict[str, Any], flow: bool | None) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)
    document = parse(text)
    assert document.faults == []
    assert document.data == data


@given(values)
def test_json_is_read_as_it_is(data: Any) -> None:
    document = parse(json.dumps({"x": data}, ensure_ascii=False))
    assert (document.data, document.faults) == ({"x": data}, [])


TRAPS = ["no", "off", "007", "12:30", "2026-01-02", ".inf"]
lines = st.one_of(
    st.builds(lambda text: ("sound", json.dumps(text, ensure_ascii=False)), words),
    st.builds(lambda trap: ("trap", trap), st.sampled_from(TRAPS)),
    st.builds(lambda text, trap: ("list", [json.dumps(text, ensure_ascii=False), trap]), words, st.sampled_from(TRAPS)),
    st.just(("comment", "")),
)


@given(st.lists(lines, min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_planted_traps_are_found_at_exactly_their_places(plan: list[Any], end: str, bom: bool) -> None:
    written, expected = [], []
    for i, (kind, value) in enumerate(plan):
        prefix = f"key{i}: "
        if kind == "comment":
            written.append("# no 007")
            continue
        if kind == "list":
            prefix += f"[{value[0]}, "
            written.append(f"{prefix}{value[1]}]")
        else:
            written.append(prefix + value)
        if kind != "sound":
            expected.append(f"{len(written)}:{len(prefix) + 1}")
    document = parse(("\ufeff" if bom else "") + end.join([*written, "last: 1"]) + end)
    assert [str(f.place).removeprefix("f.yaml:") for f in document.faults] == expected
    for fault in document.faults:
        assert fault.place is not None
        assert fault.source_line == written[fault.place.line - 1]
