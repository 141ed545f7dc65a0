"""`harness compare`: what changed, in words and numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nights import WORLD, edit, harness, night, promoted, workspace

from harness.report.compare import compare
from harness.report.comparison import MetricSpec, Options
from harness.report.measured import measure
from harness.report.trials import read_trials
from harness.testing.simulate import Conduct, Missing, Night, World, simulate_run


def compared(root: Path, *args: str) -> dict[str, Any]:
    done = harness(root, "compare", *args, "--json")
    assert done.out, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def pair(root: Path, conduct: Conduct, world: World = WORLD, **about: Any) -> tuple[str, str]:
    workspace(root)
    return night(root, 0, world=world, epochs=3).name, night(root, 1, conduct, world=world, epochs=3, **about).name


def test_a_planted_loss_is_found_and_a_compare_never_fails_on_quality(tmp_path: Path) -> None:
    a, b = pair(tmp_path, Conduct(delta=-0.25))
    done = harness(tmp_path, "compare", a, b)
    assert done.code == 0
    assert done.out.startswith(f"REGRESSION: {b} against {a}")
    assert harness(tmp_path, "compare", b, a).out.startswith("OK")
    assert "OK (better)" in harness(tmp_path, "compare", b, a).out


def test_without_names_the_newest_run_is_taken(tmp_path: Path) -> None:
    workspace(tmp_path)
    systems = {"one": Conduct(), "two": Conduct(model="sim-2"), "three": Conduct(harness="agent")}
    simulate_run(tmp_path / "runs", WORLD, Night(epochs=2), systems)
    said = harness(tmp_path, "compare").out
    assert "Same harness" not in said and "same harness, other model" in said and "same model, other harness" in said
    assert "one -> two" in said and "one -> three" in said and "two -> three" not in said
    assert "two -> three" in harness(tmp_path, "compare", "--all").out
    only = harness(tmp_path, "compare", "--systems", "two").out
    assert "one -> two" in only and "one -> three" not in only
    both = harness(tmp_path, "compare", "--systems", "one", "three").out
    assert both.splitlines()[0].endswith("three against one")
    [run] = (tmp_path / "runs").glob("2*")
    assert harness(tmp_path, "compare", "--systems", "one", "three", run.name).out == both
    assert harness(tmp_path, "compare", "--systems", "one", "three", run.name, run.name, "x").code == 2
    mistaken = harness(tmp_path, "compare", "one", "three")
    assert mistaken.code == 2
    assert "harness compare --systems one OTHER" in mistaken.err, mistaken.err
    assert "newest runs" in harness(tmp_path, "compare", "five").err


def test_what_changed_in_the_system_is_told_by_key(tmp_path: Path) -> None:
    two = {"max_turns": "40", "harness": "2", "append_system": ""}
    a, b = pair(tmp_path, Conduct(versions=two, model="sim-2"))
    said = harness(tmp_path, "compare", a, b).out
    assert "model" in said and "main simulated/sim-1 -> simulated/sim-2" in said
    assert "harness.max_turns" in said and "not set -> 40" in said
    assert "append_system" not in said, "what is empty is not set"


def test_a_changed_image_of_a_grading_box_is_told(tmp_path: Path) -> None:
    """The work's own image is a digest; that of another box a grader opens is not, and must not change unseen."""
    a, b = pair(tmp_path, Conduct())

    def graded_in(rows: list[dict[str, Any]], grading: str, db: str) -> list[dict[str, Any]]:
        names = sorted({row["task"] for row in rows})[:2]
        more = {"grading 2": "sha256:more", "grading: db": db}
        images = [{"work": grading, "grading": grading, **(more if row["epoch"] == 1 else {})} for row in rows]
        return [r | {"images": i} if r["task"] in names else r for r, i in zip(rows, images, strict=True)]

    edit(tmp_path / "runs" / a, lambda rows: graded_in(rows, "sha256:one", "sha256:db"))
    edit(tmp_path / "runs" / b, lambda rows: graded_in(rows, "sha256:two", "sha256:db"))
    notes = [note for note in compared(tmp_path, a, b)["notes"] if "images" in note]
    assert len(notes) == 1 and notes[0].startswith("images of boxes for grading changed for 2 tasks: "), notes
    assert notes[0] in " ".join(harness(tmp_path, "compare", a, b).out.split())


