"""structured, table and similarity."""
# ruff: noqa: E501 - tables of answers read better on long lines

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.api import Grade, Grader, Json, NotGraded, Verdict
from harness.graders.similarity import Similarity
from harness.graders.structured import Structured
from harness.graders.table import Table
from harness.testing.fake_work import fake_work
from harness.toolkit.json_out import read_json, same_json
from harness.toolkit.tables import Grid, read_table

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def verdict(grader: Grader, answer: str, reference: Json, workspace: Path | None = None) -> Verdict:
    return asyncio.run(grader.grade(fake_work(answer, reference, workspace=workspace)))


def grade(grader: Grader, answer: str, reference: Json, workspace: Path | None = None) -> Grade:
    got = verdict(grader, answer, reference, workspace)
    assert isinstance(got, Grade), got
    return got


# --- JSON in text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("```\n[1]\n```\nas asked", [1]),
        ('Here it is: {"a": {"b": [1]}}. Good?', {"a": {"b": [1]}}),
        ('{"a": 1} and again {"a": 1.0}', {"a": 1}),
        ("3", 3),
    ],
)
def test_json_is_found(text: str, value: Json) -> None:
    found = read_json(text)
    assert not found.fault and found.value == value


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("none", "no_answer"),
        ('{"a": 1} or {"a": 2}', "ambiguous"),
        ('{"a": 1, "a": 2}', "unreadable"),
        ('{"a": NaN}', "unreadable"),
        ("{'a': 1}", "unreadable"),
        ("[" * 5000, "unreadable"),
    ],
)
def test_json_is_not_guessed(text: str, label: str) -> None:
    assert read_json(text).label == label


def test_bare_refuses_a_fence() -> None:
    assert read_json('```json\n{"a": 1}\n```', bare=True).fault


@given(JSON)
def test_equality_of_json_is_that_of_its_text(value: Json) -> None:
    assert same_json(value, json.loads(json.dumps(value)))


def test_true_is_not_one() -> None:
    assert not same_json({"a": [True]}, {"a": [1]}) and same_json([1, {"a": 2.0}], [1.0, {"a": 2}])


# --- structured


@pytest.mark.parametrize(
    ("params", "answer", "reference", "value", "passed"),
    [
        ({}, {"a": 1, "b": {"c": "x"}}, {"a": 1, "b": {"c": "x"}}, 1.0, True),
        ({}, {"a": 1, "b": 2}, {"a": 1, "b": 3}, 0.5, False),
        ({"threshold": 0.5}, {"a": 1, "b": 2}, {"a": 1, "b": 3}, 0.5, True),
        ({}, {"a": 1}, {"a": 1, "b": None}, 0.5, False),
        ({}, {"a": 1, "z": 9}, {"a": 1}, 1.0, True),
        ({"extra": "forbid"}, {"a": 1, "z": 9}, {"a": 1}, 0.5, False),
        ({}, {"a": "1"}, {"a": 1}, 0.0, False),
        ({"fields": {"a": "numeric"}}, {"a": "1,000"}, {"a": 1000}, 1.0, True),
        ({"fields": {"a": {"rule": "numeric", "tolerance": 0.1}}}, {"a": 1.05}, {"a": 1}, 1.0, True),
        ({"fields": {"a": {"rule": "numeric", "tolerance": 0.1}}}, {"a": True}, {"a": 1}, 0.0, False),
        ({"fields": {"a": "normalised"}}, {"a": "The Paris."}, {"a": "paris"}, 1.0, True),
        ({"fields": {"l": "set"}}, {"l": [3, 1, 2]}, {"l": [1, 2, 3]}, 1.0, True),
        ({"fields": {"l": "set"}}, {"l": [1, 1, 2]}, {"l": [1, 2, 2]}, 0.0, False),
        ({}, {"l": [2, 1]}, {"l": [1, 2]}, 0.0, False),
        ({"fields": {"n": "ignored"}}, {"a": 1, "n": "x"}, {"a": 1, "n": "y"}, 1.0, True),
        ({"fields": {"l[].p": "numeric"}}, {"l": [{"p": "1"}, {"p": "2"}]}, {"l": [{"p": 1}, {"p": 2}]}, 1.0, True),
        ({"fields": {"a": {"weight": 3}}}, {"a": 1, "b": 0}, {"a": 1, "b": 1}, 0.75, False),
        ({"default": "normalised"}, {"a": {"b": "X"}}, {"a": {"b": "x"}}, 1.0, True),
        ({}, {"a.b": 1}, {"a.b": 1}, 1.0, True),
        ({}, {"a": []}, {"a": []}, 1.0, True),
        ({}, [1, 2], [1, 2], 1.0, True),
    ],
)  # fmt: skip
def test_fields(params: dict[str, Json], answer: Json, reference: Json, value: float, passed: bool) -> None:
    got = grade(Structured.model_validate(params), json.dumps(answer), reference)
    assert (got.value, got.passed) == (value, passed), got


