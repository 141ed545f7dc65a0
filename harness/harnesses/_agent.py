"""What both agents share: their settings, the first message, the count of what was done, and the loop.

    ask -> the model's turn -> act in the box -> tell the model -> save -> ask ...

The conversation only grows, but for old outputs that are left out in large steps (`harness.toolkit.conversation`).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import Field, model_validator

from harness.api import (
    File,
    Harness,
    Json,
    LimitReached,
    MissingRequirement,
    Output,
    Request,
    Response,
    SolveContext,
    TaskView,
    Text,
    Tool,
    user,
)
from harness.harnesses import _agent_prompts as prompts
from harness.harnesses._toolbox import Tally
from harness.toolkit.conversation import Conversation, Elision
from harness.toolkit.prompt import prompt_parts
from harness.toolkit.shell import Shell, Surroundings, look_around


class Agent(Harness):
    """Settings of every agent that works in a box."""

    needs_box: ClassVar[bool] = True

    max_turns: int = Field(default=100, ge=1, le=10_000)
    """At most so many model calls; then the attempt ends at a limit of turns, and what is in the box is graded."""
    max_format_errors: int = Field(default=3, ge=1, le=100)
    """So many replies in a row with which nothing can be done end the work."""
    command_timeout_s: float = Field(default=120.0, gt=0)
    """Seconds a command may take; the task's own `command_timeout_s` holds too."""
    output_chars: int = Field(default=10_000, ge=200)
    """Characters of one output that the model sees: half of them from its beginning, half from its end."""
    elide_above: int = Field(default=100_000, ge=0)
    """Old outputs are left out when the context passes so many tokens; 0 is never."""
    elide_to: int = Field(default=50_000, ge=0)
    """How far it is then cut down, in tokens. Far below `elide_above`, cuts are rare and prompt caches hold."""
    attach_images: bool = True
    """Show the model the task's image files, besides laying them into the box."""
    instructions: str = ""
    """More for the system prompt, at its end."""

    @model_validator(mode="after")
    def _cuts_down(self) -> Agent:
        if self.elide_above and self.elide_to >= self.elide_above:
            raise ValueError("elide_to must be below elide_above")
        return self

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """Work until the model is done. What there is so far is saved after every step."""
        work = await self._begin(task, ctx)
        while True:
            ctx.save(work.output())
            response = await work.ask(self.max_turns)
            if response.stop == "refusal":
                return work.output("refusal", refused=True)
            ended = await self._act(work, response)
            if ended is not None:
                return ended
            if work.fruitless >= self.max_format_errors:
                return self._gave_up(work, response)

    @abstractmethod
    def _system(self, shell: Shell) -> str:
        """The system prompt."""

    @abstractmethod
    def _tools(self, work: Work) -> tuple[Tool, ...]:
        """The tools offered."""

    @abstractmethod
    async def _act(self, work: Work, response: Response) -> Output | None:
        """Do what a reply asks for and tell the model; an output when that ends the work."""

    def _gave_up(self, work: Work, response: Response) -> Output:
        """What is delivered after too many replies with which nothing could be done."""
        return work.output("format_errors")

    async def _begin(self, task: TaskView, ctx: SolveContext) -> Work:
        """Look around in the box, lay down files, and say the task."""
        if ctx.box is None:
            raise MissingRequirement("sandbox", "an agent works in a box, and there is none")
        timeout_s = self.command_timeout_s
        if task.sandbox is not None:
            timeout_s = min(timeout_s, task.sandbox.command_timeout_s)
        around = await look_around(ctx.box)
        shell = Shell(ctx.box, timeout_s, self.output_chars, around.program)
        names = await _lay_down(task, ctx)
        images = _images(task) if self.attach_images else ()
        first = user(*images, *prompt_parts(task.prompt, _where(task, around, names)))
        elision = Elision(self.elide_above, self.elide_to)
        work = Work(ctx, Conversation(first, elision), shell)
        work.system = self._system(shell) + (f"\n\n{self.instructions.strip()}" if self.instructions.strip() else "")
        work.tools = self._tools(work)
        return work