def test_a_system_without_a_box_is_compared_with_one_that_has_a_box(tmp_path: Path) -> None:
    """Same model, other harness: single_turn opens no box on a task that bash_agent works on in one."""
    workspace(tmp_path)
    systems = {"direct": Conduct(), "agent": Conduct(harness="agent"), "other": Conduct(harness="agent", model="sim-2")}
    run = simulate_run(tmp_path / "runs", WORLD, Night(epochs=2), systems)

    def boxed(rows: list[dict[str, Any]], images: dict[str, str]) -> list[dict[str, Any]]:
        first = sorted({r["task"] for r in rows})[:2]
        changed = []
        for r in rows:
            image = images.get(r["system"], "") if r["task"] in first else ""
            changed.append(r | {"digests": r["digests"] | {"image": image}} if image else r)
        return changed

    edit(run, lambda rows: boxed(rows, {"agent": "sha256:one", "other": "sha256:one"}))
    done = harness(tmp_path, "compare")
    assert (done.code, "direct -> agent" in done.out, "agent -> other" in done.out) == (0, True, True), done.err
    found = compared(tmp_path, "--systems", "direct", "agent")
    assert found["tasks"] == WORLD.tasks
    assert any(n.startswith("direct opened no box for 2 tasks: task-00000, task-00001") for n in found["notes"])
    edit(run, lambda rows: boxed(rows, {"other": "sha256:two"}))
    done = harness(tmp_path, "compare", "--systems", "agent", "other")
    assert (done.code, done.err.splitlines()[0]) == (
        6,
        f"error: agent and other of {run.name} are not comparable: the box's image changed for 2 tasks: "
        "task-00000, task-00001",
    )


def test_a_changed_task_is_left_out_when_a_mismatch_is_allowed(tmp_path: Path) -> None:
    a, b = pair(tmp_path, Conduct(), versions={"task": "2"}, altered=10)
    done = harness(tmp_path, "compare", a, b)
    assert (done.code, "10 tasks" in done.err) == (6, True)
    found = compared(tmp_path, a, b, "--allow-mismatch")
    assert found["tasks"] == 50
    assert any("compared in spite of" in n for n in found["notes"])
    one, two = pair(tmp_path / "all", Conduct(), versions={"task": "2"})
    assert harness(tmp_path / "all", "compare", one, two, "--allow-mismatch").code == 6


def test_a_part_of_the_suite_is_compared_on_that_part(tmp_path: Path) -> None:
    from nights import edit_manifest

    workspace(tmp_path)
    whole = night(tmp_path, 0)
    part = night(tmp_path, 1, world=World(tasks=40, families=10, seed=3))
    edit_manifest(part, selection={"filters": {"limit": 40}, "tasks_in_suite": 60}, tasks_digest="x")
    done = harness(tmp_path, "compare", whole.name, part.name)
    assert done.code == 0
    assert "ran a part of the suite (limit 40)" in done.out


def test_coverage_and_bounds_come_first_and_a_hole_is_invalid(tmp_path: Path) -> None:
    a, b = pair(tmp_path, Conduct(), missing=Missing(outage=0.3))
    done = harness(tmp_path, "compare", a, b)
    assert done.code == 3
    lines = done.out.splitlines()
    assert lines[0].startswith("INVALID")
    assert next(
        line for line in lines if line and line[0].islower() and ":" in line and "system" not in line
    ).startswith("coverage")
    assert "tasks with something missing differ" in done.out
    assert harness(tmp_path, "compare", a, b, "--min-coverage", "0.5").code == 0


