"""THE SPINE: one trial, from a task to a recorded attempt.

    present the task (allow-list) -> open a box -> the harness solves -> collect what it left -> close the box
    -> graders grade, each in a clean place -> one line is recorded

Wrong, not graded and never ran are three things: `graded`, `ungradable`, and `infra_error` or `skipped`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from harness.config.suite import System
from harness.engine.attempt_state import AttemptState
from harness.engine.bench import bench_of
from harness.engine.boxes import LASTING, bare, noted
from harness.engine.context import Context
from harness.engine.doors import Way, mounts_of, way_to_models
from harness.engine.grade import GradedWork, Grading, flags_of, grade
from harness.engine.misuse import misused
from harness.engine.present import Shown, present, trial_seed
from harness.engine.reaching import left_running, reached
from harness.engine.services import Services
from harness.errors import BudgetReached, LimitReached, MissingRequirement, ModelError, SandboxError
from harness.plugins.contracts import Box, Harness
from harness.plugins.sound import output_faults
from harness.records.outcome import Attempt, Digests, Grade, NotGraded, Output, Status, Timing, Trouble
from harness.records.task import SandboxSpec, Task, TaskView
from harness.records.transcript import Transcript

NO_OUTPUT = Output()
PROGRAM_S = 7 * 86400.0
"""The longest an agent's program may take in a box, where the trial's own limit of time ends it. Waits count here."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A task under a system in an epoch. `attempt` counts from 1."""

    task: Task
    system: str
    epoch: int
    attempt: int = 1


@dataclass(slots=True)
class Ended:
    """How the work ended: with an output, perhaps at a limit, or in trouble that says nothing about the system.

    `worked` is the time the harness had, in seconds; opening and emptying the box are not in it.
    """

    output: Output = NO_OUTPUT
    limit: str = ""
    flags: tuple[str, ...] = ()
    trouble: Trouble | None = None
    status: Status = "graded"
    retryable: bool = False
    image: str = ""
    images: dict[str, str] = field(default_factory=dict)
    worked: float = 0.0

    def failed(self, error: ModelError | SandboxError | MissingRequirement) -> None:
        """It ended in trouble of somebody else's making."""
        if isinstance(error, MissingRequirement):
            self.status, self.trouble = "skipped", Trouble("requirement", error.requirement, str(error))
            return
        source = "model" if isinstance(error, ModelError) else "sandbox"
        self.status, self.trouble = "infra_error", Trouble(source, error.fault, str(error))
        self.retryable = error.retryable if isinstance(error, ModelError) else error.fault not in LASTING


async def run_attempt(trial: Trial, services: Services, retries_left: int) -> Attempt:
    """One try of a trial, recorded. It is `final` unless infrastructure failed and a retry is left.

    Raises StoreError when it cannot be recorded; a cancelled attempt leaves no record and is run again on resume.
    """
    system, task = services.suite.systems[trial.system], trial.task
    limits = services.suite.limits.merged(system.limits).merged(task.limits)
    state = AttemptState(limits, trial.epoch, trial_seed(services.suite.seed, task.id, trial.epoch))
    shown = present(task, state.seed)

    ended = await _work(trial, shown, services, state)
    transcript = Transcript(task.id, trial.system, trial.epoch, trial.attempt, ended.output, tuple(state.events))
    grading = None
    if ended.trouble is None:
        artifacts = {a.name: a.data for a in ended.output.artifacts}
        name = trial_name(task.id, trial.system, trial.epoch)
        work = GradedWork(
            task, ended.output, shown.order, services.suite.workspace, artifacts.get, lambda: transcript, services,
            name, bench_of(services, task, trial.system, trial.epoch, trial.attempt),
        )  # fmt: skip
        work.images = ended.images
        grading = await grade(work, services)
        if grading.broken is not None and isinstance(grading.verdict, NotGraded):
            ended.failed(grading.broken)

    attempt = _attempt(trial, system, state, ended, grading)
    if ended.status == "infra_error" and ended.retryable and retries_left > 0:
        attempt = msgspec.structs.replace(attempt, final=False)
    attempt = msgspec.structs.replace(attempt, choice_order=shown.order)
    services.record(attempt, transcript, ended.output.artifacts, grading.judgements if grading else ())
    return attempt


async def _work(trial: Trial, shown: Shown, services: Services, state: AttemptState) -> Ended:
    """Let the harness solve in the task's box, take out what is asked for, and say how it ended."""
    ended, system = Ended(), services.suite.systems[trial.system]
    services.live.add(state)
    try:
        if why := system.harness.cannot_take(shown.view):
            raise MissingRequirement("task", f"{trial.system} cannot be given it: {why}")
        async with (
            way_to_models(system, services, state, trial.task.allow) as way,
            _box(trial, services, way, ended, state) as box,
        ):
            ended.image = box.image_digest if box else ""
            ctx = Context(trial.system, shown, services, state, box, way)
            await _solve(shown.view, ctx, system.harness, state, ended)
            if not system.harness.privileged:
                ended.flags = (*reached(state.events), *misused(state.events))
            if box is not None and not system.harness.privileged:
                ended.flags = (*ended.flags, *await left_running(box, state.events))
            if box is not None and trial.task.collect:
                await _collect(trial, services, state, box, ended)
    except (MissingRequirement, ModelError, SandboxError) as e:
        ended.failed(e)
    except BudgetReached as e:
        ended.status, ended.trouble = "infra_error", Trouble("budget", "run", str(e))
    except (Exception, SystemExit) as e:  # noqa: BLE001 - the edge of a plugin: a crash is recorded, never a score
        ended.status, ended.trouble = "infra_error", Trouble("harness", type(e).__name__, str(e))
    finally:
        services.live.discard(state)
    return ended