@given(st.dictionaries(st.text("ab.[]0", min_size=1, max_size=4), JSON, min_size=1, max_size=4))
def test_a_reference_agrees_with_itself(reference: Json) -> None:
    got = grade(Structured(), json.dumps(reference), reference)
    assert got.passed and got.value == 1.0


SCHEMA: Json = {
    "type": "object", "required": ["when"], "additionalProperties": False,
    "properties": {"when": {"type": "string", "format": "date"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ('{"when": "2026-02-28"}', True),
        ('{"when": "2026-02-30"}', False),
        ("{}", False),
        ('{"when": "2026-02-28", "x": 1}', False),
    ],
)
def test_schema_with_formats(answer: str, passed: bool) -> None:
    got = grade(Structured(json_schema=SCHEMA), answer, None)
    assert got.passed is passed and got.label == ("right" if passed else "schema")


def test_schema_from_a_workspace_file(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("type: object\nrequired: [a]\n")
    grader = Structured(json_schema="s.yaml")
    assert grader.check(tmp_path) == () and grader.digest_files() == ("s.yaml",)
    assert grade(grader, '{"a": 1}', None, tmp_path).passed
    assert not grade(grader, "{}", None, tmp_path).passed


@pytest.mark.parametrize("schema", [{"type": "objekt"}, "absent.json", {"properties": []}])
def test_a_bad_schema_is_refused_at_load(schema: Json, tmp_path: Path) -> None:
    assert len(Structured.model_validate({"json_schema": schema}).check(tmp_path)) == 1


def test_a_schema_that_points_nowhere_is_not_graded() -> None:
    got = verdict(Structured(json_schema={"$ref": "#/nowhere"}), "{}", None)
    assert isinstance(got, NotGraded) and got.cause == "bad_reference"


# --- table

MARKDOWN = "text\n\n| City | Pop. |\n|:--|--:|\n| **Rome** | 2,800,000 |\n| Oslo | 700,000 |\n\nthat is all"
CITIES: Json = [{"city": "Rome", "pop.": 2800000}, {"city": "Oslo", "pop.": 700000}]
NUMERIC: Json = {"pop.": "numeric"}


@pytest.mark.parametrize(
    ("params", "answer", "reference", "value"),
    [
        ({"columns": NUMERIC}, MARKDOWN, CITIES, 1.0),
        ({}, MARKDOWN, CITIES, 0.5),
        ({}, "pop.,city\n2800000,Rome\n700000,Oslo", CITIES, 1.0),
        ({}, "city;pop.\nRome;2800000\nOslo;700000", CITIES, 1.0),
        ({}, "```tsv\ncity\tpop.\nRome\t2800000\nOslo\t700000\n```", CITIES, 1.0),
        ({}, json.dumps(CITIES), CITIES, 1.0),
        ({}, '{"columns": ["city", "pop."], "rows": [["Rome", 2800000], ["Oslo", 700000]]}', CITIES, 1.0),
        ({}, "city,pop.\nOslo,700000\nRome,2800000", CITIES, 0.0),
        ({"rows": "any"}, "city,pop.\nOslo,700000\nRome,2800000", CITIES, 1.0),
        ({"key": ["city"]}, "city,pop.\nOSLO,700000\nRome,1", CITIES, 0.5),
        ({}, "city,pop.\nRome,2800000", CITIES, 0.5),
        ({}, "city,pop.\nRome,2800000\nOslo,700000\nBonn,1\nKiel,2", CITIES, 0.5),
        ({}, "city\nRome\nOslo", "| city |\n|--|\n| Rome |\n| Oslo |", 0.0),
        ({}, "city,pop.,x\nRome,2800000,1\nOslo,700000,2", CITIES, 1.0),
        ({"extra_columns": "forbid"}, "city,pop.,x\nRome,2800000,1\nOslo,700000,2", CITIES, 4 / 6),
        ({"columns": {"pop.": "ignored"}}, "city,pop.\nRome,1\nOslo,2", CITIES, 1.0),
        ({"header": False}, "Grid: [[1, 2], [3, 4]]", [[1, 2], [3, 4]], 1.0),
        ({"header": False}, "first [[9]] then [[1, 2], [3, 4]]", [[1, 2], [3, 4]], 1.0),
        ({"header": False}, "[[1, 2, 0], [3, 4, 0]]", [[1, 2], [3, 4]], 4 / 6),
        ({"header": False}, "[[true, 2], [3, 4]]", [[1, 2], [3, 4]], 0.75),
    ],
)  # fmt: skip
def test_cells(params: dict[str, Json], answer: str, reference: Json, value: float) -> None:
    grader = Table.model_validate(params)
    if answer.startswith("city\nRome"):
        assert grade(grader, answer, reference).label == "no_answer"
        return
    assert grader.check_reference(reference) == ""
    got = grade(grader, answer, reference)
    assert got.value == pytest.approx(value) and got.passed is (value == 1.0), got


def test_the_best_of_two_tries_counts_where_it_is_allowed() -> None:
    work = fake_work("[[1]]", [[2]], answers=["[[2]]"])
    one, two = Table(header=False), Table(header=False, tries=2)
    first, second = asyncio.run(one.grade(work)), asyncio.run(two.grade(work))
    assert isinstance(first, Grade) and isinstance(second, Grade)
    assert (first.passed, second.passed) == (False, True)


@pytest.mark.parametrize(
    ("params", "reference"),
    [({}, None), ({}, "no table"), ({"key": ["x"]}, CITIES), ({"columns": {"x": "ignored"}}, CITIES), ({}, []), ({}, {"a": 1}),
     ({"key": ["a"]}, [{"a": 1}, {"a": 1}]), ({"header": False}, [[]]), ({}, [1, 2])],
)  # fmt: skip
def test_a_bad_reference_table_is_refused_at_load(params: dict[str, Json], reference: Json) -> None:
    grader = Table.model_validate(params)
    assert grader.check_reference(reference)
    assert isinstance(verdict(grader, "a,b\n1,2", reference), NotGraded)


@given(st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=1, max_size=5), st.randoms())
def test_row_order_never_matters_where_it_is_free(rows: list[list[int]], rng: object) -> None:
    shuffled = list(rows)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    got = grade(Table(header=False, rows="any"), json.dumps(shuffled), rows)
    assert got.value == 1.0


def test_an_escaped_pipe_stays_in_its_cell() -> None:
    found = read_table("| a | b |\n|---|---|\n| x \\| y | 2 |", "auto", True)
    assert isinstance(found, Grid) and found.rows == (("x | y", "2"),)


# --- similarity


@pytest.mark.parametrize("metric", ["sequence", "indel", "chrf", "bleu", "rouge1", "rouge2", "rougeL"])
def test_every_measure_is_one_for_the_same_text_and_low_for_another(metric: str) -> None:
    grader = Similarity.model_validate({"metric": metric, "threshold": 0.9})
    text = "the quick brown fox jumps over the lazy dog"
    same, other = grade(grader, text, text), grade(grader, "1234 5678 90", text)
    assert same.value == pytest.approx(1.0) and same.passed and same.weak
    assert other.value < 0.3 and not other.passed and other.weak


def test_the_best_reference_counts() -> None:
    assert grade(Similarity(metric="indel", threshold=1), "b", ["a", "b"]).passed


def test_a_required_prefix_comes_off_or_fails() -> None:
    grader = Similarity(metric="sequence", threshold=0.5, prefix_from="start")
    work = fake_work("Qx7 a poem", "Qx7 a poem")
    missing = asyncio.run(grader.grade(work))
    assert isinstance(missing, NotGraded)
    import msgspec

    work.task = msgspec.structs.replace(work.task, meta={"start": "Qx7 "})
    right = asyncio.run(grader.grade(work))
    assert isinstance(right, Grade) and right.passed and right.extracted == "a poem"
    work.output = msgspec.structs.replace(work.output, answer="a poem")
    wrong = asyncio.run(grader.grade(work))
    assert isinstance(wrong, Grade) and wrong.value == 0.0


def test_rouge_refuses_a_reference_it_cannot_read() -> None:
    assert "Latin" in Similarity(metric="rouge1", threshold=0.5).check_reference("日本")
    assert isinstance(verdict(Similarity(metric="rouge1", threshold=0.5), "日本", "日本"), NotGraded)


def test_a_threshold_must_be_named() -> None:
    with pytest.raises(ValidationError):
        Similarity.model_validate({"metric": "chrf"})


def test_a_text_that_is_too_long_fails_and_is_not_measured() -> None:
    assert grade(Similarity(metric="sequence", threshold=0.5, max_chars=10), "x" * 11, "x").label == "too_long"
    assert grade(Similarity(metric="rougeL", threshold=0.5), "x " * 3001, "x").label == "too_long"
    assert "3000 words" in Similarity(metric="rougeL", threshold=0.5).check_reference("x " * 3001)


@given(st.text(max_size=30), st.text(min_size=1, max_size=30).filter(str.strip))
def test_values_stay_between_zero_and_one(answer: str, reference: str) -> None:
    for metric in ("sequence", "indel", "chrf"):
        got = verdict(Similarity.model_validate({"metric": metric, "threshold": 0.5}), answer, reference)
        assert isinstance(got, Grade) and 0 <= got.value <= 1
