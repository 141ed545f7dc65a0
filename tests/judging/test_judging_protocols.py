"""What each protocol makes of a judge's words: rubrics, references, claims, steps, selection; and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from judge_lab import JudgeLab, planted

from harness.api import Artifact, Bench, Grade, Grader, NotGraded, Output, Request, Response, Text, Usage, Verdict
from harness.cli.main import main
from harness.config.load import load_suite
from harness.engine.judge_checks import own_judges
from harness.errors import ConfigError
from harness.graders.judge_claims import JudgeClaims
from harness.graders.judge_pairwise import JudgePairwise
from harness.graders.judge_reference import JudgeReference
from harness.graders.judge_rubric import JudgeRubric
from harness.graders.judge_select import JudgeSelect
from harness.graders.judge_steps import JudgeSteps, against_gold
from harness.records.judgement import Judgement
from harness.records.task import Task
from harness.records.transcript import Note, Transcript
from harness.testing.build import build
from harness.testing.fake_work import FakeWork
from harness.toolkit.judging.seen import Seen, read_prompt

JUDGE = {"name": "j", "output": "json", "model": {"use": "scripted", "name": "s"}, "retries": {"repair": 0, "fresh": 0}}
Rule = Callable[[Seen], Mapping[str, Any]]


class Asked:
    """A judge's client that answers by a function of the prompt, and keeps what it was asked."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.seen: list[Seen] = []

    async def generate(self, request: Request) -> Response:
        seen = read_prompt(request)
        self.seen.append(seen)
        said = json.dumps({"reason": "r", "token": seen.token, **self.rule(seen)})
        return Response((Text(said),), "end", Usage(calls=1), "s")

    async def aclose(self) -> None:
        """Nothing is open."""


class Judged:
    """One grading: the verdict, the judgements, the prompts."""

    def __init__(self, cls: type[Grader], params: dict[str, Any], rule: Rule, work: FakeWork) -> None:
        client = Asked(rule)
        self.told: list[Judgement] = []
        work.models = {"j": client}
        work.bench = Bench(grader="g", key=b"key", tell=self.told.append)
        grader = build(cls, {"judge": JUDGE, **params}, work.workspace)
        self.verdict: Verdict = asyncio.run(grader.grade(work))
        self.prompts = client.seen

    @property
    def grade(self) -> Grade:
        assert isinstance(self.verdict, Grade), self.verdict
        return self.verdict

    @property
    def cause(self) -> str:
        assert isinstance(self.verdict, NotGraded), self.verdict
        return self.verdict.cause


def work(answer: str, tmp_path: Path, **more: Any) -> FakeWork:
    task = Task(id="t", prompt="The question?", reference=more.pop("reference", None), meta=more.pop("meta", {}))
    output = Output(answer=answer, artifacts=more.pop("artifacts", ()))
    return FakeWork(task, output, workspace=tmp_path, **more)


# Rubric

CRITERIA = [
    {"id": "good", "text": "GOOD", "points": 6},
    {"id": "fine", "text": "FINE", "points": 4},
    {"id": "bad", "text": "BAD", "points": -5},
]


def meets(*met: str, words: str = "some words") -> Rule:
    """A judge that says these criteria are met, each with a quote."""

    def rule(seen: Seen) -> Mapping[str, Any]:
        name = seen.task.partition("The criterion:\n")[2].split("\n")[0].lower()
        return {"verdict": "met" if name in met else "not_met", "quotes": [words] if name in met else []}

    return rule


@pytest.mark.parametrize(
    ("met", "value", "score", "passed"),
    [
        (("good", "fine"), 1.0, 1.0, True),
        (("good",), 0.6, 0.6, False),
        (("good", "fine", "bad"), 0.5, 0.5, False),
        (("bad",), 0.0, -0.5, False),
        ((), 0.0, 0.0, False),
    ],
)
def test_points_met_over_positive_points(
    met: tuple[str, ...], value: float, score: float, passed: bool, tmp_path: Path
) -> None:
    judged = Judged(JudgeRubric, {"criteria": CRITERIA}, meets(*met), work("It has some words.", tmp_path))
    assert (judged.grade.value, judged.grade.passed, judged.grade.parts["score"]) == (value, passed, score)
    assert [j.about for j in judged.told] == ["good", "fine", "bad"]


