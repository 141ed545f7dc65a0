"""The order of a run: every trial once, those already settled left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from harness.engine.trial import Trial
from harness.records.task import Task
from harness.store.read import Settled


@dataclass(frozen=True, slots=True)
class Plan:
    """Tasks x systems x epochs. Iterating it gives what is left to do.

    Tasks are shuffled by the seed, so that a run that stops early is still a random sample; the systems of a task
    run next to each other, so that they meet the same conditions.
    """

    tasks: Sequence[Task]
    systems: Sequence[str]
    epochs: int
    seed: int
    settled: Settled

    def __iter__(self) -> Iterator[Trial]:
        for epoch in range(1, self.epochs + 1):
            order = list(range(len(self.tasks)))
            Random(f"{self.seed}:{epoch}").shuffle(order)
            for i in order:
                task = self.tasks[i]
                for system in self.systems:
                    key = (task.id, system, epoch)
                    if key not in self.settled.done:
                        yield Trial(task, system, epoch, self.settled.tries.get(key, 0) + 1)

    @property
    def total(self) -> int:
        """All trials, settled or not."""
        return len(self.tasks) * len(self.systems) * self.epochs