def test_a_verdict_that_hangs_on_what_is_missing_is_none(tmp_path: Path) -> None:
    # 3 of 200 missing: over the floor of 98 %; the loss is just under what is shown
    world = World(tasks=200, mean=0.9, spread=0, seed=2)
    found = set()
    for seed in range(12):
        root = tmp_path / str(seed)
        workspace(root)
        a = measure(read_trials(night(root, 0, world=world, seed=100 + seed)), "sim")
        conduct = Conduct(down=0.05, up=0.05)
        b = measure(read_trials(night(root, 1, conduct, world=world, seed=seed, missing=Missing(random=0.015))), "sim")
        m = compare(a, b, Options(coverage=0.9)).metrics[0]
        found.add((m.plain, m.worst, m.verdict))
        if m.verdict == "OK":
            assert m.worst == "OK"
        if m.verdict in ("WORSE", "REGRESSION"):
            assert m.best in ("WORSE", "REGRESSION")
    assert any(plain != verdict for plain, _, verdict in found)


def test_holm_holds_over_the_metrics_that_decide(tmp_path: Path) -> None:
    a, b = pair(tmp_path, Conduct(delta=-0.09))
    one = compared(tmp_path, a, b)["metrics"][0]
    several = compared(tmp_path, a, b, *(w for m in ("pass_rate", "value", "refusal_rate") for w in ("--metric", m)))
    assert several["metrics"][0]["p_worse"] >= 2 * one["p_worse"] * 0.999


def test_metrics_of_which_less_is_better(tmp_path: Path) -> None:
    a, b = pair(tmp_path, Conduct(refuses=1.0), World(tasks=100, families=25, mean=0.5, seed=1))
    m = compared(tmp_path, a, b, "--metric", "refusal_rate=0.1")["metrics"][0]
    assert m["difference"] > 0.3
    assert m["low"] < m["difference"] < m["high"]
    assert m["verdict"] == "REGRESSION"
    assert compared(tmp_path, b, a, "--metric", "refusal_rate=0.1")["metrics"][0]["verdict"] == "OK"


def test_a_pool_against_a_run_counts_tasks_and_not_trials(tmp_path: Path) -> None:
    promoted(tmp_path)
    b = night(tmp_path, 30).name
    found = compared(tmp_path, "baseline:simulated-sim", b)
    assert found["metrics"][0]["tasks"] == 60
    assert found["a"]["runs"][0].startswith("20260101")
    assert found["metrics"][0]["checks"]["mantel_haenszel"] is not None


def test_flips_and_slices_never_decide(tmp_path: Path) -> None:
    a, b = pair(tmp_path, Conduct())
    found = compared(tmp_path, a, b, "--slices")
    assert found["moved"] > 5, "some task always moves"
    assert found["verdict"] in ("OK", "INCONCLUSIVE")
    assert {s["field"] for s in found["slices"]} >= {"horizon", "stakes", "tag", "family"}


def test_the_detectable_loss_and_what_settles_it_are_told(tmp_path: Path) -> None:
    a, b = pair(tmp_path, Conduct())
    settle = compared(tmp_path, a, b, "--metric", "pass_rate=0.05")["metrics"][0]["settle"]
    assert settle["detectable"] > 0.05
    assert settle["tasks"] > 60 and settle["epochs"] > 3
    small = compared(tmp_path, a, b, "--metric", "pass_rate=0.02")["metrics"][0]["settle"]
    assert small["epochs"] is None, "60 tasks cannot tell 2 points, however often they are run"
    assert "to settle it" in harness(tmp_path, "compare", a, b, "--metric", "pass_rate=0.02").out