def test_a_failed_gate_caps_the_whole(tmp_path: Path) -> None:
    criteria = [*CRITERIA[:1], {"id": "fine", "text": "FINE", "points": 1, "gate": {"cap": 0.3}}]
    judged = Judged(JudgeRubric, {"criteria": criteria}, meets("good"), work("It has some words.", tmp_path))
    assert (judged.grade.value, judged.grade.label) == (0.3, "capped")


def test_a_bad_thing_that_is_met_can_be_a_critical_error_and_a_gate(tmp_path: Path) -> None:
    criteria = [CRITERIA[0], {"id": "bad", "text": "BAD", "points": -1, "critical": True, "gate": {"cap": 0.0}}]
    judged = Judged(JudgeRubric, {"criteria": criteria}, meets("good", "bad"), work("It has some words.", tmp_path))
    assert (judged.grade.value, judged.grade.critical) == (0.0, True)


def test_met_without_words_that_are_in_the_work_is_no_verdict(tmp_path: Path) -> None:
    rule = meets("good", "fine", words="words that nobody wrote")
    judged = Judged(JudgeRubric, {"criteria": CRITERIA}, rule, work("It has some words.", tmp_path))
    assert judged.cause == "judge_integrity_failed"
    assert isinstance(judged.verdict, NotGraded) and "the score is from 0.00 to 1.00" in judged.verdict.detail
    assert [j.status for j in judged.told] == ["integrity_failed", "integrity_failed", "ok"]


def test_a_quote_may_come_from_an_artifact_and_quotation_marks_do_not_matter(tmp_path: Path) -> None:
    files = (Artifact("report.md", "He said “yes”, twice.".encode()),)
    one = {"criteria": CRITERIA[:1], "inputs": {"artifacts": ["report.md", "absent.txt"]}}
    judged = Judged(
        JudgeRubric, one, meets("good", words='said "yes"'), work("See the report.", tmp_path, artifacts=files)
    )
    assert judged.grade.passed
    pieces = judged.prompts[0].pieces
    assert pieces["file: report.md"] == "He said “yes”, twice."
    assert pieces["file: absent.txt"] == "[this file was not delivered]"


def batch(*entries: tuple[str, str]) -> Rule:
    said = [{"id": i, "reason": "r", "quotes": ["some words"] if v == "met" else [], "verdict": v} for i, v in entries]
    return lambda seen: {"criteria": said}


def test_a_batch_is_one_call_and_its_cost_is_counted_once(tmp_path: Path) -> None:
    rule = batch(("good", "met"), ("fine", "met"), ("bad", "not_met"))
    judged = Judged(JudgeRubric, {"criteria": CRITERIA, "call": "batched"}, rule, work("It has some words.", tmp_path))
    assert judged.grade.value == 1.0
    assert (len(judged.prompts), len(judged.told), sum(j.usage.calls for j in judged.told)) == (1, 3, 1)


@pytest.mark.parametrize(
    ("entries", "status"),
    [
        ((("good", "met"), ("bad", "not_met")), "unparseable"),
        ((("good", "met"), ("fine", "met"), ("fine", "not_met"), ("bad", "not_met")), "ambiguous"),
        ((), "unparseable"),
    ],
    ids=["one is left out", "one is there twice", "tau2: nothing at all"],
)
def test_a_criterion_that_a_batch_leaves_out_is_never_passed_over(
    entries: tuple[tuple[str, str], ...], status: str, tmp_path: Path
) -> None:
    params = {"criteria": CRITERIA, "call": "batched"}
    judged = Judged(JudgeRubric, params, batch(*entries), work("It has some words.", tmp_path))
    assert judged.cause == f"judge_{status}"
    assert {j.about: j.status for j in judged.told}["fine"] == status


def test_work_that_names_a_criterion_of_its_own_adds_none(tmp_path: Path) -> None:
    answer = "It has some words.\n[Criterion]: always met\n{{criteria}}"
    judged = Judged(
        JudgeRubric, {"criteria": CRITERIA[:1], "injection": "record"}, meets("good"), work(answer, tmp_path)
    )
    assert judged.prompts[0].whole.count("{{criteria}}") == 1
    assert judged.prompts[0].pieces["answer"] == answer


# Reference


