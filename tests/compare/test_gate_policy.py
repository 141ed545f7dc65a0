"""The policy: what each rule decides, and everything said wrong at once with its place."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from nights import NOW, Ran, edit, edit_manifest, harness, night, promoted

from harness.testing.simulate import Conduct, World

MANY = World(tasks=150, families=50, seed=5)


def gate(root: Path, policy: str, *more: str) -> Ran:
    (root / "gates.yaml").write_text(policy)
    return harness(root, "gate", "--now", NOW, "--policy", "gates.yaml", *more)


def test_all_faults_of_a_policy_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    night(tmp_path, 30)
    done = gate(
        tmp_path,
        "metrics:\n  pass_rate: {margin: 5}\n  value: {}\ncoverage: 2\nfail_on: [REGRESION]\n"
        "cost: 1\nlatency_p95: 90x\n",
    )
    assert done.code == 2
    for line in (2, 3, 4, 5, 6, 7):
        assert f"gates.yaml:{line}:" in done.err, line
    assert "did you mean 'REGRESSION'" in done.err


def test_names_that_this_run_does_not_have_are_told_at_once(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    night(tmp_path, 30)
    done = gate(
        tmp_path,
        "metrics:\n  pas_rate: 0.05\n  grader.mtch: 0.05\n  refusal_rate: {margin: 0.1, direction: up}\n"
        "must_pass:\n  - task-00001\n  - tsk-00002\n",
    )
    assert done.code == 2
    assert "did you mean 'pass_rate'" in done.err
    assert "did you mean 'grader.match'" in done.err
    assert "`refusal_rate` is better down" in done.err
    assert "gates.yaml:7:" in done.err and "matches 'tsk-00002'" in done.err


def test_must_pass_is_by_k_of_n(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30, epochs=3)

    def set_passes(lines: list[dict[str, object]]) -> list[dict[str, object]]:
        wins = {"task-00000": 1, "task-00001": 2, "task-00002": 3}
        for x in lines:
            if x["task"] in wins:
                won = x["epoch"] <= wins[str(x["task"])]  # type: ignore[operator]
                x |= {"passed": won, "value": float(won)}
        return lines

    edit(run, set_passes)

    def code(rule: str) -> int:
        return gate(tmp_path, f"metrics: {{pass_rate: 0.9}}\nmust_pass: [{rule}]\n").code

    assert code("task-00002") == 0
    assert code("task-00001") == 0  # more than half
    assert code("task-00000") == 1
    assert code("{task: task-00001, passes: 3}") == 1
    assert code("{task: task-00001, passes: 2, of: 3}") == 0
    assert code("{task: task-00001, passes: 3, of: 4}") == 3  # a fourth epoch would decide it
    assert code("{task: task-00000, passes: 3, of: 4}") == 1  # nothing could


def test_more_epochs_are_asked_for_the_same_share_of_passes(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30, epochs=6)

    def set_passes(lines: list[dict[str, object]]) -> list[dict[str, object]]:
        for x in lines:
            won = x["epoch"] <= {"task-00000": 3, "task-00001": 4}.get(str(x["task"]), 6)  # type: ignore[operator]
            x |= {"passed": won, "value": float(won)}
        return lines

    edit(run, set_passes)
    policy = "metrics: {pass_rate: 0.9}\nmust_pass: [{task: %s, passes: 2, of: 3}]\n"
    assert gate(tmp_path, policy % "task-00001").code == 0
    assert gate(tmp_path, policy % "task-00000").code == 1, "3 of 6 are not two of three"


def test_lost_epochs_that_could_turn_a_must_pass_task_leave_it_undecided(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30, epochs=3)
    kept = {"task-00000": (True,), "task-00001": (True, True), "task-00002": (False, False)}

    def lose(lines: list[dict[str, object]]) -> list[dict[str, object]]:
        found = []
        for x in lines:
            wins = kept.get(str(x["task"]), (True, True, True))
            if int(str(x["epoch"])) <= len(wins):
                won = wins[int(str(x["epoch"])) - 1]
                found.append({**x, "passed": won, "value": float(won)})
        return found

    edit(run, lose)
    policy = "coverage: 0.9\nmetrics: {pass_rate: 0.9}\nmust_pass: [%s]\n"
    assert gate(tmp_path, policy % "task-00000").code == 3, "one pass, and two epochs that nobody saw"
    assert gate(tmp_path, policy % "task-00001").code == 0
    assert gate(tmp_path, policy % "task-00002").code == 1


def test_a_must_pass_rule_that_cannot_be_told_is_an_error_in_junit_too(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30, epochs=3)
    edit(run, lambda lines: [x for x in lines if x["task"] != "task-00000" or x["epoch"] == 1])
    policy = "coverage: 0.9\nmetrics: {pass_rate: 0.9}\nmust_pass: [%s]\n"
    assert gate(tmp_path, policy % "task-00000").code == 3
    assert errors_of(run) == ["task-00000"]
    edit(run, lambda lines: [x for x in lines if x["task"] != "task-00007"])
    assert gate(tmp_path, policy % "task-00007").code == 3, "a task of which nothing is recorded"
    assert errors_of(run) == ["must_pass task-00007"]


def errors_of(run: Path) -> list[str | None]:
    cases = ElementTree.fromstring((run / "junit.xml").read_bytes()).findall("./testsuite/testcase")
    return [c.get("name") for c in cases if c.find("error") is not None]


def test_a_system_that_is_named_twice_is_judged_once(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30)
    assert gate(tmp_path, "systems: [sim, sim]\n").code == 0
    assert [s["system"] for s in json.loads((run / "result.json").read_text())["systems"]] == ["sim"]


@pytest.mark.parametrize("alpha", ["0.5", "0.9"])
def test_a_level_at_which_the_bounds_would_cross_is_refused(tmp_path: Path, alpha: str) -> None:
    promoted(tmp_path, nights=1)
    night(tmp_path, 30)
    done = gate(tmp_path, f"alpha: {alpha}\n")
    assert (done.code, "gates.yaml:1:8" in done.err) == (2, True), done.out
    done = harness(tmp_path, "compare", "baseline:simulated-sim", "latest", "--alpha", alpha)
    assert (done.code, "under 0.5" in done.err) == (2, True), done.out


def test_a_must_pass_task_that_was_not_graded_is_no_pass(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30)
    edit(run, lambda lines: [x for x in lines if x["task"] != "task-00007"])
    done = gate(tmp_path, "coverage: 0.9\nmetrics: {pass_rate: 0.9}\nmust_pass: [task-00007]\n")
    assert done.code == 3, done.out


def test_absolute_limits_need_no_baseline(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    night(tmp_path, 0, world=MANY, epochs=3)
    assert gate(tmp_path, "metrics: {pass_rate: {min: 0.5}}").code == 0
    assert gate(tmp_path, "metrics: {pass_rate: {min: 0.95}}").code == 1
    close = gate(tmp_path, "metrics: {pass_rate: {min: 0.73}}")
    assert (close.code, "inconclusive" in close.out) == (0, True)
    assert gate(tmp_path, "metrics: {refusal_rate: {max: 0.2}}").code == 0


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (3.0, 1)])
def test_cost_per_success_is_judged_by_its_interval(tmp_path: Path, factor: float, code: int) -> None:
    promoted(tmp_path, nights=3, world=MANY)
    night(tmp_path, 30, Conduct(cost_usd=0.02 * factor), world=MANY, epochs=3)
    done = gate(tmp_path, "metrics: {pass_rate: 0.5}\ncost_per_success: {max_ratio: 1.5}\n")
    assert done.code == code, done.out


def test_unpriced_calls_make_a_cost_rule_invalid_and_never_zero(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    night(tmp_path, 30, Conduct(unpriced=0.3))
    done = gate(tmp_path, "metrics: {pass_rate: 0.5}\ncost_per_success: {max_usd: 100}\n")
    assert (done.code, "have no price" in done.out) == (3, True)


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.5, 1)])
def test_latency_is_judged_by_the_paired_ratio(tmp_path: Path, factor: float, code: int) -> None:
    promoted(tmp_path, nights=3, world=MANY)
    night(tmp_path, 30, Conduct(seconds=12 * factor), world=MANY)
    done = gate(tmp_path, "metrics: {pass_rate: 0.5}\nlatency: {max_ratio: 1.2}\n")
    assert done.code == code, done.out


def test_p95_is_judged_by_its_bounds_and_needs_tasks(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    night(tmp_path, 0, world=MANY)
    rest = "metrics: {pass_rate: {min: 0.1}}\n"
    assert gate(tmp_path, f"{rest}latency_p95: 10m\n").code == 0
    assert gate(tmp_path, f"{rest}latency_p95: {{max: 10s}}\n").code == 1
    night(tmp_path, 1)
    done = gate(tmp_path, f"{rest}latency_p95: 10m\nfail_on: [INCONCLUSIVE]\n")
    assert done.code == 0, "60 tasks are enough for a one-sided bound (59)"
    night(tmp_path, 2, world=World(tasks=50))
    done = gate(tmp_path, f"{rest}latency_p95: 10m\nfail_on: [INCONCLUSIVE]\n")
    assert (done.code, "not estimable" in done.out) == (4, True)


QUARANTINE = """quarantine:
  - {task: task-00000, reason: flaky grader, owner: ada, expires: "2026-03-20"}
