"""`choice` with `multiple`: options named by their texts, in the forms in which lists are written."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.graders.choice import Choice
from harness.records.outcome import Grade
from harness.testing.fake_work import fake_work

OPTIONS = ("a taxi at 23:15", "breakfast, with coffee", "laundry", "salt and pepper")


def graded(answer: str, reference: list[str], order: tuple[int, ...] = (0, 1, 2, 3)) -> Grade:
    work = fake_work(answer, reference, choices=OPTIONS, choice_order=order)
    verdict = asyncio.run(Choice(multiple=True).grade(work))
    assert isinstance(verdict, Grade)
    return verdict


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("a taxi at 23:15, laundry", ["A", "C"]),
        ("A taxi at 23:15 and laundry.", ["A", "C"]),
        ("Answer: laundry, a taxi at 23:15", ["A", "C"]),
        ("- a taxi at 23:15\n- breakfast, with coffee\n- laundry", ["A", "B", "C"]),
        ("1. breakfast, with coffee\n2. salt and pepper", ["B", "D"]),
        ("laundry; breakfast, with coffee", ["B", "C"]),
        ("B) breakfast, with coffee\nC) laundry", ["B", "C"]),
        ("I looked at every rule.\nlaundry, a taxi at 23:15", ["A", "C"]),
    ],
)
def test_a_list_of_texts_names_its_options(answer: str, right: list[str]) -> None:
    assert graded(answer, right).passed


@pytest.mark.parametrize(
    "answer",
    [
        "a taxi at 23:15, ironing",  # a piece that is no option
        "a taxi at 23:15 or laundry",  # hedging is no list
        "B) laundry\nA) a taxi at 23:15",  # a letter with another option's text
    ],
)
def test_what_is_not_wholly_a_list_of_options_does_not_pass(answer: str) -> None:
    assert not graded(answer, ["A", "C"]).passed


@given(st.permutations(range(4)), st.sets(st.integers(0, 3), min_size=2), st.sampled_from(["\n", "; ", "\n- "]))
def test_the_order_shown_never_changes_the_verdict(order: list[int], chosen: set[int], between: str) -> None:
    answer = between.join(OPTIONS[i] for i in order if i in chosen)
    right = [OPTIONS[i] for i in sorted(chosen)]
    assert graded(answer, right, tuple(order)).passed
    assert not graded(answer, right[:-1] + [OPTIONS[i] for i in range(4) if i not in chosen], tuple(order)).passed
