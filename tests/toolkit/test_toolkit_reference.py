"""A reference as the ceiling says it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.task import Task
from harness.toolkit.reference import as_text, shown_reference


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("14 days", "14 days"),
        (["14 days", "two weeks"], "14 days"),
        ({"any_of": ["14 days", "two weeks"]}, "14 days"),
        (14, "14"),
        (3.5, "3.5"),
        (True, "true"),
        ({"b": 1, "a": [2]}, '{"a":[2],"b":1}'),
        ([{"a": 1}], '[{"a":1}]'),
        ([[1, 2], [3, 4]], "[[1,2],[3,4]]"),
        ([], "[]"),
        ("", ""),
    ],
)
def test_as_text(reference: Any, text: str) -> None:
    assert as_text(reference) == text


def test_of_several_right_options_all_are_said() -> None:
    assert as_text(["A", "C"], all_of_list=True) == "A, C"


def a_task(reference: Any, *choices: str) -> Task:
    return Task(id="t", prompt="?", reference=reference, choices=choices or ("red", "green", "blue"))


@pytest.mark.parametrize("reference", ["B", "b", "green", "Green.", 1])
def test_an_option_is_named_by_the_letter_it_is_shown_under(reference: Any) -> None:
    assert shown_reference(a_task(reference), (2, 1, 0)) == "B"
    assert shown_reference(a_task(reference), (1, 2, 0)) == "A"
    assert shown_reference(a_task(reference), ()) == "B"


def test_several_options_are_each_mapped() -> None:
    assert shown_reference(a_task(["A", "blue"]), (2, 0, 1)) == ["A", "B"]


@pytest.mark.parametrize("reference", ["D", "purple", 3, -1, None, True, ["A", 7.5], {"a": 1}])
def test_what_names_no_option_stays(reference: Any) -> None:
    assert shown_reference(a_task(reference), (2, 1, 0)) == reference


def test_without_choices_nothing_changes() -> None:
    assert shown_reference(Task(id="t", prompt="?", reference="B"), ()) == "B"


@given(st.permutations(range(5)), st.integers(0, 4))
def test_the_letter_shown_leads_back_to_the_option(order: list[int], right: int) -> None:
    letter = shown_reference(a_task(right, *"vwxyz"), order)
    assert order["ABCDE".index(letter)] == right
