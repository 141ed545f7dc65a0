"""Two canaries that cost no model call: stored work graded again, and scripted agents with a known outcome.

pin      a few finished attempts of a run, copied to a small run folder that git keeps
replay   those graded again by today's graders: every verdict must be the same to the bit
scripted a suite whose systems are named must-pass... and must-fail..., through boxes and graders
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from harness.config.suite import Suite
from harness.engine.again import verdict_digest
from harness.engine.prepare import make_manifest, named_secrets
from harness.engine.regrade import regrade
from harness.engine.retry import RetryPolicy
from harness.engine.session import Job, run_job
from harness.errors import NothingToRun
from harness.prices import PriceBook
from harness.records.outcome import Artifact, Attempt
from harness.records.task import Task
from harness.store.folder import RunFolder
from harness.store.manifest import Manifest, Selection
from harness.store.read import Settled, iter_attempts, read_manifest, read_transcript

PINNED = Path("baselines") / "replay"
"""Folder of pinned work, in `runs/`: one run folder per suite."""
MOST = 60
"""Attempts that are pinned, unless more are asked for: seconds to grade, some hundred kB."""
MOST_BYTES = 256 * 1024
"""An attempt with more bytes of artifacts is not pinned."""
MUST_PASS, MUST_FAIL = "must-pass", "must-fail"
_NOTHING = Settled(frozenset(), {}, 0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a canary said. `checked` counts attempts; `differ` names those with another outcome than must be."""

    state: Literal["same", "moved", "not measured"]
    checked: int = 0
    differ: tuple[str, ...] = ()
    detail: str = ""


def pinned_path(runs: Path, suite: str) -> Path:
    """Where a suite's pinned work is."""
    return runs / PINNED / suite


def pin(source: Path, to: Path, most: int = MOST, seed: int = 0) -> int:
    """Copy finished attempts of a run into the new run folder `to`; passed and failed ones of as many tasks as fit.

    Left out are attempts that a judge graded (judging again is not free, and not the same to the bit), and those with
    large artifacts. Returns how many. Raises StoreError, NothingToRun when none is fit.
    """
    manifest = read_manifest(source)
    chosen = _chosen(source, most, seed)
    if not chosen:
        raise NothingToRun(f"{manifest.run} has no attempt whose verdict rests on no judge")
    small = msgspec.structs.replace(manifest, run=to.name, selection=Selection(task_ids=_tasks_of(chosen)))
    with RunFolder.create(to.parent, small) as folder:
        for attempt in chosen:
            transcript = read_transcript(source, attempt)
            folder.add(
                attempt, transcript, [Artifact(a.name, (source / a.path).read_bytes()) for a in attempt.artifacts]
            )
    return len(chosen)


