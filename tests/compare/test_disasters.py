"""What other tools called green. Each must end here in its own code, never in 0 and never in a verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nights import NOW, WORLD, edit, edit_manifest, harness, night, process, promoted, workspace

from harness.store.read import ATTEMPTS
from harness.testing.simulate import Conduct, Missing, Night, World, simulate_run

Lines = list[dict[str, Any]]


def gate(root: Path, *more: str) -> tuple[int, str]:
    done = process(root, "gate", "--now", NOW, *more)
    return done.code, done.out + done.err


def nothing_ran(root: Path) -> None:
    """promptfoo 0.121: no test ran, exit 0."""
    night(root, 30, missing=Missing(cut=1.0))


def half_missing(root: Path) -> None:
    """statgate 0.1.1: half of the cases missing, SHIP."""
    night(root, 30, missing=Missing(cut=0.5))


def hard_missing(root: Path) -> None:
    """stats_ci.md 1.13: hard tasks time out, and the mean rises."""
    night(root, 30, missing=Missing(random=0.02, hard=0.25))


def outage(root: Path) -> None:
    """Thirty percent of the run in a row."""
    night(root, 30, missing=Missing(outage=0.3))


def all_errored(root: Path) -> None:
    """Inspect 0.3.285: 4 of 4 errored, status success, exit 0."""
    night(root, 30, missing=Missing(random=1.0))


def no_score(root: Path) -> None:
    """A NaN score: JSON writes it as null."""
    edit(night(root, 30), lambda lines: [{**line, "value": None} for line in lines])


def score_out_of_range(root: Path) -> None:
    edit(night(root, 30), lambda lines: [{**line, "value": 100.0} for line in lines])


def half_written(root: Path) -> None:
    """Killed in the middle of a line."""
    path = night(root, 30) / ATTEMPTS
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def regraded_differently(root: Path) -> None:
    night(root, 30, versions={"grader": "2"})


def other_questions(root: Path) -> None:
    night(root, 30, versions={"task": "2"}, altered=3)


def other_image(root: Path) -> None:
    night(root, 30, versions={"image": "2"})


def other_judge(root: Path) -> None:
    night(root, 30, versions={"judge": "2"})


def part_of_the_suite(root: Path) -> None:
    """`run --task easy*`: a gate passed on the tasks that pass."""
    run = night(root, 30, world=World(tasks=40, families=15, seed=3))
    edit_manifest(run, selection={"filters": {"task": ["easy*"]}, "tasks_in_suite": 60}, tasks_digest="x")


def compared_with_itself(root: Path) -> None:
    """The run is one of the baseline's own nights."""


def clock_ahead(root: Path) -> None:
    edit_manifest(night(root, 30), created="2031-01-01T00:00:00+00:00")


def no_clock(root: Path) -> None:
    edit_manifest(night(root, 30), created="yesterday")


@pytest.mark.parametrize(
    ("disaster", "code", "word"),
    [
        (nothing_ran, 5, "nothing ran"),
        (half_missing, 3, "under the floor"),
        (hard_missing, 3, "under the floor"),
        (outage, 3, "infra_error: overloaded"),
        (all_errored, 3, "nothing was graded"),
        (no_score, 3, "ungradable: bad_value"),
        (score_out_of_range, 3, "ungradable: bad_value"),
        (half_written, 3, "not run"),
        (regraded_differently, 6, "graders or reference changed for 60 tasks"),
        (other_questions, 6, "3 tasks: task-00000"),
        (other_image, 6, "image changed"),
        (other_judge, 6, "judges changed"),
        (part_of_the_suite, 6, "chosen by task"),
        (compared_with_itself, 6, "a part of the baseline"),
        (clock_ahead, 3, "still to come"),
        (no_clock, 3, "cannot be read"),
    ],
    ids=lambda v: v.__name__ if callable(v) else "",
)
def test_a_disaster_ends_in_its_own_code(tmp_path: Path, disaster: Any, code: int, word: str) -> None:
    promoted(tmp_path)
    disaster(tmp_path)
    found, said = gate(tmp_path)
    assert (found, word in said) == (code, True), said
    newest = max((tmp_path / "runs").glob("2026*"))
    result = json.loads((newest / "result.json").read_text())
    assert result["exit_code"] == code
    assert result["verdict"] not in ("OK", "INCONCLUSIVE")


