"""What every reader of `attempts.jsonl` shares: the fields that name a try of a trial, and which try decides it.

A reader names the fields it needs and no more, so that a hundred thousand lines are read in a second:

    class Row(TryLine, frozen=True, gc=False):
        passed: bool | None = None

    last: dict[TrialKey, Row] = {}
    for row in iter_lines(run, msgspec.json.Decoder(Row)):
        keep_deciding(last, row)
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from harness.records.outcome import Status

TrialKey = tuple[str, str, int]
"""(task, system, epoch)."""


class TryLine(msgspec.Struct, frozen=True, gc=False):
    """One try of one trial: the fields of an `Attempt` that say which, and whether another followed."""

    task: str
    system: str
    epoch: int
    attempt: int
    status: Status
    final: bool = True

    @property
    def trial(self) -> TrialKey:
        """(task, system, epoch)."""
        return self.task, self.system, self.epoch


class CostPart(msgspec.Struct, frozen=True, gc=False):
    """The money in a `Usage`."""

    cost_usd: float = 0.0
    unpriced: int = 0


class WorkingPart(msgspec.Struct, frozen=True, gc=False):
    """The working time in a `Timing`, in seconds."""

    working: float = 0.0


class PassedPart(msgspec.Struct, frozen=True, gc=False):
    """Whether a grader's verdict is a pass; None of one that is not graded."""

    passed: bool | None = None


class _Try(Protocol):
    """A `TryLine` or a whole `Attempt`."""

    @property
    def task(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def final(self) -> bool: ...


AnyTry = TypeVar("AnyTry", bound=_Try)


def keep_deciding(last: dict[TrialKey, AnyTry], line: AnyTry) -> None:
    """The final try with the highest number decides a trial: the lines of a regraded run are in no order of tries.

    Of two lines that claim the same try the one that did not pass stays: a forged line cannot turn a failure around.
    """
    if not line.final:
        return
    key = (line.task, line.system, line.epoch)
    known = last.get(key)
    stays = known is not None and line.attempt == known.attempt and getattr(known, "passed", None) is False
    if known is None or (line.attempt >= known.attempt and not stays):
        last[key] = line


MOST_USD = 1e6
"""More than any attempt can have cost."""


def contradiction(line: object) -> str:
    """Why a line cannot be what was recorded; empty when it can.

    A trial's verdict is the conjunction of its deciding graders (`engine.grade.Grading.verdict`). Which ones decide is
    not in the line, so this is what holds whatever they are: work that passed was passed by one of its graders.
    """
    cost = getattr(getattr(line, "usage", None), "cost_usd", 0.0)
    if not 0 <= cost <= MOST_USD:
        return f"a cost of {cost:g} USD is no amount of money"
    grades = getattr(line, "grades", None)
    if not grades or getattr(line, "passed", None) is not True:
        return ""
    for grade in grades.values():
        if (grade.get("passed") if isinstance(grade, dict) else getattr(grade, "passed", None)) is True:
            return ""
    return f"it says passed, and none of its graders does ({', '.join(sorted(grades))})"


def is_verdict(status: Status, passed: bool | None, value: float | None) -> bool:
    """Whether a line says how good the work was: graded, and with a value in [0, 1]. NaN is written as null."""
    return status == "graded" and passed is not None and value is not None and 0 <= value <= 1
