"""Scored work asked about again, in every order and several times: it measures the judge and moves no score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.config.suite import BoundGrader
from harness.engine.attempt_state import AttemptState
from harness.engine.grade import verdict_of
from harness.engine.judges import judge_graders
from harness.engine.services import Services
from harness.engine.stored_work import stored_work
from harness.errors import MissingRequirement, SandboxError
from harness.records.judgement import Judgement
from harness.records.outcome import Attempt
from harness.records.task import Limits, Task


async def again(
    services: Services, bound: BoundGrader, path: Path, of: tuple[Task, Attempt], repeats: int
) -> list[Judgement]:
    """What each judge inside this grader says of stored work now, with the role `audit`."""
    task, attempt = of
    said: list[Judgement] = []
    for inner in judge_graders(bound.grader):
        work = stored_work(path, attempt, task, services)
        work.bench = replace(work.bench, role="audit", attempt=0, tell=said.append)
        asked = replace(bound, grader=inner.audited(repeats))
        try:
            await verdict_of(asked, work, services, AttemptState(Limits(), 0, 0))
        except (MissingRequirement, SandboxError):
            continue
    return said
