"""What a plugin may not give back is told in words; what it may is let pass."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.plugins.sound import output_faults, verdict_faults
from harness.records.outcome import Artifact, Grade, NotGraded, Output

ODD: Any = object()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "solve returned nothing, not an Output"),
        ("14 days", "solve returned str, not an Output"),
        (Output(answer=ODD), "the answer is object, not text"),
        (Output(answers=("a", ODD)), "not a tuple of texts"),
        (Output(artifacts=[Artifact("a", b"")]), "not a tuple of Artifact"),  # type: ignore[arg-type]
        (Output(confidence=2), "confidence 2 is not in [0, 1]"),
        (Output(confidence=float("nan")), "confidence nan is not in [0, 1]"),
        (Output(metrics={ODD: 1}), "text keys"),
    ],
)
def test_an_output_that_is_none_is_told(value: object, said: str) -> None:
    assert said in output_faults(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "grade returned nothing, not a Grade or NotGraded"),
        (True, "grade returned bool"),
        (Grade(ODD, True), "is not in [0, 1]"),
        (Grade("1", True), "the value '1' is not in [0, 1]"),  # type: ignore[arg-type]
        (Grade(float("nan"), True), "the value nan"),
        (Grade(1.0, "yes"), "passed is str, not a bool"),  # type: ignore[arg-type]
        (Grade(1.0, True, extracted=5), "extracted is int, not text"),  # type: ignore[arg-type]
        (Grade(1.0, True, label=None), "the label is nothing, not text"),  # type: ignore[arg-type]
        (NotGraded(""), "names no cause"),
    ],
)
def test_a_verdict_that_is_none_is_told(value: object, said: str) -> None:
    assert said in verdict_faults(value)


@given(st.builds(Output, answer=st.none() | st.text(), confidence=st.none() | st.floats(0, 1)))
def test_a_sound_output_passes(output: Output) -> None:
    assert output_faults(output) == ""


@given(st.builds(Grade, value=st.floats(0, 1) | st.integers(0, 1), passed=st.booleans(), explanation=st.text()))
def test_a_sound_verdict_passes(grade: Grade) -> None:
    assert verdict_faults(grade) == "" == verdict_faults(NotGraded("unparseable"))
