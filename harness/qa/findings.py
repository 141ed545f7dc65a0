"""What task QA says of a task: findings, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Literal

import msgspec

Level = Literal["fail", "warn", "info", "unchecked"]
Word = Literal["ok", "warn", "fail", "unchecked"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing seen. `check` is the check's short name; `where` a path in the image, a test or an object.

    `fail` breaks the task, `warn` is for a person to judge, `unchecked` says what could not be proven here.
    """

    check: str
    level: Level
    what: str
    where: str = ""


class Seconds(msgspec.Struct, frozen=True):
    """Median and maximum of some runtimes, in seconds."""

    median: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Seconds | None:
        """Of these; None when there are none."""
        known = sorted(values)
        return cls(round(median(known), 3), round(known[-1], 3)) if known else None


class Tally(msgspec.Struct, frozen=True):
    """How many of `of` repeats went as they must."""

    right: int
    of: int

    def __str__(self) -> str:
        """As in `3/3`."""
        return f"{self.right}/{self.of}"


class Flakiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """A listed test that did not always say the same: how often it was satisfied, of how many believable runs."""

    test: str
    on: Literal["gold", "base"]
    satisfied: int
    of: int


class CheatOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of one cheat: `passed` must be false; `flags` is what the graders and the collecting noticed."""

    name: str
    passed: bool
    label: str = ""
    flags: tuple[str, ...] = ()
    graded: bool = True


class TaskCheck(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Everything QA found out about one task. `tests` is the number of listed tests that were repeated."""

    task: str
    verdict: Word
    findings: tuple[Finding, ...] = ()
    reference: Tally | None = None
    empty: Tally | None = None
    solve_s: Seconds | None = None
    grade_s: Seconds | None = None
    tests: int = 0
    flaky: tuple[Flakiness, ...] = ()
    cheats: tuple[CheatOutcome, ...] = ()
    image: str = ""
    digest: str = ""
    seconds: float = 0.0
    cached: bool = False

    def of_level(self, level: Level) -> list[Finding]:
        """Its findings of one level."""
        return [f for f in self.findings if f.level == level]

    @property
    def reason(self) -> str:
        """The failures in one line, the first of each check."""
        first = {f.check: f for f in reversed(self.of_level("fail"))}
        return "; ".join(" ".join(f"{f.check}: {f.what}".split()) for f in reversed(first.values()))


def verdict_of(findings: Iterable[Finding]) -> Word:
    """A failure decides, then what could not be checked, then a warning."""
    levels = {f.level for f in findings}
    if "fail" in levels:
        return "fail"
    if "unchecked" in levels:
        return "unchecked"
    return "warn" if "warn" in levels else "ok"
