"""The section on agents: the gateway's counts, the claims beside them, and harnesses that moved under a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.records.content import Usage
from harness.records.outcome import Attempt, Output
from harness.records.transcript import Transcript
from harness.report.agent_rows import read_agent_rows
from harness.report.build import read_evidence
from harness.report.parts.agents import agents
from harness.report.section import Section, Table
from harness.store.folder import RunFolder
from harness.store.manifest import Manifest, SystemInfo


def fingerprint(**more: Any) -> dict[str, Any]:
    return {"agent": "claude_code", "release": "2.1.329", "binary": "b1", "tools": "t1", "flags": "f1"} | more


def attempt(system: str, epoch: int = 1, *, passed: bool = True, **metrics: Any) -> Attempt:
    base = {"requests": 3, "turns": 2, "side_requests": 1, "tool_calls": {"shell": 4}, "ended": "done"}
    told = {**base, "fingerprint": fingerprint(), "claims": {"ended": "success", "turns": 1}, **metrics}
    usage = Usage(input=100, cache_read=300, output=20, calls=3)
    output = Output(answer="x", metrics=told)
    return Attempt(
        task="t", system=system, epoch=epoch, attempt=1, status="graded", passed=passed, value=float(passed),
        turns=3, usage=usage, output=output,
    )  # fmt: skip


def section(run: Path, *attempts: Attempt, models: tuple[str, str] = ("a/x", "a/x")) -> Section:
    systems = tuple(
        SystemInfo(
            name=name, harness=harness, models={"main": model}, harness_digest="h", model_digest="m",
            simulated=False, privileged=False, config={},
        )
        for name, harness, model in (("one", "claude_code", models[0]), ("two", "codex_cli", models[1]))
    )  # fmt: skip
    manifest = Manifest(
        run="r", suite="s", suite_path="s.yaml", suite_digest="d", tasks_digest="d", systems=systems, n_tasks=1,
        created="2026-01-02T03:04:05+00:00", epochs=2, seed=0,
    )  # fmt: skip
    with RunFolder.create(run, manifest) as folder:
        for a in attempts:
            folder.add(a, Transcript(a.task, a.system, a.epoch, a.attempt, a.output), ())
        folder.flush()
        return agents(read_evidence(folder.path))


def table(found: Section, title: str) -> dict[str, dict[str, str]]:
    one: Table = next(t for t in found.tables if t.title == title)
    return {row[0]: dict(zip(one.header, row, strict=True)) for row in one.rows}


def test_the_gateways_counts_are_shown(tmp_path: Path) -> None:
    rows = [attempt("one", refused={"web_search": 2}, retries_absorbed=5), attempt("one", 2, requests=5)]
    done = table(section(tmp_path / "r", *rows), "what agents did, by the gateway's record")["one"]
    assert (done["requests"], done["tool calls"], done["refused"]) == ("4", "shell 4", "web_search 2")
    assert (done["retries absorbed"], done["ended by itself"]) == ("5", "2/2 = 100.0%")
    spent = table(section(tmp_path / "q", *rows), "tokens of a trial")["one"]
    assert (spent["cache share"], spent["out/in"]) == ("75.0%", "0.050")


def test_claims_stand_beside_what_was_counted(tmp_path: Path) -> None:
    found = table(section(tmp_path / "r", attempt("one"), attempt("two", claims={})), "the programs' own claims")
    assert found["one"]["turns"] == "1 / 3"
    assert found["two"]["turns"] == "says nothing"


@pytest.mark.parametrize(
    ("agent", "input", "output"),
    [("claude_code", "100", "20"), ("codex_cli", "400", "25"), ("qwen_code", "400", "25"), ("gemini_cli", "400", "20")],
)
def test_a_claim_is_held_against_what_its_program_means(tmp_path: Path, agent: str, input: str, output: str) -> None:
    """Some programs count what was cached as input, and one leaves its thoughts out of the output."""
    claims = {"input_tokens": int(input), "output_tokens": int(output)}
    one = attempt("one", claims=claims, fingerprint=fingerprint(agent=agent))
    used = Usage(input=100, cache_read=300, output=20, reasoning=5 * (agent != "claude_code"), calls=3)
    one = msgspec.structs.replace(one, usage=used)
    found = table(section(tmp_path / "r", one), "the programs' own claims")["one"]
    assert (found["input tokens"], found["output tokens"]) == (f"{input} / {input}", f"{output} / {output}")


def test_a_success_that_was_none_is_counted(tmp_path: Path) -> None:
    rows = [attempt("one"), attempt("one", 2, passed=False), attempt("two", ended="cut_off")]
    found = table(section(tmp_path / "r", *rows), "the programs' own claims")
    assert found["one"]["says success, and was not"] == "1/2 = 50.0%"
    assert found["two"]["says success, and was not"] == "1/1 = 100.0%"


def test_an_error_that_claude_code_calls_success_is_no_claim_of_it(tmp_path: Path) -> None:
    row = attempt("one", claims={"ended": "success", "is_error": True}, ended="cut_off")
    found = table(section(tmp_path / "r", row), "the programs' own claims")
    assert found["one"]["says success, and was not"] == "says nothing"


def test_a_harness_that_changed_during_its_run_is_told(tmp_path: Path) -> None:
    moved = attempt("one", 2, fingerprint=fingerprint(tools="t2"))
    found = section(tmp_path / "r", attempt("one"), moved)
    assert found.notes == ("one: the harness changed during the run: tools (2 values)",)
    assert table(found, "fingerprints")["one"]["tools"] == "t1 and 1 more"


def test_one_model_under_two_harnesses_is_a_table_of_its_own(tmp_path: Path) -> None:
    titles = [t.title for t in section(tmp_path / "r", attempt("one"), attempt("two")).tables]
    assert "same model, other harness: a/x" in titles
    apart = [t.title for t in section(tmp_path / "q", attempt("one"), models=("a/x", "a/y")).tables]
    assert not [t for t in apart if t.startswith("same")]


def test_a_run_without_agents_says_so(tmp_path: Path) -> None:
    plain = attempt("one")
    plain = msgspec.structs.replace(plain, output=Output(answer="x"))
    found = section(tmp_path / "r", plain, models=("a/x", "a/y"))
    assert found.why_not.startswith("no system ran an agent's program")
    assert read_agent_rows(tmp_path / "r" / "r") == []


def test_a_try_that_a_later_one_replaced_is_not_counted(tmp_path: Path) -> None:
    """A trial that ended for want of its provider is final until the run is resumed; then another try decides."""
    early = msgspec.structs.replace(attempt("one", requests=50), status="infra_error", passed=None, value=None)
    late = msgspec.structs.replace(attempt("one"), attempt=2)
    done = table(section(tmp_path / "r", early, late), "what agents did, by the gateway's record")["one"]
    assert (done["requests"], done["ended by itself"]) == ("3", "1/1 = 100.0%")
