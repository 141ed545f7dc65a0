"""A model that answers from a script: for tests and demos, never a measurement of anything.

The client keeps no order of its own, so trials in flight cannot take each other's lines. Which line of a list is due
is read off the request: a label with a number (`solve.2`) asks for that line, any other label for the line after as
many as there are assistant turns in the conversation.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from harness.errors import ModelError, ModelFault, Place, UsageFault
from harness.models import _script_file
from harness.models._prompted import prompted
from harness.plugins.contracts import Model, ModelClient
from harness.records.content import (
    Json,
    Part,
    Reasoning,
    Request,
    Response,
    StopReason,
    Text,
    ToolCall,
    Usage,
)
from harness.records.task import digest_of
from harness.toolkit.files import first_fault, one_line

STATUS: Mapping[ModelFault, int] = {
    "rate_limit": 429, "overloaded": 529, "server": 500, "auth": 401,
    "not_found": 404, "bad_request": 400, "context_length": 400,
}  # fmt: skip
"""The HTTP status that goes with a planted fault; 0 for faults below HTTP (timeout, connection, ...)."""

_GROUP = re.compile(r"\\(?:(\d)|g<(\w+)>)")


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PlantedError(_Closed):
    """A failure of the provider, planted."""

    fault: ModelFault
    """What fails: rate_limit, overloaded, server, timeout, connection, bad_response, auth, not_found, ..."""
    status: int | None = None
    """HTTP status; None takes the usual one."""
    retry_after_s: float | None = None
    """What the server asks for, in seconds."""
    message: str = "planted by the script"
    """The error's text."""
    times: int = Field(default=1, ge=0)
    """How often each distinct request fails before it is answered; 0 is always."""


class Call(_Closed):
    """A tool the scripted model asks for."""

    name: str
    """The tool."""
    arguments: dict[str, Json] | str = {}
    """Its arguments; a text stands for arguments that did not parse."""
    id: str = ""
    """The call's id; empty makes one from its position."""


class Tokens(_Closed):
    """Tokens an answer is said to have used."""

    input: int = Field(default=0, ge=0)
    """Uncached input."""
    cache_read: int = Field(default=0, ge=0)
    """Input read from the provider's cache."""
    cache_write_short: int = Field(default=0, ge=0)
    """Input written to the short cache."""
    cache_write_long: int = Field(default=0, ge=0)
    """Input written to the long cache."""
    output: int = Field(default=0, ge=0)
    """Visible output."""
    reasoning: int = Field(default=0, ge=0)
    """Hidden output."""


def _error(value: object) -> object:
    return {"fault": value} if isinstance(value, str) else value


Failure = Annotated[
    PlantedError | None, BeforeValidator(_error, json_schema_input_type=ModelFault | PlantedError | None)
]


class Answer(_Closed):
    """One scripted answer. A plain text in YAML is an answer with that text."""

    text: str = ""
    """What is said."""
    tools: tuple[Call, ...] = ()
    """Tools asked for, after the text."""
    reasoning: str = ""
    """A reasoning block before the text."""
    stop: StopReason | None = None
    """Why it stopped; None is `tool_use` with tools, else `end`."""
    usage: Tokens | None = None
    """Tokens used; None counts a token for every four characters, of input and of output."""
    latency_s: float | None = Field(default=None, ge=0)
    """Seconds this answer takes; None takes the model's."""
    error: Failure = None
    """A failure before the answer: a fault's name, or an object with `times`, `retry_after_s`, ..."""


def _answer(value: object) -> object:
    return {"text": value} if isinstance(value, str) else value


Line = Annotated[Answer, BeforeValidator(_answer, json_schema_input_type=str | Answer)]


class Rule(_Closed):
    """Answers requests whose last user text matches."""

    when: str
    """A regular expression, searched in the last user text (`.` matches line ends too)."""
    answer: Line
    """The answer; `\\1` to `\\9` and `\\g<name>` in its text become what the groups matched."""
    label: str = ""
    """Only requests with this label (a number after it does not count); empty is any."""

    @model_validator(mode="after")
    def _compiles(self) -> Rule:
        try:
            groups = re.compile(self.when)
        except re.error as e:
            raise ValueError(f"'{self.when}' is not a regular expression: {e}") from None
        for number, name in _GROUP.findall(self.answer.text):
            if (number and int(number) > groups.groups) or (name and name not in groups.groupindex):
                raise ValueError(f"the answer names group '{number or name}', which '{self.when}' does not have")
        return self


