"""Reading a plugin's workspace files with messages a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import ConfigError, Fault, HarnessError, Place, UsageFault
from harness.records.content import Json
from harness.toolkit.refused import Placed, placed

_MODEL = TypeVar("_MODEL", bound=BaseModel)
NAMED = 5
"""So many faults of one file are named in a `check`; the rest is counted."""
ROW = "one JSON object a line"


def read_text(workspace: Path, name: str) -> str:
    """A UTF-8 text file of the workspace, without a byte order mark. Raises UsageFault."""
    try:
        return (workspace / name).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageFault(f"no such file: {name}", help="paths are relative to the workspace") from None
    except OSError as e:
        raise UsageFault(f"cannot read {name}: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise UsageFault(f"{name} is not UTF-8: byte {e.start} is 0x{e.object[e.start]:02x}") from e


def read_json(workspace: Path, name: str) -> Json:
    """A JSON file of the workspace. Raises UsageFault."""
    try:
        return msgspec.json.decode(read_text(workspace, name))
    except msgspec.DecodeError as e:
        raise UsageFault(f"not JSON: {e}", place=Place(name)) from e


def read_json_lines(workspace: Path, name: str) -> Iterator[tuple[int, dict[str, Json]]]:
    """The objects of a JSONL file with their line numbers, from 1. Raises UsageFault at the first line that is none."""
    for place, row in _lines(workspace, name):
        if isinstance(row, str):
            raise UsageFault(row, place=place)
        yield place.line, row


def every_json_line(workspace: Path, name: str) -> tuple[list[tuple[Place, dict[str, Json]]], list[Fault]]:
    """The same with their places, and a fault for each line that is none. Raises UsageFault for no such file."""
    rows: list[tuple[Place, dict[str, Json]]] = []
    faults: list[Fault] = []
    for place, row in _lines(workspace, name):
        if isinstance(row, str):
            faults.append(Fault(row, place, ROW))
        else:
            rows.append((place, row))
    return rows, faults


def _lines(workspace: Path, name: str) -> Iterator[tuple[Place, dict[str, Json] | str]]:
    """Each line that is not empty: its object, or what is wrong with it."""
    for number, line in enumerate(read_text(workspace, name).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError as e:
            row = f"not JSON: {e}"
        else:
            row = row if isinstance(row, dict) else "a row must be an object"
        yield Place(name, number, 1), row


def read_json_rows(workspace: Path, name: str, model: type[_MODEL]) -> list[tuple[Place, _MODEL]]:
    """The rows of a JSONL file as `model`, with their places. Raises ConfigError with every row that does not fit,
    UsageFault for no such file.
    """
    found, faults = every_json_row(workspace, name, model)
    if faults:
        raise ConfigError(faults)
    return found


def every_json_row(workspace: Path, name: str, model: type[_MODEL]) -> tuple[list[tuple[Place, _MODEL]], list[Fault]]:
    """The same, and what is wrong with the other rows. Raises UsageFault for no such file."""
    found: list[tuple[Place, _MODEL]] = []
    rows, faults = every_json_line(workspace, name)
    keys = f"keys: {', '.join(model.model_fields)}"
    for place, row in rows:
        try:
            found.append((place, model.model_validate(row)))
        except ValidationError as e:
            faults += [Fault(_said(one), place, keys) for one in e.errors(include_url=False)]
    return found, faults


def first_fault(error: ValidationError) -> str:
    """The first thing pydantic found wrong, in one line."""
    return _said(error.errors(include_url=False)[0])


def _said(one: ErrorDetails) -> str:
    where = ".".join(str(x) for x in one["loc"])
    what = one["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def check_lines(error: HarnessError, *at: int | str, help: str = "") -> list[Placed]:
    """What is wrong with a file as lines of `Plugin.check`, told at the parameter that names it. `help` is for faults
    that have none of their own.
    """
    faults = error.faults if isinstance(error, ConfigError) else [error.fault]
    lines = [placed(_of(f), *at, help=f.help or help) for f in faults[:NAMED]]
    more = [placed(f"and {len(faults) - NAMED} more", *at)] if len(faults) > NAMED else []
    return lines + more


def _of(fault: Fault) -> str:
    return f"{fault.place}: {fault.what}" if fault.place else fault.what


def one_line(fault: UsageFault) -> str:
    """A fault in one line, for `Plugin.check`."""
    return _of(fault.fault)
