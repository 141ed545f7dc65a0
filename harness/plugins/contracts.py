"""The five plugin kinds.

A plugin is a frozen pydantic class: its fields are its YAML parameters, each with a docstring under it, which is the
manual and the JSON schema. What runs is a Protocol, so that a fake is ten lines. A field whose type is another plugin
kind (`inner: Harness`, `graders: tuple[Grader, ...]`, `judge: Model`) is written in YAML as a name or as
`{use: name, ...}` and arrives bound.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from harness.plugins.boxes import MAX_READ_BYTES as MAX_READ_BYTES
from harness.plugins.boxes import NO_PURPOSE as NO_PURPOSE
from harness.plugins.boxes import Box as Box
from harness.plugins.boxes import Completed as Completed
from harness.plugins.boxes import Held as Held
from harness.plugins.boxes import Mount as Mount
from harness.plugins.boxes import Purpose as Purpose
from harness.plugins.cases import GraderCase as GraderCase
from harness.plugins.gateway import Door as Door
from harness.plugins.gateway import Gateway as Gateway
from harness.plugins.gateway import Served as Served
from harness.plugins.gateway import Upstream as Upstream
from harness.plugins.judging import Bench as Bench
from harness.plugins.judging import Card as Card
from harness.plugins.judging import JudgeAsks as JudgeAsks
from harness.plugins.judging import JudgeBudget as JudgeBudget
from harness.plugins.judging import Rehearsal as Rehearsal
from harness.records.content import File, Json, Request, Response
from harness.records.exchange import Dialect
from harness.records.judgement import Judgement
from harness.records.outcome import NotGraded, Output, Verdict
from harness.records.task import Limits, SandboxSpec, Task, TaskView
from harness.records.transcript import Transcript


class Plugin(BaseModel, ABC):
    """What all kinds share: frozen, closed to unknown fields, documented by the docstrings under its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True)

    version: ClassVar[str] = "1"
    """Raised whenever results can change; part of the digest."""

    kind: ClassVar[str]
    """source, harness, grader, model or sandbox."""

    not_in_digest: ClassVar[frozenset[str]] = frozenset()
    """Parameters that cannot change what is measured (the name of a key's variable, a time-out): recorded, and in no
    digest, so that runs stay comparable and can be resumed."""

    example: ClassVar[Mapping[str, Json]] = {}
    """Parameters of a working example: shown by `plugin list` and in the docs, built by the contract suite."""

    example_files: ClassVar[Mapping[str, str]] = {}
    """Text of workspace files the example needs, by path."""

    def check(self, workspace: Path) -> Sequence[str]:
        """What is wrong with these parameters that needs the workspace to see (files absent, ...). One line each."""
        return ()

    def advice(self, workspace: Path, today: date) -> Sequence[str]:
        """What a person should know before a run, and what stops nothing (a policy out of date, ...). One line each."""
        return ()

    def digest_files(self) -> Sequence[str]:
        """Workspace files whose content belongs to this plugin's digest (a policy, stored answers, ...)."""
        return ()

    def programs(self) -> Mapping[str, str]:
        """Programs of this machine that it runs (an agent's layer), by name, with what each is: part of its digest."""
        return {}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a source and where it was said, `file:line`."""

    values: Mapping[str, Json]
    place: str


class TaskSource(Plugin):
    """Where the rows of a `rows:` block come from. `source.rows()` is lazy."""

    kind: ClassVar[str] = "source"

    example_files: ClassVar[Mapping[str, str]] = {}
    """Text files by name that the example reads; the contract suite puts them into an empty workspace."""

    @abstractmethod
    def rows(self, workspace: Path) -> Iterable[Row]:
        """Every row in a fixed order. Raises UsageFault with a place when the data cannot be read."""


class ModelClient(Protocol):
    """An open model. Shared by all trials of a run, so it keeps no state between calls."""

    async def generate(self, request: Request) -> Response:
        """One call, no retries of its own. Raises ModelError."""
        ...

    async def aclose(self) -> None:
        """Close connections. Called once, by the engine."""
        ...


class Model(Plugin):
    """A provider, a model name and its settings."""

    kind: ClassVar[str] = "model"
    simulated: ClassVar[bool] = False
    """True for models that are not models (scripted, replay): every report says so."""

    name: str
    """The model's name as its provider spells it."""

    @property
    def provider(self) -> str:
        """The provider for prices and for the shared rate limit, e.g. `anthropic`."""
        return self.kind

    @property
    def lane(self) -> str:
        """Calls with the same lane share one adaptive concurrency limit."""
        return f"{self.provider}/{self.name}"

    def missing(self) -> Sequence[str]:
        """Names of what must be there before money is spent and is not (environment variables), never values."""
        return ()

    @abstractmethod
    def open(self, workspace: Path) -> ModelClient:
        """A client. Must not touch the network. Raises UsageFault when a key is absent."""

    def reached_by(self) -> Sequence[Dialect]:
        """The APIs by which an agent can reach it through the gateway, told without a key.

        Empty where that is known only when a door opens.
        """
        return ()

    def upstream(self) -> Upstream | None:
        """Where the gateway sends an agent's own requests for this model. Raises UsageFault when a key is absent.

        None for a model that has no such address: a simulated one then answers through `open`, of any other an agent
        cannot be given the use.
        """
        return None


