"""`attempts.jsonl` as columns: only what reports need is decoded, and the order of lines is forgotten."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.records.content import Json, Usage
from harness.records.outcome import Status
from harness.records.task import Shape
from harness.stats.intervals import Codes, Numbers
from harness.store.lines import TryLine
from harness.store.read import iter_lines

STATUSES: tuple[Status, ...] = ("graded", "ungradable", "infra_error", "skipped")
USAGE = tuple(Usage.__struct_fields__)
_NO_ANSWER = (b"", b"null")


class _Output(msgspec.Struct, frozen=True):
    answer: msgspec.Raw = msgspec.Raw()
    metrics: dict[str, Json] = {}
    confidence: float | None = None
    abstained: bool = False
    refused: bool = False
    truncated: bool = False
    declared_done: bool | None = None


class _Grade(msgspec.Struct, frozen=True):
    passed: bool | None = None
    critical: bool = False
    weak: bool = False
    label: str = ""
    explanation: str = ""
    parts: msgspec.Raw = msgspec.Raw()


class _Trouble(msgspec.Struct, frozen=True, gc=False):
    source: str
    cause: str


class _Timing(msgspec.Struct, frozen=True, gc=False):
    working: float = 0.0
    waiting: float = 0.0


class _Row(TryLine, frozen=True, gc=False):
    """The fields of an Attempt that reports read; everything else is skipped while decoding."""

    passed: bool | None = None
    value: float | None = None
    family: str = ""
    shape: Shape = Shape()
    tags: tuple[str, ...] = ()
    label: str = ""
    limit: str = ""
    flags: tuple[str, ...] = ()
    grades: dict[str, _Grade] = msgspec.field(default_factory=dict)
    artifacts: msgspec.Raw = msgspec.Raw()
    trouble: _Trouble | None = None
    output: _Output = _Output()
    usage: Usage = Usage()
    judge_usage: Usage = Usage()
    turns: int = 0
    retries: int = 0
    timing: _Timing = _Timing()


@dataclass(frozen=True, slots=True)
class About:
    """What the lines say of a task itself."""

    family: str
    shape: Shape
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CriticalError:
    """A grade that is marked critical: by its grader, or since the task is tagged `critical` and the answer wrong."""

    task: str
    system: str
    epoch: int
    attempt: int
    by: str
    label: str
    why: str


@dataclass(frozen=True, slots=True)
class Columns:
    """One row per attempt, sorted by task, system, epoch, attempt.

    `column` maps a name to an array; missing numbers are NaN. `task`, `system`, `limit`, `cause`, `label`, `flags` and
    `ended` hold codes into `tasks`, `systems`, `limits`, `causes` and `words`, which are sorted. `about` is in the
    order of `tasks`. `flags` are the words before the colons of an attempt's flags, sorted and joined by a space;
    `visible` is the share of the tests it could see that passed; `critical` and `weak` are 1 where a grade is so.
    """

    column: dict[str, Numbers]
    tasks: list[str]
    systems: list[str]
    limits: list[str]
    causes: list[str]
    about: list[About]
    words: dict[str, list[str]] = field(default_factory=dict)
    criticals: tuple[CriticalError, ...] = ()
    disputed: int = 0
    """Tasks of which lines say different things (edited under the run); which is taken depends on no order."""

    def __len__(self) -> int:
        return len(self.column["task"])

    def codes(self, name: str) -> Codes:
        """A column of codes or counts as integers."""
        return self.column[name].astype(np.int64)

    def where(self, mask: NDArray[np.bool_]) -> Columns:
        """Only these rows."""
        if mask.all():
            return self
        kept = {n: c[mask] for n, c in self.column.items()}
        return replace(self, column=kept)


_NAMES = (
    "task", "system", "epoch", "attempt", "status", "final", "passed", "value", "limit", "cause", "answered",
    "verify_rounds", "verify_failed_first", "verify_unresolved", "format_errors", "label", "flags", "ended",
    "confidence", "abstained", "refused", "truncated", "declared", "delivered", "critical", "visible", "weak",
    "turns", "retries", "working", "waiting",
    "judge_cost", "judge_calls", "judge_unpriced", *USAGE,
)  # fmt: skip


class _Codes:
    """Words as numbers in the order met; `sorted_codes` maps them to alphabetical order."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def __call__(self, word: str) -> int:
        return self.of.setdefault(word, len(self.of))

    def ordered(self) -> tuple[list[str], Numbers]:
        """The words sorted, and for each old code its new one."""
        words = sorted(self.of)
        new = np.empty(len(words))
        for rank, word in enumerate(words):
            new[self.of[word]] = rank
        return words, new


_CODED = ("task", "system", "limit", "cause", "label", "flags", "ended")


