"""match and numeric: what passes, what fails, what cannot be graded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.api import Grade, Json, NotGraded, Output, Verdict
from harness.graders.match import Match
from harness.graders.numeric import Numeric
from harness.testing.fake_work import fake_work


def verdict(grader: Match | Numeric, answer: str | None, reference: Json) -> Verdict:
    return asyncio.run(grader.grade(fake_work(answer, reference)))


def passed(grader: Match | Numeric, answer: str | None, reference: Json) -> bool | None:
    got = verdict(grader, answer, reference)
    return got.passed if isinstance(got, Grade) else None


@pytest.mark.parametrize(
    ("params", "answer", "reference", "expected"),
    [
        ({}, "14 days", "14 days", True),
        ({}, "14 Days", "14 days", False),
        ({"ignore": ["case", "punctuation"]}, "14 Days.", "14 days", True),
        ({"ignore": ["case"]}, "14 Days.", "14 days", False),
        ({"ignore": ["accents"]}, "cafe", "café", True),
        ({"ignore": ["whitespace"]}, "a  b\n c", "a b c", True),
        ({"mode": "normalised"}, "  The Eiffel Tower! ", "eiffel tower", True),
        ({"mode": "normalised"}, "-5", "5", False),
        ({"mode": "exact"}, "10²", "102", False),
        ({"mode": "any_of"}, "b", ["a", "b"], True),
        ({"mode": "any_of"}, "c", ["a", "b"], False),
        ({}, "14", 14, True),
        ({"mode": "contains"}, "It is 14.", "14", True),
        ({"mode": "contains"}, "It is 140", "14", False),
        ({"mode": "contains"}, "It is 14.5", "14", False),
        ({"mode": "contains"}, "It is 1,14", "14", False),
        ({"mode": "contains"}, "It is -14", "14", False),
        ({"mode": "contains"}, "2010-14", "14", True),
        ({"mode": "contains", "whole_words": False}, "It is 140", "14", True),
        ({"mode": "contains"}, "unhappy", "happy", False),
        ({"mode": "contains"}, "答案是北京市", "北京", True),
        ({"mode": "contains", "ignore": ["case"]}, "in PARIS, France", "paris", True),
        ({"mode": "contains", "forbid": ["not"]}, "not 14 days", "14 days", False),
        ({"mode": "contains", "forbid": ["not"]}, "14 days, notably", "14 days", True),
        ({"mode": "regex"}, "id 66-B", r"\d+-[A-Z]", True),
        ({"mode": "regex", "full": True}, "id 66-B", r"\d+-[A-Z]", False),
        ({"mode": "regex"}, "x", ["y", "x"], True),
        ({"extract": "declared"}, "I think 3, no.\nAnswer: **4**", "4", False),
        ({"extract": "declared", "ignore": ["punctuation"]}, "I think 3, no.\nAnswer: **4**", "4", True),
        ({"extract": "declared"}, "5 + 5\n#### 10", "10", True),
        ({"extract": "last_line"}, "so\n\n10\n", "10", True),
        ({"pattern": r"RESULT=(\w+)"}, "RESULT=a\nRESULT=b", "b", True),
        ({"pattern": r"RESULT=(\w+)"}, "nothing", "b", False),
        ({"mode": "numeric", "tolerance": 0.01}, "3.1416", 3.14, True),
        ({"mode": "numeric"}, "3.1416", 3.14, False),
        ({"mode": "numeric", "unit": "km"}, "1400 m", 1.4, True),
    ],
)  # fmt: skip
def test_match(params: dict[str, Json], answer: str, reference: Json, expected: bool) -> None:
    grader = Match.model_validate(params)
    assert grader.check(Path()) == [] and grader.check_reference(reference) == ""
    assert passed(grader, answer, reference) is expected


def test_contains_is_blind_to_negation_and_the_docs_say_so() -> None:
    assert passed(Match(mode="contains"), "It is not 14 days", "14 days") is True
    assert "not 14 days" in (Match.__doc__ or "")


@pytest.mark.parametrize(
    ("params", "answer", "reference", "expected"),
    [
        ({}, "The answer is 18.", 18, "right"),
        ({}, "16 - 3 - 4 = 9 eggs, 9 * 2 = 18\n#### 18", "18", "right"),
        ({}, "#### 1,000", 1000, "right"),
        ({}, "\\boxed{18}", 18, "right"),
        ({}, "Answer: about 18 because 9 * 2 = 18", 18, "right"),
        ({}, "9 * 2 = 18", 18, "ambiguous"),
        ({"pick": "last"}, "9 * 2 = 18", 18, "right"),
        ({"pick": "first"}, "9 * 2 = 18", 9, "right"),
        ({}, "Answer: 5 or 6", 5, "ambiguous"),
        ({}, "Answer: 5 to 10", 5, "ambiguous"),
        ({}, "14 days (that is 2 weeks)", "14 days", "right"),
        ({}, "14 days", "14 weeks", "wrong"),
        ({}, "14 kg", "14 days", "wrong"),
        ({}, "14", "14 days", "right"),
        ({}, "$5", "€5", "wrong"),
        ({}, "5 dollars", "$5", "right"),
        ({}, "50%", 0.5, "right"),
        ({}, "50%", 50, "wrong"),
        ({"percent": "optional"}, "50%", 50, "right"),
        ({}, "140", 14, "wrong"),
        ({}, "-14", 14, "wrong"),
        ({}, "1/3", "0.333", "wrong"),
        ({"relative": 0.01}, "1/3", "0.333", "right"),
        ({"tolerance": 0.1}, "14.1", 14, "right"),
        ({"tolerance": 0.1}, "14.11", 14, "wrong"),
        ({"tolerance": 10}, "1410 m", "1.4 km", "right"),
        ({}, "7", [6, 7], "right"),
        ({"separators": "auto"}, "1,234", 1234, "ambiguous"),
        ({"separators": "continental"}, "1.234", "1.234", "right"),
        ({}, "fourteen", 14, "no_answer"),
        ({}, "0.1", 0.1, "right"),
        ({}, "1e400", 1, "wrong"),
        ({}, "1e401", 1, "ambiguous"),
    ],
)  # fmt: skip
def test_numeric(params: dict[str, Json], answer: str, reference: Json, expected: str) -> None:
    grader = Numeric.model_validate(params)
    assert grader.check_reference(reference) == ""
    got = verdict(grader, answer, reference)
    assert isinstance(got, Grade)
    assert (got.label, got.passed) == (expected, expected == "right"), got


def test_tolerance_is_decimal_and_not_binary() -> None:
    assert passed(Numeric(tolerance=0.1), "0.3", 0.2) is True


@pytest.mark.parametrize(
    ("output", "label"),
    [
        (Output(), "no_answer"),
        (Output(answer=" \n"), "no_answer"),
        (Output(answer="14", refused=True), "refused"),
        (Output(answer="14", abstained=True), "abstained"),
    ],
)
def test_no_answer_is_a_failed_grade_with_its_label(output: Output, label: str) -> None:
    for grader in (Match(), Numeric()):
        work = fake_work("14", "14")
        work.output = output
        got = asyncio.run(grader.grade(work))
        assert isinstance(got, Grade) and (got.passed, got.value, got.label) == (False, 0.0, label)


@pytest.mark.parametrize(
    ("grader", "reference", "cause"),
    [
        (Match(), None, "no_reference"),
        (Match(), True, "bad_reference"),
        (Match(), "", "bad_reference"),
        (Match(), {"a": 1}, "bad_reference"),
        (Match(mode="any_of"), "x", "bad_reference"),
        (Match(mode="regex"), "(", "bad_reference"),
        (Numeric(), None, "no_reference"),
        (Numeric(), "3 or 4", "bad_reference"),
        (Numeric(), [], "bad_reference"),
        (Numeric(), True, "bad_reference"),
    ],
)
def test_an_unusable_reference_is_refused_at_load_and_not_graded(
    grader: Match | Numeric, reference: Json, cause: str
) -> None:
    assert grader.check_reference(reference)
    got = verdict(grader, "x 5", reference)
    assert isinstance(got, NotGraded) and got.cause == cause


def test_bad_parameters_are_told_at_load() -> None:
    assert "is no regular expression" in Match(pattern="(").check(Path())[0]
    assert Match(tolerance=0.5).check(Path()) == [
        "'tolerance' has a meaning in mode numeric only, and this is mode exact"
    ]
    assert Numeric(unit="parsnips").check(Path()) == ("unknown unit 'parsnips'",)
    assert Match(mode="numeric", unit="parsnips").check(Path()) == ["unknown unit 'parsnips'"]
    for bad in ({"mode": "fuzzy"}, {"ignore": ["vowels"]}, {"tolerance": -1}, {"tolerence": 1}):
        with pytest.raises(ValidationError):
            Match.model_validate(bad)


def test_a_runaway_pattern_is_stopped_and_not_graded() -> None:
    got = verdict(Match(mode="regex"), "a" * 5000 + "b", r"(a|a)*$|(.*a){12}c")
    assert isinstance(got, NotGraded) and got.cause == "timeout"
