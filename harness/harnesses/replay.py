"""Plays stored answers again: answers produced elsewhere, or by an earlier run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
from pydantic import Field, PrivateAttr

from harness.errors import MissingRequirement, Place, UsageFault
from harness.plugins.contracts import Harness, SolveContext
from harness.records.content import Json
from harness.records.outcome import Artifact, Output
from harness.records.task import TaskView
from harness.toolkit.files import one_line, read_json, read_json_lines

TASK_FIELDS = ("task", "id", "task_id", "instance_id")
ANSWER_FIELDS = ("answer", "output", "model_patch")


class Replay(Harness):
    """Answers with what is stored in a file, and calls no model.

    A task (or an epoch of it) that is not in the file is skipped: a stored answer that is absent is not a wrong
    answer. An answer that is stored as null is no answer, and is graded as one.
    """

    version: ClassVar[str] = "1"
    example: ClassVar[Mapping[str, Json]] = {"path": "answers/stored.jsonl"}
    example_files: ClassVar[Mapping[str, str]] = {
        "answers/stored.jsonl": '{"task": "example-text", "answer": "14 days", "confidence": 0.9}\n'
        '{"task": "example-choices", "answer": "B"}\n'
    }

    path: str
    """JSONL or JSON in the workspace. JSONL and a JSON list hold rows `{task, answer, epoch?, confidence?, system?,
    abstained?, refused?, declared_done?}`; a JSON object holds answers by task. An `attempts.jsonl` works too."""
    task_field: str = ""
    """The field with the task's id; empty takes the first of task, id, task_id, instance_id that a row has."""
    answer_field: str = ""
    """The field with the answer; empty takes the first of answer, output, model_patch that a row has."""
    epoch_field: str = "epoch"
    """The field with the epoch, counted from 1. Rows without it are epochs 1, 2, ... in their order."""
    confidence_field: str = "confidence"
    """The field with the confidence in [0, 1]."""
    system_field: str = "system"
    """The field that names who answered."""
    system: str = ""
    """Play only the rows of this system; empty takes all rows, of which each task and epoch may have one."""
    artifact: str = ""
    """Deliver the answer also as an artifact of this name (for a patch, say `patch.diff`)."""
    repeat: bool = Field(default=False)
    """Play a task's only answer in every epoch. The epochs then say nothing about consistency."""

    _stored: dict[Path, _Stored] = PrivateAttr(default_factory=dict)

    def roles(self) -> Sequence[str]:
        """None."""
        return ()

    def check(self, workspace: Path) -> Sequence[str]:
        """The file is there and every row of it can be used."""
        try:
            self._read(workspace)
        except UsageFault as e:
            return (one_line(e),)
        return ()

    def digest_files(self) -> Sequence[str]:
        """The stored answers."""
        return (self.path,)

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """The stored output. Raises MissingRequirement when there is none, or only a cut one."""
        epochs = self._read(ctx.workspace).get(task.id)
        if epochs is None:
            raise MissingRequirement("stored_answer", f"{self.path} has no answer for task '{task.id}'")
        stored = epochs.get(ctx.epoch)
        if stored is None and self.repeat and len(epochs) == 1:
            stored = next(iter(epochs.values()))
        if stored is None:
            raise MissingRequirement(
                "stored_answer",
                f"{self.path} has {len(epochs)} answer(s) for task '{task.id}', none for epoch {ctx.epoch}",
            )
        if stored.clipped:
            raise MissingRequirement("stored_answer", f"{self.path} holds only the start of the answer to '{task.id}'")
        return stored

    def _read(self, workspace: Path) -> _Stored:
        stored = self._stored.get(workspace)
        if stored is None:
            stored = self._stored[workspace] = self._index(workspace)
        return stored

    def _index(self, workspace: Path) -> _Stored:
        """Outputs by task and epoch. Raises UsageFault at the first row that cannot be used."""
        stored: _Stored = {}
        lines: dict[tuple[str, int], int] = {}
        for number, row in _rows(workspace, self.path):
            if self.system and row.get(self.system_field) != self.system:
                continue
            if _is_attempt(row) and (row.get("final") is False or row["status"] in ("infra_error", "skipped")):
                continue
            place = Place(self.path, number, 1)
            task = str(row[_field(row, self.task_field, TASK_FIELDS, "a task's id", place)])
            epochs = stored.setdefault(task, {})
            epoch = row.get(self.epoch_field, len(epochs) + 1)
            if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 1:
                raise UsageFault(f"'{self.epoch_field}' must be a number from 1, not {epoch!r}", place=place)
            if epoch in epochs:
                raise UsageFault(
                    f"a second answer for task '{task}', epoch {epoch}; the first is in line {lines[task, epoch]}",
                    place=place,
                    help="" if self.system else "if several systems answered, choose one with 'system: ...'",
                )
            lines[task, epoch] = number
            epochs[epoch] = self._output(row, place)
        return stored

    def _output(self, row: Mapping[str, Json], place: Place) -> Output:
        if _is_attempt(row):
            values: Mapping[str, Json] = {"answer": None, **row.get("output", {})}
        else:
            values = {**row, "answer": row[_field(row, self.answer_field, ANSWER_FIELDS, "an answer", place)]}
        answer = values["answer"]
        if answer is not None and not isinstance(answer, str):
            answer = msgspec.json.encode(answer).decode()
        taken = {k: values[k] for k in _FLAGS if k in values} | {"answer": answer}
        if values.get(self.confidence_field) is not None:
            taken["confidence"] = values[self.confidence_field]
        try:
            output = msgspec.convert(taken, Output)
        except msgspec.ValidationError as e:
            raise UsageFault(str(e), place=place) from e
        if output.confidence is not None and not 0 <= output.confidence <= 1:
            raise UsageFault(f"confidence must be in [0, 1], not {output.confidence:g}", place=place)
        if self.artifact and answer is not None:
            data = answer.encode("utf-8", "surrogatepass")
            output = msgspec.structs.replace(output, artifacts=(Artifact(self.artifact, data),))
        return output


_FLAGS = ("answers", "declared_done", "abstained", "refused", "truncated", "clipped")
_Stored = dict[str, dict[int, Output]]


def _rows(workspace: Path, name: str) -> Sequence[tuple[int, Mapping[str, Json]]]:
    """Every row with its line (JSONL) or its number (JSON), from 1."""
    if not name.endswith(".json"):
        return list(read_json_lines(workspace, name))
    found = read_json(workspace, name)
    if isinstance(found, dict):
        return [
            (i, {**v, "task": k} if isinstance(v, dict) else {"task": k, "answer": v})
            for i, (k, v) in enumerate(found.items(), 1)
        ]
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UsageFault("a JSON file of stored answers is a list of rows, or an object by task", place=Place(name))
    return list(enumerate(found, 1))


def _is_attempt(row: Mapping[str, Json]) -> bool:
    """Whether a row is a line of a run's `attempts.jsonl`, where the answer stands inside `output`."""
    return "status" in row and "attempt" in row and isinstance(row.get("output", {}), dict)


def _field(row: Mapping[str, Json], named: str, usual: Sequence[str], what: str, place: Place) -> str:
    for key in (named,) if named else usual:
        if key in row:
            return key
    looked = f"'{named}'" if named else f"any of {', '.join(usual)}"
    raise UsageFault(
        f"the row has no field with {what}", place=place, help=f"looked for {looked}; it has: {', '.join(row)}"
    )
