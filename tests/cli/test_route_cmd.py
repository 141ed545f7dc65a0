"""`harness route` through the command: on real run folders, into a policy that `run` executes, and with nonsense."""

from __future__ import annotations

import json

import pytest

from harness.cli.main import main
from harness.testing.planted import Missing
from harness.testing.simulate import Conduct, Night, World, simulate_run
from harness.toolkit.routing import parse_policy

WORLD = World(tasks=240, seed=5, suite="mine")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("ws")
    (workspace / "tasks").mkdir()
    systems = {
        "dear": Conduct(delta=0.10, cost_usd=0.50, confidence_bias=0.0),
        "plain": Conduct(cost_usd=0.05, confidence_bias=0.0),
        "weak": Conduct(delta=-0.35, cost_usd=0.01, confidence_bias=0.0),
    }
    simulate_run(workspace / "runs", WORLD, Night(epochs=3, seed=1), systems)
    return workspace


def route(workspace, capsys, *more):
    code = main(["route", "--workspace", str(workspace), "--format", "json", *more])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out.startswith("{") else {}, err


def test_the_best_is_advised_and_the_weak_one_never(measured, capsys):
    code, said, _ = route(measured, capsys)
    assert code == 0
    assert said["overall"]["choice"] == "dear"
    assert len(said["shapes"]) == 6
    assert all(s["choice"] != "weak" for s in said["shapes"])
    assert {s["status"] for s in said["shapes"]} <= {"supported", "tie", "insufficient"}
    assert all(s["need"] > s["tasks"] for s in said["shapes"] if s["status"] == "insufficient")


def test_a_cheap_system_is_taken_where_the_dear_one_is_not_better_by_the_margin(measured, capsys):
    _, said, _ = route(measured, capsys, "--margin", "0.25", "--by", "stakes")
    assert said["overall"]["status"] in ("tie", "supported")
    if said["overall"]["status"] == "tie":
        assert said["overall"]["choice"] == "plain"


def test_needs_by_shape_from_a_file(measured, capsys, tmp_path):
    needs = tmp_path / "needs.yaml"
    needs.write_text(
        "needs: {margin: 0.1}\n"
        "shapes:\n  - {when: {stakes: high}, loss_per_failure: 100}\n"
        "  - {when: {stakes: low}, max_cost_per_success: 0.001}\n"
    )
    code, said, _ = route(measured, capsys, "--needs", str(needs), "--by", "stakes", "--strict")
    by_shape = {dict(map(tuple, s["shape"]))["stakes"]: s for s in said["shapes"]}
    assert by_shape["high"]["choice"] == "dear"
    assert by_shape["high"]["needs"]["loss_per_failure"] == 100
    assert (by_shape["low"]["status"], by_shape["low"]["choice"]) == ("none", "")
    assert code == 4  # --strict: a shape has no system


def test_faults_of_the_needs_file_have_places(measured, capsys, tmp_path):
    needs = tmp_path / "needs.yaml"
    needs.write_text("needs: {min_succes: 0.8}\nshapes:\n  - {when: {stakes: hihg}, margin: 3}\n")
    code, _, err = route(measured, capsys, "--needs", str(needs))
    assert code == 2
    assert "needs.yaml:1" in err
    assert "min_success" in err
    assert "needs.yaml:3" in err


def test_the_policy_is_readable_dated_and_has_a_rule_for_every_shape(measured, capsys, tmp_path):
    path = tmp_path / "policy.yaml"
    code, said, err = route(measured, capsys, "--write", str(path), "--valid-days", "10")
    policy = parse_policy(path.read_text(), "policy.yaml")
    assert code == 0
    assert str(policy.expires) == "2026-01-11"
    assert len(policy.rules) == 6
    assert policy.default == "dear"
    for shape, rule in zip(said["shapes"], policy.rules, strict=True):
        settled = shape["status"] in ("supported", "tie")
        assert rule.use == (shape["choice"] if settled else policy.default)
    assert "use it as harness: {use: router" in err


