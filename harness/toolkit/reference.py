"""A task's reference as a system could have said it: what the ceiling answers."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

import msgspec

from harness.records.content import Json
from harness.records.task import Task
from harness.toolkit.answer import plain


def shown_reference(task: Task, choice_order: Sequence[int]) -> Json:
    """The reference, with options given as the letters under which this epoch shows them.

    `choice_order[i]` is the index, in the task, of the option lettered i. An option is named in a reference by its
    letter in the task's own order, by its text (but for case and punctuation), or by its index from 0. A list is
    several options. What names no option, and every reference of a task without choices, stays as it is.
    """
    if not task.choices:
        return task.reference
    if isinstance(task.reference, list | tuple):
        letters = [_shown(item, task.choices, choice_order) for item in task.reference]
        return sorted(letters) if all(isinstance(x, str) for x in letters) else task.reference
    return _shown(task.reference, task.choices, choice_order)


def as_text(reference: Json, *, all_of_list: bool = False) -> str:
    """The reference as an answer: text as it is, of a list of plain values (or `{any_of: [...]}`) the first.

    Objects, and lists that hold lists or objects (tables, records), become JSON. With `all_of_list` every value of a
    plain list is said, with commas between: several options that are all right.
    """
    if isinstance(reference, str):
        return reference
    if isinstance(reference, dict) and set(reference) == {"any_of"} and isinstance(reference["any_of"], list):
        reference = reference["any_of"]
    if isinstance(reference, list | tuple) and reference and not any(isinstance(x, list | dict) for x in reference):
        texts = [as_text(x) for x in reference]
        return ", ".join(texts) if all_of_list else texts[0]
    return msgspec.json.encode(reference, order="deterministic").decode()


def _shown(option: Json, choices: tuple[str, ...], order: Sequence[int]) -> Json:
    index = _index(option, choices)
    return option if index is None else ascii_uppercase[list(order).index(index) if order else index]


def _index(option: Json, choices: tuple[str, ...]) -> int | None:
    """Which option is meant, from 0. Past 26 options there are no letters to say it with."""
    found: int | None = None
    if isinstance(option, bool) or len(choices) > len(ascii_uppercase):
        return None
    if isinstance(option, int):
        found = option
    elif isinstance(option, str):
        said = option.strip()
        if len(said) == 1 and said.upper() in ascii_uppercase[: len(choices)]:
            found = ascii_uppercase.index(said.upper())
        else:
            found = next((i for i, choice in enumerate(choices) if plain(choice) == plain(said)), None)
    return found if found is not None and 0 <= found < len(choices) else None
