"""What every agent CLI shares: its layer, its pre-flight, its run behind a door of the gateway, and how it is judged.

    layer mounted at /opt/agent -> look at the image -> lay down configuration -> door open -> program runs -> door shut
    -> what it did, by the gateway's record; what it says of itself, beside it

A CLI is a class of data and three methods: `invoke` (argv, environment, prompt), `configuration` and `claims`
(what its output says of itself).
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from harness.api import (
    Artifact,
    Dialect,
    Door,
    Harness,
    Json,
    LimitReached,
    MissingRequirement,
    Mount,
    NoModelCall,
    Output,
    Served,
    SolveContext,
    TaskView,
)
from harness.harnesses._cli_box import STATE, Around, Invocation, Program, Ran, end_text, lay_down, look_around
from harness.harnesses._cli_record import Record, measures, read_record, wrapping
from harness.records.task import digest_of
from harness.records.transcript import EXIT_CODES
from harness.toolkit.agent_layers import MOUNT, Layer, find_layer, installed_layers, known_versions, root_of
from harness.toolkit.keys import literal_keys
from harness.toolkit.layer_lock import changed, identity_of, not_as_fixed
from harness.toolkit.prompt import prompt_text

EVENTS = "agent/events.jsonl"
STDERR = "agent/stderr.txt"
LONGEST_WORD = 100_000
"""Bytes of a prompt that is passed as one word of a command line. Linux takes 128 KiB (MAX_ARG_STRLEN)."""


EXACT = re.compile(r"\d")
"""Versions begin with a digit; `latest`, `^2.1` and `*` are what a registry would choose one by."""
KEYLESS = "leave it out, for the gateway holds the model's key (`command` writes {key} for its stand-in)"


@dataclass(frozen=True, slots=True)
class Start:
    """What a CLI is started with. `model` is the name it is told; `effort` the word of the model's settings."""

    prompt: str
    model: str
    effort: str
    base_url: str
    key: str
    around: Around
    dialects: Sequence[Dialect]
    state: str = STATE

    @property
    def home(self) -> str:
        """A folder it may write its own things into."""
        return self.around.home

    @property
    def no_word(self) -> bool:
        """Whether the prompt can be no word of a command line: it is too long, or begins as an option does."""
        return len(self.prompt.encode()) > LONGEST_WORD or self.prompt.startswith("-")


