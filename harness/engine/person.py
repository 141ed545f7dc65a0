"""Work that its graders leave to a person: `to_label.jsonl` in the run folder, read by `harness label`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.records.outcome import NotGraded
from harness.store.read import iter_attempts

TO_LABEL = "to_label.jsonl"
CAUSE = "needs_person"


class ToLabel(msgspec.Struct, frozen=True, omit_defaults=True):
    """One piece of work that waits for a person, in the words of a label, and why."""

    grader: str
    task: str
    system: str
    epoch: int
    attempt: int
    why: str = ""


def waiting(folder: Path) -> Iterator[ToLabel]:
    """Every deciding attempt with a grade that a person is to give."""
    for a in iter_attempts(folder):
        for name, verdict in a.grades.items():
            if a.final and isinstance(verdict, NotGraded) and verdict.cause == CAUSE:
                yield ToLabel(name, a.task, a.system, a.epoch, a.attempt, verdict.detail)


def queue_lines(folder: Path) -> bytes:
    """The file's content; empty when nobody is needed."""
    return b"".join(msgspec.json.encode(w) + b"\n" for w in waiting(folder))