@dataclass(slots=True)
class Work:
    """One agent at work. `fruitless` counts replies in a row with which nothing could be done."""

    ctx: SolveContext
    talk: Conversation
    shell: Shell
    system: str = ""
    tools: tuple[Tool, ...] = ()
    turns: int = 0
    format_errors: int = 0
    fruitless: int = 0
    elisions: int = 0
    tally: Tally = field(default_factory=Tally)

    async def ask(self, max_turns: int) -> Response:
        """The model's next turn. Raises LimitReached, ModelError."""
        if self.turns >= max_turns:
            raise LimitReached("turns", f"max_turns of {max_turns} reached")
        if (cut := self.talk.elide()) is not None:
            self.elisions += 1
            said = f"{cut.outputs} old outputs left out: about {cut.before:,} tokens became {cut.after:,}"
            self.ctx.note("elision", said)
        request = Request(self.talk.messages, self.system, self.tools, cache=True, label="solve")
        response = await self.ctx.models["main"].generate(request)
        self.turns += 1
        self.talk.answered(response)
        return response

    def misread(self, say: str) -> None:
        """Nothing could be done with a reply: tell the model what is asked for."""
        self.format_errors += 1
        self.fruitless += 1
        self.talk.observed(Text(say))

    def output(
        self,
        ended: str = "",
        *,
        answer: str | None = None,
        done: bool = False,
        refused: bool = False,
        cut: bool = False,
    ) -> Output:
        """What is delivered. `ended` says why the agent stopped by itself: done, format_errors, refusal."""
        metrics: dict[str, Json] = {
            "turns": self.turns,
            "commands": self.tally.commands,
            "format_errors": self.format_errors + self.tally.faults,
            "timeouts": self.tally.timeouts,
            "elisions": self.elisions,
        }
        if ended:
            metrics["ended"] = ended
        return Output(answer=answer, declared_done=done, refused=refused, truncated=cut, metrics=metrics)


async def _lay_down(task: TaskView, ctx: SolveContext) -> tuple[str, ...]:
    """Write the task's files that its image does not hold into the working folder; the names of all."""
    assert ctx.box is not None
    there = task.sandbox.files if task.sandbox is not None else ()
    known = {f.name for f in there}
    for file in task.files:
        if file.name not in known:
            await ctx.box.write(file.name, ctx.read_file(file))
    return tuple(dict.fromkeys(f.name for f in (*there, *task.files)))


def _images(task: TaskView) -> tuple[File, ...]:
    """Image files of the task that its prompt does not show already."""
    shown = {p.sha256 for p in task.prompt if isinstance(p, File)} if isinstance(task.prompt, tuple) else set()
    return tuple(f for f in task.files if f.media_type.startswith("image/") and f.sha256 not in shown)


def _where(task: TaskView, around: Surroundings, names: tuple[str, ...]) -> str:
    """What follows the prompt: where the work is done, and with which files."""
    folder = around.folder or (task.sandbox.workdir if task.sandbox is not None else "")
    facts = prompts.facts(folder, around.user, around.system, _network(task))
    said = prompts.PLACE.format(facts=facts) if facts else ""
    listed = prompts.FILES.format(names="\n".join(f"- {n}" for n in names)) if names else ""
    return "".join(f"\n\n{paragraph}" for paragraph in (said, listed) if paragraph)


def _network(task: TaskView) -> str:
    if task.sandbox is None:
        return ""
    services = ", ".join(s.name for s in task.sandbox.services)
    match task.sandbox.network:
        case "none":
            return "there is no network"
        case "internal":
            return f"the network reaches only {services}" if services else "the network reaches nothing outside"
        case "open":
            return "there is a network" + (f", and beside the box {services}" if services else "")
