"""One question, one answer: the smallest harness, and what the others are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from harness.errors import ConfigError, UsageFault
from harness.harnesses import _prompts as prompts
from harness.plugins.contracts import Harness, SolveContext
from harness.records.content import Json, Message, Request, Response, Text, assistant, user
from harness.records.outcome import Output
from harness.records.task import TaskView
from harness.toolkit import answer as read
from harness.toolkit.files import check_lines, read_json, read_json_rows, read_text
from harness.toolkit.prompt import prompt_text, task_parts

Choose = Literal["first", "majority", "last"]
Format = Literal["text", "final_line", "tagged", "letter", "json", "boxed"]


class Shot(BaseModel):
    """A worked case shown before the task."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    prompt: str
    """What is asked."""
    answer: str
    """A good answer; the marker of the answer format is added when it is absent."""
    id: str = ""
    """The id of the task it comes from, which is then never shown itself."""


class SingleTurn(Harness):
    """Asks once and takes the answer from the reply.

    Nothing is guessed: when the asked marker is absent there is no answer (`format_failed` in the metrics), unless
    `lenient` is on, which takes the whole reply and still counts the failure.
    """

    version: ClassVar[str] = "1"
    uses_box: ClassVar[bool] = False
    example: ClassVar[Mapping[str, Json]] = {"system": "Answer from the document only.", "answer_format": "tagged"}

    system: str = ""
    """The system prompt."""
    system_file: str = ""
    """A text file in the workspace with the system prompt, instead of `system`."""
    few_shot: tuple[Shot, ...] | str = ()
    """Worked cases `{prompt, answer, id?}`, in order, or a JSONL file of them. A case whose id or prompt is the
    task's own is left out."""
    shots: int | None = Field(default=None, ge=0)
    """How many cases to show, from the first; None is all."""
    answer_format: Format = "text"
    """Where the answer stands: `text` the whole reply, `final_line` its last line, `tagged` the last `ANSWER:` line,
    `letter` the letter on that line, `json` the reply or its last fenced block, `boxed` the last LaTeX box. For all
    but `text` and `final_line` an instruction is added to the prompt."""
    tag: str = Field(default="ANSWER", min_length=1, pattern=r"^\w[\w ]*$")
    """The marker of `tagged` and `letter`."""
    lenient: bool = False
    """Take the whole reply when the marker is absent."""
    json_schema: dict[str, Json] | str | None = None
    """With `json`: the schema asked of the provider, inline or a JSON file in the workspace."""
    confidence: bool = False
    """Ask for a confidence from 0 to 100; one that cannot be read is absent, never 100."""
    abstain: bool | str = False
    """Allow the system to say that it does not know: true, or the words that say it."""
    attempts: int = Field(default=1, ge=1, le=100)
    """Independent tries, one after the other."""
    choose: Choose = "first"
    """Which try is the answer: the first or the last with an answer, or what most tries say (equal but for case,
    punctuation and white space; of equally frequent ones the earliest)."""
    cache: bool = False
    """Ask the provider to cache the system prompt and the worked cases."""

    _ready: dict[Path, _Ready] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> SingleTurn:
        if self.system and self.system_file:
            raise ValueError("give one of system and system_file")
        if self.json_schema is not None and self.answer_format != "json":
            raise ValueError("json_schema needs answer_format: json")
        if self.confidence and self.answer_format == "json":
            raise ValueError("confidence cannot be asked beside a JSON answer; make it a field of the schema")
        if self.choose != "first" and self.attempts == 1:
            raise ValueError(f"choose: {self.choose} needs attempts of 2 or more")
        return self

    def check(self, workspace: Path) -> Sequence[str]:
        """Every file named is there and can be read."""
        try:
            self._prepare(workspace)
        except (UsageFault, ConfigError) as e:
            return tuple(check_lines(e))
        return ()

    def digest_files(self) -> Sequence[str]:
        """System prompt, worked cases and schema, where they are files."""
        named = (self.system_file, self.few_shot, self.json_schema)
        return tuple(n for n in named if isinstance(n, str) and n)

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """Ask, `attempts` times; what there is so far is saved after each."""
        ready = self._ready.get(ctx.workspace) or self._prepare(ctx.workspace)
        request = self._request(task, ready)
        client = ctx.models["main"]
        if self.attempts == 1:
            return self._output(task, await client.generate(request))
        tries: list[Output] = []
        for number in range(1, self.attempts + 1):
            numbered = _labelled(request, f"solve.{number}")
            tries.append(self._output(task, await client.generate(numbered)))
            ctx.save(chosen(tries, self.choose))
        return chosen(tries, self.choose)

    def _prepare(self, workspace: Path) -> _Ready:
        """Read the files once."""
        system = read_text(workspace, self.system_file).rstrip("\n") if self.system_file else self.system
        shots = self.few_shot
        if isinstance(shots, str):
            shots = tuple(shot for _, shot in read_json_rows(workspace, shots, Shot))
        schema = read_json(workspace, self.json_schema) if isinstance(self.json_schema, str) else self.json_schema
        if schema is not None and not isinstance(schema, dict):
            raise UsageFault(f"{self.json_schema}: a JSON schema must be an object")
        ready = self._ready[workspace] = _Ready(system, shots, schema)
        return ready

    def _request(self, task: TaskView, ready: _Ready) -> Request:
        asked = self._instructions(task)
        if isinstance(task.prompt, str) and not task.files:
            last = Message("user", (Text(task.prompt + asked),))
        else:
            last = Message("user", task_parts(task, asked))
        if not ready.shots:
            return Request((last,), ready.system, json_schema=ready.schema, cache=self.cache, label="solve")
        own = prompt_text(task.prompt).strip()
        shown = [s for s in ready.shots if s.id != task.id and s.prompt.strip() != own]
        worked: list[Message] = []
        for shot in shown[: self.shots]:
            worked += [user(shot.prompt + asked), assistant(self._worked_answer(shot.answer, task))]
        messages = (*worked, last)
        return Request(messages, ready.system, json_schema=ready.schema, cache=self.cache, label="solve.1")

    def _instructions(self, task: TaskView) -> str:
        """What is asked of the reply's form, as paragraphs after the prompt."""
        asked = ""
        match self._format(task):
            case "tagged":
                asked = "\n\n" + prompts.TAGGED.format(tag=self.tag)
            case "letter":
                asked = "\n\n" + prompts.LETTER.format(tag=self.tag)
            case "boxed":
                asked = "\n\n" + prompts.BOXED
            case "json":
                asked = "\n\n" + prompts.JSON
        if marker := self.marker:
            asked += "\n\n" + prompts.ABSTAIN.format(marker=marker)
        if self.confidence:
            asked += "\n\n" + prompts.CONFIDENCE
        return asked

    @property
    def marker(self) -> str:
        """The words that say that the system does not know; empty when they are not offered."""
        return self.abstain if isinstance(self.abstain, str) else (prompts.DONT_KNOW if self.abstain else "")

    def _format(self, task: TaskView) -> Format:
        """The format for this task: `letter` is `tagged` where there are no choices."""
        return "tagged" if self.answer_format == "letter" and not task.n_choices else self.answer_format

    def _worked_answer(self, answer: str, task: TaskView) -> str:
        form = self._format(task)
        if form in ("tagged", "letter") and read.tagged(answer, self.tag) is None:
            return f"{self.tag}: {answer}"
        if form == "boxed" and read.boxed(answer) is None:
            return f"\\boxed{{{answer}}}"
        return answer

    def _output(self, task: TaskView, response: Response) -> Output:
        text = response.text
        form = self.answer_format
        refused = response.stop == "refusal"
        truncated = response.stop == "max_tokens"
        if form == "text" and not (self.confidence or self.abstain):
            return Output(answer=text.strip() or None, refused=refused, truncated=truncated)
        metrics: dict[str, Json] = {}
        confidence = None
        if self.confidence:
            confidence = read.confidence(text)
            text = read.without_tag(text, prompts.CONFIDENCE_TAG)
            metrics["confidence_missing"] = int(confidence is None)
        answer = self._extract(text, task)
        abstained = bool(self.abstain) and self._abstains(text, answer)
        if form not in ("text", "final_line") and not refused:
            metrics["format_failed"] = int(answer is None and not abstained)
        if answer is None and (self.lenient or abstained):
            answer = read.whole(text)
        return Output(
            answer=answer,
            confidence=confidence,
            abstained=abstained,
            refused=refused,
            truncated=truncated,
            metrics=metrics,
        )

    def _abstains(self, text: str, answer: str | None) -> bool:
        """Whether the answer, or the whole reply, is the marker and nothing else."""
        said = (answer, text, read.tagged(text, self.tag))
        return any(read.says(s, self.marker) for s in said)

    def _extract(self, text: str, task: TaskView) -> str | None:
        match self._format(task):
            case "text":
                return read.whole(text)
            case "final_line":
                return read.final_line(text)
            case "tagged":
                return read.tagged(text, self.tag)
            case "letter":
                return read.letter(text, task.n_choices, self.tag)
            case "json":
                return read.json_text(text)
            case "boxed":
                return read.boxed(text)


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a workspace's files say."""

    system: str
    shots: Sequence[Shot]
    schema: dict[str, Json] | None