class Sandbox(Plugin):
    """How boxes are made."""

    kind: ClassVar[str] = "sandbox"

    @abstractmethod
    def open(self, spec: SandboxSpec, purpose: Purpose = NO_PURPOSE) -> AbstractAsyncContextManager[Box]:
        """A box that is gone when the context ends, however it ends.

        Raises MissingRequirement when boxes were never to be had here, SandboxError when this one failed.
        """

    def check_spec(self, spec: SandboxSpec, workspace: Path) -> Sequence[str]:
        """What is wrong with a spec that can be seen without opening a box. One line each."""
        return ()

    async def available(self) -> str:
        """Why boxes are not to be had here, in one message; empty when they are."""
        return ""

    async def warm(self, specs: Iterable[SandboxSpec], workspace: Path = Path()) -> None:
        """Make what boxes of these specs need (images), so that no trial waits for it.

        Never raises for a spec that cannot be made: opening it raises the reason.
        """

    async def held(self) -> Sequence[Held]:
        """Everything of ours that exists now. Raises SandboxError."""
        return ()

    async def prune(self, *, everything: bool = False, unused_days: float | None = None) -> Sequence[Held]:
        """Remove what dead processes left behind, and cached images not used for so many days; what was removed.

        `everything` is also what is in use, and every cached image.
        """
        return ()

    async def aclose(self) -> None:
        """Remove what could not be removed before and close connections. Called once, by the engine."""


class SolveContext(Protocol):
    """What a harness has at hand during one attempt. Limits, retries, prices and the transcript work by themselves."""

    models: Mapping[str, ModelClient]
    box: Box | None
    gateway: Gateway | None
    limits: Limits
    workspace: Path
    epoch: int
    seed: int
    reference: Json

    async def delegate(self, system: str, task: TaskView) -> Output:
        """Let another system of the suite work on the task, inside this attempt's limits, record and box.

        Only systems named by `Harness.delegates`. Raises what that system's harness raises.
        """
        ...

    def note(self, kind: str, text: str = "", data: Json = None) -> None:
        """Write into the transcript."""
        ...

    def save(self, output: Output) -> None:
        """Leave behind what there is so far: graded if a limit ends the attempt."""
        ...

    def read_file(self, file: File) -> bytes:
        """The bytes of a task's file or of a file part. Raises UsageFault when it changed since the run began."""
        ...


class Harness(Plugin):
    """How a model is driven to work on a task."""

    kind: ClassVar[str] = "harness"
    privileged: ClassVar[bool] = False
    """True only for harnesses that see the reference (`ctx.reference`); every report says so."""
    stored: ClassVar[bool] = False
    """True for harnesses that deliver answers made earlier, elsewhere; every report says so."""
    needs_box: ClassVar[bool] = False
    uses_box: ClassVar[bool] = True
    """False for a harness that never looks at `ctx.box`: none is opened for it, and nothing is collected."""
    attended: ClassVar[bool] = False
    """True when a person takes part at the terminal: trials are run one at a time, and no progress is shown."""
    uses_gateway: ClassVar[bool] = False
    """True for a harness whose agent asks models by itself: `ctx.gateway` is there, and its box has a door to it."""

    def roles(self) -> Sequence[str]:
        """Model roles this harness needs. A system with one `model:` gives it to every role."""
        return ("main",)

    def mounts(self, workspace: Path) -> Sequence[Mount]:
        """Files and folders of the host that its box has, read-only. Raises MissingRequirement, UsageFault."""
        return ()

    def missing(self, workspace: Path) -> Sequence[str]:
        """What must be there before money is spent and is not (an agent), a line each. Asked of a run's systems."""
        return ()

    def cannot_take(self, task: TaskView) -> str:
        """Why it cannot be given this task, which is skipped then: asked before a box is made. Empty where it can."""
        return ""

    def spoken(self, there: Sequence[Dialect]) -> Sequence[Dialect]:
        """The APIs that its agent will speak to a model that is reached by these.

        Asked for each of its roles when a suite is read: one that is not there is a fault of the suite. Empty where it
        asks its models otherwise.
        """
        return ()

    def delegates(self, workspace: Path) -> Sequence[str]:
        """Names of systems it may hand a task to."""
        return ()

    @abstractmethod
    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """Work on the task. ModelError, SandboxError and LimitReached pass through to the engine."""