def test_a_sound_night_is_green_against_the_same_baseline(tmp_path: Path) -> None:
    """The other side of the table: the fixtures fail for their disaster, not for being fixtures."""
    promoted(tmp_path)
    night(tmp_path, 30, epochs=3)
    code, said = gate(tmp_path)
    assert code == 0, said


def test_zero_tasks_planned_is_nothing(tmp_path: Path) -> None:
    promoted(tmp_path)
    run = night(tmp_path, 30, missing=Missing(cut=1.0))
    edit_manifest(run, n_tasks=0)
    assert gate(tmp_path)[0] == 5


def test_a_filter_that_matches_nothing_runs_nothing(tmp_path: Path) -> None:
    """promptfoo: --filter-pattern that matches nothing, 0/0 is NaN, exit 0."""
    done = process(Path(__file__).parents[2], "run", "--suite", "mine", "--task", "no-such-task*", "--quiet")
    assert done.code == 5, done.err
    assert "no task" in done.err


ONE_FAMILY = World(tasks=60, families=1, seed=3)


def test_a_loss_in_a_suite_of_one_family_is_a_regression(tmp_path: Path) -> None:
    """Nothing can be said about other families; that these tasks are lost can."""
    promoted(tmp_path, world=ONE_FAMILY)
    night(tmp_path, 30, Conduct(delta=-0.6), world=ONE_FAMILY)
    code, said = gate(tmp_path)
    assert (code, "REGRESSION" in said, "one family" in said) == (1, True, True), said


def test_one_family_is_never_ok(tmp_path: Path) -> None:
    """Inspect: one cluster, standard error 0.0."""
    promoted(tmp_path, world=ONE_FAMILY)
    night(tmp_path, 30, world=ONE_FAMILY)
    code, said = gate(tmp_path)
    assert (code, "INCONCLUSIVE" in said, "one family" in said) == (0, True, True), said
    assert gate(tmp_path, "--fail-on", "inconclusive")[0] == 4


def lost_in_one_family(root: Path, world: World) -> None:
    """A night like the baseline, but for one family, whose tasks all fail."""
    promoted(root, nights=1, world=world)
    run = night(root, 30, world=world, seed=0)  # as the baseline's night: nothing else moved
    names = sorted({json.loads(line)["family"] for line in (run / "attempts.jsonl").read_text().splitlines()})
    edit(run, lambda lines: [{**x, "passed": False, "value": 0.0} if x["family"] == names[0] else x for x in lines])


@pytest.mark.parametrize("families", [2, 4, 7])
def test_a_family_that_is_lost_is_a_regression_of_these_tasks(tmp_path: Path, families: int) -> None:
    """INCONCLUSIVE for ever before: with two families no loss at all could be shown, and exit 0 was the answer."""
    lost_in_one_family(tmp_path, World(tasks=families * 15, families=families, mean=0.9, seed=3))
    code, said = gate(tmp_path)
    assert (code, "REGRESSION" in said or "WORSE" in said) == (1, True), said
    assert f"only {families} families" in harness(tmp_path, "gate", "--now", NOW, "--format", "md").out


def test_what_few_families_cannot_show_says_what_it_takes(tmp_path: Path) -> None:
    lost_in_one_family(tmp_path, World(tasks=15, families=5, mean=0.9, seed=3))
    code, said = gate(tmp_path, "--fail-on", "INCONCLUSIVE")
    said = " ".join(said.split())
    assert (code, "INCONCLUSIVE" in said) == (4, True), said
    assert "families like these in all (now 5)" in said, said
    assert "`must_pass` holds single tasks" in said, said


