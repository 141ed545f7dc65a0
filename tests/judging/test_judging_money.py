"""What judges cost besides scores: sentinels and controls are priced, told, and count for the run's budget."""

from __future__ import annotations

import json

import pytest
from judge_lab import JudgeLab, planted

from harness.cli.main import main
from harness.errors import RunInvalid
from harness.report.build import build_report

RIGHT, WRONG = "It takes 14 days.", "It takes 30 days."
META = {"meta": {"expert": RIGHT}}
PRICED = '''
from typing import ClassVar

from planted_judges import Planted as _Planted


class Priced(_Planted):
    """A judge whose calls cost money."""

    simulated: ClassVar[bool] = False

    @property
    def provider(self) -> str:
        """Whose price list holds."""
        return "openai"
'''


def priced(lab: JudgeLab) -> dict[str, object]:
    """A grader with a judge that costs money, sentinels and controls."""
    (lab.workspace / "graders" / "priced.py").write_text(PRICED)
    rows = [{"id": f"r{i}", "question": "q", "answer": RIGHT, "opponent": WRONG, "expect": "win"} for i in range(4)]
    judge = planted("honest", cache=False)
    judge["model"] = {"use": "graders/priced.py:Priced", "name": "gpt-5.4", "rule": "honest"}
    return {
        "use": "judge_pairwise", "opponent": {"field": "expert"}, "judge": judge,
        "sentinels": lab.write("graders/s.jsonl", rows), "controls": {"null_answers": 2},
    }  # fmt: skip


def test_sentinels_and_controls_have_a_price_of_their_own_in_the_report(lab: JudgeLab) -> None:
    lab.run(lab.suite(priced(lab), {"a": WRONG}, task=META, tasks=3))
    report = build_report(lab.folder).judges
    assert report is not None
    money = report.sheets[0].money
    by_role = {role: sum(j.usage.cost_usd for j in lab.judgements(role)) for role in ("score", "sentinel")}
    assert money.scores == pytest.approx(by_role["score"])
    assert money.sentinels == pytest.approx(by_role["sentinel"])
    assert min(money.scores, money.sentinels, money.controls) > 0
    assert money.usd == pytest.approx(money.scores + money.sentinels + money.controls)
    assert money.apart == pytest.approx(money.usd - sum(a.judge_usage.cost_usd for a in lab.attempts()))


def test_a_resumed_run_counts_what_its_sentinels_cost_before(lab: JudgeLab) -> None:
    """Sentinels of both sessions are in the budget, or a run that is resumed often enough could cost anything."""
    suite = lab.suite(priced(lab), {"a": WRONG}, task=META, tasks=8, concurrency=1)
    lab.run(suite)
    one = sum(j.usage.cost_usd for j in lab.judgements("sentinel"))
    each = sum(j.usage.cost_usd for j in lab.judgements("score")) / 8
    path = lab.folder / "attempts.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    record = lab.folder / "judgements.jsonl"
    kept = [line for line in record.read_bytes().splitlines(keepends=True) if b"control" not in line]
    record.write_bytes(b"".join(kept))
    manifest = lab.folder / "manifest.json"
    budget = 2 * one + 4.5 * each
    said = json.loads(manifest.read_bytes()) | {"budget_usd": budget}
    manifest.write_text(json.dumps(said))
    ending = lab.run(
        lab.suite(priced(lab), {"a": WRONG}, task=META, tasks=8, concurrency=1, budget={"cost_usd": budget}),
        resume=True,
    )
    assert ending == "budget"
    assert len(lab.attempts()) == 4
    spent = sum(j.usage.cost_usd for j in lab.judgements())
    assert spent <= budget


def test_the_money_of_a_replaced_verdict_stays_counted(lab: JudgeLab) -> None:
    suite = lab.suite(priced(lab), {"a": WRONG}, task=META, tasks=2)
    lab.run(suite)
    lab.run(suite, resume=True)
    report = build_report(lab.folder).judges
    assert report is not None
    asked = lab.judgements("sentinel")
    assert len(asked) == 16
    assert report.sheets[0].money.sentinels == pytest.approx(sum(j.usage.cost_usd for j in asked))


def test_a_judge_that_only_informs_makes_no_run_invalid(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Always the first slot: its data sheet says so, the warning too; the run it decides nothing of stays valid."""
    pair = {"use": "judge_pairwise", "opponent": {"field": "expert"}, "judge": planted("first", cache=False)}
    said = {"prompt": "How long?", "reference": WRONG, "meta": {"expert": RIGHT}}
    for informs in (True, False):
        graders = ["match", {**pair, "name": "pair", "informative": informs}]
        lab.run(lab.suite("match", {"a": WRONG}, task={**said, "graders": graders}, tasks=60))  # type: ignore[arg-type]
        report = build_report(lab.folder)
        assert report.judges is not None
        assert report.judges.sheets[0].validity == "invalid"
        assert bool(report.invalid) is not informs
        assert report.exit_code == (0 if informs else 3)
        assert any("ONLY INFORMS" in w for w in report.warnings) is informs
        assert main(["judge", "audit", "--pairs", "2", "--quiet", "--workspace", str(lab.workspace)]) == 3
        capsys.readouterr()


def test_sentinels_of_a_judge_that_only_informs_stop_nothing(lab: JudgeLab) -> None:
    """They came out otherwise: the sheet says invalid, the run goes on; deciding, the same file stops it."""
    rows = [{"id": f"r{i}", "question": "q", "answer": RIGHT, "opponent": WRONG, "expect": "loss"} for i in range(4)]
    pair = {
        "use": "judge_pairwise", "opponent": {"field": "expert"}, "judge": planted("honest"), "name": "pair",
        "sentinels": lab.write("graders/s.jsonl", rows),
    }  # fmt: skip
    said = {"reference": WRONG, "meta": {"expert": RIGHT}, "graders": ["match", {**pair, "informative": True}]}
    assert lab.run(lab.suite("match", {"a": WRONG}, task=said)) == "complete"  # type: ignore[arg-type]  # by its name
    report = build_report(lab.folder)
    assert report.judges is not None
    assert report.judges.sheets[0].validity == "invalid"
    assert report.exit_code == 0
    said["graders"] = [pair]
    with pytest.raises(RunInvalid, match="0 of 4 sentinels"):
        lab.run(lab.suite("match", {"a": WRONG}, task=said))  # type: ignore[arg-type]  # by its name
