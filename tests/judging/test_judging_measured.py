"""The table of judge.md 7.7 through the real path: prompt, call, parser, record, store, and then the data sheet.

Judges with a planted bias read the rendered prompt; what the sheet reports must be what was planted: exactly where the
judge is a table, within four standard errors where chance (a hash of the prompt) is in it.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import yaml
from judge_lab import JudgeLab
from measured_judges import share

from harness.cli.main import main
from harness.config.judge_gate import JudgePolicy
from harness.config.load import load_suite
from harness.records.label import Label
from harness.report.build import build_report
from harness.report.judges import About, judge_report
from harness.report.judges_model import JudgeReport, JudgeSheet
from harness.report.reliability import full_report
from harness.report.text import render_full_text, render_text
from harness.store.judgements import iter_judgements
from harness.testing.wire import WireServer

N = 120
GRADER = '''
from measured_judges import Biased as _Biased


class Biased(_Biased):
    """A judge with one planted bias."""
'''


def measured(lab: JudgeLab, rule: str, **more: Any) -> JudgeReport:
    """Cases judged by a planted judge; the report of the judges of that run."""
    written(lab, rule, **more)
    assert lab.run(load_suite(lab.workspace, "lab")) == "complete"
    found = build_report(lab.folder).judges
    assert found is not None
    return found


def written(
    lab: JudgeLab, rule: str, *, n: int = N, answers: dict[str, str] | None = None, expert: str = "", **more: Any
) -> None:
    """The suite `lab` of `n` cases that a planted judge judges."""
    (lab.workspace / "graders" / "biased.py").write_text(GRADER)
    model = {k: more.pop(k) for k in ("strength", "other") if k in more}
    judge = {
        "name": "biased",
        "output": "json",
        "cache": False,
        "model": {"use": "graders/biased.py:Biased", "rule": rule, **model},
    }
    grader = {"use": "judge_pairwise", "judge": judge, "opponent": {"field": "expert"}, **more.pop("grader", {})}
    grader = {k: v for k, v in grader.items() if v is not None}
    systems = [
        {"name": name, "harness": "single_turn", "model": {"use": "scripted", "name": f"of-{name}", "answer": text}}
        for name, text in (answers or {"work": "The answer is alpha."}).items()
    ]
    tasks = [
        {
            "id": f"t{i:03d}",
            "prompt": f"Case {i}: alpha or beta?",
            "reference": "alpha",
            "meta": {"expert": expert or "The answer is beta."},
            "graders": [grader],
        }
        for i in range(n)
    ]
    said = {"suite": "lab", "systems": systems, "tasks": tasks, "seed": 3, **more}
    (lab.workspace / "tasks" / "lab" / "suite.yaml").write_text(yaml.safe_dump(said))


def sheet(report: JudgeReport) -> JudgeSheet:
    (found,) = report.sheets
    return found


def value(s: JudgeSheet, name: str) -> float:
    found = s.figure(name)
    assert found is not None and found.value is not None, (name, found)
    return found.value


@pytest.mark.parametrize(("rule", "pe"), [("first", 1.0), ("second", -1.0)])
def test_always_one_slot(lab: JudgeLab, rule: str, pe: float) -> None:
    s = sheet(measured(lab, rule, grader={"repeats": 2}, n=60))
    assert (value(s, "swap_consistency"), value(s, "position_effect"), value(s, "repetition_stability")) == (0, pe, 1)
    assert (value(s, "position_share"), value(s, "win_rate"), value(s, "disagreement_ties")) == (1, 0.5, 1)
    assert (value(s, "first_order_rate"), value(s, "second_order_rate")) == ((1, 0) if pe > 0 else (0, 1))
    assert s.validity == "invalid"
    assert build_report(lab.folder).exit_code == 3


def test_always_the_label_a(lab: JudgeLab) -> None:
    """Letters are shuffled apart from places by the seed, not balanced: label effect 1, position within noise."""
    s = sheet(measured(lab, "label_a", n=200))
    assert value(s, "label_effect") == pytest.approx(1, abs=0.05)
    assert value(s, "position_effect") == pytest.approx(0, abs=4 * 0.71 / 200**0.5)


@pytest.mark.parametrize(
    ("rule", "strength", "pc", "rs", "pe"),
    [
        ("oracle", 0, 1, 1, 0),
        ("coin", 0.7, 0.42, 0.58, 0.40),
        ("per_call", 0.3, 0.70, 0.79, 0.30),
        ("per_item", 0.3, 0.70, 1.00, 0.30),
        ("noisy", 0.15, 0.745, 0.745, 0),
        ("tie", 0, 1, 1, 0),
    ],
)
def test_closed_forms(lab: JudgeLab, rule: str, strength: float, pc: float, rs: float, pe: float) -> None:
    s = sheet(measured(lab, rule, strength=strength, grader={"repeats": 2}, n=160))
    four = 4 * 0.5 / 160**0.5
    assert value(s, "swap_consistency") == pytest.approx(pc, abs=four if pc < 1 else 0)
    assert value(s, "repetition_stability") == pytest.approx(rs, abs=four if rs < 1 else 0)
    assert value(s, "position_effect") == pytest.approx(pe, abs=2 * four)
    found = s.figure("position_effect")
    assert found is not None and found.interval is not None
    assert found.interval.low - 0.05 <= pe <= found.interval.high + 0.05
    assert s.position == ("biased" if pe else "order_blind")


def test_a_win_in_one_order_and_a_tie_in_the_other(lab: JudgeLab) -> None:
    s = sheet(measured(lab, "half", grader={"aggregate": "average"}, n=60))
    assert [(c.name, c.n) for c in s.classes] == [("half_primacy", 60)]
    assert value(s, "win_rate") == 0.75


def test_always_the_longer(lab: JudgeLab) -> None:
    """Padded controls fire: the judge is perfectly consistent, valid, and wrong, which no report keeps quiet."""
    work = {"work": "The answer is alpha. " * 4}
    report = measured(lab, "longer", n=60, answers=work, grader={"controls": {"padded": 10}})
    s = sheet(report)
    assert (value(s, "swap_consistency"), value(s, "position_effect"), value(s, "longer_wins")) == (1, 0, 1)
    assert (value(s, "control_padded"), report.validity) == (1, "valid")
    said = "!! JUDGE PREFERS PADDING: biased in judge_pairwise: the same work, padded, won 1.00 ["
    whole = build_report(lab.folder)
    assert said in render_text(whole, 200) and said in render_full_text(full_report(lab.folder), 200)


def test_a_judge_of_its_own_family(lab: JudgeLab) -> None:
    """Planted: 80 of 100 pairs for the work of its family, where the other member of the panel gives it half.

    The work is that of a model whose name says its family, asked through the SDK.
    """
    panel = [
        {"name": f"judge-{rule}", "family": family, "output": "json", "cache": False,
         "model": {"use": "graders/biased.py:Biased", "name": f"judge-{rule}", "rule": rule}}
        for rule, family in (("kin", "anthropic"), ("oracle", "zeta"))
    ]  # fmt: skip
    with WireServer() as server:
        model = {"use": "anthropic", "name": "fixed:The answer is alpha, says claude.", "base_url": server.url}
        systems = [{"name": "work", "harness": "single_turn", "model": model}]
        report = measured(lab, "kin", n=100, systems=systems, grader={"judge": None, "panel": panel})
    kin, other = report.sheets
    assert (kin.judge, other.judge) == ("judge-kin", "judge-oracle")
    assert value(kin, "own_family_lift") == pytest.approx(0.3)
    assert (value(kin, "win_rate"), value(other, "win_rate")) == (0.8, 0.5)
    banner = "OWN FAMILY: the judge is of the family 'anthropic', as is the model of work"
    assert banner in kin.notes
    lift = other.figure("own_family_lift")
    assert lift is not None and lift.value is None and lift.why_not == "no candidate is of the judge's family"
    assert not any("FAMILY" in note for note in other.notes)
    assert "OWN FAMILY" in render_full_text(full_report(lab.folder), 200)


def test_known_error_rates_are_corrected_by_labels(lab: JudgeLab) -> None:
    """Se .92, Sp .75 on a known truth: four data sets of 200, ten draws of 100 labels of each.

    Labels drawn from the run correct by PPI++, the same without their origin by Rogan-Gladen. Of 40 intervals of 95 %
    at least 33 cover (four standard errors under 38), and PPI++ is the narrower one.
    """
    hits = {"ppi++": 0, "rogan": 0}
    widths = {"ppi++": 0.0, "rogan": 0.0}
    for data_set in range(4):
        salt = f"Set {data_set}. "
        answers = {"work": f"{salt}The answer is alpha."}
        grader = {"use": "judge_reference", "opponent": None}
        report = measured(lab, "reference", strength=0.92, other=0.75, n=200, answers=answers, grader=grader)
        truth = [share(f"truth {i} {answers['work']}") < 0.7 for i in range(200)]
        judgements = list(iter_judgements(lab.folder))
        for draw in range(10):
            drawn = Random(f"{data_set}.{draw}").sample(range(200), 100)
            for design, run in (("ppi++", lab.folder.name), ("rogan", "")):
                labels = [
                    Label(grader=sheet(report).grader, task=f"t{i:03d}", system="work", epoch=1, labeler="ann", run=run,
                          label="correct" if truth[i] else "incorrect", inclusion_prob=0.5)
                    for i in drawn
                ]  # fmt: skip
                about = About(run=lab.folder.name, labels=labels)
                found = judge_report(judgements, JudgePolicy(), about).sheets[0]
                corrected = found.figure("corrected")
                assert corrected is not None and corrected.interval is not None
                assert corrected.note.startswith(design)
                hits[design] += corrected.interval.low <= sum(truth) / 200 <= corrected.interval.high
                widths[design] += corrected.interval.high - corrected.interval.low
                assert value(found, "sensitivity") == pytest.approx(0.92, abs=0.13)
                assert value(found, "specificity") == pytest.approx(0.75, abs=0.32)
    assert min(hits.values()) >= 33, hits
    assert widths["ppi++"] < widths["rogan"]


def test_yes_to_everything_fails_on_kappa(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels stand in the workspace's file; 80 of 100 works pass. The run that asks the judge is invalid by them."""
    written(lab, "yes", n=100, grader={"use": "judge_reference", "opponent": None, "name": "gold"})
    labels = [
        {"grader": "gold", "task": f"t{i:03d}", "system": "work", "epoch": 1, "labeler": "ann",
         "label": "correct" if i < 80 else "incorrect"}
        for i in range(100)
    ]  # fmt: skip
    lab.write("graders/labels/gold.jsonl", labels)
    assert main(["run", "--suite", "lab", "--workspace", str(lab.workspace)]) == 3
    assert "kappa_min: 0.00 of 100" in capsys.readouterr().out
    (folder,) = (lab.workspace / "runs").glob("*-lab-*")
    report = build_report(folder)
    assert report.judges is not None
    found = sheet(report.judges)
    assert (value(found, "agreement"), value(found, "kappa"), value(found, "specificity")) == (0.8, 0, 0)
    assert found.validity == "invalid"


