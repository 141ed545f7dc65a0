"""`all_of`, `any_of`, `weighted`: several graders as one.

What is not graded is never taken for wrong. all_of fails as soon as one part fails, whatever the others are; any_of
passes as soon as one passes; otherwise a part without a verdict leaves the whole without one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from harness.api import Grade, Grader, GraderCase, Json, Model, NotGraded, Task, Usage, Verdict, Work
from harness.records.outcome import IS_OPPONENT
from harness.toolkit.normalise import excerpt

_MATCH: Json = {"use": "match", "ignore": ["case"]}
_NUMERIC: Json = {"use": "numeric", "tolerance": 0.01}


class _Combined(Grader):
    """What the three share: parts are graded in order, each with the same work; usage is summed."""

    graders: tuple[Grader, ...] = Field(min_length=1)
    """The parts: names of graders, or `{use: name, ...}`."""

    needs_reference = False

    def check(self, workspace: Path) -> Sequence[str]:
        """The faults of every part."""
        return [f"part {i}: {fault}" for i, g in enumerate(self.graders, 1) for fault in g.check(workspace)]

    def digest_files(self) -> Sequence[str]:
        """The files of every part."""
        return tuple(dict.fromkeys(f for g in self.graders for f in g.digest_files()))

    def judges(self) -> Mapping[str, Model]:
        """The judges of every part; roles of the same name must be the same model."""
        found: dict[str, Model] = {}
        for grader in self.graders:
            for role, model in grader.judges().items():
                if found.setdefault(role, model) != model:
                    raise ValueError(f"two parts have different judges for the role '{role}'")
        return found

    def opponents(self) -> Sequence[str]:
        """Those of every part."""
        return tuple(dict.fromkeys(o for g in self.graders for o in g.opponents()))

    def opponents_needed(self) -> Sequence[str]:
        """Those without which a part has no verdict."""
        return tuple(dict.fromkeys(o for g in self.graders for o in g.opponents_needed()))

    def reads(self) -> Sequence[str]:
        """What every part reads."""
        return tuple(dict.fromkeys(name for g in self.graders for name in g.reads()))

    def check_reference(self, reference: Json) -> str:
        """The first part that cannot use the reference."""
        for i, grader in enumerate(self.graders, 1):
            if reference is None and not grader.needs_reference and not grader.check_reference(None):
                continue
            if fault := grader.check_reference(reference):
                return f"part {i}: {fault}"
            if reference is None:
                return f"part {i} needs a reference"
        return ""

    def check_task(self, task: Task) -> str:
        """The first part that lacks something in it."""
        lacks = (f"part {i}: {lack}" for i, g in enumerate(self.graders, 1) if (lack := g.check_task(task)))
        return next(lacks, "")

    def unopposed(self, tasks: Sequence[Task], workspace: Path) -> str:
        """What its parts lack."""
        return "; ".join(dict.fromkeys(filter(None, (g.unopposed(tasks, workspace) for g in self.graders))))

    async def grade(self, work: Work) -> Verdict:
        """Every part, then the rule above. Work that others are compared with in some part has no verdict."""
        verdicts = [await g.grade(work) for g in self.graders]
        if any(isinstance(v, NotGraded) and v.cause == IS_OPPONENT for v in verdicts):
            return NotGraded(IS_OPPONENT, _not_graded(verdicts).detail, _usage(verdicts))
        return self._joined(verdicts)

    @abstractmethod
    def _joined(self, verdicts: Sequence[Verdict]) -> Verdict:
        """The verdict on the whole."""


class AllOf(_Combined):
    """Passes when every part passes. Value: the lowest value of a part.

    One part that fails decides. Without a failed part, one that is not graded leaves the whole not graded.
    """

    example: ClassVar[Mapping[str, Json]] = {"graders": [_MATCH, _NUMERIC]}
    cases = (
        GraderCase("14", True, "14", {"graders": [_MATCH, _NUMERIC]}),
        GraderCase("14.001", False, "14", {"graders": [_MATCH, _NUMERIC]}),
        GraderCase("fourteen", None, "fourteen", {"graders": [_MATCH, _NUMERIC]}),
    )

    def _joined(self, verdicts: Sequence[Verdict]) -> Verdict:
        grades = [v for v in verdicts if isinstance(v, Grade)]
        if all(g.passed for g in grades) and len(grades) < len(verdicts):
            return _not_graded(verdicts)
        value = min(g.value for g in grades)
        return _whole(verdicts, value, all(g.passed for g in grades), "not every part passes")


class AnyOf(_Combined):
    """Passes when any part passes. Value: the highest value of a part.

    One part that passes decides, also when others are not graded. Without one, a part that is not graded leaves the
    whole not graded.
    """

    example: ClassVar[Mapping[str, Json]] = {"graders": [_MATCH, _NUMERIC]}
    cases = (
        GraderCase("14.001", True, "14", {"graders": [_MATCH, _NUMERIC]}),
        GraderCase("15", False, "14", {"graders": [_MATCH, _NUMERIC]}),
        GraderCase("15", None, "fourteen", {"graders": [_MATCH, _NUMERIC]}),
    )

    def _joined(self, verdicts: Sequence[Verdict]) -> Verdict:
        grades = [v for v in verdicts if isinstance(v, Grade)]
        passed = [g for g in grades if g.passed]
        if not passed and len(grades) < len(verdicts):
            return _not_graded(verdicts)
        return _whole(verdicts, max(g.value for g in passed or grades), bool(passed), "no part passes")


class Weighted(_Combined):
    """The weighted mean of the parts' values, passed from `threshold`.

    A part that is not graded leaves the whole not graded, unless the parts that are graded decide it: whatever value
    the missing ones had, the mean would be on the same side of the threshold. Then the value is the lower bound, and
    the explanation says so.
    """

    weights: tuple[float, ...] = ()
    """One weight for each part, all above 0; equal when left out."""
    threshold: float = Field(gt=0, le=1)
    """Smallest weighted mean that passes."""
    must_pass: tuple[int, ...] = ()
    """Positions (from 1) of parts without which nothing passes."""

    example: ClassVar[Mapping[str, Json]] = {"graders": [_MATCH, _NUMERIC], "weights": [1, 3], "threshold": 0.7}
    cases = (
        GraderCase("14.001", True, "14", {"graders": [_MATCH, _NUMERIC], "weights": [1, 3], "threshold": 0.7}),
        GraderCase("14.001", False, "14", {"graders": [_MATCH, _NUMERIC], "weights": [3, 1], "threshold": 0.7}),
        GraderCase("x", None, "x", {"graders": [_MATCH, _NUMERIC], "threshold": 0.7}),
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.weights and len(self.weights) != len(self.graders):
            raise ValueError(f"{len(self.graders)} graders need {len(self.graders)} weights, not {len(self.weights)}")
        if not all(0 < w < float("inf") for w in self.weights):
            raise ValueError("every weight must be a number above 0")
        if not all(1 <= p <= len(self.graders) for p in self.must_pass):
            raise ValueError(f"must_pass holds positions from 1 to {len(self.graders)}")
        return self

    def _joined(self, verdicts: Sequence[Verdict]) -> Verdict:
        weights = self.weights or (1.0,) * len(verdicts)
        pairs = list(zip(verdicts, weights, strict=True))
        low = sum(w * v.value for v, w in pairs if isinstance(v, Grade)) / sum(weights)
        open_share = sum(w for v, w in pairs if not isinstance(v, Grade)) / sum(weights)
        must = [verdicts[p - 1] for p in self.must_pass]
        if any(isinstance(v, Grade) and not v.passed for v in must):
            return _whole(verdicts, low, False, "a part that must pass does not")
        enough = low >= self.threshold - 1e-9
        decided = not open_share or (enough and all(isinstance(v, Grade) for v in must))
        if not decided and low + open_share >= self.threshold - 1e-9:
            return _not_graded(verdicts)
        note = "; a lower bound: a part is not graded" if open_share else ""
        return _whole(verdicts, min(1.0, low), enough, f"weighted mean {low:.3f}, threshold {self.threshold:g}{note}")


def _whole(verdicts: Sequence[Verdict], value: float, passed: bool, why: str) -> Grade:
    """One grade of the parts. Weak when every part that counts is; critical when a failed part is."""
    grades = [v for v in verdicts if isinstance(v, Grade)]
    deciding = [g for g in grades if g.passed == passed] or grades
    labels = {g.label for g in deciding if g.label}
    said = [f"part {i}: {excerpt(_says(v), 120)}" for i, v in enumerate(verdicts, 1)]
    extracted = next((g.extracted for g in deciding if g.extracted is not None), None)
    return Grade(
        value,
        passed,
        labels.pop() if len(labels) == 1 else ("right" if passed else "wrong"),
        "; ".join([*([] if passed and "mean" not in why else [why]), *said]),
        extracted,
        weak=all(g.weak for g in deciding),
        critical=any(g.critical and not g.passed for g in grades) and not passed,
        parts={str(i): _part(v) for i, v in enumerate(verdicts, 1)},
        usage=_usage(verdicts),
    )


def _not_graded(verdicts: Sequence[Verdict]) -> NotGraded:
    lost = [(i, v) for i, v in enumerate(verdicts, 1) if isinstance(v, NotGraded)]
    detail = "; ".join(f"part {i}: {v.cause}" + (f", {excerpt(v.detail, 120)}" if v.detail else "") for i, v in lost)
    return NotGraded(lost[0][1].cause, detail, _usage(verdicts))


def _says(verdict: Verdict) -> str:
    if isinstance(verdict, NotGraded):
        return f"not graded, {verdict.cause}"
    return f"{'passed' if verdict.passed else 'failed'}, {verdict.explanation or verdict.label}"


def _part(verdict: Verdict) -> Json:
    if isinstance(verdict, NotGraded):
        return {"cause": verdict.cause}
    return {"value": verdict.value, "passed": verdict.passed, "label": verdict.label}


def _usage(verdicts: Sequence[Verdict]) -> Usage:
    total = Usage()
    for verdict in verdicts:
        total = total + verdict.usage
    return total