def read_columns(path: Path) -> Columns:
    """Every attempt of a run. Raises StoreError on a damaged line."""
    reading = _Reading()
    raw = [array("d") for _ in _NAMES]
    for values in reading.values(iter_lines(path, msgspec.json.Decoder(_Row))):
        for into, value in zip(raw, values, strict=True):
            into.append(value)
    column = {n: np.frombuffer(held) if held else np.empty(0) for n, held in zip(_NAMES, raw, strict=True)}
    words: dict[str, list[str]] = {}
    for name, codes in reading.coded.items():
        words[name], new = codes.ordered()
        column[name] = new[column[name].astype(np.int64)] if len(new) else column[name]
    order = np.lexsort([column[n] for n in ("attempt", "epoch", "system", "task")])
    for i, name in enumerate(_NAMES):  # one at a time, so that memory holds the run once
        column[name] = column[name][order]
        raw[i] = array("d")
    return Columns(
        column=column,
        tasks=words["task"],
        systems=words["system"],
        limits=words["limit"],
        causes=words["cause"],
        about=[reading.about[t] for t in words["task"]],
        words={n: words[n] for n in ("label", "flags", "ended")},
        criticals=tuple(sorted(reading.criticals, key=lambda c: (c.task, c.system, c.epoch, c.attempt, c.by))),
        disputed=len(reading.disputed),
    )


class _Reading:
    """Lines become numbers; what is not a number is remembered here."""

    def __init__(self) -> None:
        self.coded = {n: _Codes() for n in _CODED}
        self.about: dict[str, About] = {}
        self.disputed: set[str] = set()
        self.criticals: list[CriticalError] = []
        self._alike: dict[About, About] = {}

    def values(self, rows: Iterator[_Row]) -> Iterator[tuple[float, ...]]:
        """Each line's numbers, in the order of `_NAMES`."""
        task, system, limit, cause, label, flags, ended = (self.coded[n] for n in _CODED)
        status_code = {s: i for i, s in enumerate(STATUSES)}
        nan = float("nan")
        nothing: dict[str, Json] = {}
        for r in rows:
            held = self.about.get(r.task)
            if held is None or held.family != r.family or held.tags != r.tags or held.shape != r.shape:
                self._meet(r, held)
            u, j, o, t = r.usage, r.judge_usage, r.output, r.timing
            metrics = o.metrics or nothing
            answered = bytes(o.answer) not in _NO_ANSWER
            sure = o.confidence
            yield (
                task(r.task),
                system(r.system),
                r.epoch,
                r.attempt,
                status_code[r.status],
                r.final,
                nan if r.passed is None else r.passed,
                nan if r.value is None else r.value,
                limit(r.limit),
                cause(r.trouble.cause if r.trouble else ""),
                answered,
                *(_number(metrics, k) if metrics else nan for k in _METRICS),
                label(r.label),
                flags(_flag_words(r.flags) if r.flags else ""),
                ended(str(metrics.get("ended", "")) if metrics else ""),
                nan if sure is None or not 0 <= sure <= 1 else sure,
                o.abstained,
                o.refused,
                o.truncated,
                nan if o.declared_done is None else o.declared_done,
                answered or len(bytes(r.artifacts)) > _EMPTY_LIST,
                self._critical(r),
                _visible(r.grades),
                any(g.weak for g in r.grades.values()),
                r.turns,
                r.retries,
                t.working,
                t.waiting,
                j.cost_usd,
                j.calls,
                j.unpriced,
                *msgspec.structs.astuple(u),
            )

    def _meet(self, r: _Row, held: About | None) -> None:
        made = About(r.family, r.shape, r.tags)
        if held is not None:
            self.disputed.add(r.task)
            made = min(made, held, key=repr)
        self.about[r.task] = self._alike.setdefault(made, made)

    def _critical(self, r: _Row) -> bool:
        """Whether this is a critical error; told once for each grader that says so."""
        by = [name for name, g in r.grades.items() if g.critical]
        for name in by:
            grade = r.grades[name]
            why = grade.explanation[:_WHY_CHARS]
            label = grade.label or r.label
            self.criticals.append(CriticalError(r.task, r.system, r.epoch, r.attempt, name, label, why))
        return bool(by)


_METRICS = ("verify_rounds", "verify_failed_first", "verify_unresolved", "format_errors")
_EMPTY_LIST = 2
_WHY_CHARS = 200


def _number(metrics: dict[str, Json], key: str) -> float:
    value = metrics.get(key)
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _flag_words(flags: tuple[str, ...]) -> str:
    """The machine words of flags: what stands before the colon."""
    return " ".join(sorted({f.partition(":")[0].strip().replace(" ", "_") for f in flags} - {""}))


class _Part(msgspec.Struct, frozen=True):
    passed: int
    of: int


class _Parts(msgspec.Struct, frozen=True):
    visible: _Part | None = None


_PARTS = msgspec.json.Decoder(_Parts)


def _visible(grades: dict[str, _Grade]) -> float:
    """The share of visible tests that passed, from graders that tell (`parts.visible`); NaN without any."""
    for grade in grades.values():
        if b'"visible"' in bytes(grade.parts):
            try:
                found = _PARTS.decode(grade.parts).visible
            except msgspec.ValidationError:
                continue  # another grader's own part of this name
            if found is not None and found.of > 0:
                return found.passed / found.of
    return float("nan")
