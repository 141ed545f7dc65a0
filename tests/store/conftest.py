from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.records.content import Request, Response, Text, Usage, user
from harness.records.outcome import Attempt, Grade, Output, Timing
from harness.records.transcript import ModelCall, Transcript
from harness.store.manifest import Manifest, SystemInfo

Made = tuple[Attempt, Transcript]


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        run="20260101T000000Z-mine-abc", suite="mine", suite_path="tasks/mine/suite.yaml", suite_digest="s",
        tasks_digest="t", created="2026-01-01T00:00:00Z",
        systems=(SystemInfo("alpha", "single_turn", {"main": "openai/x"}, "h", "m"),), n_tasks=3, epochs=1, seed=0,
    )  # fmt: skip


@pytest.fixture
def make() -> Callable[..., Made]:
    def made(task: str = "t1", answer: str | None = "14 days", number: int = 1, **more: object) -> Made:
        fields: dict[str, object] = {"status": "graded", "passed": True, "value": 1.0} | more
        output = fields.pop("output", Output(answer=answer))
        usage = Usage(input=10, output=5, calls=1, cost_usd=0.01)
        attempt = Attempt(
            task=task, system="alpha", epoch=1, attempt=number, output=output, usage=usage,
            grades={"match": Grade(1.0, True)}, timing=Timing(wall=1.0, working=1.0), **fields,
        )  # type: ignore[arg-type]  # fmt: skip
        call = ModelCall("main", 0.0, 1.0, Request((user("how long?"),)), Response((Text(answer or ""),), "end", usage))
        return attempt, Transcript(task, "alpha", 1, number, output, (call,))  # type: ignore[arg-type]

    return made


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's environment holds must not change what is written."""
    import os

    for name in list(os.environ):
        if name.upper().endswith(("KEY", "TOKEN", "SECRET", "PASSWORD")):
            monkeypatch.delenv(name)


def folder_bytes(path: Path) -> bytes:
    return b"".join(p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file())