class AgentCli(Harness):
    """An agent's own program, in the task's box, behind the gateway."""

    needs_box: ClassVar[bool] = True
    uses_gateway: ClassVar[bool] = True
    agent: ClassVar[str]
    """The name of its recipe and layer."""
    dialects: ClassVar[Sequence[Dialect]]
    """The APIs it can speak; the first is its own."""
    known_model: ClassVar[str] = ""
    """A model's name that the CLI knows, for models it does not."""
    own_names: ClassVar[str] = ""
    """A pattern of the model names that the CLI knows."""
    most_chars: ClassVar[float] = inf
    """Characters of a prompt that its program reads; with one more it ends at once."""
    shell_tool: ClassVar[tuple[str, str]] = ("", "")
    """Its shell tool and the argument that holds the command: for the smoke run with a scripted model."""

    release: str
    """The exact version of the program. It must be installed: `harness agent install NAME@VERSION`."""
    model_shown: str = ""
    """The model's name that the program is told, where it matters: some choose prompt and parameters by it. The gateway
    asks the system's model whatever the program asks for. Empty: the model's own name where the program knows such
    names, else one that it knows."""
    project_instructions: bool = False
    """Whether instructions and settings in the task's own files (CLAUDE.md, AGENTS.md, hooks, ...) have effect."""
    web_tools: bool = False
    """Whether the program offers its web search and fetch. The provider would run them outside the box: the gateway
    refuses them all the same, and counts the tries, unless the suite allows them."""
    own_tools: bool = False
    """Whether programs that the agent ships (such as rg) are on the PATH of its commands, which changes the box."""
    flags: tuple[str, ...] = ()
    """More words for the command line."""
    env: Mapping[str, str] = Field(default_factory=dict)
    """More environment variables."""
    grace_s: float = Field(default=5.0, ge=0.5, le=120)
    """Seconds between INT and KILL when a limit ends the program."""

    @model_validator(mode="after")
    def _said_right(self) -> Self:
        known = type(self).model_fields["release"].default
        if known and not EXACT.match(self.release):
            what = f"release: '{self.release}' is no exact version: {known} is one"
            raise ValueError(f"{what} (harness agent install {self.agent}@{known})")
        if found := [*(f"env: '{name}'" for name in literal_keys(self.env, named=True)), *self._keys_elsewhere()]:
            raise ValueError(f"{', '.join(found)} would put a key into the record and the box: {KEYLESS}")
        return self

    def _keys_elsewhere(self) -> Iterator[str]:
        """Places besides the environment in which a key stands."""
        yield from words_with_keys("flags", self.flags)

    def cannot_take(self, task: TaskView) -> str:
        """A prompt that is longer than its program reads: it would end without a request to a model."""
        n, most = len(prompt_text(task.prompt)), self.most_chars
        return f"its prompt has {n:,} characters, and {self.agent} reads {most:,}" if n > most else ""

    @abstractmethod
    def invoke(self, start: Start) -> Invocation:
        """The command line after the program's own words, its environment and its standard input."""

    def configuration(self, start: Start) -> Mapping[str, str | bytes]:
        """Configuration to lay down, by absolute path in the box."""
        return {}

    def own_env(self) -> Mapping[str, str]:
        """The user's variables, which win over the CLI's."""
        return self.env

    @abstractmethod
    def claims(self, ran: Ran) -> dict[str, Json]:
        """What the program says of itself: turns, tokens, cost, how it ended. Nothing is decided by it."""

    def exit_codes(self, ran: Ran) -> Mapping[str, int]:
        """Of calls that failed, by their ids, where the program tells it in its events and not to its model."""
        return {}

    async def answer(self, ctx: SolveContext, ran: Ran, start: Start) -> str | None:
        """The final answer, where it is not what the model said last."""
        return None

    def mounts(self, workspace: Path) -> Sequence[Mount]:
        """The layer. Raises MissingRequirement when it is not installed."""
        return (Mount(root_of(self._installed()[1]), MOUNT),)

    def missing(self, workspace: Path) -> Sequence[str]:
        """The layer, where it is not installed, or is not what it was or what the workspace has fixed."""
        try:
            found = self._found()
        except MissingRequirement as e:
            return (str(e),)
        if found is None:
            return ()
        layer, folder = found
        wrong = changed(folder, layer) or not_as_fixed(workspace, layer)
        again = f"harness agent remove {layer.spec}, then harness agent install {layer.spec}"
        return (f"{layer.spec} is not what it should be: {wrong}: {again}",) if wrong else ()

    def programs(self) -> Mapping[str, str]:
        """The layer, where it is installed."""
        try:
            found = self._found()
        except MissingRequirement:
            return {}
        return {found[0].spec: identity_of(found[0])} if found else {}

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """Run the program to its end or to a limit. Raises MissingRequirement before any model call."""
        box, gateway = ctx.box, ctx.gateway
        if box is None or gateway is None:
            raise MissingRequirement("sandbox", f"{self.agent} works in a box with a gateway, and there is none")
        if why := self.cannot_take(task):
            raise MissingRequirement("task", f"{self.agent} cannot be given it: {why}")  # another harness hands it on
        layer = self._layer()
        around = await look_around(box, self._needs(layer), f"{self.agent}@{self.release}".rstrip("@"))
        await self._lay_task(task, ctx, around)
        served = gateway.models["main"]
        longest = inf if ctx.limits.time_s or task.sandbox is None else task.sandbox.command_timeout_s
        program = Program(box, self.grace_s, longest, keep_left=task.serves)
        spoken = self.spoken(served.dialects)
        try:
            async with gateway.open(spoken, aliases=self.aliases()) as door:
                prompt, told = prompt_text(task.prompt), self._told(served)
                start = Start(prompt, told, served.effort, door.base_url, door.key, around, spoken)
                await lay_down(box, self.configuration(start))
                how = self._whole(self.invoke(start), layer, start)
                try:
                    ran = await program.run(how, lambda: bool(door.limit) or door.lost)
                    answer = await self.answer(ctx, ran, start)
                except BaseException:
                    ctx.save(self._output(program.ran, door, layer, how))
                    raise
                output = self._output(ran, door, layer, how, answer)
                ctx.save(output)
        except NoModelCall as e:
            raise NoModelCall(f"{e} {_last_words(program.ran)}") from e
        finally:
            self._tell(ctx, program.ran)
        if ran.stopped == "time":
            raise LimitReached("time", f"no limit of time is set: the task's command_timeout of {longest:g} s ended it")
        return output

    def _tell(self, ctx: SolveContext, ran: Ran) -> None:
        """What no record of requests shows: what was still running, and what a program said that failed."""
        if ran.left:
            ctx.note("leftovers", f"{len(ran.left)} processes were still running and were ended", list(ran.left))
        if ran.stderr:
            ctx.note("stderr", ran.stderr)
        if codes := self.exit_codes(ran):
            ctx.note(EXIT_CODES, data=dict(codes))

    def spoken(self, there: Sequence[Dialect]) -> Sequence[Dialect]:
        """Its own."""
        return self.dialects[:1]

    def aliases(self) -> Mapping[str, str]:
        """Names it asks for that mean another role than `main`."""
        return {}

    def fingerprint(self, layer: Layer | None, how: Invocation, record: Record) -> dict[str, Json]:
        """What this harness was in this attempt; `harness compare` shows where two differ."""
        return {
            "agent": self.agent,
            "release": self.release,
            **({"binary": layer.binary[:16], "layer": layer.tree[:16]} if layer is not None else {}),
            "flags": digest_of([word for word in how.argv if word not in how.task_words], sorted(how.env)),
            "project_instructions": self.project_instructions,
            "web_tools": self.web_tools,
            **wrapping(record),
        }

    def _told(self, served: Served) -> str:
        if self.model_shown:
            return self.model_shown
        knows = not self.known_model or re.match(self.own_names, served.name)
        return served.name if knows else self.known_model

    def _needs(self, layer: Layer | None) -> Sequence[str]:
        return (layer.platform.split("-")[1], *layer.needs) if layer is not None else ()

    def _found(self) -> tuple[Layer, Path] | None:
        return self._installed()

    def _layer(self) -> Layer | None:
        found = self._found()
        return found[0] if found else None

    def _installed(self) -> tuple[Layer, Path]:
        found = find_layer(self.agent, self.release)
        if found is None:
            there = ", ".join(known_versions(self.agent, installed_layers())) or "none"
            raise MissingRequirement(
                "agent",
                f"{self.agent}@{self.release} is not installed (installed: {there}): "
                f"harness agent install {self.agent}@{self.release}",
            )
        return found

    def _program(self, layer: Layer | None) -> list[str]:
        """The words that start the program."""
        assert layer is not None
        first, *rest = layer.entry
        inside = [word if word.startswith("-") or "/" not in word else f"{MOUNT}/{word}" for word in rest]
        if first == "python3":
            return [first, "-P", *inside]  # modules in the work are not the program's
        return [f"{MOUNT}/{first}", *inside]

    def _whole(self, said: Invocation, layer: Layer | None, start: Start) -> Invocation:
        """The program's words before those of the CLI, the environment that all share, and what the user adds."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        own = [f"{MOUNT}/{part}" for part in layer.path] if layer is not None and self.own_tools else []
        env = {
            "HOME": start.home,
            **({"PATH": ":".join((path, *own))} if own else {}),
            "NO_COLOR": "1",
            "TERM": "dumb",
            **said.env,
            **self.own_env(),
        }
        argv = [*self._program(layer), *said.argv, *self.flags]
        return Invocation(argv, env, said.stdin, start.around.folder, (start.prompt,))

    async def _lay_task(self, task: TaskView, ctx: SolveContext, around: Around) -> None:
        """Files of the task that its image does not hold."""
        assert ctx.box is not None
        there = {f.name for f in task.sandbox.files} if task.sandbox is not None else set()
        for file in task.files:
            if file.name not in there:
                await ctx.box.write(file.name, ctx.read_file(file))

    def _output(self, ran: Ran, door: Door, layer: Layer | None, how: Invocation, answer: str | None = None) -> Output:
        """What is delivered: the gateway's word decides, the program's own is kept beside it."""
        record = read_record(door.exchanges)
        metrics: dict[str, Json] = {
            **measures(record),
            "exit_code": ran.exit_code,
            "ended": self._ended(ran, door, record),
            "leftovers": len(ran.left),
            "fingerprint": self.fingerprint(layer, how, record),
            "claims": self._claims(ran),
        }
        kept = [Artifact(EVENTS, ran.output)] if ran.output else []
        if ran.stderr:
            kept.append(Artifact(STDERR, ran.stderr.encode()))
        return Output(
            answer=record.text if answer is None else answer,
            artifacts=tuple(kept),
            declared_done=record.ended_by_itself and not ran.stopped and not door.limit,
            refused=record.refused,
            truncated=record.cut,
            metrics=metrics,
        )

    def _claims(self, ran: Ran) -> dict[str, Json]:
        try:
            return {name: said for name, said in self.claims(ran).items() if said is not None}
        except Exception as e:  # noqa: BLE001 - a program's own words, in a form that its next version may change
            return {"unreadable": f"{type(e).__name__}: {e}"}

    def _ended(self, ran: Ran, door: Door, record: Record) -> str:
        """done, refusal, limit:KIND, stopped, or cut_off: the program ended while its model still wanted to work."""
        if door.limit:
            return f"limit:{door.limit}"
        if ran.stopped:
            return f"limit:{ran.stopped}"
        if record.refused:
            return "refusal"
        return "done" if record.ended_by_itself else "cut_off"


def words_with_keys(field: str, words: Sequence[str]) -> Iterator[str]:
    """Words of a command line that are keys, by their number."""
    for number in literal_keys({str(i): word for i, word in enumerate(words)}, named=False):
        yield f"{field}: word {number}"


def _last_words(ran: Ran) -> str:
    """How a program ended that did nothing: what its event of the end says, else its last lines."""
    said = ran.stderr or ran.output[-2000:].decode("utf-8", "replace")
    words = " ".join(end_text(ran).split())[:600] or " ".join(said.split())[-600:]
    return f"(exit code {ran.exit_code}{f'; its last words: {words}' if words else ', without a word'})"
