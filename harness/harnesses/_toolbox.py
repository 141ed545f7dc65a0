"""The tools agents are given: their schemas, and what a call of each does in the box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from harness.api import Tool, ToolCall, ToolResult
from harness.toolkit.box_files import BoxFiles, FileFault
from harness.toolkit.shell import Shell, sendable

ToolName = Literal["bash", "python", "view", "create", "str_replace", "insert", "search", "submit"]
ARGUMENT_SHOWN = 200

_Path = Annotated[str, Meta(description="absolute, or from the working folder")]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of a tool; the docstring is what the model reads."""

    name: ClassVar[ToolName]


class Bash(Asked, frozen=True):
    """Run a shell command in the box. It starts in the working folder, in a shell of its own."""

    name: ClassVar[ToolName] = "bash"
    command: Annotated[str, Meta(description="the command; it may have several lines")]


class Python(Asked, frozen=True):
    """Run a Python 3 program in the box. Nothing is kept between calls; print what you want to see."""

    name: ClassVar[ToolName] = "python"
    code: Annotated[str, Meta(description="the whole program")]


class View(Asked, frozen=True):
    """Show a text file with line numbers, or what is in a folder."""

    name: ClassVar[ToolName] = "view"
    path: _Path
    first: Annotated[int, Meta(description="the first line to show, from 1")] = 1
    last: Annotated[int, Meta(description="the last line to show; 0 is the end")] = 0


class Create(Asked, frozen=True):
    """Write a whole text file. Its folders are made, and a file that is there is replaced."""

    name: ClassVar[ToolName] = "create"
    path: _Path
    text: Annotated[str, Meta(description="the file's whole text")]


class StrReplace(Asked, frozen=True):
    """Replace a piece of a text file. The old text must stand in it exactly once, character for character."""

    name: ClassVar[ToolName] = "str_replace"
    path: _Path
    old: Annotated[str, Meta(description="the text to replace, with enough around it to be found once")]
    new: Annotated[str, Meta(description="what stands there then; empty removes")]


class Insert(Asked, frozen=True):
    """Insert lines into a text file."""

    name: ClassVar[ToolName] = "insert"
    path: _Path
    line: Annotated[int, Meta(description="after this line; 0 is the beginning of the file")]
    text: Annotated[str, Meta(description="the lines")]


class Search(Asked, frozen=True):
    """Find lines that match an extended regular expression, in a file or in all text files below a folder."""

    name: ClassVar[ToolName] = "search"
    pattern: Annotated[str, Meta(description="as grep -E reads it")]
    path: _Path = "."
    files: Annotated[str, Meta(description="only files whose name fits this glob, such as *.py")] = ""


class Submit(Asked, frozen=True):
    """Finish the work. Nothing can be done after it."""

    name: ClassVar[ToolName] = "submit"
    answer: Annotated[str, Meta(description="the answer, if the task asks for one in words")] = ""


ALL: tuple[type[Asked], ...] = (Bash, Python, View, Create, StrReplace, Insert, Search, Submit)


@cache
def tool_of(asked: type[Asked]) -> Tool:
    """A tool as it is offered: the schema is that of the arguments' class."""
    _, found = msgspec.json.schema_components([asked])
    schema = {k: v for k, v in found[asked.__name__].items() if k not in ("title", "description")}
    return Tool(asked.name, (asked.__doc__ or "").strip(), schema)


@dataclass(slots=True)
class Tally:
    """What the calls of a piece of work amounted to."""

    commands: int = 0
    timeouts: int = 0
    calls: int = 0
    faults: int = 0


@dataclass(slots=True)
class Done:
    """The results of one reply's calls, in their order; `submitted` ends the work, and calls after it are not made.

    `faulty` counts calls that could not be made at all: unknown tools, and arguments that do not fit.
    """

    results: list[ToolResult] = field(default_factory=list)
    submitted: Submit | None = None
    faulty: int = 0


class Toolbox:
    """Some of the tools, in one box."""

    def __init__(self, shell: Shell, names: Sequence[ToolName], tally: Tally) -> None:
        self._shell = shell
        self._files = BoxFiles(shell)
        self._tally = tally
        self._offered = {a.name: a for a in ALL if a.name in names}

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What is offered to the model, always in the same order."""
        return tuple(tool_of(a) for a in self._offered.values())

    async def call_all(self, calls: Sequence[ToolCall]) -> Done:
        """Make the calls of one reply, one after another. Raises SandboxError."""
        done = Done()
        for call in calls:
            try:
                asked = self._read(call)
            except ValueError as e:
                done.faulty += 1
                self._tally.faults += 1
                done.results.append(ToolResult(call.id, str(e), is_error=True))
                continue
            self._tally.calls += 1
            if isinstance(asked, Submit):
                done.submitted = asked
                break
            try:
                done.results.append(ToolResult(call.id, await self._do(asked)))
            except FileFault as e:
                done.results.append(ToolResult(call.id, str(e), is_error=True))
        return done

    def _read(self, call: ToolCall) -> Asked:
        """The arguments. Raises ValueError with words for the model."""
        asked = self._offered.get(call.name)  # type: ignore[call-overload]  # any text may come from a model
        if asked is None:
            raise ValueError(f"there is no tool '{call.name}'; there are: {', '.join(self._offered)}")
        if isinstance(call.arguments, str):
            start = call.arguments[:ARGUMENT_SHOWN]
            raise ValueError(f"nothing was run: the arguments are not a JSON object (were they cut off?): {start}")
        try:
            read: Asked = msgspec.convert(call.arguments, asked, strict=False)
        except msgspec.ValidationError as e:
            raise ValueError(f"nothing was run: the arguments of {call.name} do not fit: {e}") from None
        return read

    async def _do(self, asked: Asked) -> str:
        match asked:
            case Bash(command):
                return await self.run(command)
            case Python(code):
                self._tally.commands += 1
                ran = await self._shell.python(code)
                self._tally.timeouts += ran.timed_out
                return ran.text
            case View(path, first, last):
                return await self._files.view(path, first, last)
            case Create(path, text):
                return await self._files.create(path, text)
            case StrReplace(path, old, new):
                return await self._files.replace(path, old, new)
            case Insert(path, line, text):
                return await self._files.insert(path, line, text)
            case Search(pattern, path, files):
                return await self._files.search(pattern, path, files)
        raise AssertionError(f"no such tool: {asked}")

    async def run(self, command: str) -> str:
        """A shell command; what the model is told of it."""
        self._tally.commands += 1
        ran = await self._shell.run(command)
        self._tally.timeouts += ran.timed_out
        return ran.text


def answer_of(text: str) -> str | None:
    """A submitted answer; blank is none."""
    return sendable(text).strip() or None
