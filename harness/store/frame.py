"""A run as a pandas DataFrame, and as a file of flat rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from harness.records.content import Json, Usage
from harness.records.outcome import Attempt, Grade
from harness.store.read import iter_attempts, read_manifest


def read_frame(path: str | Path) -> pd.DataFrame:
    """One row per attempt, in the order written, with flat columns: `usage.output`, `timing.working`, `shape.stakes`,
    `output.answer`, `metrics.<name>`, `grade.<name>.passed`, `grade.<name>.value`, `trouble.cause`, `digests.task`.

    Missing is missing (pandas' NA), never 0 or "": `passed` is a nullable boolean, `value` a nullable float. Lists are
    JSON text. Raises StoreError.
    """
    folder = Path(path)
    read_manifest(folder)
    frame = pd.DataFrame.from_records(list(flat_rows(folder)))
    if frame.empty:
        return pd.DataFrame(columns=list(_FIRST))
    kinds = {c: _DTYPES[c.rpartition(".")[2]] for c in frame.columns if c.rpartition(".")[2] in _DTYPES}
    first = [c for c in _FIRST if c in frame.columns]
    return frame.astype(kinds)[first + [c for c in frame.columns if c not in first]]


_FIRST = ("task", "system", "epoch", "attempt", "status", "final", "passed", "value", "label", "family")
_DTYPES = {"passed": "boolean", "value": "Float64", "declared_done": "boolean", "confidence": "Float64"}


def flat_rows(path: Path) -> Iterator[dict[str, Json]]:
    """Every attempt as a flat dict. Raises StoreError."""
    for attempt in iter_attempts(path):
        yield _flat(attempt)


def _flat(a: Attempt) -> dict[str, Json]:
    row: dict[str, Json] = {}
    for name in Attempt.__struct_fields__:
        value = getattr(a, name)
        if name in ("grades", "output"):
            continue
        if name == "transcript":
            row["transcript.offset"], row["transcript.length"] = value or (None, None)
        elif name == "trouble":
            row |= {f"trouble.{n}": getattr(value, n, None) for n in ("source", "cause", "detail")}
        elif isinstance(value, Usage):
            row |= {f"{name}.{n}": getattr(value, n) for n in value.__struct_fields__}
            if value.unpriced and not value.cost_usd:
                row[f"{name}.cost_usd"] = None  # unpriced is not free
        elif isinstance(value, msgspec.Struct):
            row |= {f"{name}.{n}": getattr(value, n) for n in value.__struct_fields__}
        elif isinstance(value, dict):
            row |= {f"{name}.{n}": _cell(v) for n, v in value.items()}
        elif isinstance(value, tuple):
            row[name] = _json(value)
        else:
            row[name] = value
    for name in ("answer", "declared_done", "confidence", "abstained", "refused", "truncated", "clipped"):
        row[f"output.{name}"] = getattr(a.output, name)
    row |= {f"metrics.{n}": _cell(v) for n, v in a.output.metrics.items()}
    for name, verdict in a.grades.items():
        row |= _verdict(f"grade.{name}", verdict)
    return row


def _verdict(name: str, verdict: Any) -> dict[str, Json]:
    if isinstance(verdict, Grade):
        said = {n: getattr(verdict, n) for n in ("passed", "value", "label", "explanation", "extracted")}
    else:
        said = {"passed": None, "value": None, "not_graded": verdict.cause, "explanation": verdict.detail}
    return {f"{name}.{n}": v for n, v in said.items()}


def _cell(value: Json) -> Json:
    return value if value is None or isinstance(value, (str, int, float, bool)) else _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
