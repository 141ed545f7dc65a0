"""A verdict may not rest on a judge that does not work."""

from __future__ import annotations

from pathlib import Path

from nights import NOW, harness, night, promoted

from harness.records.judgement import Judgement
from harness.store.encode import encode
from harness.store.judgements import JUDGEMENTS


def judged(run: Path, unreadable: int, of: int = 100) -> None:
    made = [
        Judgement(
            grader="tone",
            protocol="reference",
            judge="strict",
            model="anthropic/x",
            task=f"task-{i % 60:05d}",
            system="sim",
            epoch=i // 60 + 1,
            status="unparseable" if i < unreadable else "ok",
            verdict="" if i < unreadable else "correct",
            outcome="" if i < unreadable else "correct",
        )
        for i in range(of)
    ]
    (run / JUDGEMENTS).write_bytes(b"".join(encode(j) + b"\n" for j in made))


def test_a_judge_that_cannot_be_read_makes_the_run_invalid(tmp_path: Path) -> None:
    promoted(tmp_path)
    run = night(tmp_path, 30, epochs=3)
    assert harness(tmp_path, "gate", "--now", NOW).code == 0
    judged(run, unreadable=20)
    done = harness(tmp_path, "gate", "--now", NOW)
    assert (done.code, "judge strict of tone" in done.out) == (3, True)
    assert "ungraded" in done.out


def test_the_policy_of_the_gate_goes_before_that_of_the_suite(tmp_path: Path) -> None:
    promoted(tmp_path)
    judged(night(tmp_path, 30, epochs=3), unreadable=20)
    (tmp_path / "gates.yaml").write_text("judge_gate: {ungraded_max: 0.5}\n")
    assert harness(tmp_path, "gate", "--now", NOW, "--policy", "gates.yaml").code == 0
    (tmp_path / "gates.yaml").write_text("judge_gate: {ungraded_mx: 0.5}\n")
    done = harness(tmp_path, "gate", "--now", NOW, "--policy", "gates.yaml")
    assert (done.code, "gates.yaml:1:14" in done.err) == (2, True), done.err


def test_what_a_judge_must_show_and_did_not_is_inconclusive(tmp_path: Path) -> None:
    promoted(tmp_path)
    judged(night(tmp_path, 30, epochs=3), unreadable=0)
    (tmp_path / "gates.yaml").write_text("judge_gate: {kappa_min: 0.6}\nfail_on: [INCONCLUSIVE]\n")
    done = harness(tmp_path, "gate", "--now", NOW, "--policy", "gates.yaml")
    assert (done.code, "not shown to be valid" in done.out) == (4, True)