class Scripted(Model):
    """Answers from a script. With no script at all it echoes the last user text.

    Give one of `answer`, `answers`, `path`; `rules` go before any of them. A request nothing answers raises
    ModelError `script_exhausted`.
    """

    version: ClassVar[str] = "1"
    simulated: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Json]] = {"name": "demo", "answer": "14 days"}

    name: str = "scripted"
    """A name for reports."""
    answer: Line | None = None
    """The same answer to everything."""
    answers: tuple[Line, ...] | dict[str, tuple[Line, ...]] | None = None
    """Answers in order for each conversation: a list for every label, or a list by label (`solve`, `verify`, ...).
    A label that stands here with its number (`solve.2`) has a list of its own."""
    rules: tuple[Rule, ...] = ()
    """The first rule that matches the last user text answers."""
    path: str = ""
    """A JSONL file in the workspace: rows `{prompt | prompt_sha256, answer | answers, label?}`. A model never sees a
    task's id, so rows are keyed by the text it does see; instructions a harness adds after the prompt do not count."""
    prompted: bool = False
    """Do what directives in the prompt say (`@@sh ls`, `@@say done`, ...; `harness.testing.wire_prompt`): drives any
    agent through any task. Goes before all else, where a prompt has any."""
    echo: bool = False
    """Say the last user text back when nothing else answers."""
    latency_s: float = Field(default=0.0, ge=0)
    """Seconds every answer takes."""
    usage: Tokens | None = None
    """Tokens of every answer that names none."""
    error: Failure = None
    """A failure before every answer that names none, for each distinct request."""

    @model_validator(mode="after")
    def _one_script(self) -> Scripted:
        forms = [n for n in ("answer", "answers", "path") if getattr(self, n) not in (None, "")]
        if len(forms) > 1:
            raise ValueError(f"give one of answer, answers and path, not {' and '.join(forms)}")
        return self

    @property
    def provider(self) -> str:
        """`scripted`: never priced."""
        return "scripted"

    def check(self, workspace: Path) -> Sequence[str]:
        """The file, if there is one, is there and can be read."""
        try:
            self.open(workspace)
        except UsageFault as e:
            return (one_line(e),)
        return ()

    def digest_files(self) -> Sequence[str]:
        """The script file."""
        return (self.path,) if self.path else ()

    def open(self, workspace: Path) -> ModelClient:
        """A client; raises UsageFault when the file cannot be read."""
        plain = not (
            self.rules or self.path or self.answers is not None or self.error or self.latency_s or self.prompted
        )
        if plain and self.answer is None and self.usage is None:
            return Echo(self.name)
        if plain and self.answer is not None and self.answer == Answer(text=self.answer.text) and self.usage is None:
            return Fixed(self.name, self.answer.text)
        rows = _script_file.read(workspace, self.path) if self.path else {}
        return ScriptedClient(self, {key: _lines_of(self.path, row) for key, row in rows.items()})


class Echo:
    """Says the last user text back."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def generate(self, request: Request) -> Response:
        """The last user text."""
        text = last_user_text(request)
        usage = Usage(input=input_tokens(request), output=(len(text) + 3) // 4, calls=1)
        return Response((Text(text),), "end", usage, self.name)

    async def aclose(self) -> None:
        """Nothing is open."""


class Fixed:
    """Says one thing."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.parts = (Text(text),)
        self.output = (len(text) + 3) // 4

    async def generate(self, request: Request) -> Response:
        """The one answer."""
        return Response(self.parts, "end", Usage(input=input_tokens(request), output=self.output, calls=1), self.name)

    async def aclose(self) -> None:
        """Nothing is open."""


