"""THE SPINE: one trial, from a task to a recorded attempt.

    present the task (allow-list) -> open a box -> the harness solves -> collect what it left -> close the box
    -> graders grade, each in a clean place -> one line is recorded

Wrong, not graded and never ran are three things: `graded`, `ungradable`, and `infra_error` or `skipped`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.config.suite import System
from harness.engine.attempt_state import AttemptState
from harness.engine.context import Context
from harness.engine.grade import GradedWork, Grading, grade
from harness.engine.present import Shown, present, trial_seed
from harness.engine.services import Services
from harness.errors import LimitReached, MissingRequirement, ModelError, SandboxError
from harness.plugins.contracts import Box
from harness.plugins.sound import output_faults
from harness.records.outcome import Attempt, Digests, Grade, Output, Status, Timing, Trouble
from harness.records.task import Task
from harness.records.transcript import Transcript

NO_OUTPUT = Output()


@dataclass(frozen=True, slots=True)
class Trial:
    """A task under a system in an epoch. `attempt` counts from 1."""

    task: Task
    system: str
    epoch: int
    attempt: int = 1


@dataclass(slots=True)
class Ended:
    """How the work ended: with an output, perhaps at a limit, or in trouble that says nothing about the system."""

    output: Output = NO_OUTPUT
    limit: str = ""
    trouble: Trouble | None = None
    status: Status = "graded"
    retryable: bool = False
    image: str = ""


async def run_attempt(trial: Trial, services: Services, retries_left: int) -> Attempt:
    """One try of a trial, recorded. It is `final` unless infrastructure failed and a retry is left.

    Raises StoreError when it cannot be recorded; a cancelled attempt leaves no record and is run again on resume.
    """
    system, task = services.suite.systems[trial.system], trial.task
    limits = services.suite.limits.merged(system.limits).merged(task.limits)
    state = AttemptState(limits, trial.epoch, trial_seed(services.suite.seed, task.id, trial.epoch))
    shown = present(task, state.seed)

    ended = await _work(trial, shown, services, state)
    worked = state.clock.now
    transcript = Transcript(task.id, trial.system, trial.epoch, trial.attempt, ended.output, tuple(state.events))
    grading = None
    if ended.trouble is None:
        artifacts = {a.name: a.data for a in ended.output.artifacts}
        work = GradedWork(
            task, ended.output, shown.order, services.suite.workspace, artifacts.get, lambda: transcript, services
        )
        grading = await grade(work, services)

    attempt = _attempt(trial, system, state, ended, grading, worked)
    if ended.status == "infra_error" and ended.retryable and retries_left > 0:
        attempt = msgspec.structs.replace(attempt, final=False)
    attempt = msgspec.structs.replace(attempt, choice_order=shown.order)
    services.record(attempt, transcript, ended.output.artifacts)
    return attempt


async def _work(trial: Trial, shown: Shown, services: Services, state: AttemptState) -> Ended:
    """Let the harness solve, and say how it ended."""
    ended = Ended()
    harness = services.suite.systems[trial.system].harness
    try:
        async with _box(trial, services) as box, state.clock:
            ended.image = box.image_digest if box else ""
            ctx = Context(trial.system, shown, services, state, box)
            delivered = await harness.solve(shown.view, ctx)
            if wrong := output_faults(delivered):
                raise TypeError(wrong)
            ended.output = delivered
    except LimitReached as e:
        ended.limit, ended.output = e.kind, state.saved or Output()
        state.note("limit", str(e))
    except MissingRequirement as e:
        ended.status, ended.trouble = "skipped", Trouble("requirement", e.requirement, str(e))
    except ModelError as e:
        ended.status, ended.trouble = "infra_error", Trouble("model", e.fault, str(e))
        ended.retryable = e.retryable
    except SandboxError as e:
        ended.status, ended.trouble = "infra_error", Trouble("sandbox", e.fault, str(e))
        ended.retryable = True
    except (Exception, SystemExit) as e:  # noqa: BLE001 - the edge of a plugin: a crash is recorded, never a score
        ended.status, ended.trouble = "infra_error", Trouble("harness", type(e).__name__, str(e))
    return ended


@asynccontextmanager
async def _box(trial: Trial, services: Services) -> AsyncIterator[Box | None]:
    """The task's box, gone when the work ends; nothing for work that needs none."""
    spec, harness = trial.task.sandbox, services.suite.systems[trial.system].harness
    if spec is None:
        if harness.needs_box:
            raise MissingRequirement("sandbox", f"{trial.system} works in a box and the task describes none")
        yield None
        return
    if services.sandbox is None:
        raise MissingRequirement("sandbox", "the task needs a box and no sandbox plugin is installed")
    async with services.sandbox.open(spec) as box:
        yield box


def verdict_fields(grading: Grading) -> dict[str, Any]:
    """The fields of an attempt that a grading decides: set only when the deciding graders gave a verdict."""
    verdict = grading.verdict
    fields: dict[str, Any] = {"grades": grading.verdicts, "judge_usage": grading.judge_usage}
    if isinstance(verdict, Grade):
        scored = {"passed": verdict.passed, "value": verdict.value, "label": verdict.label}
        return {**fields, **scored, "status": "graded", "trouble": None}
    doubt = Trouble("grader", verdict.cause, verdict.detail)
    return {**fields, "passed": None, "value": None, "label": "", "status": "ungradable", "trouble": doubt}


def _attempt(
    trial: Trial, system: System, state: AttemptState, ended: Ended, grading: Grading | None, worked: float
) -> Attempt:
    """The record."""
    task, clock = trial.task, state.clock
    verdict = verdict_fields(grading) if grading else {"status": ended.status, "trouble": ended.trouble}
    grading_s = round(grading.seconds, 4) if grading else 0.0
    return Attempt(
        task=task.id,
        system=trial.system,
        epoch=trial.epoch,
        attempt=trial.attempt,
        family=task.family,
        shape=task.shape,
        tags=task.tags,
        output=ended.output,
        limit=ended.limit,
        usage=state.usage,
        turns=state.turns,
        retries=state.retries,
        timing=Timing(
            started=round(clock.started, 3),
            wall=round(clock.now, 4),
            working=round(worked - clock.waited, 4),
            waiting=round(clock.waited, 4),
            model=round(state.model_s, 4),
            grading=grading_s,
        ),
        models=tuple(state.models),
        digests=Digests(
            task=task.digest,
            grader=grading.digest if grading else "",
            harness=system.harness_digest,
            model=system.model_digest,
            image=ended.image,
        ),
        **verdict,
    )
