"""Fields of SWE-bench rows, whatever way they are written: lists as JSON text, as Python text, or as lists."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.api import Json

LONGEST = 8 * 1024**2
"""Characters of a list written as text. The longest of the public rows is under 1 MB."""
KEPT = ("repo", "base_commit", "version", "difficulty", "created_at", "repo_language", "environment_setup_commit")


class RowFault(ValueError):
    """A row that is not what it should be."""


@dataclass(slots=True)
class Missing:
    """Why a row cannot be run here."""

    reasons: list[str] = field(default_factory=list)

    def add(self, reason: str) -> None:
        """One reason."""
        self.reasons.append(reason)

    def __str__(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Said:
    """A row. Names are looked up as they are, then in small and in capital letters."""

    values: Mapping[str, Json]

    def has(self, name: str) -> bool:
        """Whether the row says something under this name."""
        return self.get(name) not in (None, "", [])

    def get(self, name: str) -> Json:
        """The value, or None."""
        return next((self.values[n] for n in (name, name.lower(), name.upper()) if n in self.values), None)

    def text(self, name: str, *, needed: bool = True) -> str:
        """A text. Raises RowFault when it is needed and not there, or is no text."""
        value = self.get(name)
        if value is None and not needed:
            return ""
        if not isinstance(value, str):
            raise RowFault(f"the row has no `{name}`" if value is None else f"`{name}` is not text")
        return value

    def items(self, name: str) -> list[str]:
        """A list of texts: a list, or a text that holds a JSON list or a Python literal. Raises RowFault.

        Nothing is evaluated but literals: a row is data, not a program.
        """
        value = self.get(name)
        if value in (None, ""):
            return []
        if isinstance(value, str):
            value = _parsed(value, name)
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise RowFault(f"`{name}` is not a list of texts")
        return list(value)

    def kept(self) -> dict[str, Json]:
        """What is worth keeping with the task and tells nothing of the answer."""
        return {name: value for name in KEPT if isinstance(value := self.get(name), str) and value}


def _parsed(text: str, name: str) -> Json:
    if len(text) > LONGEST:
        raise RowFault(f"`{name}` has {len(text):,} characters: that is no list of tests")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as e:
        raise RowFault(f"`{name}` is neither a JSON list nor a list of Python texts") from e


def variant_of(said: Said) -> Literal["swebench", "live", "pro"]:
    """Whose row this is, by its fields."""
    if said.has("selected_test_files_to_run") or said.has("before_repo_set_cmd"):
        return "pro"
    return "live" if said.has("test_cmds") else "swebench"