def test_rotation_bias_of_a_select_judge(lab: JudgeLab) -> None:
    """K = 4, beta .3: first slot .475, consistency .59 (judge.md 1.5)."""
    against = [{"field": f} for f in ("expert", "expert2", "expert3")]
    grader = {"use": "judge_select", "opponent": None, "against": against}
    s = sheet(measured_select(lab, grader))
    assert value(s, "first_slot_rate") == pytest.approx(0.475, abs=4 * 0.25 / 160**0.5)
    assert value(s, "rotation_consistency") == pytest.approx(0.59, abs=4 * 0.33 / 160**0.5)


def measured_select(lab: JudgeLab, grader: dict[str, Any]) -> JudgeReport:
    """160 cases with four candidates, of which another one is the best each time."""
    import measured_judges

    def best(seen: Any, m: Any, u: float) -> str:
        names = list(seen.answers)
        if u < m.strength:
            return names[0]
        word = ("alpha", "beta", "gamma", "delta")[measured_judges.case_of(seen) % 4]
        return next(n for n, text in seen.answers.items() if word in text)

    measured_judges.RULES["best"] = best
    (lab.workspace / "graders" / "biased.py").write_text(GRADER)
    judge = {
        "name": "biased", "output": "json", "cache": False,
        "model": {"use": "graders/biased.py:Biased", "rule": "best", "strength": 0.3},
    }  # fmt: skip
    meta = {"expert": "It is beta.", "expert2": "It is gamma.", "expert3": "It is delta."}
    own = {k: v for k, v in {**grader, "judge": judge}.items() if v is not None}
    tasks = [
        {"id": f"t{i:03d}", "prompt": f"Case {i}: which?", "reference": "x", "meta": meta, "graders": [own]}
        for i in range(160)
    ]
    system = {
        "name": "work", "harness": "single_turn",
        "model": {"use": "scripted", "name": "of-work", "answer": "It is alpha."},
    }  # fmt: skip
    said = {"suite": "lab", "systems": [system], "tasks": tasks, "seed": 3}
    (lab.workspace / "tasks" / "lab" / "suite.yaml").write_text(yaml.safe_dump(said))
    lab.run(load_suite(lab.workspace, "lab"))
    found = build_report(lab.folder).judges
    assert found is not None
    return found
