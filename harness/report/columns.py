"""`attempts.jsonl` as columns: only what reports need is decoded, and the order of lines is forgotten."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.records.content import Json, Usage
from harness.records.outcome import Status
from harness.records.task import Shape
from harness.stats.intervals import Codes, Numbers
from harness.store.read import iter_lines

STATUSES: tuple[Status, ...] = ("graded", "ungradable", "infra_error", "skipped")
USAGE = tuple(Usage.__struct_fields__)
_NO_ANSWER = (b"", b"null")


class _Output(msgspec.Struct, frozen=True):
    answer: msgspec.Raw = msgspec.Raw()
    metrics: dict[str, Json] = {}


class _Trouble(msgspec.Struct, frozen=True, gc=False):
    source: str
    cause: str


class _Timing(msgspec.Struct, frozen=True, gc=False):
    working: float = 0.0
    waiting: float = 0.0


class _Row(msgspec.Struct, frozen=True):
    """The fields of an Attempt that reports read; everything else is skipped while decoding."""

    task: str
    system: str
    epoch: int
    attempt: int
    status: Status
    final: bool = True
    passed: bool | None = None
    value: float | None = None
    family: str = ""
    shape: Shape = Shape()
    tags: tuple[str, ...] = ()
    limit: str = ""
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
class Columns:
    """One row per attempt, sorted by task, system, epoch, attempt.

    `column` maps a name to an array; missing numbers are NaN. `task`, `system`, `limit` and `cause` hold codes into
    `tasks`, `systems`, `limits`, `causes`, which are sorted. `about` is in the order of `tasks`.
    """

    column: dict[str, Numbers]
    tasks: list[str]
    systems: list[str]
    limits: list[str]
    causes: list[str]
    about: list[About]
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
        return Columns(kept, self.tasks, self.systems, self.limits, self.causes, self.about)


_NAMES = (
    "task", "system", "epoch", "attempt", "status", "final", "passed", "value", "limit", "cause", "answered",
    "verify_rounds", "verify_failed_first", "verify_unresolved", "turns", "retries", "working", "waiting",
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


def read_columns(path: Path) -> Columns:
    """Every attempt of a run. Raises StoreError on a damaged line."""
    coded = {n: _Codes() for n in ("task", "system", "limit", "cause")}
    about: dict[str, About] = {}
    raw = [array("d") for _ in _NAMES]
    disputed: set[str] = set()
    for values in _values(iter_lines(path, msgspec.json.Decoder(_Row)), coded, about, disputed):
        for into, value in zip(raw, values, strict=True):
            into.append(value)
    column = {n: np.frombuffer(held) if held else np.empty(0) for n, held in zip(_NAMES, raw, strict=True)}
    words: dict[str, list[str]] = {}
    for name, codes in coded.items():
        words[name], new = codes.ordered()
        column[name] = new[column[name].astype(np.int64)] if len(new) else column[name]
    order = np.lexsort([column[n] for n in ("attempt", "epoch", "system", "task")])
    for i, name in enumerate(_NAMES):  # one at a time, so that memory holds the run once
        column[name] = column[name][order]
        raw[i] = array("d")
    tasks = words["task"]
    known = [about[t] for t in tasks]
    return Columns(column, tasks, words["system"], words["limit"], words["cause"], known, len(disputed))


def _values(
    rows: Iterator[_Row], coded: dict[str, _Codes], about: dict[str, About], disputed: set[str]
) -> Iterator[tuple[float, ...]]:
    task, system, limit, cause = coded["task"], coded["system"], coded["limit"], coded["cause"]
    status_code = {s: i for i, s in enumerate(STATUSES)}
    nan = float("nan")
    nothing: dict[str, Json] = {}
    alike: dict[About, About] = {}
    for r in rows:
        held = about.get(r.task)
        if held is None or held.family != r.family or held.tags != r.tags or held.shape != r.shape:
            made = About(r.family, r.shape, r.tags)
            if held is not None:
                disputed.add(r.task)
                made = min(made, held, key=repr)
            about[r.task] = alike.setdefault(made, made)
        u, j, o, t = r.usage, r.judge_usage, r.output, r.timing
        metrics = o.metrics or nothing
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
            bytes(o.answer) not in _NO_ANSWER,
            *(_number(metrics, k) if metrics else nan for k in _VERIFY),
            r.turns,
            r.retries,
            t.working,
            t.waiting,
            j.cost_usd,
            j.calls,
            j.unpriced,
            *msgspec.structs.astuple(u),
        )


_VERIFY = ("verify_rounds", "verify_failed_first", "verify_unresolved")


def _number(metrics: dict[str, Json], key: str) -> float:
    value = metrics.get(key)
    return float(value) if isinstance(value, (int, float)) else float("nan")