@pytest.mark.parametrize("families", [2, 4, 7])
def test_few_families_without_a_change_are_never_bad(tmp_path: Path, families: int) -> None:
    world = World(tasks=families * 15, families=families, mean=0.9, seed=3)
    promoted(tmp_path, nights=1, world=world)
    night(tmp_path, 30, world=world, seed=0)
    assert gate(tmp_path)[0] == 0


@pytest.mark.parametrize(("limit", "code"), [("min: 0.9", 1), ("min: 0.1", 4)])
def test_a_limit_on_one_family_can_be_broken_and_not_kept(tmp_path: Path, limit: str, code: int) -> None:
    promoted(tmp_path, nights=1, world=ONE_FAMILY)
    night(tmp_path, 30, Conduct(delta=-0.6), world=ONE_FAMILY)
    (tmp_path / "gates.yaml").write_text(f"metrics: {{pass_rate: {{{limit}}}}}\n")
    found, said = gate(tmp_path, "--policy", "gates.yaml", "--fail-on", "INCONCLUSIVE")
    assert (found, "one family" in said) == (code, True), said


def test_relabelled_families_are_another_suite(tmp_path: Path) -> None:
    """All tasks in one family would take the interval away, and the loss with it."""
    promoted(tmp_path)
    run = night(tmp_path, 30, Conduct(delta=-0.6))
    edit(run, lambda lines: [{**line, "family": "all"} for line in lines])
    code, said = gate(tmp_path)
    assert (code, "family changed for 60 tasks" in said) == (6, True), said
    assert gate(tmp_path, "--allow-mismatch")[0] == 1


def test_a_baseline_from_before_families_is_still_compared(tmp_path: Path) -> None:
    workspace(tmp_path)
    for number in range(3):
        edit(night(tmp_path, number), lambda lines: [{k: v for k, v in x.items() if k != "family"} for x in lines])
    done = harness(tmp_path, "baseline", "promote", "--reason", "x", "--accept-regression", "--now", NOW)
    assert done.code == 0, done.err
    night(tmp_path, 30, Conduct(delta=-0.6))
    assert gate(tmp_path)[0] == 1


def test_all_equal_runs_of_few_tasks_are_not_ok(tmp_path: Path) -> None:
    """statgate: 12 of 12 identical, interval [0, 0], SHIP."""
    few = World(tasks=12, mean=1.0, spread=0, seed=3)
    promoted(tmp_path, nights=1, world=few)
    night(tmp_path, 30, world=few)
    code, said = gate(tmp_path, "--fail-on", "INCONCLUSIVE")
    assert code == 4, said
    assert "100.0% -> 100.0%, +0.0 [-22" in said


def test_an_ended_baseline_gives_no_verdict(tmp_path: Path) -> None:
    promoted(tmp_path)
    done = harness(
        tmp_path, "baseline", "promote", "--reason", "x", "--expires", "5", "--now", NOW, "--accept-regression"
    )
    assert done.code == 0, done.err
    night(tmp_path, 30)
    assert gate(tmp_path)[0] == 0
    code, said = process_at(tmp_path, "2026-03-10T00:00:00Z")
    assert code == 6
    assert "ended on 2026-03-06" in said


def process_at(root: Path, now: str) -> tuple[int, str]:
    done = process(root, "gate", "--now", now)
    return done.code, done.out + done.err


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("gate", "--baseline", "simulatde-sim"), "did you mean"),
        (("gate", "no-such-run"), "no run"),
        (("compare", "latest", "baseline:nothing"), "no baseline"),
        (("compare", "latest", "baseline:simulated-sim", "--metric", "pas_rate"), "did you mean"),
        (("compare", "latest", "baseline:simulated-sim", "--margin", "5"), "between 0 and 1"),
        (("baseline", "promote"), "needs a reason"),
        (("gate", "--policy", "nowhere.yaml"), "no policy file"),
    ],
)
def test_what_is_said_wrong_is_code_2_with_help(tmp_path: Path, args: tuple[str, ...], word: str) -> None:
    promoted(tmp_path, nights=2)
    done = harness(tmp_path, *args)
    assert done.code == 2, done.err
    assert word in done.err