def chosen(tries: Sequence[Output], choose: Choose) -> Output:
    """One output of several tries: the chosen try's answer and flags, every answer in order, metrics added up.

    Of tries without an answer none is chosen while another has one; `agreement` is the share of all tries that say
    the same as the chosen one.
    """
    answered = [t for t in tries if t.answer is not None and not t.refused] or list(tries)
    pick = answered[-1] if choose == "last" else answered[0]
    counts = Counter(_same(t) for t in answered)
    if choose == "majority":
        most = max(counts.values())
        pick = next(t for t in answered if counts[_same(t)] == most)
    metrics: dict[str, Json] = {}
    for key in ("format_failed", "confidence_missing"):
        if any(key in t.metrics for t in tries):
            metrics[key] = sum(t.metrics.get(key, 0) for t in tries)
    agreeing = sum(t.answer is not None and _same(t) == _same(pick) for t in tries)
    metrics |= {"attempts": len(tries), "agreement": round(agreeing / len(tries), 4)}
    return msgspec.structs.replace(pick, answers=tuple(t.answer or "" for t in tries), metrics=metrics)


def _same(output: Output) -> str:
    """Answers with the same key are the same answer; without a letter or digit in it, as it was written."""
    answer = output.answer or ""
    return read.plain(answer) or answer.strip()


def _labelled(request: Request, label: str) -> Request:
    return msgspec.structs.replace(request, label=label)
