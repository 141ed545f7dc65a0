"""Sentinels: work with frozen verdicts, from a JSONL file. One line is one piece of work."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.api import Json, Output, Task, Transcript, UsageFault
from harness.errors import ConfigError, Fault, Place
from harness.plugins.contracts import Rehearsal
from harness.plugins.judging import Delivered
from harness.records.transcript import Note
from harness.toolkit.files import every_json_row


class SentinelRow(BaseModel):
    """One line of a sentinels file."""

    model_config = ConfigDict(extra="forbid")

    id: str
    question: str
    answer: str = ""
    expect: str | dict[str, str]
    reference: Json = None
    opponent: str | None = None
    steps: list[str] = []
    sources: Json = None
    family: str = ""
    note: str = ""


ROW = "one JSON object a line: id, question, answer, expect"


def read_sentinels(workspace: Path, path: str) -> list[Rehearsal]:
    """The file's rows as work to judge. Raises ConfigError with every faulty line and every id that is there twice,
    UsageFault for a file that cannot be read or is empty.
    """
    found, faults = every_sentinel(workspace, path)
    if faults:
        raise ConfigError(faults)
    return found


def every_sentinel(workspace: Path, path: str) -> tuple[list[Rehearsal], list[Fault]]:
    """The same, and every fault. Raises UsageFault for a file that cannot be read or is empty."""
    found: dict[str, tuple[Place, Rehearsal]] = {}
    rows, faults = every_json_row(workspace, path, SentinelRow)
    for place, row in rows:
        if row.id in found:
            help_ = f"ids of sentinels are unique; the first is in line {found[row.id][0].line}"
            faults.append(Fault(f"the id '{row.id}' is there twice", place, help_))
        else:
            found[row.id] = (place, _rehearsal(row))
    if not found and not faults:
        raise UsageFault(f"{path} has no sentinel", help=ROW)
    return [rehearsal for _, rehearsal in found.values()], faults


def _rehearsal(row: SentinelRow) -> Rehearsal:
    meta = {"sources": row.sources} if row.sources is not None else {}
    task = Task(id=row.id, prompt=row.question, reference=row.reference, family=row.family or row.id, meta=meta)
    opponent = None
    if row.opponent is not None:
        opponent = Delivered("opponent", Output(answer=row.opponent), lambda name: None)
    output = Output(answer=row.answer)
    events = tuple(Note(0.0, "step", text) for text in row.steps)
    transcript = Transcript(row.id, "", 0, 0, output, events)
    return Rehearsal(row.id, task, output, row.expect, opponent, transcript)
