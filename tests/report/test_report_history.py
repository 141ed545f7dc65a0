"""The ledger and what is pooled over runs: everything that was tried is listed, and nothing is counted twice."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent / "golden"))

from cases import attempt, info, manifest, rich, write

from harness.report.build import read_evidence
from harness.report.reliability import full_report
from harness.report.text import render_full_text


def night(runs: Path, day: int, attempts: list, n_tasks: int = 4, epochs: int = 5, **more) -> Path:
    system = more.pop("system", info("alpha"))
    plan = manifest((system,), n_tasks, epochs, graders={"match": "1"})
    name = f"202601{day:02d}T030405Z-mine-000000{day:02d}"
    plan = msgspec.structs.replace(plan, run=name, created=f"2026-01-{day:02d}T03:04:05Z", **more)
    return write(runs, plan, attempts)


def trials(won: int, of: int = 5, tasks: int = 4) -> list:
    return [attempt(f"t{i}", "alpha", e <= won, epoch=e) for i in range(tasks) for e in range(1, of + 1)]


def test_every_run_is_in_the_ledger_also_broken_and_failed_ones(tmp_path):
    night(tmp_path, 1, trials(5))
    night(tmp_path, 2, trials(5)[:3])
    night(tmp_path, 3, [])
    last = night(tmp_path, 4, trials(4))
    lines = read_evidence(last).history.ledger
    assert [(ln.created[8:10], ln.decided, ln.planned) for ln in lines] == [
        ("01", 20, 20), ("02", 3, 20), ("03", 0, 20), ("04", 20, 20),
    ]  # fmt: skip


def test_later_runs_and_other_suites_do_not_change_an_old_report(tmp_path):
    first = night(tmp_path, 1, trials(5))
    before = render_full_text(full_report(first))
    night(tmp_path, 2, trials(0))
    night(tmp_path, 3, trials(0), suite="other")
    assert render_full_text(full_report(first)) == before


def test_only_the_same_things_are_pooled(tmp_path):
    night(tmp_path, 1, trials(5))
    night(tmp_path, 2, trials(0), tasks_digest="others")
    night(tmp_path, 3, trials(0), graders={"match": "2"})
    night(tmp_path, 4, trials(0), system=msgspec.structs.replace(info("alpha"), model_digest="new"))
    night(tmp_path, 5, trials(5), regrade_of="20260101T030405Z-mine-00000001")
    last = night(tmp_path, 6, trials(5))
    history = read_evidence(last).history
    assert history.pooled_runs == 2
    assert history.pooled["alpha", "t0"] == (10, 10)
    assert [ln.same for ln in history.ledger] == [True, False, False, False, True, True]


def test_a_regraded_run_is_not_pooled_with_its_own_outputs(tmp_path):
    night(tmp_path, 1, trials(5))
    last = night(tmp_path, 2, trials(5), regrade_of="20260101T030405Z-mine-00000001")
    assert read_evidence(last).history.pooled["alpha", "t0"] == (5, 5)


def test_stored_answers_played_again_are_no_new_evidence(tmp_path):
    stored = info("alpha", stored=True)
    for day in (1, 2, 3):
        last = night(tmp_path, day, trials(5), system=stored)
    assert read_evidence(last).history.pooled["alpha", "t0"] == (5, 5)


def test_a_task_that_broke_is_a_mover_and_chance_is_not(tmp_path):
    for day in range(1, 5):
        night(tmp_path, day, trials(5), n_tasks=4)
    broken = [a if a.task != "t1" else attempt("t1", "alpha", False, epoch=a.epoch) for a in trials(5)]
    section = next(s for s in full_report(night(tmp_path, 9, broken)).sections if s.key == "classes")
    movers = section.tables[1].rows
    assert [r[:4] for r in movers] == [("t1", "alpha", "20/20 100.0%", "0/5 0.0%")]


def test_an_unreadable_neighbour_is_named_and_breaks_nothing(tmp_path):
    bad = night(tmp_path, 1, trials(5))
    (bad / "manifest.json").write_text("{")
    worse = night(tmp_path, 2, trials(5))
    (worse / "attempts.jsonl").write_text("nonsense\n")
    full = full_report(night(tmp_path, 3, trials(5)))
    note = next(n for n in full.sections[0].notes if n.startswith("not readable"))
    assert bad.name in note
    assert worse.name in note


def test_looks_at_hidden_tasks_are_counted(tmp_path):
    section = next(s for s in full_report(rich(tmp_path)).sections if s.key == "identity")
    assert section.data["hidden_looks"] == 2
