"""What harnesses that wrap others share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from harness.plugins.contracts import Harness
from harness.records.content import Json
from harness.records.outcome import Output


def roles_of(names: Sequence[str], *more: str) -> tuple[str, ...]:
    """All names once, in order, without empty ones."""
    return tuple(dict.fromkeys(n for n in (*names, *more) if n))


def inner_faults(inner: Harness, workspace: Path) -> list[str]:
    """What is wrong with an inner harness. It must not see the reference: the wrapper would hide that it does."""
    faults = [f"inner: {fault}" for fault in inner.check(workspace)]
    if inner.privileged:
        faults.append("inner: a harness that sees the reference cannot be wrapped")
    return faults


def merged(output: Output, metrics: Mapping[str, Json]) -> Output:
    """The output with these metrics over its own."""
    return msgspec.structs.replace(output, metrics={**output.metrics, **metrics})