def test_a_composition_is_counted_on_stored_outcomes(measured, capsys):
    _, said, _ = route(measured, capsys, "--simulate", "weak>dear", "--unsure", "confidence<0.5")
    (found,) = said["compositions"]
    assert found["systems"] == ["weak", "dear"]
    assert 0 < found["handed_on"] < found["trials"] == 720
    alone = {r["name"]: r for r in said["replayed"]}
    assert alone["weak"]["success"] < found["success"] <= alone["dear"]["success"] + 0.1
    assert alone["weak"]["cost_per_success"] < found["cost_per_success"] < alone["dear"]["cost_per_success"]
    # Nothing is handed on when nothing can be unsure: then it is the first system.
    _, said, _ = route(measured, capsys, "--simulate", "weak>dear", "--unsure", "abstained")
    assert said["compositions"][0]["handed_on"] == 0
    assert said["compositions"][0]["success"] == pytest.approx(alone["weak"]["success"])


def test_a_pair_that_plans_and_works_is_told_what_it_must_reach(measured, capsys):
    _, said, _ = route(measured, capsys, "--simulate", "dear+weak", "--simulate", "weak + plain")
    first, second = said["planned"]
    alone = {r["name"]: r for r in said["replayed"]}
    spent = {name: r["cost_per_success"] * r["success"] for name, r in alone.items()}
    assert first["cost_per_task"] == pytest.approx(spent["dear"] + spent["weak"])
    cost, least = first["beats"]["dear"]
    assert cost == pytest.approx(alone["dear"]["cost_per_success"])
    # It costs a little more than the planner alone, so it must be a little better; the cheap worker is out of reach.
    assert alone["dear"]["success"] < least < alone["dear"]["success"] * 1.1
    assert first["beats"]["weak"][1] > 1
    assert 0 < second["beats"]["plain"][1] < 1
    main(["route", "--workspace", str(measured), "--simulate", "dear+weak"])
    assert "never: all solved is not enough" in capsys.readouterr().out


def test_a_system_with_little_coverage_is_no_candidate(tmp_path, capsys):
    (tmp_path / "tasks").mkdir()
    simulate_run(tmp_path / "runs", WORLD, Night(seed=1, missing=Missing(outage=0.4)), {"a": Conduct(), "b": Conduct()})
    code, _, err = route(tmp_path, capsys)
    assert code == 3
    assert "under the floor" in err


def test_runs_on_another_definition_of_a_system_are_left_out_and_named(tmp_path, capsys):
    (tmp_path / "tasks").mkdir()
    simulate_run(tmp_path / "runs", WORLD, Night(seed=1), {"a": Conduct(delta=-0.4), "b": Conduct()}, 0)
    simulate_run(tmp_path / "runs", WORLD, Night(seed=2), {"a": Conduct(versions={"harness": "2"}), "b": Conduct()}, 1)
    runs = sorted(p.name for p in (tmp_path / "runs").glob("2*"))
    _, said, _ = route(tmp_path, capsys, *runs)
    lines = {line["name"]: line for line in said["overall"]["lines"]}
    assert "a: runs on another definition are left out" in said["notes"]
    assert (lines["a"]["trials"], lines["b"]["trials"]) == (240, 480)


@pytest.mark.parametrize("kind", ["grader", "judge"])
def test_runs_whose_graders_changed_are_named_and_only_comparable_trials_count(tmp_path, capsys, kind):
    (tmp_path / "tasks").mkdir()
    both = {"a": Conduct(), "b": Conduct()}
    simulate_run(tmp_path / "runs", WORLD, Night(seed=1, versions={kind: "1"}), both | {"gone": Conduct()}, 0)
    simulate_run(tmp_path / "runs", WORLD, Night(seed=2, versions={kind: "2"}, altered=100), both, 1)
    old, new = runs = sorted(p.name for p in (tmp_path / "runs").glob("2*"))
    code, said, err = route(tmp_path, capsys, *runs)
    assert code == 0, err
    (note,) = [n for n in said["notes"] if "changed between" in n]
    assert f"of 100 tasks changed between {old} and {new} (task-00000, task-00001, task-00002 and 97 more)" in note
    assert f"{kind}s" in note and f"these trials of {old} are left out" in note
    lines = {line["name"]: line["trials"] for line in said["overall"]["lines"]}
    assert lines["a"] == lines["b"] == 480 - 100  # and both keep their coverage: nothing of them is missing


