"""Taking up a stored run: the suite as it is now against the suite as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.config.load import load_suite
from harness.config.suite import Suite, System
from harness.engine.prepare import tasks_digest
from harness.errors import NotComparable
from harness.records.task import Task, digest_of
from harness.store.manifest import Manifest, SystemInfo
from harness.store.read import iter_attempts, read_manifest

MAX_NAMED = 8


def suite_of(workspace: Path, manifest: Manifest) -> Suite:
    """The suite of a run, loaded again, with the run's own epochs, seed and limits. Raises ConfigError."""
    suite = load_suite(workspace, manifest.suite_path)
    return replace(
        suite,
        epochs=manifest.epochs,
        seed=manifest.seed,
        limits=manifest.limits,
        budget_usd=manifest.budget_usd,
        coverage_floor=manifest.coverage_floor,
        may_lack=manifest.may_lack,
        infra_retries=manifest.infra_retries,
        concurrency=manifest.concurrency,
        cache=manifest.cache,
    )


def tasks_of(suite: Suite, manifest: Manifest) -> list[Task]:
    """The run's tasks from the suite. Raises NotComparable when one is gone."""
    if manifest.selection.task_ids is None:
        return list(suite.tasks)
    by_id = {t.id: t for t in suite.tasks}
    gone = [i for i in manifest.selection.task_ids if i not in by_id]
    if gone:
        raise NotComparable(f"{_named(gone)} no longer in suite '{suite.name}'", help="start a new run")
    return [by_id[i] for i in manifest.selection.task_ids]


def refuse_changes(run: Path, suite: Suite, tasks: list[Task], what: str) -> None:
    """Raise NotComparable when tasks, systems or graders differ from those the run began with."""
    manifest = read_manifest(run)
    changed = changed_systems(suite, {s.name: s for s in manifest.systems})
    words = [f"{_named(changed)} changed"] if changed else []
    if tasks_digest(tasks) != manifest.tasks_digest:
        words.append(f"{_named(changed_tasks(run, tasks)) or 'the set of tasks'} changed")
    used = {g for t in tasks for g in (*t.graders, *t.informative)}
    graders = [n for n in sorted(used) if manifest.graders.get(n, {}).get("digest") != suite.graders[n].digest]
    of_graders = [f"{_named(graders)} changed"] if graders else []
    if not graders and (other := graded_otherwise(run, suite, tasks)):
        of_graders = [f"the reference or graders of {_named(other)} changed"]
    if words or of_graders:
        raise NotComparable(
            f"since {manifest.run} began: {'; '.join(words + of_graders)}; a {what} would mix two measurements",
            help="start a new run" + ("" if words else ", or regrade this one: harness regrade"),
        )


def changed_systems(suite: Suite, before: Mapping[str, SystemInfo]) -> list[str]:
    """Systems of the run that are gone, or have other digests or limits of their own."""
    return [name for name, info in before.items() if name not in suite.systems or _differs(suite.systems[name], info)]


def _differs(now: System, before: SystemInfo) -> bool:
    digests = (now.harness_digest, now.model_digest) != (before.harness_digest, before.model_digest)
    return digests or dict(now.config).get("limits") != before.config.get("limits")


def changed_tasks(run: Path, tasks: list[Task]) -> list[str]:
    """Tasks whose recorded attempts were made on other content, and recorded tasks that are gone."""
    now = {t.id: t.digest for t in tasks}
    seen: dict[str, str] = {}
    for attempt in iter_attempts(run):
        seen.setdefault(attempt.task, attempt.digests.task)
    return [name for name, digest in sorted(seen.items()) if now.get(name) != digest]


def graded_otherwise(run: Path, suite: Suite, tasks: list[Task]) -> list[str]:
    """Tasks whose recorded verdicts were given by other deciding graders, or on another reference, than today's."""
    now = {t.id: verdict_digest(suite, t) for t in tasks}
    seen: dict[str, bool] = {}
    for attempt in iter_attempts(run):
        if attempt.digests.grader and attempt.task in now:
            seen[attempt.task] = seen.get(attempt.task, False) or attempt.digests.grader != now[attempt.task]
    return sorted(name for name, other in seen.items() if other)


def verdict_digest(suite: Suite, task: Task) -> str:
    """What a task's verdicts rest on, as `engine.grade` records it: its deciding graders and its reference."""
    return digest_of([suite.graders[name].digest for name in task.graders], task.reference)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
