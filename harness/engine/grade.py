"""Grading: every grader of a task on one output, and the trial's verdict from theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

import msgspec

from harness.config.suite import BoundGrader
from harness.engine.attempt_state import AttemptState
from harness.engine.boxes import noted
from harness.engine.services import Services
from harness.errors import LimitReached, MissingRequirement, ModelError, SandboxError
from harness.plugins.contracts import Bench, Box, ModelClient
from harness.plugins.loader import raised_at
from harness.plugins.sound import verdict_faults
from harness.records.content import Usage
from harness.records.judgement import Judgement
from harness.records.outcome import IS_OPPONENT, NO_CLAIM, Grade, NotGraded, Output, Verdict
from harness.records.task import Limits, SandboxSpec, Task, digest_of
from harness.records.transcript import Transcript

GRADING_S = 3600.0
"""The longest a grader may take; graders by tests have shorter limits of their own."""
CRITICAL = "critical"
"""The tag of a task on which a wrong answer is a critical error."""
GONE = ("engine", "stopped", "not_there")
"""Faults of a SandboxError that a restarted engine leaves behind."""


@dataclass(slots=True)
class GradedWork:
    """What a grader sees (the contract `Work`). `find_artifact` and `find_transcript` read them when asked for.

    `images` are those of the boxes it opened (`Attempt.images`).
    """

    task: Task
    output: Output
    choice_order: Sequence[int]
    workspace: Path
    find_artifact: Callable[[str], bytes | None]
    find_transcript: Callable[[], Transcript]
    services: Services
    trial: str = ""
    bench: Bench = Bench()
    models: Mapping[str, ModelClient] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)

    def artifact(self, name: str) -> bytes | None:
        """The bytes of an artifact, or None."""
        return self.find_artifact(name)

    def transcript(self) -> Transcript:
        """The whole transcript."""
        return self.find_transcript()

    def open_box(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Box]:
        """A clean box that the work never had. Raises MissingRequirement, SandboxError."""
        opening = self.services.boxes.open(spec, self.trial, in_trial=self.task.sandbox is not None)
        return noted(opening, "grading", self.images)


@dataclass(frozen=True, slots=True)
class Grading:
    """All verdicts of one output, and the trial's own. `digest` covers the deciding graders and the reference.

    `judgements` are what judges said, in the order they said it. `broken` says why a deciding grader had no place to
    grade in: the trial then says nothing about the work.
    """

    digest: str
    verdicts: dict[str, Verdict]
    deciding: tuple[Verdict, ...]
    judge_usage: Usage
    seconds: float
    judgements: tuple[Judgement, ...] = ()
    broken: MissingRequirement | SandboxError | None = None

    @property
    def verdict(self) -> Verdict:
        """The conjunction of the deciding graders: one fail fails, else one doubt leaves it ungraded, else a pass.

        The value is the smallest of theirs. Work that others are compared with has no verdict, whatever the other
        graders say: only its failures would be counted, against systems that had to win as well.
        """
        for verdict in self.deciding:
            if isinstance(verdict, NotGraded) and verdict.cause == IS_OPPONENT:
                return verdict
        grades = [v for v in self.deciding if isinstance(v, Grade)]
        failed = next((g for g in grades if not g.passed), None)
        doubt = next((v for v in self.deciding if isinstance(v, NotGraded)), None)
        if failed is None and doubt is not None:
            return doubt
        if not grades:
            return NotGraded("no_grader", "the task names no grader that decides")
        lowest = min(g.value for g in grades)
        return Grade(lowest, failed is None, (failed or grades[0]).label, critical=any(g.critical for g in grades))


def flags_of(verdicts: Mapping[str, Verdict]) -> tuple[str, ...]:
    """What graders told besides their verdicts, each once."""
    return tuple(dict.fromkeys(f for v in verdicts.values() if isinstance(v, Grade) for f in v.flags))


async def grade(work: GradedWork, services: Services) -> Grading:
    """Run every grader of the task, one after the other. Never raises for a grader's fault."""
    began, task = perf_counter(), work.task
    state = AttemptState(Limits(), 0, 0)
    judgements: list[Judgement] = []
    work.bench = replace(work.bench, tell=judgements.append)
    verdicts: dict[str, Verdict] = {}
    broken: MissingRequirement | SandboxError | None = None
    for name in (*task.graders, *task.informative):
        bound = services.suite.graders[name]
        try:
            verdicts[name] = await verdict_of(bound, work, services, state)
        except (MissingRequirement, SandboxError) as e:
            verdicts[name] = NotGraded("sandbox", f"{e.fault if isinstance(e, SandboxError) else e.requirement}: {e}")
            broken = broken or (e if name in task.graders else None)
    if CRITICAL in task.tags:
        verdicts |= {name: _as_critical(verdicts[name]) for name in task.graders}
    deciding = tuple(verdicts[name] for name in task.graders)
    digest = digest_of([services.suite.graders[name].digest for name in task.graders], task.reference)
    return Grading(digest, verdicts, deciding, state.usage, perf_counter() - began, tuple(judgements), broken)


def _as_critical(verdict: Verdict) -> Verdict:
    """On a task tagged `critical`, an answer that was read and is wrong is a critical error; silence is not."""
    if isinstance(verdict, NotGraded) or verdict.passed or verdict.label in NO_CLAIM:
        return verdict
    return msgspec.structs.replace(verdict, critical=True)


async def verdict_of(bound: BoundGrader, work: GradedWork, services: Services, state: AttemptState) -> Verdict:
    """One verdict; once more when the engine went away, which waits until it is back.

    Raises MissingRequirement, SandboxError.
    """
    try:
        return await _one(bound, work, services, state)
    except SandboxError as e:
        if e.fault not in GONE:
            raise
        return await _one(bound, work, services, state)


async def _one(bound: BoundGrader, work: GradedWork, services: Services, state: AttemptState) -> Verdict:
    judges = services.open_judges(bound)
    bench = replace(work.bench, grader=bound.name)
    if judges:
        bench = replace(bench, key=services.judging.key, stop=services.judging.stop)
    models = services.judging.clients(bound, judges, state, bench.role)
    try:
        async with asyncio.timeout(GRADING_S) as limit:
            own = replace(work, task=_own_copy(work.task), bench=bench, models=models)
            verdict = await bound.grader.grade(own)
    except TimeoutError as e:
        cause = "timeout" if limit.expired() else "grader_fault"
        return NotGraded(cause, f"no verdict within {GRADING_S:g} s" if limit.expired() else f"TimeoutError: {e}")
    except ModelError as e:
        return NotGraded("judge_api", f"{e.fault}: {e}")
    except LimitReached as e:
        return NotGraded("judge_limit", str(e))
    except (MissingRequirement, SandboxError):
        raise
    except (Exception, SystemExit) as e:  # noqa: BLE001 - the edge of a plugin: its fault is recorded, never a score
        return NotGraded("grader_fault", raised_at(e, work.workspace))
    if wrong := verdict_faults(verdict):
        return NotGraded("grader_fault", wrong)
    return verdict


def _own_copy(task: Task) -> Task:
    """The task with a reference of its own: what one grader does to it, no other grader or system sees."""
    if not isinstance(task.reference, list | dict):
        return task
    return msgspec.structs.replace(task, reference=deepcopy(task.reference))