def _tasks_of(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    return tuple(sorted({a.task for a in attempts}))


def _chosen(source: Path, most: int, seed: int) -> list[Attempt]:
    """One attempt per task and verdict first, then further ones, in an order that only the seed decides."""
    fit: dict[tuple[str, bool | None, str], list[Attempt]] = defaultdict(list)
    for a in iter_attempts(source):
        judged = a.digests.judge or a.judge_usage.calls
        if a.final and a.status == "graded" and not judged and sum(x.size for x in a.artifacts) <= MOST_BYTES:
            fit[a.task, a.passed, a.label].append(a)
    rng = Random(seed)
    kinds = sorted(fit, key=repr)
    rng.shuffle(kinds)
    ordered = [sorted(fit[kind], key=lambda a: (a.system, a.epoch)) for kind in kinds]
    deepest = max((len(row) for row in ordered), default=0)
    return [row[depth] for depth in range(deepest) for row in ordered if depth < len(row)][:most]


def replay(suite: Suite, source: Path, watch: Callable[[int], None] = lambda n: None) -> Checked:
    """Grade pinned work again and compare. Work on tasks that are others today is left out.

    A verdict that a *changed* grader gives is told as such: pin anew when the change was meant.
    """
    tasks = {t.id: t for t in suite.tasks}
    before = {_key(a): a for a in iter_attempts(source)}
    same = [a for a in before.values() if a.task in tasks and tasks[a.task].digest == a.digests.task]
    if not same:
        return Checked("not measured", detail="none of the pinned work is of today's tasks: harness nightly --pin RUN")
    with tempfile.TemporaryDirectory(prefix="harness-canary-") as scratch:
        place = Path(scratch)
        kept = _only(source, place, same)
        wanted = [tasks[name] for name in _tasks_of(same)]
        manifest = msgspec.structs.replace(read_manifest(source), run="again")
        with RunFolder.create(place, manifest, named_secrets(suite)) as folder:
            regrade(kept, folder, suite, wanted, watch)
        after = {_key(a): a for a in iter_attempts(place / "again")}
    return _compared(suite, tasks, same, after)


def _key(a: Attempt) -> tuple[str, str, int, int]:
    return (a.task, a.system, a.epoch, a.attempt)


def _only(source: Path, place: Path, attempts: Sequence[Attempt]) -> Path:
    """The pinned folder itself, or a copy without the work that cannot be compared."""
    if len(attempts) == sum(1 for _ in iter_attempts(source)):
        return source
    manifest = msgspec.structs.replace(read_manifest(source), run="kept")
    with RunFolder.create(place, manifest) as folder:
        for a in attempts:
            files = [Artifact(x.name, (source / x.path).read_bytes()) for x in a.artifacts]
            folder.add(a, read_transcript(source, a), files)
    return place / "kept"


def _compared(
    suite: Suite, tasks: dict[str, Task], before: Sequence[Attempt], after: dict[tuple[str, str, int, int], Attempt]
) -> Checked:
    differ: list[str] = []
    lost: list[str] = []
    regraded_by_others = 0
    for a in before:
        b = after[_key(a)]
        if b.status != "graded" and any(getattr(v, "cause", "") in ("engine", "sandbox") for v in b.grades.values()):
            lost.append(a.task)
            continue
        if _verdict(a) != _verdict(b):
            differ.append(f"{a.task} ({a.system})")
            regraded_by_others += a.digests.grader != verdict_digest(suite, tasks[a.task])
    checked = len(before) - len(lost)
    if differ:
        changed = f" ({regraded_by_others} under graders or references that were edited)" if regraded_by_others else ""
        return Checked("moved", checked, tuple(sorted(differ)), f"{len(differ)} of {checked} verdicts differ{changed}")
    if not checked:
        return Checked("not measured", detail="every pinned verdict needs a container engine")
    skipped = f"; {len(lost)} need a container engine" if lost else ""
    return Checked("same", checked, (), f"{checked} verdicts the same{skipped}")


def _verdict(a: Attempt) -> bytes:
    """Everything a verdict says. Seconds and tokens of grading are no part of it."""
    said = [a.status, a.passed, a.value, a.label, sorted(a.grades.items()), sorted(a.flags)]
    return msgspec.json.encode(said)


def scripted(suite: Suite, runs: Path, name: str) -> Checked:
    """Run a canary suite into `runs/<name>` and hold every outcome against its system's name.

    Raises StoreError when the folder exists.
    """
    systems = {n: s for n, s in suite.systems.items() if n.startswith((MUST_PASS, MUST_FAIL))}
    if not systems:
        return Checked(
            "not measured", detail=f"the suite '{suite.name}' has no system named {MUST_PASS} or {MUST_FAIL}"
        )
    prices = PriceBook.load(suite.prices)
    selection = Selection(tasks_in_suite=len(suite.tasks))
    manifest = msgspec.structs.replace(make_manifest(suite, suite.tasks, systems, selection, prices), run=name)
    with RunFolder.create(runs, manifest, named_secrets(suite)) as folder:
        run_job(Job(replace(suite, budget_usd=None), folder, suite.tasks, _NOTHING, prices, RetryPolicy()), _unwatched)
    return outcome_of(runs / name, manifest)


def _unwatched(_: object) -> Callable[[], None]:
    return lambda: None


def outcome_of(path: Path, manifest: Manifest) -> Checked:
    """Whether what must pass passed and what must fail failed."""
    last: dict[tuple[str, str, int], Attempt] = {}
    for a in iter_attempts(path):
        if a.final:
            last[a.task, a.system, a.epoch] = a
    graded = [a for a in last.values() if a.status == "graded"]
    wrong = [a for a in graded if bool(a.passed) != a.system.startswith(MUST_PASS)]
    broken = [a for a in last.values() if a.status in ("infra_error", "ungradable")]
    skipped = len(last) - len(graded) - len(broken)
    if wrong or broken:
        said = [f"{a.task} ({a.system}: {'passed' if a.passed else 'failed'})" for a in wrong]
        said += [f"{a.task} ({a.system}: {a.trouble.cause if a.trouble else a.status})" for a in broken]
        return Checked("moved", len(graded) + len(broken), tuple(sorted(said)), f"{len(said)} outcomes are others")
    why = f"; {skipped} skipped for lack of an engine" if skipped else ""
    if not graded:
        return Checked("not measured", detail=f"nothing was graded{why}")
    return Checked("same", len(graded), (), f"{len(graded)} scripted trials ended as they must{why}")
