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
from harness.report.identity import KINDS, WHAT
from harness.report.words import many
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
    """One system: its trials by task and (run, epoch), and how many were planned.

    `passed_over` trials are on work that changed since, and planned no more.
    """

    name: str
    info: SystemInfo
    trials: dict[str, dict[tuple[str, int], Trial]] = field(default_factory=lambda: defaultdict(dict))
    planned: int = 0
    graded: int = 0
    passed_over: int = 0

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
    """The trials of these runs (of one suite). Only those on the newest definition of a system and of a task, its
    graders and judges count; the notes name the runs, and what changed between them.

    Raises StoreError, NothingToRun when no run has a candidate.
    """
    found = sorted(((read_manifest(p), p) for p in paths), key=lambda f: (f[0].created, f[0].run))
    if not found:
        raise NothingToRun("no run to route by", help="make one: harness run --suite NAME")
    newest = found[-1][0]
    infos = {s.name: s for m, _ in found for s in m.systems if not s.privileged and s.harness not in NO_CANDIDATES}
    work = _Work()
    about: dict[str, TaskAbout] = {}
    candidates = {name: Candidate(name, info) for name, info in infos.items()}
    old: set[str] = set()
    for manifest, path in reversed(found):  # newest first: what a task is, the newest run says
        same = {s.name for s in manifest.systems if s.name in infos and _same(s, infos[s.name])}
        old |= {s.name for s in manifest.systems if s.name in infos} - same
        _read(manifest, path, same, candidates, work, about)
    notes = [f"{n}: runs on another definition are left out" for n in sorted(old)]
    notes += work.notes()
    gone = sorted(n for n, c in candidates.items() if not c.graded and c.passed_over)
    notes += [f"{n}: none of its trials is on what the newest run asks and grades: run it again" for n in gone]
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


class _Work:
    """What each task was in the newest run that has it, and which older runs had another."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[str, set[str]]] = {}
        self._moved: dict[tuple[str, str, str], set[str]] = {}

    def is_same(self, run: str, row: _Row) -> bool:
        """Whether the row is on the newest task, graders, image and judges; what is empty says nothing."""
        same = True
        for kind in KINDS:
            digest = getattr(row.digests, kind)
            if not digest:
                continue
            newer, known = self._known.setdefault((row.task, kind), (run, set()))
            if newer == run:  # systems of one run may have boxes of several images
                known.add(digest)
            elif digest not in known:
                same = False
                self._moved.setdefault((run, newer, kind), set()).add(row.task)
        return same

    def notes(self) -> list[str]:
        """A line for each two runs and what changed between them."""
        found = []
        for (older, newer, kind), tasks in sorted(self._moved.items()):
            named = ", ".join(sorted(tasks)[:3]) + (f" and {len(tasks) - 3:,} more" if len(tasks) > 3 else "")
            what = f"{WHAT[kind]} of {many(len(tasks), 'task')} changed between {older} and {newer} ({named})"
            found.append(f"{what}: these trials of {older} are left out")
        return found


def _read(
    manifest: Manifest,
    path: Path,
    systems: set[str],
    candidates: dict[str, Candidate],
    work: _Work,
    about: dict[str, TaskAbout],
) -> None:
    spent: dict[tuple[str, str, int], tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    last: dict[TrialKey, _Row] = {}
    for row in iter_lines(path, msgspec.json.Decoder(_Row)):
        if row.system not in systems:
            continue
        cost, unpriced = spent[row.trial]
        spent[row.trial] = (cost + row.usage.cost_usd, unpriced + row.usage.unpriced)
        keep_deciding(last, row)
    sound = {k: row for k, row in last.items() if is_verdict(row.status, row.passed, row.value)}
    other = {(row.task, row.system) for row in sound.values() if not work.is_same(manifest.run, row)}
    lacking = dict.fromkeys(systems, 0)
    for _, system in other:
        lacking[system] += manifest.epochs
        candidates[system].passed_over += manifest.epochs
    for key, row in last.items():
        if (row.task, row.system) in other:
            continue
        named = row.trouble is not None and row.trouble.cause == IS_OPPONENT
        lacking[row.system] += named or row.status == "skipped"
        if key not in sound:
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
