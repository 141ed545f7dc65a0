"""`runs/baselines/trend/<suite>.json`: what people said about a chart, and the limits it was given. Belongs in git."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from harness.errors import StoreError

STATE_FORMAT = 1
TREND = Path("baselines") / "trend"
"""Folder of these files, in `runs/`."""


class Ack(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An alarm that somebody looked into. The chart starts from nothing after the night made at `until`.

    Empty `system` or `chart` means all. With `rebaseline` the nights after it are the new baseline.
    """

    at: str
    until: str
    cause: str
    by: str = ""
    system: str = ""
    chart: str = ""
    rebaseline: bool = False


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one chart, in standard deviations, with everything needed to make them again."""

    down: float
    up: float
    crash: float
    budget: float
    seed: int
    replicates: int


class TrendState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The whole file. `limits` by what they were made for: system, chart and a digest of the baseline."""

    format: int = STATE_FORMAT
    acks: tuple[Ack, ...] = ()
    limits: dict[str, Limit] = {}


def state_path(runs: Path, suite: str) -> Path:
    """Where a suite's file is."""
    return runs / TREND / f"{suite}.json"


def read_state(path: Path) -> TrendState:
    """The file, or an empty state when there is none. Raises StoreError when it cannot be read."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=TrendState)
    except FileNotFoundError:
        return TrendState()
    except OSError as e:
        raise StoreError(f"cannot read {path.name}: {e.strerror}") from e
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise StoreError(f"{path} is damaged: {e}", help="restore it from git; it holds acknowledged alarms") from e
    if found.format > STATE_FORMAT:
        raise StoreError(f"{path} is from a newer version of the program")
    return found


def write_state(path: Path, state: TrendState) -> None:
    """Write the whole file, so that readers see the old one or the new one. Raises StoreError."""
    said = {"format": state.format, **msgspec.to_builtins(state)}
    data = msgspec.json.format(msgspec.json.encode(said, order="deterministic"), indent=2) + b"\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as e:
        raise StoreError(f"cannot write {path}: {e.strerror}") from e
