"""`attempts.jsonl` as the arrays that decisions are made from; the order of lines is forgotten.

Reports read more (`columns.py`); this reader is for commands that read many large runs and must be quick.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreError
from harness.records.outcome import Digests, Status
from harness.records.task import Shape
from harness.report.columns import About
from harness.stats.intervals import Codes, Numbers
from harness.store.lines import TryLine
from harness.store.manifest import Manifest
from harness.store.read import ATTEMPTS, iter_lines, read_manifest

STATUSES: tuple[Status, ...] = ("graded", "ungradable", "infra_error", "skipped")
BAD_VALUE = "bad_value"
"""Cause of a trial whose line says *graded* and holds no verdict, or a value outside [0, 1]."""

Mask = NDArray[np.bool_]


class _Verdict(msgspec.Struct, frozen=True, gc=False):
    kind: str = ""
    value: float | None = None
    passed: bool | None = None
    critical: bool = False


class _Output(msgspec.Struct, frozen=True, gc=False):
    declared_done: bool | None = None
    abstained: bool = False
    refused: bool = False


class _Usage(msgspec.Struct, frozen=True, gc=False):
    input: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output: int = 0
    reasoning: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    cached: int = 0


class _Trouble(msgspec.Struct, frozen=True, gc=False):
    cause: str = ""


class _Timing(msgspec.Struct, frozen=True, gc=False):
    working: float = 0.0
    started: float = 0.0


class _Row(TryLine, frozen=True, gc=False):
    passed: bool | None = None
    value: float | None = None
    family: str = ""
    shape: msgspec.Raw = msgspec.Raw()
    tags: msgspec.Raw = msgspec.Raw()
    grades: dict[str, _Verdict] = msgspec.field(default_factory=dict)
    output: _Output = _Output()
    limit: str = ""
    trouble: _Trouble | None = None
    usage: _Usage = _Usage()
    judge_usage: _Usage = _Usage()
    timing: _Timing = _Timing()
    models: msgspec.Raw = msgspec.Raw()
    digests: msgspec.Raw = msgspec.Raw()
    images: msgspec.Raw = msgspec.Raw()


_NAMES = (
    "task", "system", "epoch", "attempt", "status", "final", "passed", "value", "declared", "abstained", "refused",
    "critical", "limit", "cause", "input", "cache_read", "output", "calls", "cost_usd", "unpriced", "cached",
    "judge_cost", "judge_unpriced", "working", "started", "models", "digests",
    "images",
)  # fmt: skip
_WORDS = ("task", "system", "limit", "cause", "models", "digests", "images")
_TIES = ("passed", "value", "status", "cost_usd", "working", "final")
"""What orders lines that claim to be the same try of the same trial: the worse verdict comes last and decides."""


@dataclass(frozen=True, slots=True)
class Trials:
    """One row per attempt of a run. `column` maps a name to an array, NaN where there is no number.

    `words` has the sorted words that `task`, `system`, `limit`, `cause`, `models`, `digests` and `images` are codes
    into (the last three as JSON); `about` is in the order of `words["task"]`. `grades` has, per grader, a value per
    row, NaN where that grader gave none. `doubled` counts lines that claim a try which another line claims too.
    """

    manifest: Manifest
    column: dict[str, Numbers]
    words: dict[str, list[str]]
    about: list[About]
    grades: dict[str, Numbers]
    doubled: int = 0
    disputed: int = 0

    def __len__(self) -> int:
        return len(self.column["task"])

    def codes(self, name: str) -> Codes:
        """A column of codes as integers."""
        return self.column[name].astype(np.int64)

    def digests(self) -> list[Digests]:
        """The digest sets that the `digests` column codes."""
        return [msgspec.json.decode(w or "{}", type=Digests) for w in self.words["digests"]]


def read_trials(path: Path) -> Trials:
    """Every attempt of a run. Raises StoreError when the folder is none, or a line is damaged."""
    manifest = read_manifest(path)
    made = _Reader()
    made.read(iter_lines(path, msgspec.json.Decoder(_Row)))
    try:
        return made.finish(manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:  # shape, tags, models, digests, images: read once for all
        raise StoreError(f"{path.name}/{ATTEMPTS} is damaged: {e}", help=_ODD_LINE) from e


class _Codes(dict[str | bytes, int]):
    """A number for each word, in the order met."""

    def __missing__(self, word: str | bytes) -> int:
        self[word] = code = len(self)
        return code


class _Reader:
    """Collects rows into one array, a row after the other; words are coded in the order met and sorted at the end."""

    def __init__(self) -> None:
        self._raw = array("d")
        self._codes = {n: _Codes() for n in _WORDS}
        self._about: dict[str, tuple[str, bytes, bytes]] = {}
        self._disputed: set[str] = set()
        self._grades: dict[str, tuple[array[float], array[float]]] = {}

    def read(self, rows: Iterable[_Row]) -> None:
        add = self._raw.extend
        for number, r in enumerate(rows):
            add(self._values(r, number))

    def _values(self, r: _Row, number: int) -> tuple[float, ...]:
        code = self._codes
        about = (r.family, bytes(r.shape), bytes(r.tags))
        held = self._about.setdefault(r.task, about)
        if held != about:
            self._disputed.add(r.task)
            self._about[r.task] = min(held, about)
        critical = False
        for name, g in r.grades.items():
            critical |= g.critical
            if g.kind != "grade" or g.value is None:
                continue
            at, values = self._grades.setdefault(name, (array("d"), array("d")))
            at.append(number)
            values.append(g.value)
        u, o, j = r.usage, r.output, r.judge_usage
        return (
            code["task"][r.task], code["system"][r.system], r.epoch, r.attempt,
            _STATUS[r.status], r.final, _NAN if r.passed is None else r.passed, _NAN if r.value is None else r.value,
            _NAN if o.declared_done is None else o.declared_done, o.abstained, o.refused, critical,
            code["limit"][r.limit], code["cause"][r.trouble.cause if r.trouble else ""],
            u.input + u.cache_read + u.cache_write_short + u.cache_write_long, u.cache_read, u.output + u.reasoning,
            u.calls, u.cost_usd, u.unpriced, u.cached, j.cost_usd, j.unpriced, r.timing.working, r.timing.started,
            code["models"][bytes(r.models)], code["digests"][bytes(r.digests)], code["images"][bytes(r.images)],
        )  # fmt: skip

    def finish(self, manifest: Manifest) -> Trials:
        rows = np.frombuffer(self._raw).reshape(-1, len(_NAMES)) if self._raw else np.empty((0, len(_NAMES)))
        column = {n: rows[:, i] for i, n in enumerate(_NAMES)}
        words: dict[str, list[str]] = {}
        for name, codes in self._codes.items():
            met = [w.decode() if isinstance(w, bytes) else w for w in codes]
            words[name] = sorted(met)
            if met:
                rank = np.argsort(np.argsort(np.array(met, dtype=object)))
                column[name] = rank[column[name].astype(np.int64)].astype(np.float64)
        n = len(column["task"])
        grades = {name: _spread(at, values, n) for name, (at, values) in sorted(self._grades.items())}
        ties = [np.nan_to_num(-column[c], nan=1e9) for c in _TIES]
        order = np.lexsort([*reversed(ties), *(column[c] for c in ("attempt", "epoch", "system", "task"))])
        column = {c: v[order] for c, v in column.items()}
        return Trials(
            manifest=manifest,
            column=column,
            words=words,
            about=[_about_of(*self._about[t]) for t in words["task"]],
            grades={name: v[order] for name, v in grades.items()},
            doubled=_doubled(column),
            disputed=len(self._disputed),
        )


_ODD_LINE = "a line was edited after it was written: restore the file, or leave the line out"
_NAN = float("nan")
_STATUS = {s: i for i, s in enumerate(STATUSES)}


def _spread(at: array[float], values: array[float], n: int) -> Numbers:
    whole = np.full(n, np.nan)
    whole[np.frombuffer(at).astype(np.int64)] = np.frombuffer(values)
    return whole


def _about_of(family: str, shape: bytes, tags: bytes) -> About:
    return About(
        family,
        msgspec.json.decode(shape or b"{}", type=Shape),
        msgspec.json.decode(tags or b"[]", type=tuple[str, ...]),
    )


def _doubled(column: dict[str, Numbers]) -> int:
    """Lines whose task, system, epoch and attempt are those of the line before, once sorted."""
    key = np.stack([column[c] for c in ("task", "system", "epoch", "attempt")])
    return int((key[:, 1:] == key[:, :-1]).all(axis=0).sum()) if key.shape[1] > 1 else 0


def deciding(trials: Trials, rows: Mask) -> Mask:
    """Which of these rows decide their trial: of its final attempts the one with the highest number."""
    at = np.flatnonzero(rows & (trials.column["final"] == 1))
    mask = np.zeros(len(trials), dtype=bool)
    if not len(at):
        return mask
    key = np.stack([trials.column[c][at] for c in ("task", "system", "epoch")])
    last = np.concatenate(((key[:, 1:] != key[:, :-1]).any(axis=0), [True]))
    mask[at[last]] = True
    return mask
