"""Judging from the outside: commands, stored opponents, regrading, and the judged tasks of the suite `mine`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cli_process import run_harness
from judge_lab import JudgeLab, planted

from harness.config.judge_gate import JudgePolicy
from harness.config.load import load_suite
from harness.engine.prepare import make_manifest, preflight
from harness.engine.regrade import regrade
from harness.errors import ConfigError
from harness.prices import PriceBook
from harness.records.judgement import Judgement
from harness.records.outcome import NotGraded
from harness.report.build import build_report
from harness.report.judges import About, judge_report
from harness.store.folder import RunFolder
from harness.store.judgements import iter_judgements
from harness.store.labels import LABELS, read_labels
from harness.store.manifest import Selection
from harness.store.read import iter_attempts

ROOT = Path(__file__).resolve().parents[2]
RIGHT, WRONG = "Within 14 days, by post.", "Within thirty days, I think."


def harness(workspace: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, with no key and no engine."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "judging")])
    env = {**os.environ, "PYTHONPATH": path, "DOCKER_HOST": "unix:///no/engine.sock"}
    return run_harness(words, workspace, env, 180)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of the judged tasks of `mine`."""
    workspace = tmp_path_factory.mktemp("mine")
    for name in ("tasks", "graders"):
        shutil.copytree(ROOT / name, workspace / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prices.yaml", workspace)
    ran = harness(workspace, "run", "--suite", "mine", "--task", "judged-*", "--quiet")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (folder,) = (workspace / "runs").glob("*-mine-*")
    return folder


def test_the_report_says_that_the_judge_is_simulated(mine: Path) -> None:
    said = " ".join((mine / "report.md").read_text().split())
    assert "SIMULATED JUDGE: desk in against-expert, complaint-reply, nothing-made-up, sound-steps" in said


def test_thirty_sentinels_and_more_come_out_as_frozen(mine: Path) -> None:
    rows = [j for j in iter_judgements(mine) if j.role == "sentinel" and j.expected]
    assert len({(j.grader, j.task) for j in rows}) >= 30
    assert [(j.task, j.about, j.outcome) for j in rows if j.outcome != j.expected] == []


def test_every_control_of_the_simulated_judge_comes_out_as_expected(mine: Path) -> None:
    rows = [j for j in iter_judgements(mine) if j.role.startswith("control:") and j.expected and j.status == "ok"]
    assert {j.role for j in rows} >= {
        "control:identical",
        "control:padded",
        "control:null_answers",
        "control:injection",
    }
    assert [(j.role, j.task, j.about, j.outcome) for j in rows if j.outcome != j.expected] == []


def test_the_labels_agree_with_the_judge_as_often_as_the_page_says(mine: Path) -> None:
    """docs/how-to/judge.md: 3 of 60 and 3 of 30 for the rubric, 3 of 72 and 3 of 30 for pairs, 1 of 60 for claims,
    3 of 81 and 2 of 30 for steps.
    """
    said: dict[tuple[str, ...], str] = {}
    for j in iter_judgements(mine):
        if j.role == "score" and j.status == "ok":
            said[j.grader, j.task, j.system, str(j.epoch), j.about] = j.outcome
    differ: Counter[tuple[str, str]] = Counter()
    labelled: Counter[tuple[str, str]] = Counter()
    for path in sorted((ROOT / "graders" / "labels").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            key = (row["grader"], row["task"], row["system"], str(row["epoch"]), row.get("about", ""))
            labelled[row["grader"], row["labeler"]] += 1
            differ[row["grader"], row["labeler"]] += said[key] != row["label"]
    rubric, pairs, claims = "complaint-reply", "against-expert", ("nothing-made-up", "ann")
    people = (
        (rubric, "ann"), (rubric, "ben"), (pairs, "kim"), (pairs, "sam"), claims, ("sound-steps", "ann"),
        ("sound-steps", "ben"),
    )  # fmt: skip
    assert labelled == dict(zip(people, (60, 30, 72, 30, 60, 81, 30), strict=True))
    assert differ == dict(zip(people, (3, 3, 3, 3, 1, 3, 2), strict=True))


def test_a_new_user_sees_a_judge_that_was_measured(mine: Path) -> None:
    """Every check that the four protocols allow has a number and a verdict, none is undefined for want of families."""
    report = build_report(mine)
    assert report.judges is not None and report.judges.validity == "valid" and report.judges.warnings == ()
    states = {s.grader: Counter(c.state for c in s.checks) for s in report.judges.sheets}
    assert states == {
        "against-expert": {"ok": 8}, "complaint-reply": {"ok": 5}, "nothing-made-up": {"ok": 5},
        "sound-steps": {"ok": 4, "not_measured": 1},
    }  # fmt: skip
    pairs = next(s for s in report.judges.sheets if s.grader == "against-expert")
    for name in ("swap_consistency", "repetition_stability", "position_effect", "label_effect", "kappa"):
        found = pairs.figure(name)
        assert found is not None and found.interval is not None, name
    rubric = next(s for s in report.judges.sheets if s.grader == "complaint-reply")
    values = {
        a.task: a.value
        for a in iter_attempts(mine)
        if a.system == "careful" and a.epoch == 1 and "complaint-reply" in a.grades
    }
    mean = rubric.figure("rubric_score:careful")
    assert mean is not None and mean.value == pytest.approx(sum(v or 0 for v in values.values()) / len(values))


@pytest.mark.parametrize("grader", ["against-expert", "sound-steps"])
def test_two_systems_alone_have_labels_enough_to_prove_a_judge(mine: Path, grader: str) -> None:
    """sound-steps had 34 where 50 are needed: whoever ran careful and hasty alone was told that it is not proven."""
    said = [j for j in iter_judgements(mine) if j.grader == grader and j.system in ("careful", "hasty", "")]
    (found,) = judge_report(said, JudgePolicy(), About(labels=read_labels(mine / LABELS))).sheets
    kappa = found.figure("kappa")
    assert kappa is not None and kappa.n >= 50
    assert [c.state for c in found.checks if c.name == "kappa_min"] == ["ok"]


def test_a_stopped_run_says_why_and_exits_with_3(lab: JudgeLab) -> None:
    rows = [{"id": "s", "question": "q", "answer": RIGHT, "opponent": WRONG, "expect": "loss"}]
    grader = {
        "use": "judge_pairwise", "name": "pair", "judge": planted("honest"), "opponent": {"field": "expert"},
        "sentinels": lab.write("graders/s.jsonl", rows),
    }  # fmt: skip
    lab.suite(grader, {"a": WRONG}, task={"meta": {"expert": RIGHT}})
    ran = harness(lab.workspace, "run", "--suite", "lab", "--quiet")
    assert ran.returncode == 3
    assert "0 of 1 sentinels of 'pair' came out as frozen" in ran.stderr and "s: win, frozen: loss" in ran.stderr


def test_a_substituted_judge_exits_with_3_even_when_everything_else_was_measured(lab: JudgeLab) -> None:
    grader = {
        "use": "judge_pairwise", "name": "pair", "judge": planted("honest", returns_model="other"),
        "opponent": {"field": "expert"},
    }  # fmt: skip
    lab.suite(grader, {"a": WRONG}, task={"meta": {"expert": RIGHT}}, coverage=0.0)
    ran = harness(lab.workspace, "run", "--suite", "lab", "--quiet")
    assert ran.returncode == 3 and "answered for by another model: other" in ran.stderr


def test_the_work_of_a_stored_run_is_an_opponent(lab: JudgeLab) -> None:
    plain = {"use": "judge_pairwise", "name": "g", "judge": planted("honest"), "opponent": {"field": "expert"}}
    lab.run(lab.suite(plain, {"old": RIGHT}, task={"meta": {"expert": WRONG}}, epochs=2))
    against = {**plain, "opponent": {"run": lab.folder.name}}
    lab.run(lab.suite(against, {"new": WRONG}, task={"meta": {"expert": WRONG}}, epochs=2))
    assert {a.label for a in lab.attempts()} == {"loss"}
    assert {j.opponent for j in lab.judgements()} == {against["opponent"]["run"]}


def test_another_task_under_the_same_name_in_a_stored_run_is_no_opponent(lab: JudgeLab) -> None:
    plain = {"use": "judge_pairwise", "name": "g", "judge": planted("honest"), "opponent": {"field": "expert"}}
    lab.run(lab.suite(plain, {"old": RIGHT}, task={"meta": {"expert": WRONG}, "prompt": "Another question?"}))
    lab.run(lab.suite({**plain, "opponent": {"run": lab.folder.name}}, {"new": WRONG}))
    trouble = lab.attempt("new").trouble
    assert trouble is not None and trouble.cause == "other_task"


def test_a_file_of_answers_is_an_opponent(lab: JudgeLab) -> None:
    file = lab.write("expert.jsonl", [{"id": "t1", "answer": RIGHT}])
    grader = {"use": "judge_pairwise", "name": "g", "judge": planted("honest"), "opponent": {"file": file}}
    lab.run(lab.suite(grader, {"a": WRONG}))
    assert lab.attempt("a").label == "loss"


@pytest.mark.parametrize("kind", ["judge_pairwise", "judge_select", "all_of"])
def test_a_file_of_answers_that_lacks_tasks_is_refused_before_anything_runs(lab: JudgeLab, kind: str) -> None:
    file = lab.write("expert.jsonl", [{"id": "t1", "answer": RIGHT}])
    pair = {"use": "judge_pairwise", "judge": planted("honest"), "opponent": {"file": file}}
    grader = {
        "judge_pairwise": pair,
        "judge_select": {"use": "judge_select", "judge": planted("honest"), "against": [{"file": file}]},
        "all_of": {"use": "all_of", "graders": [pair]},
    }[kind]
    with pytest.raises(ConfigError) as e:
        lab.run(lab.suite({**grader, "name": "g"}, {"a": WRONG}, tasks=3))
    said = e.value.render()
    assert "'g' decides, and expert.jsonl has no answer for 2 of its 3 tasks: t2, t3" in said, said
    assert list((lab.workspace / "runs").glob("*")) == []


def test_of_a_grader_that_only_informs_it_is_told_and_is_no_win(lab: JudgeLab) -> None:
    file = lab.write("expert.jsonl", [{"id": "t1", "answer": RIGHT}])
    pair = {"use": "judge_pairwise", "name": "g", "judge": planted("honest"), "opponent": {"file": file}}
    suite = lab.suite(
        {"use": "match", "name": "m"}, {"a": WRONG}, tasks=2,
        task={"reference": WRONG, "graders": [{"use": "match", "name": "m"}, {**pair, "informative": True}]},
    )  # fmt: skip
    said = preflight(suite, suite.systems, suite.tasks, PriceBook.load(None), allow_unpriced=True)
    assert any("'g' only informs, and expert.jsonl has no answer for 1 of its 2 tasks: t2" in line for line in said)
    lab.run(suite)
    verdicts = [a.grades["g"] for a in lab.attempts()]
    assert [isinstance(v, NotGraded) for v in verdicts] == [False, True]


def test_five_levels_are_recorded_and_count_no_more_than_three(lab: JudgeLab) -> None:
    grader = {
        "use": "judge_pairwise", "name": "g", "judge": planted("much_longer"), "opponent": {"field": "expert"},
        "scale": "five_level",
    }  # fmt: skip
    lab.run(lab.suite(grader, {"a": WRONG * 9}, task={"meta": {"expert": RIGHT}}))
    assert lab.attempt("a").value == 1.0
    assert {j.level for j in lab.judgements()} == {2}


def test_regrading_compares_with_the_other_system_of_the_same_run(lab: JudgeLab) -> None:
    grader = {"use": "judge_pairwise", "name": "g", "judge": planted("first"), "opponent": {"system": "base"}}
    lab.run(lab.suite(grader, {"a": WRONG, "base": RIGHT}, tasks=3))
    source = lab.folder
    assert {a.label for a in lab.attempts() if a.system == "a"} == {"disagreement"}
    suite = lab.suite({**grader, "judge": planted("honest")}, {"a": WRONG, "base": RIGHT}, tasks=3)
    manifest = make_manifest(suite, suite.tasks, suite.systems, Selection(tasks_in_suite=3))
    with RunFolder.create(lab.workspace / "runs", msgspec.structs.replace(manifest, regrade_of=source.name)) as folder:
        assert regrade(source, folder, suite, list(suite.tasks), lambda n: None) == 6
    found = {(a.system, a.label) for a in iter_attempts(folder.path)}
    assert found == {("a", "loss"), ("base", "")}
    judged: list[Judgement] = list(iter_judgements(folder.path))
    assert len(judged) == 6 and {j.opponent for j in judged} == {"base"}


def test_a_suite_with_named_judges_says_what_is_wrong_where_it_is_named(lab: JudgeLab) -> None:
    grader: dict[str, Any] = {"use": "judge_reference", "judge": "main"}
    from harness.errors import ConfigError

    with pytest.raises(ConfigError) as e:
        lab.suite(grader, {"a": "x"}, task={"reference": "y"}, judges={"main": {"model": "nobody/x-1"}})
    said = e.value.render()
    assert "no model named 'nobody'" in said and "tasks/lab/suite.yaml:" in said
    assert load_suite is not None


def test_a_judge_that_raises_is_told_with_its_own_line(lab: JudgeLab) -> None:
    """`KeyError: 'select'` alone does not say whose it is."""
    (lab.workspace / "graders" / "broken.py").write_text(
        "from planted_judges import Planted, PlantedClient\n\n\n"
        "class Broken(Planted):\n"
        '    """It breaks."""\n\n'
        "    def open(self, workspace):\n"
        "        return Client(self)\n\n\n"
        "class Client(PlantedClient):\n"
        "    async def generate(self, request):\n"
        "        return {}['select']\n"
    )
    judge = {"name": "broken", "output": "json", "model": {"use": "graders/broken.py:Broken"}}
    lab.run(lab.suite({"use": "judge_reference", "judge": judge}, {"a": "x"}, task={"reference": "x"}))
    trouble = lab.attempt("a").trouble
    assert trouble is not None
    assert (trouble.cause, trouble.detail) == ("grader_fault", "KeyError: 'select' (graders/broken.py:13)")


def test_the_judge_of_the_demonstration_answers_in_every_protocol(lab: JudgeLab) -> None:
    text = (ROOT / "graders" / "desk_judge.py").read_text()
    (lab.workspace / "graders" / "desk_judge.py").write_text(text)
    judge = {"name": "desk", "output": "json", "model": {"use": "graders/desk_judge.py:DeskJudge"}}
    own: dict[str, dict[str, Any]] = {
        "judge_reference": {},
        "judge_rubric": {"criteria": [{"id": "days", "points": 1, "text": 'Says "14 days"'}]},
        "judge_pairwise": {"opponent": {"field": "expert"}},
        "judge_select": {"against": [{"field": "expert"}]},
        "judge_steps": {"steps": "lines"},
        "judge_claims": {"sources": "reference"},
    }
    graders = [{"use": use, "judge": judge, **more} for use, more in own.items()]
    task = {"prompt": 'Say "14 days".', "reference": "It takes 14 days.", "meta": {"expert": "No."}, "graders": graders}
    lab.run(lab.suite({}, {"a": "It takes 14 days."}, task=task))
    attempt = lab.attempt("a")
    labels = {name: getattr(g, "label", g) for name, g in attempt.grades.items()}
    assert labels == {
        "judge_reference": "correct", "judge_rubric": "met", "judge_pairwise": "win", "judge_select": "selected",
        "judge_steps": "clean", "judge_claims": "supported",
    }  # fmt: skip
