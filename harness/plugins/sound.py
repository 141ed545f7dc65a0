"""What a plugin gave back: is it a record that can be stored, read again and believed? Words for what is wrong."""

from __future__ import annotations

from harness.records.outcome import Artifact, Grade, NotGraded, Output


def output_faults(value: object) -> str:
    """What is wrong with what `solve` returned, or nothing. Types are looked at, contents are not read."""
    if not isinstance(value, Output):
        return f"solve returned {_kind(value)}, not an Output"
    if not isinstance(value.answer, str | None):
        return f"the answer is {_kind(value.answer)}, not text"
    if not isinstance(value.answers, tuple) or not all(isinstance(a, str) for a in value.answers):
        return "answers are not a tuple of texts"
    if not isinstance(value.artifacts, tuple) or not all(isinstance(a, Artifact) for a in value.artifacts):
        return "artifacts are not a tuple of Artifact"
    if value.confidence is not None and not _in_unit(value.confidence):
        return f"confidence {value.confidence!r} is not in [0, 1]"
    if not isinstance(value.metrics, dict) or not all(isinstance(k, str) for k in value.metrics):
        return "metrics are not a dict with text keys"
    return ""


def verdict_faults(value: object) -> str:
    """What is wrong with what `grade` returned, or nothing."""
    if isinstance(value, NotGraded):
        return "" if isinstance(value.cause, str) and value.cause else "NotGraded names no cause"
    if not isinstance(value, Grade):
        return f"grade returned {_kind(value)}, not a Grade or NotGraded"
    if not _in_unit(value.value):
        return f"the value {value.value!r} is not in [0, 1]"
    if not isinstance(value.passed, bool):
        return f"passed is {_kind(value.passed)}, not a bool"
    for name in ("label", "explanation"):
        if not isinstance(said := getattr(value, name), str):
            return f"the {name} is {_kind(said)}, not text"
    if not isinstance(value.extracted, str | None):
        return f"extracted is {_kind(value.extracted)}, not text"
    return "" if isinstance(value.parts, dict) else "parts are not a dict"


def _in_unit(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= 1


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
