"""The other side of a comparison: another system of this run, a stored run, a file of answers, a field of the task."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from harness.api import Attempt, Json, NotGraded, Output, Task, UsageFault, Work
from harness.errors import ConfigError, Fault, Place, StoreError
from harness.plugins.judging import Delivered
from harness.store.read import iter_attempts, read_manifest, read_transcript
from harness.toolkit.files import NAMED, check_lines, every_json_line
from harness.toolkit.reference import as_text
from harness.toolkit.refused import Placed, refused


class Opponent(BaseModel):
    """With what the work is compared: exactly one of system, run, file and field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    system: str = ""
    """Another system: of this run, or with `run` of that one."""
    run: str = ""
    """A stored run: the name of its folder under `runs/`. Its one system, or `system`."""
    file: str = ""
    """A JSONL file of answers in the workspace: rows with `id` (the task) and `answer`."""
    field: str = ""
    """A field of the task that holds an expert's deliverable: `reference`, or a key of its `meta`."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = [n for n in ("run", "file", "field") if getattr(self, n)]
        if len(places) + (self.system != "" and not self.run) != 1:
            raise refused("an opponent is exactly one of system, run, file and field", "such as {system: NAME}")
        return self

    @property
    def name(self) -> str:
        """What records call it."""
        return f"{self.run}:{self.system}".strip(":") if self.run else self.system or self.file or self.field

    def check(self, workspace: Path, *at: int | str) -> list[Placed]:
        """What is wrong with it that can be seen before a run, told at this parameter."""
        try:
            if self.run:
                _system_of(_run(workspace, self.run), self.system)
            if self.file:
                _rows(workspace, self.file)
        except (UsageFault, ConfigError, StoreError) as e:
            return check_lines(e, *at, help=ROW if self.file else "")
        return []

    def lacks(self, task: Task) -> str:
        """The field that this task would have to have, or nothing."""
        if not self.field or field_of(task, self.field) is not None:
            return ""
        return f"it has no `{self.field}` to compare with; {fields_of(task)}"

    def unopposed(self, tasks: Sequence[Task], workspace: Path) -> str:
        """The tasks that its file has no answer for, in words, or nothing."""
        known = _rows(workspace, self.file) if self.file else {}
        lacking = [task.id for task in tasks if task.id not in known] if self.file else []
        if not lacking:
            return ""
        named = ", ".join(lacking[:NAMED]) + (f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else "")
        return f"{self.file} has no answer for {len(lacking)} of its {len(tasks)} tasks: {named}"


Refusals = Literal["lose", "judged"]
"""What a side that refused or abstained is: nothing delivered, or work like any other."""


def declined(output: Output, refusals: Refusals) -> str:
    """Why a side delivered nothing although there may be words: `refused` or `abstained`; the same for every side."""
    if refusals == "judged":
        return ""
    return "refused" if output.refused else "abstained" if output.abstained else ""


def delivered(opponent: Opponent, work: Work) -> Delivered | NotGraded:
    """What the opponent delivered for this task, or why there is nothing. Nothing is never a win."""
    if work.bench.opponent is not None:
        return work.bench.opponent
    if opponent.system and not opponent.run:
        return work.bench.of(opponent.system)
    if opponent.run:
        return _of_run(opponent, work)
    if opponent.file:
        answer = _rows(work.workspace, opponent.file).get(work.task.id)
        if answer is None:
            return NotGraded("no_opponent", f"{opponent.file} has no answer for '{work.task.id}'")
        return _text(opponent.name, answer)
    value = field_of(work.task, opponent.field)
    if value is None:
        return NotGraded("no_opponent", f"the task has no `{opponent.field}`")
    return _text(opponent.name, as_text(value))


def field_of(task: Task, name: str) -> Json:
    """The reference, or a key of the task's meta."""
    return task.reference if name == "reference" else task.meta.get(name.removeprefix("meta."))


def fields_of(task: Task) -> str:
    """What `field_of` could find in a task."""
    return f"its `meta` has {', '.join(sorted(task.meta))}" if task.meta else "it has no `meta`"


def _text(by: str, answer: str) -> Delivered:
    return Delivered(by, Output(answer=answer), lambda name: None)


def _of_run(opponent: Opponent, work: Work) -> Delivered | NotGraded:
    path = _run(work.workspace, opponent.run)
    system = _system_of(path, opponent.system)
    attempt = _index(path).get((work.task.id, system, work.bench.epoch)) or _index(path).get((work.task.id, system, 1))
    if attempt is None or attempt.status not in ("graded", "ungradable"):
        return NotGraded("no_opponent", f"{opponent.run} has no work of '{system}' for '{work.task.id}'")
    if attempt.digests.task != work.task.digest:
        return NotGraded("other_task", f"'{work.task.id}' was another task in {opponent.run}")
    transcript = read_transcript(path, attempt)
    places = {a.name: path / a.path for a in attempt.artifacts}

    def artifact(name: str) -> bytes | None:
        return places[name].read_bytes() if name in places else None

    return Delivered(opponent.name, transcript.output, artifact, lambda: transcript)


def _run(workspace: Path, name: str) -> Path:
    path = workspace / "runs" / name
    if Path(name).name != name or not (path / "manifest.json").is_file():
        there = sorted(p.parent.name for p in (workspace / "runs").glob("*/manifest.json"))
        raise UsageFault(f"there is no run '{name}'", help=f"runs: {', '.join(there[-5:]) or 'none'}")
    return path


def _system_of(path: Path, name: str) -> str:
    systems = [s for s in read_manifest(path).systems if not s.privileged]
    names: Sequence[str] = [s.name for s in systems]
    if name:
        if name not in {s.name for s in read_manifest(path).systems}:
            raise UsageFault(f"{path.name} has no system '{name}'", help=f"it has {', '.join(names)}")
        return name
    if len(names) != 1:
        raise UsageFault(f"{path.name} has {len(names)} systems", help=f"name one: system: {' | '.join(names)}")
    return names[0]


@lru_cache(maxsize=8)
def _index(path: Path) -> dict[tuple[str, str, int], Attempt]:
    """The deciding attempts of a stored run."""
    return {(a.task, a.system, a.epoch): a for a in iter_attempts(path) if a.final}


ROW = "one JSON object a line: id (the task) and answer"


@lru_cache(maxsize=8)
def _rows(workspace: Path, name: str) -> dict[str, str]:
    """Answers by task. Raises ConfigError with every faulty line, UsageFault for a file that cannot be read."""
    found: dict[str, tuple[Place, str]] = {}
    rows, faults = every_json_line(workspace, name)
    for place, row in rows:
        key, answer = row.get("id") or row.get("task"), row.get("answer")
        if not isinstance(key, str) or not isinstance(answer, str):
            faults.append(Fault("a row is {id: TASK, answer: TEXT}", place, ROW))
        elif key in found:
            help_ = f"the first is in line {found[key][0].line}: keep one"
            faults.append(Fault(f"the answer to '{key}' is there twice", place, help_))
        else:
            found[key] = (place, answer)
    if not rows and not faults:
        raise UsageFault(f"{name} has no answer", help=ROW)
    if faults:
        raise ConfigError(faults)
    return {key: answer for key, (_, answer) in found.items()}
