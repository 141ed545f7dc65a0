"""What routing reads: every trial of some runs, by task and system, with what tells that a system was unsure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import NothingToRun
from harness.records.content import Json, Usage
from harness.records.outcome import IS_OPPONENT, Digests
from harness.records.task import Shape
from harness.store.lines import TrialKey, TryLine, WorkingPart, is_verdict, keep_deciding
from harness.store.manifest import Manifest, SystemInfo
from harness.store.read import iter_lines, read_manifest

NO_CANDIDATES = ("router", "empty")
"""Harnesses that are no candidates: a router is made of the others, and the floor answers nothing."""


class _Output(msgspec.Struct, frozen=True):
    answer: str | None = None
    confidence: float | None = None
    abstained: bool = False
    refused: bool = False
    metrics: dict[str, Json] = {}


class _Trouble(msgspec.Struct, frozen=True, gc=False):
    cause: str = ""


class _Row(TryLine, frozen=True, gc=False):
    trouble: _Trouble | None = None
    passed: bool | None = None
    value: float | None = None
    family: str = ""
    shape: Shape = Shape()
    grades: dict[str, Any] = msgspec.field(default_factory=dict)
    output: _Output = _Output()
    usage: Usage = Usage()
    timing: WorkingPart = WorkingPart()
    digests: Digests = Digests()


@dataclass(frozen=True, slots=True)
class Trial:
    """One graded trial. `cost_usd` is of all its attempts and None when a call had no price; `doubts` say what the
    system itself gave away: `unresolved` (its own verification failed), `abstained`, `refused`, `no_answer`."""

    passed: bool
    cost_usd: float | None
    seconds: float
    critical: bool
    doubts: frozenset[str]
    confidence: float | None


@dataclass(slots=True)
class Candidate:
    """One system: its trials by task and (run, epoch), and how many were planned."""

    name: str
    info: SystemInfo
    trials: dict[str, dict[tuple[str, int], Trial]] = field(default_factory=lambda: defaultdict(dict))
    planned: int = 0
    graded: int = 0

    @property
    def coverage(self) -> float:
        """Graded of planned trials."""
        return self.graded / self.planned if self.planned else 0.0


@dataclass(frozen=True, slots=True)
class TaskAbout:
    """What routing asks of a task."""

    family: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything read. `runs` are names, oldest first; `newest` the newest's time; `notes` what was left out."""

    suite: str
    runs: tuple[str, ...]
    newest: str
    floor: float
    candidates: dict[str, Candidate]
    about: dict[str, TaskAbout]
    notes: tuple[str, ...]


def read_evidence(paths: Sequence[Path]) -> Evidence:
    """The trials of these runs (of one suite). Only those on the newest definition of a system and of a task count.

    Raises StoreError, NothingToRun when no run has a candidate.
    """
    found = sorted(((read_manifest(p), p) for p in paths), key=lambda f: (f[0].created, f[0].run))
    if not found:
        raise NothingToRun("no run to route by", help="make one: harness run --suite NAME")
    newest = found[-1][0]
    infos = {s.name: s for m, _ in found for s in m.systems if not s.privileged and s.harness not in NO_CANDIDATES}
    work: dict[str, str] = {}
    about: dict[str, TaskAbout] = {}
    candidates = {name: Candidate(name, info) for name, info in infos.items()}
    old: set[str] = set()
    for manifest, path in reversed(found):  # newest first: what a task is, the newest run says
        same = {s.name for s in manifest.systems if s.name in infos and _same(s, infos[s.name])}
        old |= {s.name for s in manifest.systems if s.name in infos} - same
        _read(manifest, path, same, candidates, work, about)
    notes = [f"{n}: runs on another definition are left out" for n in sorted(old)]
    candidates = {n: c for n, c in candidates.items() if c.graded}
    if not candidates:
        raise NothingToRun("no run has a graded trial of a system that could be chosen")
    return Evidence(
        newest.suite,
        tuple(m.run for m, _ in found),
        newest.created,
        max(m.coverage_floor for m, _ in found),
        candidates,
        about,
        tuple(notes),
    )


def _same(a: SystemInfo, b: SystemInfo) -> bool:
    return (a.harness_digest, a.model_digest) == (b.harness_digest, b.model_digest)


def _read(
    manifest: Manifest,
    path: Path,
    systems: set[str],
    candidates: dict[str, Candidate],
    work: dict[str, str],
    about: dict[str, TaskAbout],
) -> None:
    spent: dict[tuple[str, str, int], tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    last: dict[TrialKey, _Row] = {}
    lacking: dict[str, int] = defaultdict(int)
    for row in iter_lines(path, msgspec.json.Decoder(_Row)):
        if row.system not in systems:
            continue
        cost, unpriced = spent[row.trial]
        spent[row.trial] = (cost + row.usage.cost_usd, unpriced + row.usage.unpriced)
        keep_deciding(last, row)
    for key, row in last.items():
        named = row.trouble is not None and row.trouble.cause == IS_OPPONENT
        lacking[row.system] += named or row.status == "skipped"
        if not is_verdict(row.status, row.passed, row.value):
            continue
        if work.setdefault(row.task, row.digests.task + row.digests.grader) != row.digests.task + row.digests.grader:
            continue
        about.setdefault(row.task, TaskAbout(row.family, row.shape))
        cost, unpriced = spent[key]
        candidate = candidates[row.system]
        candidate.trials[row.task][manifest.run, row.epoch] = _trial(row, None if unpriced else cost)
        candidate.graded += 1
    for name in systems:
        candidates[name].planned += manifest.n_tasks * manifest.epochs - lacking[name]


def _trial(row: _Row, cost: float | None) -> Trial:
    o = row.output
    said = {
        "unresolved": bool(o.metrics.get("verify_unresolved")),
        "abstained": o.abstained,
        "refused": o.refused,
        "no_answer": o.answer is None and not o.abstained and not o.refused,
    }
    critical = any(isinstance(g, dict) and g.get("critical") for g in row.grades.values())
    doubts = frozenset(name for name, is_so in said.items() if is_so)
    return Trial(bool(row.passed), cost, row.timing.working, critical, doubts, o.confidence)


def shape_key(shape: Shape, by: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """A task's cell: the fields of its shape that it says, in the order asked for."""
    return tuple((name, str(value)) for name in by if (value := getattr(shape, name)) is not None)
