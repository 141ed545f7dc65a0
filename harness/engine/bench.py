"""The bench of one trial: whose work it is, and what other systems of the run did with the same task."""

from __future__ import annotations

from harness.engine.others import opponents_before
from harness.engine.services import Services
from harness.plugins.contracts import Bench
from harness.plugins.judging import Delivered
from harness.records.outcome import NotGraded
from harness.records.task import Task
from harness.toolkit.judging.judge import family_of


def bench_of(services: Services, task: Task, system: str, epoch: int, attempt: int) -> Bench:
    """Everything a grader that asks judges is told about a trial; the grader's own name comes with each grader."""
    described = services.suite.systems.get(system)
    before = opponents_before(task, services.suite.graders, system)

    def other(name: str) -> Delivered | NotGraded:
        """Only those that this trial waited for: what is graded does not depend on who was quicker."""
        if name not in before:
            return NotGraded("judged_later", f"'{name}' is named after '{system}': the pair is judged in its trial")
        return services.others.of(task, epoch, name)

    kin = {family_of(m) for m in described.models.values()} if described else set()
    return Bench(
        system=system, epoch=epoch, attempt=attempt, seed=services.suite.seed, kin=tuple(sorted(kin)),
        of=other,
    )  # fmt: skip
