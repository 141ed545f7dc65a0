"""Tasks that failed their QA: still run and reported, marked by a tag, so that no gate need count them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from harness.config.document import read_document
from harness.config.faults import YamlSpot, checked, describe
from harness.config.workspace import QUARANTINE, QUARANTINED
from harness.errors import ConfigError, Fault
from harness.records.task import Task

HEAD = """# Tasks that `harness check` found faulty. They run and are reported under the tag `quarantined`.
# Written by `harness check --quarantine`; an entry past its date no longer counts.
"""


def _day(word: str) -> str:
    try:
        date.fromisoformat(word)
    except ValueError:
        raise ValueError(f"'{word}' is no day of the calendar") from None
    return word


Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]
"""A day, written YYYY-MM-DD."""


class Entry(BaseModel):
    """One task under quarantine."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    task: str
    """The task's id."""
    reason: str
    """What is wrong with it."""
    owner: str = ""
    """Who mends it."""
    since: Day = ""
    """The day it was found."""
    expires: Day
    """The last day on which the entry counts."""

    def is_over(self, today: date) -> bool:
        """Whether it no longer counts."""
        return self.expires < today.isoformat()


class QuarantineFile(BaseModel):
    """The file beside suite.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    quarantine: list[Entry]
    """The tasks."""


def quarantine_path(suite: Path) -> Path:
    """The quarantine file of a suite's file."""
    return suite.parent / QUARANTINE


def read_quarantine(path: Path, shown: str) -> dict[str, Entry]:
    """The entries by task. Raises ConfigError with every fault."""
    if not path.is_file():
        return {}
    document = read_document(path, shown)
    faults: list[Fault] = []
    if document.data is None and not document.faults:
        return {}
    file = None
    if isinstance(document.data, dict):
        file = checked(QuarantineFile, document.data, YamlSpot(document), faults, {"quarantine": []})
    elif not document.faults:
        faults.append(document.fault(f"a quarantine file is a mapping, found {describe(document.data)}"))
    if file is None or faults or document.faults:
        raise ConfigError([*document.faults, *faults])
    return {entry.task: entry for entry in file.quarantine}


def marked(tasks: Sequence[Task], entries: Mapping[str, Entry], today: date) -> tuple[list[Task], list[str]]:
    """The tasks, those under quarantine with its tag; and what is to be told of entries that do not count."""
    notes = [
        f"the quarantine of '{e.task}' ended on {e.expires}: {e.reason}" for e in entries.values() if e.is_over(today)
    ]
    ids = {task.id for task in tasks}
    notes += [f"'{id}' is under quarantine and is no task of the suite" for id in entries if id not in ids]
    held = {id for id, entry in entries.items() if not entry.is_over(today)}
    return [_tagged(task) if task.id in held and QUARANTINED not in task.tags else task for task in tasks], notes


def render_quarantine(entries: Mapping[str, Entry]) -> str:
    """The file's text, sorted by task."""
    lines = [HEAD, "quarantine:" if entries else "quarantine: []"]
    for _, entry in sorted(entries.items()):
        for i, (name, value) in enumerate(entry.model_dump().items()):
            lines.append(f"{'  - ' if i == 0 else '    '}{name}: {msgspec.json.encode(value).decode()}")
    return "\n".join(lines) + "\n"


def _tagged(task: Task) -> Task:
    return msgspec.structs.replace(task, tags=(*task.tags, QUARANTINED))
