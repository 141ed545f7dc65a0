"""Plays stored answers again: answers produced elsewhere, or by an earlier run."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import msgspec
from pydantic import Field, PrivateAttr

from harness.errors import MissingRequirement, Place, UsageFault
from harness.plugins.contracts import Harness, SolveContext
from harness.records.content import Json
from harness.records.outcome import Artifact, Output, StoredArtifact
from harness.records.task import TaskView
from harness.toolkit.files import one_line, read_json, read_json_lines

T = TypeVar("T")
TASK_FIELDS = ("task", "id", "task_id", "instance_id")
ANSWER_FIELDS = ("answer", "output", "model_patch", "patch")
PATCH_FIELDS = ("model_patch", "patch")
"""Predictions in the forms of SWE-bench, Live, Pro and SWE-smith: the answer is a patch."""
SYSTEM_FIELDS = ("model_name_or_path", "prefix")
"""Who answered, as predictions have it."""


class Replay(Harness):
    """Answers with what is stored in a file, and calls no model.

    A task (or an epoch of it) that is not in the file is skipped: a stored answer that is absent is not a wrong
    answer. An answer that is stored as null is no answer, and is graded as one.
    """

    version: ClassVar[str] = "1"
    uses_box: ClassVar[bool] = False
    stored: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Json]] = {"path": "answers/stored.jsonl"}
    example_files: ClassVar[Mapping[str, str]] = {
        "answers/stored.jsonl": '{"task": "example-text", "answer": "14 days", "confidence": 0.9}\n'
        '{"task": "example-choices", "answer": "B"}\n'
    }

    path: str
    """JSONL or JSON in the workspace. JSONL and a JSON list hold rows `{task, answer, epoch?, confidence?, system?,
    abstained?, refused?, declared_done?, artifacts?}`; a JSON object holds answers by task. `artifacts` is what a box
    task collects, by name: a text, `{base64: ...}`, or for a folder `{tree: {path: text}}`. An `attempts.jsonl` works
    too, with the artifacts beside it, and so do SWE-bench's prediction files (`instance_id`, `model_patch`): the patch
    becomes the artifact `patch`."""
    task_field: str = ""
    """The field with the task's id; empty takes the first of task, id, task_id, instance_id that a row has."""
    answer_field: str = ""
    """The field with the answer; empty takes the first of answer, output, model_patch, patch that a row has."""
    epoch_field: str = "epoch"
    """The field with the epoch, counted from 1. Rows without it are epochs 1, 2, ... in their order; of predictions
    (`instance_id`, `model_patch`) the last one of a model counts, as SWE-bench has it."""
    confidence_field: str = "confidence"
    """The field with the confidence in [0, 1]."""
    system_field: str = "system"
    """The field that names who answered."""
    system: str = ""
    """Play only the rows of this system; empty takes all rows, of which each task and epoch may have one."""
    artifact: str = ""
    """Deliver the answer also as an artifact of this name; empty means `patch` for a row that holds a patch."""
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
        """The stored output. Raises MissingRequirement when there is none, only a cut one, or an artifact is gone."""
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
        if stored.output.clipped:
            raise MissingRequirement("stored_answer", f"{self.path} holds only the start of the answer to '{task.id}'")
        if not stored.files:
            return stored.output
        folder = (ctx.workspace / self.path).parent
        found = tuple(Artifact(one.name, _data_of(folder, one)) for one in stored.files)
        return msgspec.structs.replace(stored.output, artifacts=(*stored.output.artifacts, *found))

    def _read(self, workspace: Path) -> _Stored:
        stored = self._stored.get(workspace)
        if stored is None:
            stored = self._stored[workspace] = self._index(workspace)
        return stored

    def _index(self, workspace: Path) -> _Stored:
        """Outputs by task and epoch. Raises UsageFault at the first row that cannot be used."""
        stored: _Stored = {}
        seen: dict[tuple[str, int], tuple[int, Json]] = {}
        for number, row in _rows(workspace, self.path):
            system = self._system_of(row)
            if self.system and system != self.system:
                continue
            if _is_attempt(row) and (row.get("final") is False or row["status"] in ("infra_error", "skipped")):
                continue
            place = Place(self.path, number, 1)
            task = str(row[_field(row, self.task_field, TASK_FIELDS, "a task's id", place)])
            epochs = stored.setdefault(task, {})
            single = _is_prediction(row) and self.epoch_field not in row
            epoch = row.get(self.epoch_field, 1 if single else len(epochs) + 1)
            if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 1:
                raise UsageFault(f"'{self.epoch_field}' must be a number from 1, not {epoch!r}", place=place)
            before = seen.setdefault((task, epoch), (number, system))
            if epoch in epochs and not (single and before[1] == system):
                raise UsageFault(
                    f"a second answer for task '{task}', epoch {epoch}; the first is in line {before[0]}",
                    place=place,
                    help="" if self.system else "if several systems answered, choose one with 'system: ...'",
                )
            epochs[epoch] = self._kept(row, place)
        return stored

    def _system_of(self, row: Mapping[str, Json]) -> Json:
        """Who answered: under the field that was named, else under a prediction's own."""
        return next((row[name] for name in (self.system_field, *SYSTEM_FIELDS) if name in row), None)

    @property
    def _answer_fields(self) -> Sequence[str]:
        return (self.answer_field,) if self.answer_field else ANSWER_FIELDS

    def _kept(self, row: Mapping[str, Json], place: Place) -> _Kept:
        said = row.get("artifacts")
        if _is_attempt(row):
            return _Kept(self._output(row, place), _read_as(tuple[StoredArtifact, ...], said or (), place))
        parts = _read_as(dict[str, str | _Part], said or {}, place)
        own = tuple(Artifact(name, _bytes_of(part, place)) for name, part in parts.items())
        output = self._output(row, place)
        return _Kept(msgspec.structs.replace(output, artifacts=(*output.artifacts, *own)))

    def _output(self, row: Mapping[str, Json], place: Place) -> Output:
        artifact = self.artifact
        if _is_attempt(row):
            values: Mapping[str, Json] = {"answer": None, **row.get("output", {})}
        elif "artifacts" in row and not any(f in row for f in self._answer_fields):
            values = {**row, "answer": None}
        else:
            name = _field(row, self.answer_field, ANSWER_FIELDS, "an answer", place)
            values = {**row, "answer": row[name]}
            artifact = artifact or ("patch" if name in PATCH_FIELDS else "")
        answer = values["answer"]
        if answer is not None and not isinstance(answer, str):
            answer = msgspec.json.encode(answer).decode()
        taken = {k: values[k] for k in _FLAGS if k in values} | {"answer": answer}
        if values.get(self.confidence_field) is not None:
            taken["confidence"] = values[self.confidence_field]
        output = _read_as(Output, taken, place)
        if output.confidence is not None and not 0 <= output.confidence <= 1:
            raise UsageFault(f"confidence must be in [0, 1], not {output.confidence:g}", place=place)
        if artifact and (answer is not None or not self.artifact):
            data = (answer or "").encode("utf-8", "surrogatepass")
            output = msgspec.structs.replace(output, artifacts=(Artifact(artifact, data),))
        return output