def test_a_damaged_line_is_named_and_no_verdict_is_given(tmp_path: Path) -> None:
    promoted(tmp_path)
    path = night(tmp_path, 30) / ATTEMPTS
    lines = path.read_text().splitlines()
    lines[4] = lines[4][:40]
    path.write_text("\n".join(lines) + "\n")
    done = process(tmp_path, "gate", "--now", NOW)
    assert done.code == 2
    assert "line 5 is damaged" in done.err


def test_nan_in_a_line_is_damage(tmp_path: Path) -> None:
    promoted(tmp_path)
    path = night(tmp_path, 30) / ATTEMPTS
    path.write_text(path.read_text().replace('"value":1.0', '"value":NaN', 1))
    done = process(tmp_path, "gate", "--now", NOW)
    assert (done.code, "is damaged" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("was", "edited"), [(b'"models":["sim-1"]', b'"models":["\xff"]'), (b'"shape":{', b'"shape":{"horizon":5,')]
)
def test_a_line_that_holds_no_words_is_damage(tmp_path: Path, was: bytes, edited: bytes) -> None:
    """These are not decoded with each line."""
    promoted(tmp_path)
    path = night(tmp_path, 30) / ATTEMPTS
    whole = path.read_bytes()
    assert was in whole
    path.write_bytes(whole.replace(was, edited))
    done = process(tmp_path, "gate", "--now", NOW)
    assert (done.code, "is damaged" in done.err, "bug in harness" in done.err) == (2, True, False), done.err


@pytest.mark.parametrize("cost", [-0.03, 1e308])
def test_a_cost_that_is_no_amount_of_money_keeps_no_limit(tmp_path: Path, cost: float) -> None:
    promoted(tmp_path)
    run = night(tmp_path, 30)
    edit(
        run,
        lambda lines: [{**x, "usage": {**x["usage"], "cost_usd": cost}} if i % 3 else x for i, x in enumerate(lines)],
    )
    for words in (("gate", "--now", NOW), ("report",), ("compare", "baseline:simulated-sim", "latest")):
        done = harness(tmp_path, *words)
        assert (done.code, "is no amount of money" in done.err) == (2, True), (words, done.err[-300:])


def test_a_doubled_line_cannot_turn_a_failure_into_a_success(tmp_path: Path) -> None:
    promoted(tmp_path)
    run = night(tmp_path, 30, Conduct(delta=-0.3))

    def forge(lines: Lines) -> Lines:
        won = [{**line, "passed": True, "value": 1.0} for line in lines if line["passed"] is False]
        return [*lines, *won]

    before = json.loads(harness(tmp_path, "compare", "baseline:simulated-sim", run.name, "--json").out)
    edit(run, forge)
    after = json.loads(harness(tmp_path, "compare", "baseline:simulated-sim", run.name, "--json").out)
    assert after["metrics"][0]["b"] == before["metrics"][0]["b"]
    assert any("claim a try" in note for note in after["notes"])


def test_more_epochs_than_planned_are_told(tmp_path: Path) -> None:
    promoted(tmp_path)
    run = night(tmp_path, 30)
    edit(run, lambda lines: [*lines, {**lines[0], "epoch": 9}])
    assert "lines of epoch 9" in gate(tmp_path)[1]


def test_a_system_that_only_others_ran_is_not_measured(tmp_path: Path) -> None:
    promoted(tmp_path)
    run = night(tmp_path, 30)
    edit(run, lambda lines: [{**line, "system": "other"} for line in lines])
    assert gate(tmp_path)[0] == 5


def test_a_critical_error_is_not_hidden_by_an_outage(tmp_path: Path) -> None:
    """GitLab's allow_failure: exit_codes: [3] would make it amber."""
    promoted(tmp_path)
    night(tmp_path, 30, Conduct(critical=0.5), missing=Missing(outage=0.3))
    code, said = gate(tmp_path)
    assert code == 1
    assert "under the floor" in said


