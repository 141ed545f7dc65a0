"""Sections of the full report on runs whose truth is known, and on runs that are broken."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "golden"))

from cases import attempt, info, manifest, rich, write

from harness.cli.main import main
from harness.errors import Exit, StoreError
from harness.records.outcome import Grade, Output, StoredArtifact, Trouble
from harness.report.reliability import full_report
from harness.report.text import render_full_text
from harness.testing.simulate import Conduct, Missing, Night, World, simulate_run


def sections_of(path: Path) -> dict:
    return {s.key: s for s in full_report(path).sections}


def made(runs: Path, attempts: list, n_tasks: int, epochs: int = 1) -> dict:
    names = sorted({a.system for a in attempts}) or ["alpha"]
    return sections_of(write(runs, manifest(tuple(info(n) for n in names), n_tasks, epochs), attempts))


@pytest.fixture(scope="module")
def alive(tmp_path_factory):
    return sections_of(rich(tmp_path_factory.mktemp("rich")))


def test_each_kind_of_failure_comes_from_its_own_record(alive):
    alpha = alive["failures"].data["systems"]["alpha"]
    once = ("refused", "abstained", "limit", "halted", "no_answer", "visible", "tool_misuse", "tampering", "invented")
    assert {k: alpha[k] for k in once} == dict.fromkeys(once, 2)
    assert (alpha["failed"], alpha["false_success"], alpha["critical"]) == (21, 11, 2)


@pytest.mark.parametrize(
    ("output", "more", "kind"),
    [
        ({"refused": True}, {}, "refused"),
        ({"abstained": True}, {}, "abstained"),
        ({"answer": None}, {}, "no_answer"),
        ({"declared_done": False}, {}, "halted"),
        ({"declared_done": True}, {}, "false_success"),
        ({"truncated": True}, {}, "truncated"),
        ({}, {"limit": "tokens"}, "limit"),
        ({}, {"label": "ambiguous"}, "unreadable"),
        ({}, {"label": "tampered"}, "tampering"),
        ({}, {"flags": ("canary_passed: x",)}, "tampering"),
        ({"metrics": {"format_errors": 1}}, {}, "tool_misuse"),
        ({}, {"flags": ("unknown_tool: 1 (edit)",)}, "tool_misuse"),
        ({}, {"flags": ("bad_arguments: 2 (bash: without command)",)}, "tool_misuse"),
        ({}, {"flags": ("command_not_found: 1 (rg)",)}, "tool_misuse"),
        ({}, {"flags": ("repeated_failure: 3 (make)", "x: y")}, "tool_misuse"),
        ({}, {"label": "invented_source"}, "invented"),
        ({}, {}, "wrong"),
    ],
)
def test_a_kind_is_said_only_of_failures(tmp_path, output, more, kind):
    out = Output(**({"answer": "x"} | output))
    bad = made(tmp_path / "a", [attempt("t", "alpha", False, output=out, **more)], 1)["failures"]
    assert bad.data["systems"]["alpha"][kind] == 1
    good = made(tmp_path / "b", [attempt("t", "alpha", True, output=out, **more)], 1)["failures"]
    assert good.why_not == "no graded trial failed"


def test_tool_misuse_is_set_beside_the_trials_that_passed(tmp_path):
    lost, missed = ("unknown_tool: 1 (edit)",), ("command_not_found: 1 (rg)",)
    found = [attempt(f"f{i}", "alpha", False, flags=lost if i else missed) for i in range(4)]
    found += [attempt(f"p{i}", "alpha", True, flags=missed if i else ()) for i in range(5)]
    tables = {t.title: t for t in made(tmp_path / "a", found, 9)["failures"].tables}
    assert tables["tool misuse, by kind"].rows == (
        ("a tool that was not offered", "3/4 = 75.0%; 0/5 = 0.0%", "flag unknown_tool"),
        ("a command that is not in the box", "1/4 = 25.0%; 4/5 = 80.0%", "flag command_not_found"),
    )
    plain = made(tmp_path / "b", [attempt("t", "alpha", False)], 1)["failures"].tables
    assert "tool misuse, by kind" not in {t.title for t in plain}


def test_a_limit_is_not_a_halt_and_silence_is_not_wrong(tmp_path):
    cut = attempt("t", "alpha", False, output=Output(answer="x", declared_done=False), limit="turns")
    mute = attempt("u", "alpha", False, output=Output())
    found = made(tmp_path, [cut, mute], 2)["failures"].data["systems"]["alpha"]
    assert (found["limit"], found["halted"], found["no_answer"], found["wrong"]) == (1, 0, 1, 1)


def test_a_box_that_was_left_as_it_was_is_no_wrong_answer(tmp_path):
    """What is collected of it are artifacts all the same."""
    kept = (StoredArtifact(name="work", path="artifacts/work", size=3, sha256="0" * 64),)
    floor = attempt("t", "alpha", False, output=Output(metrics={"ended": "untouched"}), artifacts=kept)
    found = made(tmp_path, [floor], 1)["failures"].data["systems"]["alpha"]
    assert (found["no_answer"], found["wrong"]) == (1, 0)


def test_critical_errors_are_all_named_and_none_is_still_bounded(tmp_path):
    bad = Grade(0.0, False, "critical", "sent the money twice", critical=True)
    found = [attempt(f"t{i:03d}", "alpha", i > 0, grades={"state": bad} if i == 0 else {}) for i in range(100)]
    section = made(tmp_path / "a", found, 100)["critical"]
    assert [e["task"] for e in section.data["errors"]] == ["t000"]
    assert "sent the money twice" in section.tables[1].rows[0]
    clean = made(tmp_path / "b", [*found[1:], attempt("t000", "alpha", True)], 100)["critical"]
    assert clean.tables[0].rows[0][-1] == "0 in 100 -> <= 3.0 %"


def test_a_critical_error_that_was_tried_again_is_not_counted(tmp_path):
    """Only the attempt that decides counts, as everywhere."""
    bad = {"match": Grade(0.0, False, critical=True)}
    found = [attempt("t", "alpha", False, grades=bad), attempt("t", "alpha", True, attempt=2)]
    assert made(tmp_path, found, 1)["critical"].data["errors"] == []


def test_refusing_benign_tasks_is_over_caution_and_answering_the_unanswerable_is_not_care(tmp_path):
    shy = Output(refused=True)
    found = [
        attempt("b", "alpha", False, tags=("benign",), output=shy),
        attempt("u", "alpha", False, tags=("unanswerable",)),
        attempt("r", "alpha", False, tags=("should-refuse",), output=shy),
        attempt("x", "alpha", True),
    ]
    row = made(tmp_path, found, 4)["caution"].tables[1].rows[0]
    assert row == ("alpha", "1/2 50.0%", "1/1 100.0%", "1/2 50.0%")


def test_variants_are_paired_with_their_original_and_lost_ones_named(tmp_path):
    found = []
    for i in range(10):
        found += [attempt(f"t{i}", "alpha", True), attempt(f"v{i}", "alpha", i > 4, tags=(f"variant:typo:t{i}",))]
    section = made(tmp_path / "a", found, 20)["robustness"]
    assert section.data["systems"]["alpha"]["typo"] == {"pairs": 10, "changed": 5, "difference": -0.5}
    alone = made(tmp_path / "b", [attempt("v", "alpha", True, tags=("variant:typo:gone",))], 1)["robustness"]
    assert alone.why_not == "1 variant without their original in this run"


def test_calibrated_and_overconfident_systems_are_told_apart(tmp_path):
    world = World(tasks=1000, spread=float("inf"))
    systems = {"good": Conduct(confidence_bias=0.0), "over": Conduct(confidence_bias=0.1)}
    section = sections_of(simulate_run(tmp_path, world, Night(epochs=1, seed=3), systems))["calibration"]
    good, over = (section.data["systems"][n] for n in ("good", "over"))
    assert abs(good["corrected"]) < 0.03
    assert over["corrected"] > 0.04


def test_missing_by_difficulty_is_seen_in_the_report(tmp_path):
    """Hard tasks go missing under one system: what is left flatters, and the report says so."""
    systems = {"alpha": Conduct(), "beta": Conduct()}
    night = Night(epochs=2, seed=5)
    path = simulate_run(tmp_path, World(tasks=200), night, systems)
    found = [msgspec.json.decode(line) for line in (path / "attempts.jsonl").read_bytes().splitlines()]
    hard = {a["task"] for a in found if a["system"] == "beta" and not a.get("passed")}
    kept = [a for a in found if not (a["system"] == "alpha" and a["task"] in hard)]
    (path / "attempts.jsonl").write_bytes(b"".join(msgspec.json.encode(a) + b"\n" for a in kept))
    section = sections_of(path)["missing"]
    by_title = {t.title: t for t in section.tables}
    row = next(r for r in by_title["are the missing tasks harder?"].rows if r[0] == "alpha")
    on_them, elsewhere = (float(cell.split("%")[0]) for cell in row[2:])
    assert on_them < elsewhere - 30
    p = float(by_title["does it hit one system more than another? by task"].rows[0][-1])
    assert p < 1e-6


def test_missing_trials_are_named_by_cause_and_add_up(tmp_path):
    path = simulate_run(tmp_path, World(tasks=60), Night(epochs=1, seed=2, missing=Missing(random=0.3)))
    section = sections_of(path)["missing"]
    causes = section.data["systems"]["sim"]
    assert sum(causes.values()) == section.data["missing"] > 5


@pytest.mark.parametrize("value", [None, 1.5, -1.0])
def test_a_verdict_without_a_sound_value_is_no_verdict(tmp_path, value):
    found = [attempt(f"t{i}", "alpha", True) for i in range(9)] + [attempt("t9", "alpha", True, value=value)]
    full = full_report(write(tmp_path, manifest((info("alpha"),), 10, 1), found))
    coverage = full.report.systems[0].coverage
    assert (coverage.graded, [(c.name, c.n) for c in coverage.missing]) == (9, [("graded: bad_value", 1)])
    assert full.report.exit_code == Exit.INVALID


def test_nan_in_a_record_is_a_damaged_line_and_no_score(tmp_path):
    path = write(tmp_path, manifest((info("alpha"),), 1, 1), [attempt("t", "alpha", True)])
    text = (path / "attempts.jsonl").read_text().replace('"value":1.0', '"value":NaN', 1)
    assert "NaN" in text
    (path / "attempts.jsonl").write_text(text)
    with pytest.raises(StoreError, match="line 1"):
        full_report(path)


def test_a_half_written_line_is_left_out_and_a_half_written_run_is_not_valid(tmp_path):
    path = rich(tmp_path)
    data = (path / "attempts.jsonl").read_bytes()
    (path / "attempts.jsonl").write_bytes(data[: len(data) // 2])
    full = full_report(path)
    assert full.report.exit_code == Exit.INVALID
    assert full.report.attempts < 96
    assert "INVALID" in render_full_text(full)


def test_one_family_has_no_interval_anywhere_and_says_so(tmp_path):
    sure = [Output(answer="x", confidence=0.5 + i / 60) for i in range(30)]
    found = [
        attempt(f"t{i:02d}", "alpha", i % 2 == 0, family="one", epoch=e, output=sure[i])
        for i in range(30)
        for e in (1, 2)
    ]
    full = full_report(write(tmp_path, manifest((info("alpha"),), 30, 2), found))
    text = render_full_text(full)
    assert "one family: nothing can be said about others" in text
    by_key = {s.key: s for s in full.sections}
    assert "no interval: 1 families, 8 are needed" in by_key["calibration"].tables[0].rows[0][3]
    assert "[" not in by_key["consistency"].tables[0].rows[0][1]


def test_no_task_at_all_gives_reasons_and_code_5(tmp_path):
    full = full_report(write(tmp_path, manifest((info("alpha"),), 0, 1), []))
    assert full.report.exit_code == Exit.NOTHING
    reasons = {s.key: s.why_not for s in full.sections}
    assert reasons["missing"] == "nothing was planned"
    assert reasons["failures"] == "no trial was graded"


def test_everything_errored_is_not_nought_percent(tmp_path):
    down = {"status": "infra_error", "value": None, "trouble": Trouble("model", "server")}
    failed = [attempt(f"t{i}", s, None, **down) for i in range(8) for s in "ab"]
    full = full_report(write(tmp_path, manifest((info("a"), info("b")), 8, 1), failed))
    text = render_full_text(full)
    assert full.report.exit_code == Exit.INVALID
    results = text.split("results: tasks weigh equally")[1].split("cost: every")[0]
    assert "not graded" in results
    assert "0.0%" not in results


def test_an_unknown_run_is_told_with_the_nearest_name(tmp_path, monkeypatch, capsys):
    (tmp_path / "tasks").mkdir()
    monkeypatch.chdir(tmp_path)
    name = rich(tmp_path / "runs").name
    assert main(["report", name[:-2] + "zz"]) == 2
    assert f"did you mean '{name}'" in capsys.readouterr().err


def test_a_damaged_judgement_is_told_with_its_line(tmp_path):
    path = rich(tmp_path)
    with (path / "judgements.jsonl").open("ab") as file:
        file.write(b"{\n")
    with pytest.raises(StoreError, match=r"judgements\.jsonl line"):
        full_report(path)


def judged(path: Path, *rows: dict) -> dict:
    """The sections after these judgements of trial t, epoch 1, under alpha."""
    base = {"model": "m", "task": "t", "system": "alpha", "epoch": 1, "status": "ok", "judge": "a", "grader": "g"}
    lines = [msgspec.json.encode(base | row) + b"\n" for row in rows]
    (path / "judgements.jsonl").write_bytes(b"".join(lines))
    return sections_of(path)


def claim(about: str, outcome: str, **more: str) -> dict:
    return {"protocol": "claims", "about": about, "outcome": outcome, **more}


def test_judges_of_one_claim_are_one_verdict_and_the_split_is_none(tmp_path):
    path = write(tmp_path, manifest((info("alpha"),), 1, 1), [attempt("t", "alpha", False)])
    found = judged(
        path,
        {"protocol": "claims", "about": "split", "verdict": "claims"},
        *(claim("claim 0", "supported", judge=j) for j in "abc"),
        claim("claim 1", "supported"),
        claim("claim 1", "contradicted", judge="b"), claim("claim 1", "contradicted", judge="c"),
        claim("claim 2", "supported"), claim("claim 2", "not_found", judge="b"),
        claim("claim 3", "cannot_say"),
        claim("claim 4", "contradicted", role="control:echo"),
        claim("claim 5", "contradicted", status="refused"),
    )["hallucination"].data["claims"]["alpha"]  # fmt: skip
    assert (found["claims"], found["unsupported"]) == (3, 2)


def test_the_first_wrong_step_is_of_the_whole_work_and_clean_is_no_step(tmp_path):
    path = write(tmp_path, manifest((info("alpha"),), 1, 1), [attempt("t", "alpha", False)])
    steps = {"protocol": "steps"}
    found = judged(
        path, steps | {"outcome": "2"}, steps | {"about": "step 0", "outcome": "wrong"},
        steps | {"task": "u", "outcome": "clean"}, steps | {"task": "v", "outcome": "10"},
    )["failures"].tables[-1].rows[0]  # fmt: skip
    assert found == ("alpha", "no judge of claims", "2/3 = 66.7%", "step 2 in 1, step 10 in 1")
