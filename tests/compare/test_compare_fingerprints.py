"""Two runs of the same harness whose agent changed: `harness compare` shows what moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli.main import main
from harness.records.outcome import Attempt, Digests, Output
from harness.records.transcript import Transcript
from harness.report.fingerprints import MOVED
from harness.store.folder import RunFolder
from harness.store.manifest import Manifest, SystemInfo


def a_run(place: Path, name: str, **fingerprint: Any) -> str:
    base = {"agent": "claude_code", "release": "2.1.329", "tools": "t1", "tool_names": ["Bash", "Edit"], "flags": "f"}
    info = SystemInfo(
        name="cc", harness="claude_code", models={"main": "anthropic/x"}, harness_digest="h", model_digest="m",
        simulated=False, privileged=False, config={},
    )  # fmt: skip
    manifest = Manifest(
        run=name, suite="s", suite_path="s.yaml", suite_digest="d", tasks_digest="d", systems=(info,), n_tasks=3,
        created="2026-01-02T03:04:05+00:00", epochs=2, seed=0,
    )  # fmt: skip
    with RunFolder.create(place / "runs", manifest) as folder:
        for task in ("a", "b", "c"):
            for epoch in (1, 2):
                output = Output(answer="x", metrics={"fingerprint": base | fingerprint} if fingerprint else {})
                attempt = Attempt(
                    task=task, system="cc", epoch=epoch, attempt=1, status="graded", passed=True, value=1.0,
                    output=output, digests=Digests(task="t", grader="g", harness="h", model="m"),
                )  # fmt: skip
                folder.add(attempt, Transcript(task, "cc", epoch, 1, output), ())
        folder.flush()
    return name


def compared(place: Path, capsys: pytest.CaptureFixture[str], *runs: str) -> str:
    main(["compare", *(str(place / "runs" / run) for run in runs)])
    return " ".join(capsys.readouterr().out.split())


def test_what_moved_in_an_agent_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = a_run(tmp_path, "one", release="2.1.329")
    two = a_run(tmp_path, "two", tools="t2", tool_names=["Bash", "Write"])
    said = compared(tmp_path, capsys, one, two)
    assert "tool schemas t1 -> t2" in said
    assert "tools only a: Edit -> only b: Write" in said
    assert " ".join(MOVED.split()) in said


def test_the_same_agent_and_no_agent_say_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = a_run(tmp_path, "one", flags="f"), a_run(tmp_path, "two", flags="f")
    none = a_run(tmp_path, "none")
    for pair in ((one, two), (one, none)):
        said = compared(tmp_path, capsys, *pair)
        assert "what differs" not in said and "OK" in said.upper()


def test_the_record_holds_what_is_compared(tmp_path: Path) -> None:
    a_run(tmp_path, "one", flags="f")
    line = (tmp_path / "runs" / "one" / "attempts.jsonl").read_bytes().splitlines()[0]
    assert msgspec.json.decode(line)["output"]["metrics"]["fingerprint"]["release"] == "2.1.329"
