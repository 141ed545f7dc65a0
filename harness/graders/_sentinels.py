"""Sentinels: work with frozen verdicts, from a JSONL file. One line is one piece of work."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.api import Json, Output, Task, Transcript, UsageFault
from harness.plugins.contracts import Rehearsal
from harness.plugins.judging import Delivered
from harness.records.transcript import Note
from harness.toolkit.files import read_json_rows


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


def read_sentinels(workspace: Path, path: str) -> list[Rehearsal]:
    """The file's rows as work to judge. Raises UsageFault with the line for a faulty one, and for a double id."""
    found: dict[str, Rehearsal] = {}
    for row in read_json_rows(workspace, path, SentinelRow):
        if row.id in found:
            raise UsageFault(f"{path}: the id '{row.id}' is there twice", help="ids of sentinels are unique")
        meta = {"sources": row.sources} if row.sources is not None else {}
        task = Task(id=row.id, prompt=row.question, reference=row.reference, family=row.family or row.id, meta=meta)
        opponent = None
        if row.opponent is not None:
            opponent = Delivered("opponent", Output(answer=row.opponent), lambda name: None)
        output = Output(answer=row.answer)
        events = tuple(Note(0.0, "step", text) for text in row.steps)
        transcript = Transcript(row.id, "", 0, 0, output, events)
        found[row.id] = Rehearsal(row.id, task, output, row.expect, opponent, transcript)
    if not found:
        raise UsageFault(f"{path} has no sentinel", help="one JSON object a line: id, question, answer, expect")
    return list(found.values())
