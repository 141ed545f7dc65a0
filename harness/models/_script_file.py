"""The JSONL file of a scripted model: rows keyed by the prompt, and by label where one is given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.errors import Place, UsageFault
from harness.records.content import Json
from harness.toolkit.files import read_json_lines

Key = tuple[str, str]
"""Label (empty for any) and SHA-256 of the prompt, hexadecimal."""

_KEYS = {"prompt", "prompt_sha256", "answer", "answers", "label"}
_FOUND = TypeVar("_FOUND")


@dataclass(frozen=True, slots=True)
class Row:
    """The answers of one line, not yet checked."""

    line: int
    answers: Sequence[Json]


def read(workspace: Path, name: str) -> dict[Key, Row]:
    """Every row by its key. Raises UsageFault at the first row that cannot be used."""
    rows: dict[Key, Row] = {}
    for number, row in read_json_lines(workspace, name):
        place = Place(name, number, 1)
        key = _key(row, place)
        if key in rows:
            raise UsageFault(f"a second row for the prompt and label of line {rows[key].line}", place=place)
        rows[key] = Row(number, _answers(row, place))
    return rows


def find(rows: Mapping[Key, _FOUND], label: str, text: str) -> _FOUND | None:
    """What belongs to a prompt: the whole text first, then the text without its last paragraphs.

    Harnesses add instructions as paragraphs after the prompt; at most eight are taken off.
    """
    for _ in range(9):
        digest = prompt_sha256(text)
        found = rows.get((label, digest))
        if found is None:
            found = rows.get(("", digest))
        if found is not None:
            return found
        text, cut, _rest = text.rpartition("\n\n")
        if not cut:
            return None
    return None


def prompt_sha256(text: str) -> str:
    """SHA-256 of a prompt's text without the white space around it."""
    return hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Mapping[str, Json], place: Place) -> Key:
    if unknown := sorted(set(row) - _KEYS):
        by_task = "a model never sees a task's id; to answer by task use the harness 'replay'"
        raise UsageFault(
            f"unknown key '{unknown[0]}'",
            place=place,
            help=by_task if "task" in unknown else f"keys: {', '.join(sorted(_KEYS))}",
        )
    if ("prompt" in row) == ("prompt_sha256" in row):
        raise UsageFault("a row needs one of 'prompt' and 'prompt_sha256'", place=place)
    digest = str(row["prompt_sha256"]) if "prompt_sha256" in row else prompt_sha256(str(row["prompt"]))
    return str(row.get("label", "")), digest


def _answers(row: Mapping[str, Json], place: Place) -> Sequence[Json]:
    if ("answer" in row) == ("answers" in row):
        raise UsageFault("a row needs one of 'answer' and 'answers'", place=place)
    answers = row["answers"] if "answers" in row else [row["answer"]]
    if not isinstance(answers, list) or not all(isinstance(a, str | dict) for a in answers):
        raise UsageFault("an answer is a text or an object, and 'answers' a list of them", place=place)
    return answers