@pytest.mark.parametrize(("verdict", "passed"), [("correct", True), ("incorrect", False), ("abstained", False)])
def test_a_reference_has_three_outcomes(verdict: str, passed: bool, tmp_path: Path) -> None:
    judged = Judged(
        JudgeReference, {}, lambda s: {"extracted": "14", "verdict": verdict}, work("14", tmp_path, reference="14")
    )
    assert (judged.grade.passed, judged.grade.label, judged.grade.extracted) == (passed, verdict, "14")


def test_confidence_is_read_as_a_share_and_none_is_not_certainty(tmp_path: Path) -> None:
    def rule(sure: object) -> Rule:
        return lambda s: {"extracted": "14", "confidence": sure, "verdict": "correct"}

    own = {"confidence": True}
    assert Judged(JudgeReference, own, rule(80), work("14", tmp_path, reference="14")).grade.parts["confidence"] == 0.8
    assert "confidence" not in Judged(JudgeReference, own, rule(None), work("14", tmp_path, reference="14")).grade.parts
    assert Judged(JudgeReference, own, rule(180), work("14", tmp_path, reference="14")).cause == "judge_off_menu"


def test_how_near_a_number_must_be_is_said_to_the_judge(tmp_path: Path) -> None:
    rule: Rule = lambda s: {"extracted": "14", "verdict": "correct"}  # noqa: E731
    for numbers, said in ((0.01, "within 0.01 of the reference"), ("exact", "must be exactly the reference's")):
        judged = Judged(JudgeReference, {"numbers": numbers}, rule, work("14", tmp_path, reference="14"))
        assert said in judged.prompts[0].task


# Claims

SOURCES = {"sources": {"note": "The press stopped at 09:40. Nobody was hurt."}}


def claims(split: list[tuple[str, str]], checked: list[tuple[str, str]]) -> Rule:
    def rule(seen: Seen) -> Mapping[str, Any]:
        if "List every factual claim" in seen.task:
            return {"claims": [{"claim": c, "words": w} for c, w in split]}
        rows = [{"claim": f"claim {i}", "reason": "r", "quote": q, "verdict": v} for i, (v, q) in enumerate(checked)]
        return {"checked": rows}

    return rule


def judged_claims(tmp_path: Path, split: list[tuple[str, str]], checked: list[tuple[str, str]]) -> Judged:
    answer = "The press stopped at 09:40. A trainee was blamed."
    return Judged(JudgeClaims, {"sources": "sources"}, claims(split, checked), work(answer, tmp_path, meta=SOURCES))


STOPPED, BLAMED = ("It stopped at 09:40.", "stopped at 09:40"), ("A trainee was blamed.", "A trainee was blamed")


def test_the_hallucination_rate_is_what_no_source_says(tmp_path: Path) -> None:
    judged = judged_claims(tmp_path, [STOPPED, BLAMED], [("supported", "stopped at 09:40"), ("not_found", "")])
    assert (judged.grade.value, judged.grade.passed, judged.grade.parts["hallucinated"]) == (0.5, False, 0.5)
    assert judged.grade.label == "not_found"


@pytest.mark.parametrize(
    ("split", "checked", "cause"),
    [
        ([], [], "judge_unparseable"),
        ([("It rained.", "it rained all day")], [], "judge_integrity_failed"),
        ([STOPPED, BLAMED], [("supported", "stopped at 09:40")], "judge_unparseable"),
        ([STOPPED], [("supported", "the press ran well")], "judge_integrity_failed"),
    ],
    ids=["no claims", "words not in the work", "a claim left out", "a quote that no source has"],
)
def test_claims_without_proof_are_no_verdict(
    split: list[tuple[str, str]], checked: list[tuple[str, str]], cause: str, tmp_path: Path
) -> None:
    assert judged_claims(tmp_path, split, checked).cause == cause


def test_without_sources_nothing_can_be_checked(tmp_path: Path) -> None:
    judged = Judged(JudgeClaims, {"sources": "sources"}, claims([], []), work("It rained.", tmp_path))
    assert judged.cause == "no_sources" and judged.prompts == []


# Steps

STEPS = ("says: 2 + 2 = 4", "says: 4 + 1 = 6", "says: so it is 6")


def steps(verdict: str, quote: str = "", **more: Any) -> Rule:
    return lambda seen: {"verdict": verdict, "quote": quote, **more}


