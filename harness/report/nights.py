"""A run folder as lines of the history: one per system, made from records alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import msgspec

from harness.records.content import Usage
from harness.records.outcome import IS_OPPONENT, Digests
from harness.records.task import digest_of
from harness.report.baseline import Baseline
from harness.report.system import SAID_SKIP
from harness.store.history import Night, Share, TaskNight
from harness.store.judgements import iter_judgements
from harness.store.lines import PassedPart, TrialKey, TryLine, WorkingPart, is_verdict, keep_deciding
from harness.store.manifest import Manifest, SystemInfo
from harness.store.read import ATTEMPTS, iter_lines, read_manifest

WATCHED_VERSIONS = ("eval-harness", "anthropic", "openai")
"""Packages whose change can change a result."""


class _Output(msgspec.Struct, frozen=True, gc=False):
    refused: bool = False


class _Trouble(msgspec.Struct, frozen=True, gc=False):
    cause: str = ""


class _Row(TryLine, frozen=True, gc=False):
    """The fields of an Attempt that a night is made of."""

    passed: bool | None = None
    value: float | None = None
    grades: dict[str, PassedPart] = msgspec.field(default_factory=dict)
    trouble: _Trouble | None = None
    output: _Output = _Output()
    usage: Usage = Usage()
    timing: WorkingPart = WorkingPart()
    models: tuple[str, ...] = ()
    digests: Digests = Digests()


@dataclass(slots=True)
class _Sums:
    """What is added up over the attempts of one system while they are read."""

    cost_usd: float = 0.0
    calls: int = 0
    unpriced: int = 0
    served: set[str] = field(default_factory=set)
    prints: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    last: dict[TrialKey, _Row] = field(default_factory=dict)


def nights_of(path: Path) -> tuple[Night, ...]:
    """A line per system of the run's plan. Raises StoreError when the folder is damaged."""
    manifest = read_manifest(path)
    attempts = path / ATTEMPTS
    size = attempts.stat().st_size if attempts.is_file() else 0
    sums = _read(path) if size else {}
    judges = _sentinels(path)
    return tuple(_night(manifest, s, sums.get(s.name, _Sums()), judges, size) for s in manifest.systems)


def nights_of_baseline(b: Baseline) -> tuple[Night, ...]:
    """The nights of a promoted baseline, for where their run folders and history lines are gone.

    `output_tokens` is over all decided trials, `prints` are those of the system that was promoted.
    """
    digest = {t.id: _work_digest(t.digests) for t in b.tasks}
    found = []
    for at, night in enumerate(b.nights):
        t = night.totals
        tasks = {x.id: TaskNight(round(x.passed[at]), x.graded[at], digest[x.id]) for x in b.tasks if x.graded[at]}
        found.append(
            Night(
                suite=b.suite,
                system=b.system.name,
                run=night.run,
                created=night.created,
                planned=t.planned,
                lacking=t.overlooked,
                graded=t.graded,
                floor=0.0,  # it was checked when the night was promoted
                epochs=max(1, b.origin.epochs),
                tasks=tasks,
                cost_usd=t.cost_usd if t.calls and not t.unpriced and not b.system.simulated else None,
                successes=round(t.passed),
                p50_s=night.p50_s,
                refused=t.refused,
                output_tokens=t.output_tokens / t.graded if t.calls and t.graded else None,
                served=t.models,
                prints={"harness": b.system.harness_digest[:8], "model": b.system.model_digest[:8]},
                simulated=b.system.simulated,
                stored=b.system.stored,
                privileged=b.system.privileged,
            )
        )
    return tuple(found)


def _work_digest(digests: Digests) -> str:
    """What a task's verdicts of a night rest on, shortly."""
    return digest_of(digests.task, digests.grader, digests.image)[:8]


def _read(path: Path) -> dict[str, _Sums]:
    found: dict[str, _Sums] = defaultdict(_Sums)
    for row in iter_lines(path, msgspec.json.Decoder(_Row)):
        sums = found[row.system]
        sums.cost_usd += row.usage.cost_usd
        sums.calls += row.usage.calls
        sums.unpriced += row.usage.unpriced
        sums.served.update(row.models)
        for name in ("image", "judge"):
            if value := getattr(row.digests, name):
                sums.prints[name].add(value)
        keep_deciding(sums.last, row)
    return found