def test_a_system_that_only_ran_under_other_graders_is_named(tmp_path, capsys):
    (tmp_path / "tasks").mkdir()
    simulate_run(tmp_path / "runs", WORLD, Night(seed=1), {"gone": Conduct()}, 0)
    simulate_run(tmp_path / "runs", WORLD, Night(seed=2, versions={"grader": "2"}), {"a": Conduct()}, 1)
    _, said, _ = route(tmp_path, capsys, *sorted(p.name for p in (tmp_path / "runs").glob("2*")))
    assert "gone: none of its trials is on what the newest run asks and grades: run it again" in said["notes"]
    assert [line["name"] for line in said["overall"]["lines"]] == ["a"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--simulate", "weak"], "no composition"),
        (["--simulate", "weak>dera"], "did you mean 'dear'"),
        (["--simulate", "weak+dera"], "did you mean 'dear'"),
        (["--simulate", "weak+weak"], "no pair"),
        (["--simulate", "weak+dear>plain"], "no pair"),
        (["--simulate", "weak>dear", "--unsure", "shrugs"], "no sign of doubt"),
        (["--by", "colour"], "--by colour"),
        (["--system", "nope"], "no system 'nope'"),
        (["--needs", "absent.yaml"], "no such file"),
        (["--p95", "0"], "--p95 must be above 0"),
        (["--min-success", "80"], "not between 0 and 1"),
        (["norun"], "no run 'norun'"),
    ],
)
def test_nonsense_is_a_usage_error(measured, capsys, words, said):
    try:
        code = main(["route", "--workspace", str(measured), *words])
    except SystemExit as e:
        code = e.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_no_run_is_nothing(tmp_path, capsys):
    (tmp_path / "tasks").mkdir()
    assert route(tmp_path, capsys)[0] == 5


def test_the_same_runs_give_the_same_bytes(measured, capsys):
    assert route(measured, capsys) == route(measured, capsys)
    for form in ("text", "md"):
        assert main(["route", "--workspace", str(measured), "--format", form, "--long"]) == 0
        assert "supported" in capsys.readouterr().out


SUITE = """
suite: mine
tasks:
{tasks}
systems:
  - name: words
    harness: single_turn
    model: {{use: scripted, rules: [{{when: 'word (\\d+)', answer: 'w\\1'}}], answer: "?"}}
  - name: sums
    harness: single_turn
    model: {{use: scripted, rules: [{{when: 'sum (\\d+)', answer: 's\\1'}}], answer: "?"}}
  - name: routed
    default: false
    harness: {{use: router, policy: tasks/mine/policy.yaml}}
  - name: cascaded
    default: false
    harness: {{use: cascade, systems: [words, sums], unsure: [no_answer]}}
"""


def test_a_written_policy_runs_and_the_routed_system_beats_each_single_one(tmp_path, capsys):
    """Measure, advise, write, run: the routed system is measured against each single one on the same tasks."""
    tasks = "\n".join(
        f"  - {{id: {kind}-{i}, prompt: '{kind} {i}', reference: '{kind[0]}{i}', graders: [match], "
        f"shape: {{surface: {kind}, stakes: low}}}}"
        for kind in ("word", "sum") for i in range(14)
    )  # fmt: skip
    folder = tmp_path / "tasks" / "mine"
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_text("default: words\n")
    (folder / "suite.yaml").write_text(SUITE.format(tasks=tasks).replace("tasks:", "tasks:", 1))
    common = ["--workspace", str(tmp_path)]
    assert main(["run", "--suite", str(folder / "suite.yaml"), *common, "--quiet"]) == 0
    assert main(["route", *common, "--write", "tasks/mine/policy.yaml"]) == 0
    policy = parse_policy((folder / "policy.yaml").read_text(), "policy.yaml")
    assert {rule.words["surface"]: rule.use for rule in policy.rules} == {("word",): "words", ("sum",): "sums"}
    capsys.readouterr()
    systems = ["--system", "words", "--system", "sums", "--system", "routed", "--system", "cascaded"]
    assert main(["run", "--suite", str(folder / "suite.yaml"), *common, *systems, "--quiet", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    rates = {s["name"]: s["passed"]["value"] for s in said["systems"]}
    assert rates == {"words": 0.5, "sums": 0.5, "routed": 1.0, "cascaded": 0.5}