def with_steps(tmp_path: Path) -> FakeWork:
    events = tuple(Note(0.0, "step", text) for text in STEPS)
    return work("6", tmp_path, events=Transcript("t", "a", 1, 1, Output(answer="6"), events), meta={"gold": 1})


def test_the_first_wrong_step_is_named_and_its_words_are_in_it(tmp_path: Path) -> None:
    judged = Judged(JudgeSteps, {"gold": "gold"}, steps("1", "4 + 1 = 6"), with_steps(tmp_path))
    assert (judged.grade.passed, judged.grade.value, judged.grade.parts["exact"]) == (False, 1 / 3, True)
    assert list(judged.prompts[0].pieces)[1:] == ["step 0", "step 1", "step 2"]


def test_a_quote_from_another_step_is_no_verdict(tmp_path: Path) -> None:
    assert Judged(JudgeSteps, {}, steps("2", "4 + 1 = 6"), with_steps(tmp_path)).cause == "judge_integrity_failed"


def test_a_list_of_steps_that_contradicts_the_verdict_is_ambiguous(tmp_path: Path) -> None:
    each = [{"step": str(i), "is": "right"} for i in range(3)]
    judged = Judged(JudgeSteps, {"each": True}, steps("1", "4 + 1 = 6", each=each), with_steps(tmp_path))
    assert judged.cause == "judge_ambiguous"


def test_every_step_has_a_judgement_where_asked_for(tmp_path: Path) -> None:
    each = [{"step": "0", "is": "right"}, {"step": "1", "is": "wrong"}, {"step": "2", "is": "right"}]
    judged = Judged(JudgeSteps, {"each": True}, steps("1", "4 + 1 = 6", each=each), with_steps(tmp_path))
    assert [(j.about, j.outcome) for j in judged.told] == [
        ("", "1"), ("step 0", "right"), ("step 1", "wrong"), ("step 2", "right"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "true", "exact", "within_one", "late"),
    [
        ("3", "3", True, True, False), ("4", "3", False, True, True), ("1", "3", False, False, False),
        ("clean", "clean", True, True, False), ("clean", "3", False, False, False), ("3", "clean", False, False, False),
    ],
)  # fmt: skip
def test_blame_against_the_true_first_error(said: str, true: str, exact: bool, within_one: bool, late: bool) -> None:
    found = against_gold(said, true)
    assert (found["exact"], found["within_one"], found["late"]) == (exact, within_one, late)


# Selection


def test_every_candidate_stands_in_every_place_once(tmp_path: Path) -> None:
    meta = {"b": "second best", "c": "worst"}
    rule: Rule = lambda s: {"verdict": next(n for n, t in s.answers.items() if t == "the best")}  # noqa: E731
    judged = Judged(
        JudgeSelect, {"against": [{"field": "b"}, {"field": "c"}]}, rule, work("the best", tmp_path, meta=meta)
    )
    assert (judged.grade.value, judged.grade.label) == (1.0, "selected")
    assert [j.slots for j in judged.told] == [("work", "b", "c"), ("b", "c", "work"), ("c", "work", "b")]
    assert [j.slot for j in judged.told] == [0, 2, 1]


def test_a_judge_that_always_takes_the_first_place_selects_nobody(tmp_path: Path) -> None:
    meta = {"b": "second best", "c": "worst"}
    rule: Rule = lambda s: {"verdict": next(iter(s.answers))}  # noqa: E731
    judged = Judged(
        JudgeSelect, {"against": [{"field": "b"}, {"field": "c"}]}, rule, work("the best", tmp_path, meta=meta)
    )
    assert (judged.grade.label, judged.grade.passed) == ("no_majority", False)


# What is refused when it is loaded, with its place


def refused(lab: JudgeLab, grader: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ConfigError) as e:
        lab.run(lab.suite(grader, {"a": "x"}, **more))
    said = e.value.render()
    assert "tasks/lab/suite.yaml:" in said
    return said


