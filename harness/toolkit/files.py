"""Reading a plugin's workspace files with messages a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from harness.errors import Place, UsageFault
from harness.records.content import Json

_MODEL = TypeVar("_MODEL", bound=BaseModel)


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
    for number, line in enumerate(read_text(workspace, name).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError as e:
            raise UsageFault(f"not JSON: {e}", place=Place(name, number, 1)) from e
        if not isinstance(row, dict):
            raise UsageFault("a row must be an object", place=Place(name, number, 1))
        yield number, row


def read_json_rows(workspace: Path, name: str, model: type[_MODEL]) -> Iterator[_MODEL]:
    """The rows of a JSONL file as `model`. Raises UsageFault at the first row that does not fit."""
    for number, row in read_json_lines(workspace, name):
        try:
            yield model.model_validate(row)
        except ValidationError as e:
            raise UsageFault(first_fault(e), place=Place(name, number, 1)) from e


def first_fault(error: ValidationError) -> str:
    """The first thing pydantic found wrong, in one line."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(x) for x in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def one_line(fault: UsageFault) -> str:
    """A fault in one line, for `Plugin.check`."""
    return f"{fault.fault.place}: {fault.fault.what}" if fault.fault.place else fault.fault.what
