"""The ledger: every run on the same suite up to this one, also broken off ones, and what tasks did in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import StoreError
from harness.store.lines import CostPart, PassedPart, TrialKey, TryLine, is_verdict, keep_deciding
from harness.store.manifest import Manifest
from harness.store.read import ATTEMPTS, DECIDED, MANIFEST, iter_lines, read_manifest

HISTORY_BYTES = 64 * 1024**2
"""Bytes of other runs' `attempts.jsonl` that are read, newest runs first; older runs are listed uncounted."""
HIDDEN = "hidden"
"""The tag of tasks that are held back: looking at their results is counted."""


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One run. `passed`, `graded` and `cost_usd` are None where it was not counted; `unpriced` counts calls.

    `same` says that tasks, graders, systems and models are those of this run; `hidden` that tasks tagged `hidden` were
    graded; `by_system` has passed and graded trials.
    """

    run: str
    created: str
    systems: tuple[str, ...]
    planned: int
    decided: int | None
    skipped: int
    graded: int | None
    passed: int | None
    cost_usd: float | None
    unpriced: int
    hidden: bool
    same: bool
    regrade_of: str
    by_system: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class RunCounts:
    """What a run's deciding lines add up to. `results` maps (system, task) to [passed, graded]."""

    decided: int
    skipped: int
    graded: int
    passed: int
    cost_usd: float
    unpriced: int
    hidden: bool
    results: dict[tuple[str, str], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class History:
    """The ledger, oldest first and this run last, and pooled results of runs of the same things.

    `pooled` maps (system, task) to [passed, graded], over this run and the runs before it in which the system, the
    tasks and the graders had the same digests. `unreadable` names folders that could not be read.
    `results` has, by run, what `RunCounts.results` says of the runs that were counted.
    """

    ledger: tuple[LedgerLine, ...]
    pooled: dict[tuple[str, str], tuple[int, int]]
    pooled_runs: int
    unreadable: tuple[str, ...]
    results: dict[str, dict[tuple[str, str], tuple[int, int]]]


class _Brief(TryLine, frozen=True, gc=False):
    passed: bool | None = None
    value: float | None = None
    grades: dict[str, PassedPart] = msgspec.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    usage: CostPart = CostPart()
    judge_usage: CostPart = CostPart()


def read_history(folder: Path, manifest: Manifest, own: RunCounts) -> History:
    """Runs beside this one, of the same suite, that were not made later. Nothing else in `runs/` is looked at.

    `own` is what this run comes to, so that its lines are not read again. A run that was only graded again, or that
    this one grades again, holds the same outputs and is not pooled; nor are stored answers, played again each time.
    """
    found, unreadable = _earlier(folder, manifest)
    left = HISTORY_BYTES
    lines = [_line(manifest, manifest, own)]
    pooled: dict[tuple[str, str], tuple[int, int]] = dict(own.results)
    pooled_runs = 1
    stored = {s.name for s in manifest.systems if s.stored}
    results = {manifest.run: own.results}
    for path, other in reversed(found):
        counts = None
        left -= _size(path)
        if left >= 0:
            try:
                counts = _count(path)
            except StoreError:
                unreadable.append(path.name)
        lines.append(_line(manifest, other, counts))
        if counts is not None:
            results[other.run] = counts.results
        alike = _alike(manifest, other)
        if counts is None or not alike or other.regrade_of or other.run == manifest.regrade_of:
            continue
        pooled_runs += 1
        for (system, task), (won, n) in counts.results.items():
            if system in alike and system not in stored:
                before = pooled.get((system, task), (0, 0))
                pooled[system, task] = (before[0] + won, before[1] + n)
    return History(tuple(reversed(lines)), pooled, pooled_runs, tuple(sorted(unreadable)), results)


def _earlier(folder: Path, manifest: Manifest) -> tuple[list[tuple[Path, Manifest]], list[str]]:
    """Runs of this suite that were made before this one, by time, and folders that cannot be read."""
    found, unreadable = [], []
    for path in sorted(p for p in folder.resolve().parent.iterdir() if (p / MANIFEST).is_file()):
        if path.name == folder.resolve().name:
            continue
        try:
            other = read_manifest(path)
        except StoreError:
            unreadable.append(path.name)
            continue
        if other.suite == manifest.suite and (other.created, other.run) < (manifest.created, manifest.run):
            found.append((path, other))
    found.sort(key=lambda f: (f[1].created, f[1].run))
    return found, unreadable


def _size(path: Path) -> int:
    try:
        return (path / ATTEMPTS).stat().st_size
    except OSError:
        return 0


def _alike(manifest: Manifest, other: Manifest) -> set[str]:
    """Systems of `other` that are the same as here, on the same tasks with the same graders."""
    if (other.tasks_digest, other.graders) != (manifest.tasks_digest, manifest.graders):
        return set()
    mine = {s.name: (s.harness_digest, s.model_digest) for s in manifest.systems}
    return {s.name for s in other.systems if mine.get(s.name) == (s.harness_digest, s.model_digest)}


def _count(path: Path) -> RunCounts:
    """What a run's lines add up to. Raises StoreError."""
    last: dict[TrialKey, _Brief] = {}
    cost, unpriced = 0.0, 0
    hidden: set[str] = set()
    for line in iter_lines(path, msgspec.json.Decoder(_Brief)):
        cost += line.usage.cost_usd + line.judge_usage.cost_usd
        unpriced += line.usage.unpriced + line.judge_usage.unpriced
        if HIDDEN in line.tags:
            hidden.add(line.task)
        keep_deciding(last, line)
    results: dict[tuple[str, str], tuple[int, int]] = {}
    for line in last.values():
        if is_verdict(line.status, line.passed, line.value):
            before = results.get((line.system, line.task), (0, 0))
            results[line.system, line.task] = (before[0] + bool(line.passed), before[1] + 1)
    return RunCounts(
        decided=sum(line.status in DECIDED for line in last.values()),
        skipped=sum(line.status == "skipped" for line in last.values()),
        graded=sum(n for _, n in results.values()),
        passed=sum(won for won, _ in results.values()),
        cost_usd=cost,
        unpriced=unpriced,
        hidden=any(task in hidden for _, task in results),
        results=results,
    )


def _line(this: Manifest, manifest: Manifest, counts: RunCounts | None) -> LedgerLine:
    alike = _alike(this, manifest)
    by_system: dict[str, tuple[int, int]] = {}
    for (system, _), (won, n) in sorted(counts.results.items()) if counts else ():
        before = by_system.get(system, (0, 0))
        by_system[system] = (before[0] + won, before[1] + n)
    return LedgerLine(
        run=manifest.run,
        created=manifest.created,
        systems=tuple(s.name for s in manifest.systems),
        planned=manifest.n_trials,
        decided=counts.decided if counts else None,
        skipped=counts.skipped if counts else 0,
        graded=counts.graded if counts else None,
        passed=counts.passed if counts else None,
        cost_usd=counts.cost_usd if counts else None,
        unpriced=counts.unpriced if counts else 0,
        hidden=counts.hidden if counts else False,
        same=len(alike) == len(this.systems) == len(manifest.systems),
        regrade_of=manifest.regrade_of,
        by_system=by_system,
    )