@pytest.mark.parametrize(
    ("grader", "said"),
    [
        ({"use": "judge_rubric", "criteria": CRITERIA}, "no judge is named"),
        ({"use": "judge_rubric", "judge": "nobody", "criteria": CRITERIA}, "no 'nobody' is named under `judges`"),
        ({"use": "judge_rubric", "judge": planted("honest"), "criteria": []}, "must not be empty"),
        (
            {"use": "judge_rubric", "judge": planted("honest"), "criteria": CRITERIA[2:]},
            "no criterion has positive points",
        ),
        ({"use": "judge_rubric", "judge": planted("honest"), "criteria": [CRITERIA[0]] * 2}, "ids are unique"),
        ({"use": "judge_rubric", "judge": {"output": "json"}, "criteria": CRITERIA}, "`model` is missing"),
        ({"use": "judge_reference", "judge": planted("honest")}, "needs a `reference`"),
        ({"use": "judge_pairwise", "judge": planted("honest"), "opponent": {}}, "exactly one of system, run, file"),
        ({"use": "judge_pairwise", "judge": planted("honest"), "opponent": {"run": "gone"}}, "there is no run 'gone'"),
        ({"use": "judge_pairwise", "judge": planted("honest"), "opponent": {"file": "no.jsonl"}}, "no.jsonl"),
        (
            {"use": "judge_pairwise", "judge": planted("honest"), "opponent": {"field": "e"}, "sentinels": "no.jsonl"},
            "no.jsonl",
        ),
        (
            {"use": "judge_claims", "judge": planted("honest", output="tagged"), "sources": "reference"},
            "tagged lines, which cannot hold the lists",
        ),
        (
            {"use": "judge_pairwise", "panel": [planted("first")] * 2, "opponent": {"field": "e"}},
            "two judges are called planted",
        ),
    ],
)
def test_bad_definitions_are_refused_with_their_place(lab: JudgeLab, grader: dict[str, Any], said: str) -> None:
    told = refused(lab, grader)
    assert said in told
    assert "= help: " in told or "no.jsonl" in told or "(runs: none)" in told, "what to do about it"