def _night(manifest: Manifest, system: SystemInfo, sums: _Sums, judges: dict[str, Share], size: int) -> Night:
    decided = list(sums.last.values())
    worked = [r for r in decided if r.status in ("graded", "ungradable")]
    tasks = _tasks(decided)
    may_lack = {*manifest.may_lack, SAID_SKIP}
    why = [(r.status, r.trouble.cause) for r in decided if r.trouble is not None]
    lacking = sum(
        (status == "skipped" and cause in may_lack) or (status, cause) == ("ungradable", IS_OPPONENT)
        for status, cause in why
    )
    priced = sums.calls > 0 and sums.unpriced == 0 and not system.simulated
    return Night(
        suite=manifest.suite,
        system=system.name,
        run=manifest.run,
        created=manifest.created,
        night=manifest.night,
        planned=manifest.n_tasks * manifest.epochs,
        lacking=lacking,
        graded=sum(t.graded for t in tasks.values()),
        floor=manifest.coverage_floor,
        epochs=manifest.epochs,
        tasks=tasks,
        cost_usd=round(sums.cost_usd, 6) if priced else None,
        successes=sum(t.passed for t in tasks.values()),
        p50_s=_median_of_tasks(worked),
        refused=sum(r.output.refused for r in worked),
        output_tokens=_output_tokens(worked) if sums.calls else None,
        served=tuple(sorted(sums.served)),
        prints=_prints(manifest, system, sums, tasks),
        judges=judges,
        simulated=system.simulated,
        stored=system.stored,
        privileged=system.privileged,
        bytes=size,
    )


def _output_tokens(worked: list[_Row]) -> float | None:
    """Output tokens of a trial that ended; None when none did."""
    return round(sum(r.usage.output_total for r in worked) / len(worked), 2) if worked else None


def _tasks(decided: Iterable[_Row]) -> dict[str, TaskNight]:
    passed: dict[str, int] = defaultdict(int)
    graded: dict[str, int] = defaultdict(int)
    digest: dict[str, str] = {}
    for row in decided:
        if not is_verdict(row.status, row.passed, row.value):
            continue
        passed[row.task] += bool(row.passed)
        graded[row.task] += 1
        digest[row.task] = _work_digest(row.digests)
    return {t: TaskNight(passed[t], graded[t], digest[t]) for t in sorted(graded)}


def _median_of_tasks(rows: list[_Row]) -> float | None:
    """Median over tasks of the mean working time; answers from the call cache took no time of the system's."""
    times: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if not row.usage.cached:
            times[row.task].append(row.timing.working)
    return round(median(sum(t) / len(t) for t in times.values()), 4) if times else None


def _prints(manifest: Manifest, system: SystemInfo, sums: _Sums, tasks: dict[str, TaskNight]) -> dict[str, str]:
    """Short digests by what they are of; the change log compares them from night to night."""
    found = {
        "harness": system.harness_digest[:8],
        "model": system.model_digest[:8],
        "tasks": digest_of({name: t.digest for name, t in tasks.items()})[:8],
        "graders": digest_of(manifest.graders)[:8],
        "git": manifest.git,
    }
    for name, values in sums.prints.items():
        found[name] = digest_of(sorted(values))[:8]
    for name in WATCHED_VERSIONS:
        found[name] = manifest.versions.get(name, "")
    return {name: value for name, value in sorted(found.items()) if value}


def _sentinels(path: Path) -> dict[str, Share]:
    """Sentinels judged right of all that were judged, by judge. A call that failed for infrastructure is none."""
    hits: dict[str, int] = defaultdict(int)
    n: dict[str, int] = defaultdict(int)
    for j in iter_judgements(path):
        if j.role == "sentinel" and j.expected and j.status not in ("api_error", "skipped_budget"):
            n[j.judge] += 1
            hits[j.judge] += j.status == "ok" and j.outcome == j.expected
    return {judge: Share(hits[judge], n[judge]) for judge in sorted(n)}
