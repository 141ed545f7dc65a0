"""A known case that a grader ships with: an answer, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.records.content import Json


@dataclass(frozen=True, slots=True)
class GraderCase:
    """A known case a grader ships with: `expect` is True (passes), False (fails) or None (cannot be graded)."""

    answer: str | None
    expect: bool | None
    reference: Json = None
    params: Mapping[str, Json] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    """What was left behind besides the answer, by name."""