class Work(Protocol):
    """What a grader sees: the task with its reference, what was delivered, and places to grade it in."""

    task: Task
    output: Output
    choice_order: Sequence[int]
    workspace: Path
    models: Mapping[str, ModelClient]
    bench: Bench

    def artifact(self, name: str) -> bytes | None:
        """The bytes of an artifact, or None."""
        ...

    def transcript(self) -> Transcript:
        """The whole transcript; read from disk when regrading."""
        ...

    def open_box(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Box]:
        """A clean box that the work never had. Raises SandboxError."""
        ...


class Grader(Plugin):
    """One method of evaluation."""

    cases: ClassVar[Sequence[GraderCase]] = ()
    """At least one passing and one failing case; run by `harness plugin check` and shown in the docs."""

    kind: ClassVar[str] = "grader"
    needs_reference: ClassVar[bool] = True
    """A task without a reference is refused at load when its grader needs one."""
    needs_box: ClassVar[bool] = False
    """Runs something in a clean box: its cases need an engine, and without one the contract suite says so."""

    def judges(self) -> Mapping[str, Model]:
        """Judge models this grader calls, by role; never silently the model under test."""
        return {}

    def judge_asks(self) -> Sequence[JudgeAsks]:
        """What its judges are asked about one work, for the estimate before a run; once each unless it says more."""
        return tuple(JudgeAsks(role, 1) for role in self.judges())

    def judge_budget(self) -> JudgeBudget:
        """The most its judges may cost in a run. Past it the engine refuses their calls (LimitReached `cost`)."""
        return JudgeBudget()

    def is_substitute(self, role: str, returned: str) -> bool:
        """Whether the provider answered for this judge with another model than was asked for: that stops the run."""
        return False

    def is_cached(self, role: str) -> bool:
        """Whether this judge's equal calls may be answered from the cache of judge calls."""
        return False

    def made_controls(self) -> Mapping[str, int]:
        """How many controls of each kind are made of this run's outputs at its end."""
        return {}

    def opponents(self) -> Sequence[str]:
        """Systems of the same run whose work on the same task must be there before work is graded: `bench.of`."""
        return ()

    def opponents_needed(self) -> Sequence[str]:
        """Those of them without which this grader has no verdict; others are compared with as far as they are there."""
        return self.opponents()

    def unopposed(self, tasks: Sequence[Task], workspace: Path) -> str:
        """What it lacks to compare anything with on some of these tasks, in words; told before anything runs."""
        return ""

    def rehearsals(self, workspace: Path) -> Sequence[Rehearsal]:
        """Sentinels: judged first in every run, before money is spent on systems. Raises UsageFault."""
        return ()

    def card(self, work: Work, about: str, said: Sequence[Judgement]) -> Card | NotGraded:
        """What a person is shown to label this work, or a part of it; `said` is what judges said of the same work."""
        return NotGraded("not_labelled", "only graders that ask judges have work to label")

    def audited(self, repeats: int, judge: BaseModel | None = None) -> Grader:
        """This grader as an audit asks it: in every order, so many times; one `judge` instead of all its own."""
        return self

    def least_agreement(self) -> float:
        """The share of rehearsals that must come out as expected, or the run stops."""
        return 0.0

    def reads(self) -> Sequence[str]:
        """Artifacts the verdict rests on, by name. A task with a box that does not collect one is refused at load."""
        return ()

    def check_reference(self, reference: Json) -> str:
        """What is wrong with a task's reference for this grader, or nothing. Called at load, with the place known."""
        return ""

    def check_task(self, task: Task) -> str:
        """What a task lacks for this grader besides its reference, or nothing. Called at load, with the place known."""
        return ""

    @abstractmethod
    async def grade(self, work: Work) -> Verdict:
        """A verdict. Deterministic for the same work; never a guess; anything raised becomes NotGraded."""


KINDS: Mapping[str, type[Plugin]] = {
    "source": TaskSource, "harness": Harness, "grader": Grader, "model": Model, "sandbox": Sandbox,
}  # fmt: skip
GROUPS: Mapping[str, str] = {
    "source": "harness.sources", "harness": "harness.harnesses", "grader": "harness.graders",
    "model": "harness.models", "sandbox": "harness.sandboxes",
}  # fmt: skip
