"""all_of, any_of, weighted: what is not graded is never taken for wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.api import Grade, Grader, Json, NotGraded, Usage, Verdict, Work
from harness.graders.combine import AllOf, AnyOf, Weighted
from harness.graders.match import Match
from harness.graders.numeric import Numeric
from harness.testing.fake_work import fake_work


class Says(Grader):
    """Gives the verdict it is told."""

    value: float | None = None
    """The value; None is not graded. From 0.5 it passes."""
    critical: bool = False
    """Marks a failure as critical."""
    weak: bool = False
    """Marks the evidence as weak."""

    async def grade(self, work: Work) -> Verdict:
        usage = Usage(input=10, calls=1, cost_usd=0.5)
        if self.value is None:
            return NotGraded("judge_unparseable", "no JSON", usage)
        return Grade(self.value, self.value >= 0.5, "x", "because", "said", self.weak, self.critical, {}, usage)


def run(grader: Grader, answer: str = "a") -> Verdict:
    return asyncio.run(grader.grade(fake_work(answer, "a")))


def parts(*values: float | None) -> tuple[Grader, ...]:
    return tuple(Says(value=v) for v in values)


@pytest.mark.parametrize(
    ("values", "all_of", "any_of"),
    [
        ((1.0, 1.0), True, True),
        ((1.0, 0.0), False, True),
        ((0.0, 0.0), False, False),
        ((1.0, None), None, True),
        ((0.0, None), False, None),
        ((None, None), None, None),
        ((None, 0.0, 1.0), False, True),
    ],
)
def test_what_the_parts_make_of_the_whole(
    values: tuple[float | None, ...], all_of: bool | None, any_of: bool | None
) -> None:
    for grader, expected in ((AllOf(graders=parts(*values)), all_of), (AnyOf(graders=parts(*values)), any_of)):
        got = run(grader)
        assert (got.passed if isinstance(got, Grade) else None) is expected
        assert got.usage == Usage(input=10 * len(values), calls=len(values), cost_usd=0.5 * len(values))


def test_values_are_the_lowest_and_the_highest() -> None:
    low, high = run(AllOf(graders=parts(0.6, 0.9))), run(AnyOf(graders=parts(0.6, 0.9)))
    assert isinstance(low, Grade) and isinstance(high, Grade) and (low.value, high.value) == (0.6, 0.9)


@pytest.mark.parametrize(
    ("values", "weights", "threshold", "expected", "value"),
    [
        ((1.0, 0.0), (), 0.5, True, 0.5),
        ((1.0, 0.0), (1, 3), 0.5, False, 0.25),
        ((1.0, None), (3, 1), 0.7, True, 0.75),
        ((0.0, None), (3, 1), 0.7, False, 0.0),
        ((1.0, None), (1, 1), 0.7, None, None),
        ((0.1, 0.2, 0.3), (1, 1, 1), 0.2, True, 0.2),
    ],
)
def test_weighted(
    values: tuple[float | None, ...], weights: tuple[float, ...], threshold: float, expected: bool | None, value: float
) -> None:
    got = run(Weighted(graders=parts(*values), weights=weights, threshold=threshold))
    if expected is None:
        assert isinstance(got, NotGraded) and got.cause == "judge_unparseable"
        return
    assert isinstance(got, Grade) and got.passed is expected and got.value == pytest.approx(value)
    assert ("lower bound" in got.explanation) is (None in values)


def test_a_part_that_must_pass_decides() -> None:
    got = run(Weighted(graders=parts(1.0, 0.0), weights=(9, 1), threshold=0.5, must_pass=(2,)))
    assert isinstance(got, Grade) and not got.passed and got.value == 0.9
    open_part = run(Weighted(graders=parts(1.0, None), weights=(9, 1), threshold=0.5, must_pass=(2,)))
    assert isinstance(open_part, NotGraded)


@pytest.mark.parametrize(
    "params",
    [{"weights": (1,)}, {"weights": (1, 0)}, {"weights": (1, float("nan"))}, {"must_pass": (3,)}, {"threshold": 0}],
)
def test_weights_that_do_not_fit_are_refused(params: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Weighted.model_validate({"graders": parts(1.0, 1.0), "threshold": 0.5, **params})


def test_no_parts_are_refused() -> None:
    with pytest.raises(ValidationError):
        AllOf(graders=())


def test_bound_parts_are_kept_as_they_are() -> None:
    match = Match(ignore=("case",))
    assert AllOf(graders=(match, Numeric())).graders[0] is match


def test_weak_and_critical_pass_through() -> None:
    weak = run(AnyOf(graders=(Says(value=1.0, weak=True), Says(value=0.0))))
    critical = run(AllOf(graders=(Says(value=1.0), Says(value=0.0, critical=True))))
    assert isinstance(weak, Grade) and weak.weak
    assert isinstance(critical, Grade) and critical.critical


def test_nesting() -> None:
    grader = AllOf(graders=(AnyOf(graders=parts(0.0, 1.0)), Weighted(graders=parts(1.0, 1.0), threshold=1.0)))
    got = run(grader)
    assert isinstance(got, Grade) and got.passed and got.usage.calls == 4


@pytest.mark.parametrize(
    ("reference", "fault"), [("a", "part 2: 'a' is not one number"), (None, "part 1: match needs"), ("5", "")]
)
def test_faults_of_parts_are_told_at_load(reference: Json, fault: str) -> None:
    said = AllOf(graders=(Match(), Numeric())).check_reference(reference)
    assert said.startswith(fault) and bool(said) is bool(fault)
    assert AllOf(graders=(Match(pattern="("),)).check(Path())[0].startswith("part 1: ")
