"""Cases of a program: what goes in, what must come out, and how the two are compared, on the host."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.api import Json, UsageFault
from harness.toolkit.files import first_fault, read_json, read_json_lines
from harness.toolkit.json_out import same_json

Compare = Literal["lines", "exact", "tokens", "numbers"]


class Case(BaseModel):
    """One case: standard input and output, or arguments and the value returned."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """What it is called in the record; empty: its number."""
    stdin: str = ""
    """Standard input."""
    stdout: str | None = None
    """What must be printed."""
    args: list[Json] = Field(default_factory=list)
    """Arguments of the function."""
    returns: Json = None
    """What the function must return, as JSON (a tuple is a list)."""
    argv: tuple[str, ...] = ()
    """Words after the program on its command line."""
    exit_code: int = 0
    """The exit code it must end with."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How much it counts in the value."""
    visible: bool = False
    """The work could see it: told apart in the record."""


def read_cases(said: tuple[Case, ...] | str, workspace: Path) -> tuple[Case, ...]:
    """The cases as written, or of a workspace file (JSON list or JSONL). Raises UsageFault."""
    if not isinstance(said, str):
        return said
    rows: Json = (
        [r for _, r in read_json_lines(workspace, said)] if said.endswith(".jsonl") else read_json(workspace, said)
    )
    if not isinstance(rows, list) or not rows:
        raise UsageFault(f"{said} is no list of cases")
    found: list[Case] = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(Case.model_validate(row))
        except ValidationError as e:
            raise UsageFault(f"{said}: case {number}: {first_fault(e)}") from e
    return tuple(found)


def same_output(got: str, wanted: str, compare: Compare, tolerance: float) -> bool:
    """Whether two outputs are the same.

    lines: but for whitespace at the end of lines and blank lines at the end; exact: every character; tokens: but for
    any whitespace; numbers: tokens, where two numbers may differ by `tolerance`, absolute or relative.
    """
    if compare == "exact":
        return got == wanted
    if compare == "lines":
        return _lines(got) == _lines(wanted)
    ours, theirs = got.split(), wanted.split()
    if compare == "tokens" or len(ours) != len(theirs):
        return ours == theirs
    return all(a == b or _close(a, b, tolerance) for a, b in zip(ours, theirs, strict=True))


def same_value(got: Json, wanted: Json, tolerance: float) -> bool:
    """Whether two JSON values are the same; numbers may differ by `tolerance`."""
    if tolerance and isinstance(got, list) and isinstance(wanted, list):
        return len(got) == len(wanted) and all(same_value(a, b, tolerance) for a, b in zip(got, wanted, strict=True))
    if tolerance and isinstance(got, dict) and isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(same_value(got[k], wanted[k], tolerance) for k in got)
    if tolerance and type(got) in (int, float) and type(wanted) in (int, float):
        return _near(got, wanted, tolerance)
    return same_json(got, wanted)


def returned(stdout: bytes, mark: str) -> tuple[bool, Json]:
    """What the function returned: the last marked line."""
    for line in reversed(stdout.split(b"\n")):
        if line.startswith(mark.encode()):
            try:
                return True, msgspec.json.decode(line[len(mark) :])
            except (msgspec.DecodeError, RecursionError):
                return False, None
    return False, None


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _close(a: str, b: str, tolerance: float) -> bool:
    if not (a.isascii() and b.isascii()) or "_" in a + b:  # Python reads 1_0 and digits of other scripts as numbers
        return False
    try:
        return _near(float(a), float(b), tolerance)
    except ValueError:
        return False


def _near(a: float, b: float, tolerance: float) -> bool:
    try:
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:  # a whole number beyond any float
        return a == b