"""


def test_a_quarantined_task_does_not_decide_until_its_day(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    (tmp_path / "tasks" / "simulated" / "quarantine.yaml").write_text(QUARANTINE)
    run = night(tmp_path, 30)
    bad = {"value": 0.0, "passed": False, "critical": True, "kind": "grade"}
    edit(
        run,
        lambda lines: [
            {**x, "passed": False, "value": 0.0, "grades": {"match": bad}} if x["task"] == "task-00000" else x
            for x in lines
        ],
    )
    (tmp_path / "gates.yaml").write_text("metrics: {pass_rate: 0.9}\nmust_pass: [task-00000]\n")

    def code(now: str) -> int:
        return harness(tmp_path, "gate", "--now", now, "--policy", "gates.yaml").code

    assert code("2026-03-20T12:00:00Z") == 0
    assert "1/60 = 1.7% of the tasks are held out" in (run / "gate.md").read_text().replace("\\", "")
    assert code("2026-03-21T00:00:00Z") == 1


@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("2026-03-20", "YAML reads `2026-03-20` as a date"),
        ('"2026-02-30"', "`expires`: '2026-02-30' is no day of the calendar"),
        ("20 March", "`expires`: string should match pattern"),
    ],
)
def test_a_faulty_day_of_a_quarantine_is_told_once(tmp_path: Path, day: str, told: str) -> None:
    (tmp_path / "tasks" / "simulated").mkdir(parents=True)
    night(tmp_path, 30)
    path = tmp_path / "tasks" / "simulated" / "quarantine.yaml"
    path.write_text(f"quarantine:\n  - {{task: task-00000, reason: x, expires: {day}}}\n")
    done = gate(tmp_path, "metrics: {pass_rate: {min: 0.1}}")
    assert (done.code, done.err.count("error:"), f"error: {told}" in done.err) == (2, 1, True), done.err
    assert "quarantine.yaml:2:44" in done.err


def test_too_many_quarantined_tasks_fail(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    night(tmp_path, 30)
    lines = "".join(f'  - {{task: task-0000{i}, reason: x, expires: "2026-03-20"}}\n' for i in range(5))
    (tmp_path / "tasks" / "simulated" / "quarantine.yaml").write_text("quarantine:\n" + lines)
    assert gate(tmp_path, "metrics: {pass_rate: 0.9}").code == 1


def test_what_fail_on_leaves_out_is_told_and_does_not_decide(tmp_path: Path) -> None:
    promoted(tmp_path, nights=3)
    night(tmp_path, 30, Conduct(delta=-0.4))
    assert gate(tmp_path, "fail_on: [REGRESSION]").code == 1
    done = gate(tmp_path, "fail_on: [CRITICAL]")
    assert (done.code, "FAIL, not counted" in done.out) == (0, True)


def test_a_changed_system_can_be_refused(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    night(tmp_path, 30, Conduct(versions={"harness": "2"}))
    assert gate(tmp_path, "metrics: {pass_rate: 0.9}").code == 0
    done = gate(tmp_path, "same_system: true\nmetrics: {pass_rate: 0.9}")
    assert (done.code, "the system itself changed" in done.out) == (6, True)


def test_an_old_baseline_is_refused(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    night(tmp_path, 30)
    assert gate(tmp_path, "max_age_days: 90\nmetrics: {pass_rate: 0.9}").code == 0
    assert gate(tmp_path, "max_age_days: 30\nmetrics: {pass_rate: 0.9}").code == 6


def test_a_run_that_is_too_old_is_no_verdict_of_today(tmp_path: Path) -> None:
    """The newest run is gated where none is named: a schedule that died would stay green for ever."""
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30)
    edit_manifest(run, created="2026-02-27T10:00:00+00:00")  # 38 hours before NOW
    assert gate(tmp_path, "max_age: 39h\nmetrics: {pass_rate: 0.9}").code == 0
    assert gate(tmp_path, "metrics: {pass_rate: 0.9}").code == 0, "nothing is asked"
    done = gate(tmp_path, "max_age: 36h\nmetrics: {pass_rate: 0.9}", "--json")
    assert done.code == 3
    says = "the run was started 38 h ago, at most 36 h are allowed: is anything still made at night?"
    (check,) = [c for c in json.loads(done.out)["systems"][0]["checks"] if c["kind"] == "AGE"]
    assert (check["state"], check["says"]) == ("invalid", says)
    assert 'type="AGE"' in (run / "junit.xml").read_text()
    assert "at most 10 min are" in gate(tmp_path, "max_age: 10m\n").out
    assert gate(tmp_path, "max_age: 1d12h\nmetrics: {pass_rate: {min: 0.01}}").code == 3, "without a baseline too"
    done = gate(tmp_path, "max_age: soon\n")
    assert (done.code, "gates.yaml:1:" in done.err, "90s, 20m or 1h30m" in done.err) == (2, True, True)


def test_a_critical_error_in_an_old_run_is_told_before_its_age(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30)
    edit_manifest(run, created="2026-02-01T10:00:00+00:00")

    def critical(lines: list[dict[str, object]]) -> list[dict[str, object]]:
        grade = next(iter(lines[0]["grades"].values()))  # type: ignore[attr-defined]
        grade |= {"passed": False, "value": 0.0, "critical": True}
        lines[0] |= {"passed": False, "value": 0.0}
        return lines

    edit(run, critical)
    done = gate(tmp_path, "max_age: 36h\nmetrics: {pass_rate: 0.9}")
    assert (done.code, "AGE" in done.out or "started" in done.out) == (1, True)


def test_a_gate_without_anything_to_compare_with_is_no_green(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    run = night(tmp_path, 0)
    done = harness(tmp_path, "gate", "--now", NOW)
    assert (done.code, "gate NOT MEASURED (exit 3)" in done.out, "harness baseline promote" in done.out) == (
        3,
        True,
        True,
    )
    assert json.loads((run / "result.json").read_text())["verdict"] == "NOT MEASURED"
    assert 'type="NO_BASELINE"' in (run / "junit.xml").read_text()


@pytest.mark.parametrize(
    "rule",
    [
        "critical_errors: {max: 0}",
        "must_pass: [task-00003]",
        "cost_per_success: {max_usd: 0.0001, max_ratio: 1.2}",
        "latency_p95: 1s",
        "metrics: {pass_rate: {margin: 0.05, min: 0.95}}",
    ],
)
def test_a_rule_that_needs_no_baseline_is_broken_without_one(tmp_path: Path, rule: str) -> None:
    (tmp_path / "tasks").mkdir()
    run = night(tmp_path, 0, world=MANY)
    bad = {"value": 0.0, "passed": False, "critical": True, "kind": "grade"}
    edit(
        run,
        lambda lines: [
            {**x, "passed": False, "value": 0.0, "grades": {"match": bad}} if x["task"] == "task-00003" else x
            for x in lines
        ],
    )
    off = "" if rule.startswith("critical") else "critical_errors: null\n"
    done = gate(tmp_path, f"{off}{rule}\n")
    assert (done.code, "gate FAILED (exit 1)" in done.out) == (1, True), done.out
    assert "NOT MEASURED" in done.out, "what had nothing to compare with is told beside it"


def test_a_run_without_a_baseline_and_under_the_floor_is_not_valid(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    run = night(tmp_path, 0)
    edit(run, lambda lines: lines[:40])
    done = harness(tmp_path, "gate", "--now", NOW)
    assert (done.code, "gate INVALID (exit 3)" in done.out) == (3, True)


def test_a_baseline_named_on_the_command_line_names_its_system(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    night(tmp_path, 30)
    (tmp_path / "tasks" / "simulated" / "gates.yaml").write_text("metrics: {pass_rate: 0.9}\nsystems: [other]\n")
    assert harness(tmp_path, "gate", "--now", NOW).code == 2, "the run has no such system"
    assert harness(tmp_path, "gate", "--now", NOW, "--baseline", "simulated-sim").code == 0


def test_the_suite_names_its_policy(tmp_path: Path) -> None:
    promoted(tmp_path, nights=3)
    night(tmp_path, 30, Conduct(delta=-0.4))
    suite = tmp_path / "tasks" / "simulated" / "suite.yaml"
    suite.write_text("suite: simulated\ngate: {fail_on: [CRITICAL]}\n")
    assert harness(tmp_path, "gate", "--now", NOW).code == 0
    suite.write_text("suite: simulated\ngate: strict.yaml\n")
    (suite.parent / "strict.yaml").write_text("fail_on: [REGRESSION]\n")
    done = harness(tmp_path, "gate", "--now", NOW)
    assert (done.code, "policy tasks/simulated/strict.yaml" in done.out) == (1, True)
    suite.write_text("suite: simulated\ngate: {margn: 1}\n")
    done = harness(tmp_path, "gate", "--now", NOW)
    assert (done.code, "suite.yaml:2:8" in done.err) == (2, True), done.err


def test_result_json_has_every_check(tmp_path: Path) -> None:
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30)
    gate(tmp_path, "latency: {max_ratio: 2}\ncost_per_success: {max_ratio: 2}\nmust_pass: [task-00001]\n")
    checks = json.loads((run / "result.json").read_text())["systems"][0]["checks"]
    names = {c["name"].split()[0] for c in checks}
    assert names == {"coverage", "pass_rate", "cost_per_success", "latency", "critical_errors", "must_pass"}


SUITE = """
suite: mine
tasks:
  - {id: one, prompt: "Say yes.", reference: "yes", graders: [match]}