def test_money_and_time_have_intervals(tmp_path: Path) -> None:
    a, b = pair(tmp_path, Conduct(cost_usd=0.06, seconds=24.0))
    economy = compared(tmp_path, a, b)["economy"]
    assert economy["cost"]["low"] < 3.0 < economy["cost"]["high"]
    assert economy["seconds"]["low"] < 2.0 < economy["seconds"]["high"]
    assert economy["tokens_a"] > 0


@pytest.mark.parametrize("form", ["text", "md", "json"])
def test_every_form_goes_to_a_file_too(tmp_path: Path, form: str) -> None:
    a, b = pair(tmp_path, Conduct())
    done = harness(tmp_path, "compare", a, b, "--format", form)
    assert harness(tmp_path, "compare", a, b, "--format", form, "--out", "x").out == ""
    assert (tmp_path / "x").read_text() == done.out


def test_a_family_is_the_unit_unless_tasks_are_asked_for(tmp_path: Path) -> None:
    workspace(tmp_path)
    world = World(tasks=120, families=12, seed=4)
    a = measure(read_trials(night(tmp_path, 0, world=world)), "sim")
    b = measure(read_trials(night(tmp_path, 1, Conduct(family_sd=0.25), world=world)), "sim")
    wide, narrow = (
        compare(a, b, Options(metrics=(MetricSpec("pass_rate"),), by_family=f)).metrics[0] for f in (True, False)
    )
    assert (wide.families, narrow.families) == (12, 120)
    assert wide.high is not None and wide.low is not None and narrow.high is not None and narrow.low is not None
    assert wide.high - wide.low > narrow.high - narrow.low


def test_what_a_machine_may_lack_is_told_and_not_counted(tmp_path: Path) -> None:
    from nights import edit, edit_manifest

    a, b = pair(tmp_path, Conduct())
    run = tmp_path / "runs" / b
    lacked = {
        "status": "skipped",
        "passed": None,
        "value": None,
        "trouble": {"source": "requirement", "cause": "engine"},
    }
    edit(run, lambda lines: [x | lacked if x["task"] < "task-00010" else x for x in lines])
    assert harness(tmp_path, "compare", a, b).code == 3
    edit_manifest(run, may_lack=["engine"])
    done = harness(tmp_path, "compare", a, b)
    assert done.code == 0
    assert "150/150 = 100.0%" in done.out and "30 trials were skipped" in done.out
    assert compared(tmp_path, a, b)["tasks"] == 50


def test_a_system_of_an_older_run_is_named_with_its_run(tmp_path: Path) -> None:
    """After a run of two tasks under other systems, the systems of the run before are still meant."""
    workspace(tmp_path)
    simulate_run(tmp_path / "runs", WORLD, Night(epochs=2), {"one": Conduct(), "two": Conduct(model="sim-2")}, 0)
    [run] = (tmp_path / "runs").glob("2*")
    simulate_run(tmp_path / "runs", WORLD, Night(epochs=2), {"three": Conduct()}, 1)
    mistaken = harness(tmp_path, "compare", "one", "two")
    assert mistaken.code == 2
    assert f"'one' is a system of the run {run.name}" in mistaken.err
    assert f"harness compare {run.name} --systems one OTHER" in mistaken.err
    gated = harness(tmp_path, "gate", "--system", "one")
    newest = max((tmp_path / "runs").glob("2*")).name
    assert gated.code == 2 and f"the run {newest} has no system one" in gated.err, gated.err
    assert "its systems: three; another run: harness gate RUN" in gated.err


def test_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    """Equal because it is the same work: an INCONCLUSIVE of it would read as a finding."""
    promoted(tmp_path)
    newest = max((tmp_path / "runs").glob("2026*")).name
    for sides in ((newest, newest), ("latest", newest), ("baseline:simulated-sim", newest)):
        done = harness(tmp_path, "compare", *sides)
        assert (done.code, "with itself" in done.err) == (6, True), done.out
    run = night(tmp_path, 40)
    assert harness(tmp_path, "compare", "baseline:simulated-sim", run.name).code == 0