_FLAGS = ("answers", "declared_done", "abstained", "refused", "truncated", "clipped")


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    base64: bytes | None = None
    tree: dict[str, str] | None = None


def _bytes_of(part: str | _Part, place: Place) -> bytes:
    """A text, bytes, or the archive of a folder, always the same of the same texts. Raises UsageFault."""
    if isinstance(part, str):
        return part.encode("utf-8", "surrogatepass")
    if (part.base64 is None) == (part.tree is None):
        raise UsageFault("an artifact is a text, {base64: ...} or {tree: {path: text}}", place=place)
    if part.tree is None:
        return part.base64 or b""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, text in part.tree.items():
            data = text.encode("utf-8", "surrogatepass")
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class _Kept:
    """A stored output; `files` are artifacts that lie beside its row, read when they are asked for."""

    output: Output
    files: tuple[StoredArtifact, ...] = ()


_Stored = dict[str, dict[int, _Kept]]


def _data_of(folder: Path, one: StoredArtifact) -> bytes:
    """A run's artifact as it was recorded. Raises MissingRequirement: work that is not whole is not played."""
    path = folder / one.path
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise OSError("it is outside its run")
        data = path.read_bytes()
    except OSError as e:
        raise MissingRequirement("stored_artifact", f"{path} cannot be read: {e.strerror or e}") from e
    if hashlib.sha256(data).hexdigest() != one.sha256:
        raise MissingRequirement("stored_artifact", f"{path} is not what was recorded")
    return data


def _read_as(kind: type[T], value: object, place: Place) -> T:
    """The value as this type. Raises UsageFault."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as e:
        raise UsageFault(str(e), place=place) from e


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


def _is_prediction(row: Mapping[str, Json]) -> bool:
    """Whether a row is a line of a SWE-bench prediction file, which has one patch of a model for an instance."""
    return "instance_id" in row and any(name in row for name in PATCH_FIELDS)


def _field(row: Mapping[str, Json], named: str, usual: Sequence[str], what: str, place: Place) -> str:
    for key in (named,) if named else usual:
        if key in row:
            return key
    looked = f"'{named}'" if named else f"any of {', '.join(usual)}"
    raise UsageFault(
        f"the row has no field with {what}", place=place, help=f"looked for {looked}; it has: {', '.join(row)}"
    )