async def _solve(task: TaskView, ctx: Context, harness: Harness, state: AttemptState, ended: Ended) -> None:
    """The harness's own time. At a limit, what it saved is its output."""
    began = state.clock.now
    try:
        async with state.clock:
            delivered = await harness.solve(task, ctx)
            if wrong := output_faults(delivered):
                raise TypeError(wrong)
            ended.output, ended.limit = delivered, state.hit
    except LimitReached as e:
        if ctx.lost is not None:  # an agent that asks on and on, with nobody to answer, until its time is up
            raise ctx.lost from e
        ended.limit, ended.output = e.kind, state.saved or Output()
        state.note("limit", str(e))
    finally:
        ended.worked = state.clock.now - began - state.clock.waited


async def _collect(trial: Trial, services: Services, state: AttemptState, box: Box, ended: Ended) -> None:
    """Artifacts from the box, but for those the harness delivered itself; nothing can run in it afterwards."""
    from harness.engine.collect import collect

    task, began = trial.task, state.clock.now
    delivered = {a.name for a in ended.output.artifacts}
    wanted = [one for one in task.collect if one.name not in delivered]
    own = task.sandbox or SandboxSpec()
    name = trial_name(task.id, trial.system, trial.epoch)

    def another(spec: SandboxSpec | None) -> AbstractAsyncContextManager[Box]:
        return noted(services.boxes.open(spec or bare(own), name), "collecting", ended.images)

    found = await collect(box, wanted, own, another)
    ended.flags = (*ended.flags, *found.flags)
    artifacts = (*ended.output.artifacts, *found.artifacts)
    ended.output = msgspec.structs.replace(ended.output, artifacts=artifacts)
    taken = {a.name: len(a.data) for a in found.artifacts}
    state.note("collected", "; ".join(found.flags), {"seconds": round(state.clock.now - began, 3), "bytes": taken})


@asynccontextmanager
async def _box(
    trial: Trial, services: Services, way: Way | None, ended: Ended, state: AttemptState
) -> AsyncIterator[Box | None]:
    """The task's box, gone when the work ends; nothing for work that needs none."""
    system = services.suite.systems[trial.system]
    spec, harness = trial.task.sandbox, system.harness
    if trial.task.skip:
        raise MissingRequirement("unsupported", trial.task.skip)
    if spec is None and harness.needs_box:
        raise MissingRequirement("sandbox", f"{trial.system} works in a box and the task describes none")
    if spec is not None and services.boxes.unavailable:
        raise MissingRequirement("engine", services.boxes.unavailable)
    if spec is None or not harness.uses_box:
        yield None
        return
    if way is not None and state.limits.time_s:  # an agent's program is no command of the task's
        spec = msgspec.structs.replace(spec, command_timeout_s=max(spec.command_timeout_s, PROGRAM_S))
    name, mounts = trial_name(trial.task.id, trial.system, trial.epoch), mounts_of(system, services)
    opening = services.boxes.open(spec, name, mounts=mounts, door=way.folder if way else None)
    async with noted(opening, "work", ended.images) as box:
        yield box


def trial_name(task: str, system: str, epoch: int) -> str:
    """A trial in one word, as labels of containers have it."""
    return f"{task}@{system}@{epoch}"


def verdict_fields(grading: Grading) -> dict[str, Any]:
    """The fields of an attempt that a grading decides: set only when the deciding graders gave a verdict."""
    verdict = grading.verdict
    fields: dict[str, Any] = {"grades": grading.verdicts, "judge_usage": grading.judge_usage}
    if isinstance(verdict, Grade):
        scored = {"passed": verdict.passed, "value": verdict.value, "label": verdict.label}
        return {**fields, **scored, "status": "graded", "trouble": None}
    if grading.broken is not None:
        broken = Ended()
        broken.failed(grading.broken)
        return {
            **fields,
            "passed": None,
            "value": None,
            "label": "",
            "status": broken.status,
            "trouble": broken.trouble,
        }
    doubt = Trouble("grader", verdict.cause, verdict.detail)
    return {**fields, "passed": None, "value": None, "label": "", "status": "ungradable", "trouble": doubt}


def _attempt(trial: Trial, system: System, state: AttemptState, ended: Ended, grading: Grading | None) -> Attempt:
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
            working=round(ended.worked, 4),
            waiting=round(clock.waited, 4),
            model=round(state.model_s, 4),
            grading=grading_s,
        ),
        models=tuple(state.models),
        flags=(*ended.flags, *(flags_of(grading.verdicts) if grading else ())),
        digests=Digests(
            task=task.digest,
            grader=grading.digest if grading else "",
            harness=system.harness_digest,
            model=system.model_digest,
            image=ended.image,
        ),
        images=ended.images,
        **verdict,
    )