def test_exit_zero_is_only_the_code(tmp_path: Path) -> None:
    promoted(tmp_path)
    night(tmp_path, 30, missing=Missing(cut=0.5))
    code, said = gate(tmp_path, "--exit-zero")
    assert code == 0
    assert "gate INVALID (exit 3)" in said


def test_the_world_of_these_tests_has_enough_families() -> None:
    assert WORLD.families >= 8


def two_systems(root: Path, number: int, **about: Any) -> Path:
    small = World(tasks=40, families=10, seed=3)
    return simulate_run(
        root / "runs", small, Night(seed=number), about or {"sim": Conduct(), "other": Conduct()}, number
    )


def test_a_cut_run_of_two_systems_is_not_another_suite(tmp_path: Path) -> None:
    """The last task was run by the first system only: the other has no digest of it, which is no change."""
    workspace(tmp_path)
    whole = two_systems(tmp_path, 0)
    done = harness(
        tmp_path, "baseline", "promote", "--from", whole.name, "--system", "other", "--reason", "x", "--now", NOW
    )
    assert done.code == 0, done.err
    cut = two_systems(tmp_path, 1)
    edit(cut, lambda lines: [x for x in lines if (x["task"], x["system"]) not in LOST])
    done = harness(tmp_path, "compare", whole.name, cut.name, "--systems", "other")
    assert (done.code, f"harness resume {cut.name}" in done.out) == (3, True), done.out + done.err
    code, said = gate(tmp_path)
    assert (code, "changed" in said, "harness resume" in said) == (3, False, True), said


def both_promoted(root: Path) -> None:
    workspace(root)
    two_systems(root, 0)
    for system in ("sim", "other"):
        done = harness(root, "baseline", "promote", "--system", system, "--reason", "x", "--now", NOW)
        assert done.code == 0, done.err


def test_a_system_with_a_baseline_that_did_not_run_is_no_green(tmp_path: Path) -> None:
    both_promoted(tmp_path)
    run = two_systems(tmp_path, 30, sim=Conduct(), renamed=Conduct(delta=-0.6))
    code, said = gate(tmp_path)
    assert (code, "other: system: has the baseline 'simulated-other'" in said) == (3, True), said
    assert "not gated: renamed: no baseline 'simulated-renamed'" in said
    result = json.loads((run / "result.json").read_text())
    assert result["not_gated"] == ["renamed: no baseline 'simulated-renamed'"]
    assert "not gated: renamed" in (run / "gate.md").read_text()
    assert "simulated-other" in (run / "junit.xml").read_text()


def test_a_policy_may_leave_a_system_out_and_that_is_told(tmp_path: Path) -> None:
    both_promoted(tmp_path)
    two_systems(tmp_path, 30, sim=Conduct())
    (tmp_path / "gates.yaml").write_text("systems: [sim]\nmetrics: {pass_rate: 0.5}\n")
    code, said = gate(tmp_path, "--policy", "gates.yaml")
    assert (code, "not gated: other: not in this run" in said) == (0, True), said


def test_what_cannot_be_told_does_not_hide_what_is_broken(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30)
    bad = {"task-00001", "task-00002"}
    edit(run, lambda lines: [{**x, "passed": False, "value": 0.0} if x["task"] in bad else x for x in lines])
    edit(run, lambda lines: [x for x in lines if x["task"] != "task-00003"])
    rules = "[task-00001, task-00002, task-00003]"
    (tmp_path / "gates.yaml").write_text(f"metrics: {{pass_rate: 0.9}}\nmust_pass: {rules}\n")
    code, _ = gate(tmp_path, "--policy", "gates.yaml")
    reasons = json.loads((run / "result.json").read_text())["reasons"]
    assert code == 3
    assert [next(t for t in (*bad, "task-00003") if t in r) for r in reasons] == [
        "task-00003",
        "task-00001",
        "task-00002",
    ]


LOST = [("task-00038", "other"), ("task-00039", "other")]
