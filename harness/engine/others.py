"""Comparing a system with another one of the same run: whose work must be there first, and where it is.

A trial whose grader compares it with another system is not started before that system's trial of the same task and
epoch is decided (design/008). So nothing is held back from the record, and resume and regrade need no second path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
        if len(names) > 1:
            both = " and ".join(names)
            what = f"'{task.id}' ({place}) is compared with {both}, which would wait for each other"
            faults.setdefault(task.id, Fault(what, help="compare with one of them, and with others as stored runs"))
    if faults:
        raise ConfigError(list(faults.values()))
