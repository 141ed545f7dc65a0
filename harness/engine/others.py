"""Comparing a system with another one of the same run: whose work must be there first, and where it is.

A trial whose grader compares it with another system is not started before that system's trial of the same task and
epoch is decided (design/008). So nothing is held back from the record, and resume and regrade need no second path.
Several systems that are compared with one another go in the order in which they are named: each waits for those before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.config.suite import BoundGrader
from harness.errors import ConfigError, Fault
from harness.plugins.judging import Delivered
from harness.records.outcome import Attempt, NotGraded
from harness.records.task import Task
from harness.store.lines import TrialKey, keep_deciding
from harness.store.read import iter_attempts, read_transcript


@dataclass(slots=True)
class Others:
    """Decided trials of systems that others are compared with. `flush` puts what is buffered on disk before a read."""

    folder: Path | None = None
    wanted: frozenset[str] = frozenset()
    flush: Callable[[], None] = lambda: None
    found: dict[TrialKey, Attempt] = field(default_factory=dict)

    def begin(self, folder: Path, wanted: Iterable[str], flush: Callable[[], None]) -> None:
        """Read what there is already: a resumed run, or the run that is graded again."""
        self.folder, self.wanted, self.flush = folder, frozenset(wanted), flush
        if self.wanted:
            for attempt in iter_attempts(folder):
                self.saw(attempt)

    def saw(self, attempt: Attempt) -> None:
        """Remember a decided trial of a system somebody is compared with."""
        if attempt.system in self.wanted:
            keep_deciding(self.found, attempt)

    def of(self, task: Task, epoch: int, system: str) -> Delivered | NotGraded:
        """What a system delivered, or why there is nothing to compare with. Never a win by absence of a measurement."""
        attempt = self.found.get((task.id, system, epoch))
        if attempt is None or self.folder is None:
            return NotGraded("no_opponent", f"this run has no work of '{system}' on '{task.id}' in epoch {epoch}")
        if attempt.status in ("infra_error", "skipped") or attempt.transcript is None:
            trouble = attempt.trouble.cause if attempt.trouble else attempt.status
            return NotGraded("no_opponent", f"the trial of '{system}' was not measured: {trouble}")
        self.flush()
        folder, places = self.folder, {a.name: a.path for a in attempt.artifacts}
        transcript = read_transcript(folder, attempt)

        def artifact(name: str) -> bytes | None:
            return (folder / places[name]).read_bytes() if name in places else None

        return Delivered(system, transcript.output, artifact, lambda: transcript)


def opponents_of(task: Task, graders: Mapping[str, BoundGrader]) -> tuple[str, ...]:
    """Systems whose work on this task must be there before another one's is graded."""
    names = (*task.graders, *task.informative)
    return tuple(dict.fromkeys(o for name in names for o in graders[name].grader.opponents()))


def opponents_before(task: Task, graders: Mapping[str, BoundGrader], system: str) -> tuple[str, ...]:
    """Those of them that a trial of `system` waits for: all, or of a named system those that are named before it."""
    names = opponents_of(task, graders)
    return names[: names.index(system)] if system in names else names


def check_files(tasks: Sequence[Task], graders: Mapping[str, BoundGrader], workspace: Path) -> list[str]:
    """Warnings of graders that inform and have nothing to compare some work with.

    One that decides would leave these tasks without a verdict, after the systems were paid. Raises ConfigError.
    """
    faults: list[Fault] = []
    warnings: list[str] = []
    for name in sorted({name for task in tasks for name in (*task.graders, *task.informative)}):
        grader = graders[name].grader
        deciding = [task for task in tasks if name in task.graders]
        informing = [task for task in tasks if name in task.informative and name not in task.graders]
        if lack := grader.unopposed(deciding, workspace):
            help = "add them, choose tasks by --task, or let the grader inform only (`informative: true`)"
            faults.append(Fault(f"'{name}' decides, and {lack}", help=help))
        if lack := grader.unopposed(informing, workspace):
            warnings.append(f"'{name}' only informs, and {lack}")
    if faults:
        raise ConfigError(faults)
    return warnings


def check_opponents(tasks: Iterable[Task], graders: Mapping[str, BoundGrader], systems: Iterable[str]) -> None:
    """Refuse comparisons of which each waits for the other, and with systems that are nowhere. Raises ConfigError."""
    known = set(systems)
    faults: dict[str, Fault] = {}
    for task in tasks:
        names = opponents_of(task, graders)
        place = task.place
        for name in names:
            if name not in known:
                what = f"'{task.id}' ({place}) is compared with the system '{name}', which the suite does not have"
                faults.setdefault(name, Fault(what, help=f"systems: {', '.join(sorted(known))}"))
        for grader in task.graders:
            later = [n for n in graders[grader].grader.opponents_needed() if n != names[0]]
            if later:
                what = (
                    f"'{task.id}' ({place}): '{grader}' decides by a comparison with '{later[0]}', and '{names[0]}' is "
                    "compared with others too: each would wait for the other"
                )
                help = "let it inform only (`informative: true`), or name all of them in one judge_select"
                faults.setdefault(task.id, Fault(what, help=help))
    if faults:
        raise ConfigError(list(faults.values()))