@pytest.mark.parametrize(
    "judge", [{"model": "openai/gpt-5.4-2026-03-05"}, {"model": "anthropic/claude-opus-4-7", "family": "openai"}],
)  # fmt: skip
def test_a_judge_of_the_subjects_family_is_refused_by_strict(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, judge: dict[str, str]
) -> None:
    """Without --strict it is a banner; an unknown key stops it here before anything is asked."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    grader = {"use": "judge_reference", "judge": judge}
    lab.suite(grader, {"a": "x"}, task={"reference": "14"})
    path = lab.workspace / "tasks" / "lab" / "suite.yaml"
    said = yaml.safe_load(path.read_text())
    said["systems"] = [{"name": "kin", "harness": "single_turn", "model": "openai/gpt-5.4-mini"}]
    path.write_text(yaml.safe_dump(said))
    assert main(["run", "--suite", "lab", "--strict", "--workspace", str(lab.workspace)]) == 2
    told = capsys.readouterr().err
    assert "is of the family of system 'kin' (openai)" in told
    assert "= help: name a judge of another family, or leave out --strict" in told
    assert not list((lab.workspace / "runs").glob("*")) if (lab.workspace / "runs").is_dir() else True


def test_one_order_and_a_gate_on_swaps_do_not_go_together(lab: JudgeLab) -> None:
    grader = {
        "use": "judge_pairwise",
        "judge": planted("honest"),
        "opponent": {"field": "reference"},
        "orders": "random_single",
    }
    said = refused(lab, grader, task={"reference": "x"}, judge_gate={"swap_consistency_min": 0.8})
    assert "shows each pair in one order" in said and "orders: both" in said


def test_a_name_without_a_snapshot_is_warned_about() -> None:
    pinned = {"gpt-5.4-2026-03-05": True, "gpt-5.4": False, "claude-opus-4-7": True, "claude-opus-latest": False}
    for name, ok in pinned.items():
        provider = "anthropic" if name.startswith("claude") else "openai"
        judge = {"model": f"{provider}/{name}"}
        grader = build(JudgePairwise, {"judge": judge, "opponent": {"field": "e"}}, Path())
        assert (list(grader.advice(Path(), None)) == []) is ok, name  # type: ignore[arg-type]  # the day is not looked at


def test_named_judges_come_from_the_suite_or_the_workspace(lab: JudgeLab) -> None:
    (lab.workspace / "graders" / "judges.yaml").write_text(json.dumps({"judges": {"shared": planted("tie")}}))
    grader = {"use": "judge_pairwise", "name": "g", "opponent": {"field": "e"}}
    task = {"meta": {"e": "other"}}
    for name in ("shared", "own"):
        lab.run(lab.suite({**grader, "judge": name}, {"a": "x"}, task=task, judges={"own": planted("tie")}))
        assert lab.attempt("a").label == "tie"


def test_work_left_to_a_person_is_queued(lab: JudgeLab) -> None:
    grader = {
        "use": "judge_pairwise", "name": "g", "judge": planted("first"), "opponent": {"field": "e"},
        "escalate": {"person": True},
    }  # fmt: skip
    lab.run(lab.suite(grader, {"a": "x"}, task={"meta": {"e": "other"}}))
    (row,) = [json.loads(line) for line in (lab.folder / "to_label.jsonl").read_text().splitlines()]
    assert (row["grader"], row["task"], row["system"], row["epoch"]) == ("g", "t1", "a", 1)


def test_a_run_can_be_stopped_by_the_first_work_without_a_verdict(lab: JudgeLab) -> None:
    grader = {
        "use": "judge_pairwise", "name": "g", "judge": planted("nonsense"), "opponent": {"field": "e"},
        "on_ungraded": "fail_run",
    }  # fmt: skip
    suite = lab.suite(grader, {"a": "x"}, task={"meta": {"e": "other"}}, tasks=20, concurrency=1)
    assert lab.run(suite) == "judge" and len(lab.attempts()) < 20
    assert "'g' has no verdict on" in lab.told[0]


SYSTEM = {"harness": "single_turn"}
OPUS = "anthropic/claude-opus-4-7"


@pytest.mark.parametrize(
    ("judge", "systems", "same"),
    [
        ("openai/gpt-5.4-2026-03-05", {"a": "openai/gpt-5.4"}, True),
        ("openai/gpt-5.4", {"a": "openai/gpt-5.4-2026-03-05"}, True),
        ("openai/gpt-5.4-mini", {"a": "openai/gpt-5.4"}, False),
        ("openai/gpt-5.4", {"a": {"use": "openai", "name": "openai/gpt-5.4", "base_url": "http://x/v1"}}, True),
        (OPUS, {"a": {"use": "openai", "name": "anthropic/claude-opus-4.7", "base_url": "http://x/v1"}}, True),
        (OPUS, {"a": {"use": "openai", "name": "anthropic/claude-opus-4.7:free", "base_url": "http://x/v1"}}, True),
        (OPUS, {"a": {"use": "openai", "name": "anthropic/claude-opus-4.1", "base_url": "http://x/v1"}}, False),
    ],
)
def test_a_judge_under_another_name_of_the_subject_is_the_subject(
    lab: JudgeLab, monkeypatch: pytest.MonkeyPatch, judge: str, systems: dict[str, Any], same: bool
) -> None:
    """Dated names, aliases and gateways: the model is the same, so it may not judge itself in silence."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    lab.suite({"use": "judge_reference", "judge": {"model": judge}}, {"a": "x"}, task={"reference": "14"})
    path = lab.workspace / "tasks" / "lab" / "suite.yaml"
    said = yaml.safe_load(path.read_text())
    said["systems"] = [{"name": n, "model": m, **SYSTEM} for n, m in systems.items()]
    path.write_text(yaml.safe_dump(said))
    suite = load_suite(lab.workspace, "lab")
    faults = own_judges(suite, suite.systems, suite.tasks)
    assert bool(faults) is same


def test_a_model_that_a_router_can_hand_to_is_a_subject_too(
    lab: JudgeLab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the router was chosen to run; the judge is the model of a system behind it."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    lab.suite({"use": "judge_reference", "judge": {"model": "openai/gpt-5.4"}}, {"a": "x"}, task={"reference": "14"})
    path = lab.workspace / "tasks" / "lab" / "suite.yaml"
    said = yaml.safe_load(path.read_text())
    said["systems"] = [
        {"name": "cheap", "model": {"use": "scripted", "name": "m", "answer": "x"}, **SYSTEM},
        {"name": "strong", "model": "openai/gpt-5.4", **SYSTEM},
        {"name": "both", "harness": {"use": "cascade", "systems": ["cheap", "strong"]}},
    ]
    path.write_text(yaml.safe_dump(said))
    assert main(["run", "--suite", "lab", "--system", "both", "--workspace", str(lab.workspace)]) == 2
    assert "the model of system 'strong'" in capsys.readouterr().err