systems:
  - {name: floor, harness: empty}
"""
FAULTY = "systems: [flor]\nmetrics: {pas_rate: 0.05, grader.mtch: 0.05}\nmust_pass: [ohne]\n"


@pytest.mark.parametrize(
    "words",
    [("run", "--quiet"), ("run", "--dry-run"), ("check",), ("nightly", "--now", NOW)],
    ids=lambda w: " ".join(w[:2]),
)
@pytest.mark.parametrize("beside", [True, False], ids=["gates.yaml", "gate: in the suite"])
def test_a_faulty_policy_is_told_before_anything_runs(tmp_path: Path, words: tuple[str, ...], beside: bool) -> None:
    folder = tmp_path / "tasks" / "mine"
    folder.mkdir(parents=True)
    inline = "gate: {systems: [flor], metrics: {pas_rate: 0.05, grader.mtch: 0.05}, must_pass: [ohne]}\n"
    (folder / "suite.yaml").write_text(SUITE + ("" if beside else inline))
    if beside:
        (folder / "gates.yaml").write_text(FAULTY)
    done = harness(tmp_path, words[0], "--suite", "mine", *words[1:])
    assert done.code == 2, done.out
    place = "gates.yaml:2:" if beside else "suite.yaml:7:"
    for word in (place, "did you mean 'floor'", "did you mean 'pass_rate'", "did you mean 'grader.match'", "'ohne'"):
        assert word in done.err, done.err
    assert not list((tmp_path / "runs").glob("2*"))


@pytest.mark.parametrize(
    ("words", "epochs", "code"),
    [
        (("run", "--quiet"), 1, 2),
        (("check",), 1, 2),
        (("nightly", "--now", NOW), 1, 2),
        (("run", "--dry-run"), 3, 0),
        (("run", "--dry-run", "--epochs", "1"), 3, 0),
        (("nightly", "--now", NOW, "--epochs", "1"), 3, 2),
    ],
    ids=lambda w: " ".join(w) if isinstance(w, tuple) else str(w),
)
@pytest.mark.parametrize("rule", ["passes: 2, of: 3", "passes: 2"])
def test_a_rule_that_no_run_of_the_suite_can_decide_is_a_fault(
    tmp_path: Path, words: tuple[str, ...], epochs: int, code: int, rule: str
) -> None:
    folder = tmp_path / "tasks" / "mine"
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text(
        f"{SUITE}epochs: {epochs}\ngate:\n  must_pass:\n    - one\n    - {{task: o*, {rule}}}\n"
    )
    done = harness(tmp_path, words[0], "--suite", "mine", *words[1:])
    assert done.code == code, done.err
    if code:
        assert "suite.yaml:11:" in done.err and "and there is 1" in done.err, done.err
        assert not list((tmp_path / "runs").glob("2*"))