class ScriptedClient:
    """Finds the line that is due, plants its error, waits, answers."""

    def __init__(self, model: Scripted, rows: Mapping[_script_file.Key, tuple[Answer, ...]]) -> None:
        self.model = model
        self.rows = rows
        self.rules = [(re.compile(r.when, re.DOTALL), r) for r in model.rules]
        self.echo = model.echo or (model.answer is None and model.answers is None and not model.path and not self.rules)
        self.failed: dict[str, int] = {}
        self.erred: set[str] = set()

    async def generate(self, request: Request) -> Response:
        """The line that is due. Raises ModelError: a planted one, or `script_exhausted`."""
        text = last_user_text(request)
        answer = self._find(request, text)
        latency = self.model.latency_s if answer.latency_s is None else answer.latency_s
        if latency:
            await asyncio.sleep(latency)
        error = answer.error or self.model.error
        if error and self._fails(error, request):
            status = STATUS.get(error.fault, 0) if error.status is None else error.status
            raise ModelError(error.fault, error.message, status=status, retry_after_s=error.retry_after_s)
        return respond(answer, request, self.model)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _find(self, request: Request, text: str) -> Answer:
        if self.model.prompted and (said := prompted(request, self.erred)) is not None:
            return Answer.model_validate(said)
        label, step = step_of(request)
        for pattern, rule in self.rules:
            if (not rule.label or rule.label == label) and (match := pattern.search(text)):
                return rule.answer.model_copy(update={"text": _filled(rule.answer.text, match)})
        model = self.model
        if model.answer is not None:
            return model.answer
        if isinstance(model.answers, dict) and request.label in model.answers:
            label, step = request.label, turns_of(request)
        lines = self._lines(label, text)
        if lines is not None and step < len(lines):
            return lines[step]
        if self.echo:
            return Answer(text=text)
        raise ModelError("script_exhausted", _exhausted(model, label, step, lines))

    def _lines(self, label: str, text: str) -> tuple[Answer, ...] | None:
        answers = self.model.answers
        if isinstance(answers, tuple):
            return answers
        if answers is not None:
            return answers.get(label)
        return _script_file.find(self.rows, label, text) if self.rows else None

    def _fails(self, error: PlantedError, request: Request) -> bool:
        if not error.times:
            return True
        key = digest_of(request)
        seen = self.failed[key] = self.failed.get(key, 0) + 1
        return seen <= error.times


def _lines_of(path: str, row: _script_file.Row) -> tuple[Answer, ...]:
    try:
        return tuple(Answer.model_validate(_answer(a)) for a in row.answers)
    except ValidationError as e:
        raise UsageFault(first_fault(e), place=Place(path, row.line, 1)) from e


def respond(answer: Answer, request: Request, model: Scripted) -> Response:
    """A scripted answer as a response."""
    parts: list[Part] = [Reasoning(answer.reasoning)] if answer.reasoning else []
    if answer.text:
        parts.append(Text(answer.text))
    turn = turns_of(request)
    for i, call in enumerate(answer.tools):
        parts.append(ToolCall(call.id or f"call_{turn}_{i}", call.name, call.arguments))
    stop: StopReason = answer.stop or ("tool_use" if answer.tools else "end")
    tokens = answer.usage or model.usage
    usage = (
        Usage(**tokens.model_dump(), calls=1)
        if tokens
        else Usage(
            input=input_tokens(request),
            output=(len(answer.text) + 3) // 4 + sum(len(str(c.arguments)) // 4 + 1 for c in answer.tools),
            reasoning=(len(answer.reasoning) + 3) // 4,
            calls=1,
        )
    )
    return Response(tuple(parts), stop, usage, model.name)


def last_user_text(request: Request) -> str:
    """The text parts of the last user message, joined."""
    for message in reversed(request.messages):
        if message.role == "user":
            parts = message.parts
            if len(parts) == 1 and type(parts[0]) is Text:
                return parts[0].text
            return "\n\n".join(p.text for p in parts if type(p) is Text)
    return ""


def input_tokens(request: Request) -> int:
    """A plausible count: a token for every four characters of text that is sent."""
    n = len(request.system)
    for message in request.messages:
        for part in message.parts:
            if type(part) is Text:
                n += len(part.text)
            elif hasattr(part, "content"):
                n += len(part.content)
    return (n + 3) // 4


def step_of(request: Request) -> tuple[str, int]:
    """The label without its number, and which line of a list is due, from 0."""
    label, dot, number = request.label.rpartition(".")
    if dot and number.isascii() and number.isdigit():
        return label, int(number) - 1
    return request.label, turns_of(request)


def turns_of(request: Request) -> int:
    """How many turns the model has had in this conversation."""
    return sum(m.role == "assistant" for m in request.messages)


def _filled(template: str, match: re.Match[str]) -> str:
    return _GROUP.sub(lambda g: match[int(g[1]) if g[1] else g[2]] or "", template)


def _exhausted(model: Scripted, label: str, step: int, lines: Sequence[Answer] | None) -> str:
    if lines is not None:
        return f"the script has {len(lines)} answer(s) for '{label}', and answer {step + 1} was asked for"
    if isinstance(model.answers, dict):
        return f"the script has no answers for '{label}'; it has: {', '.join(model.answers)}"
    if model.path:
        return f"no row of {model.path} has the prompt of this '{label}' request"
    return f"no rule matches the last user text of this '{label}' request"
