"""`harness report`, `show` and `export` through the command line, some of it as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "golden"))
sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks"))

from cases import GOLDEN, invalid, nothing_ran, ordinary

from harness.cli.main import main


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    (tmp_path / "tasks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_WORKSPACE", raising=False)
    return tmp_path


def test_report_prints_the_newest_run(workspace, capsys):
    ordinary(workspace / "runs")
    assert main(["report"]) == 0
    assert capsys.readouterr().out == (GOLDEN / "ordinary.txt").read_text()
    assert main(["report", "--short"]) == 0
    assert capsys.readouterr().out == (GOLDEN / "ordinary.short.txt").read_text()


@pytest.mark.parametrize(("ending", "form"), [("md", "md"), ("json", "json")])
def test_report_writes_a_file_and_keeps_the_exit_code(workspace, ending, form):
    invalid(workspace / "runs")
    assert main(["report", "--format", form, "--out", f"x.{ending}"]) == 3
    assert (workspace / f"x.{ending}").read_text() == (GOLDEN / f"invalid.{ending}").read_text()


def test_one_section_is_shown_with_its_own_number_and_a_wrong_name_is_told(workspace, capsys):
    ordinary(workspace / "runs")
    assert main(["report", "--section", "failures", "--section", "critical"]) == 0
    shown = capsys.readouterr().out
    heads = [line for line in shown.splitlines()[4:] if line[:1].isdigit()]
    assert [h.partition(" ")[2] for h in heads] == ["failure taxonomy", "critical errors"]
    assert heads[0].startswith("4 ")
    assert main(["report", "--section", "failure"]) == 2
    assert "did you mean 'failures'" in capsys.readouterr().err
    assert main(["report", "--section", "failures", "--format", "html"]) == 2
    assert not list((workspace / "runs").rglob("report.html")), "a part must not lie where the whole page is looked for"
    assert main(["report", "--section", "failures", "--format", "html", "--out", "part.html"]) == 0


def test_a_run_of_nothing_is_code_5(workspace):
    assert main(["report", str(nothing_ran(workspace / "runs"))]) == 5


def test_report_to_a_place_that_is_not_there(workspace, capsys):
    ordinary(workspace / "runs")
    assert main(["report", "--out", "no/where.md"]) == 2
    assert "cannot write 'no/where.md'" in capsys.readouterr().err


def test_export_in_three_formats_says_the_same(workspace, capsys):
    path = str(ordinary(workspace / "runs"))
    assert main(["export", path, "--out", "x.csv"]) == 0
    assert main(["export", path, "--out", "x.jsonl"]) == 0
    assert main(["export", path, "--out", "x.parquet"]) == 0
    frames = [pd.read_csv("x.csv"), pd.read_json("x.jsonl", lines=True), pd.read_parquet("x.parquet")]
    assert [len(f) for f in frames] == [161, 161, 161]
    assert len({float(f["usage.cost_usd"].sum().round(6)) for f in frames}) == 1
    assert len({tuple(f.columns) for f in frames}) == 1
    assert main(["export", path]) == 0
    assert capsys.readouterr().out == Path("x.csv").read_text()


def test_export_needs_a_file_for_parquet_and_a_known_ending(workspace, capsys):
    path = str(ordinary(workspace / "runs"))
    assert main(["export", path, "--format", "parquet"]) == 2
    assert main(["export", path, "--out", "x.xls"]) == 2
    assert "does not say its format" in capsys.readouterr().err


def test_show_a_run_and_a_trial(workspace, capsys):
    from make_run import Plan, make_run

    path = make_run(workspace / "runs", Plan(tasks=4, epochs=1, infra=0, ungradable=0))
    assert main(["show", path.name]) == 0
    assert "8 of 8 trials settled, 0 open" in capsys.readouterr().out
    assert main(["show", path.name, "task-000001", "beta"]) == 0
    shown = capsys.readouterr().out
    assert "task-000001 under beta, epoch 1, attempt 1" in shown
    assert "Question of task-000001?" in shown
    assert "match: " in shown
    assert "tokens in" in shown
    assert main(["show", path.name, "task-000001", "beta", "1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["attempt"]["task"] == said["transcript"]["task"] == "task-000001"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["task-000009"], "no attempt of 'task-000009'"),
        (["task-000001", "bets"], "did you mean 'beta'"),
        (["task-000001", "beta", "7"], "epochs: 1 to 1"),
        (["task-000001", "beta", "1", "--attempt", "3"], "no attempt 3"),
    ],
)
def test_show_says_what_is_not_there_and_what_is(workspace, capsys, words, message):
    from make_run import Plan, make_run

    path = make_run(workspace / "runs", Plan(tasks=4, epochs=1, infra=0, ungradable=0))
    assert main(["show", path.name, *words]) == 2
    assert message in capsys.readouterr().err


def test_a_report_on_many_trials_is_quick_and_small(workspace):
    """20,000 trials; the full 100,000 are in benchmarks/. Bounds are a fifth of 3 s plus start-up, and 200 MB."""
    from make_run import Plan, make_run

    path = make_run(workspace / "runs", Plan(tasks=2000, epochs=5))
    code = (
        "import re, sys, time\nfrom pathlib import Path\nfrom harness.cli.main import main\n"
        f"code = main(['report', {str(path)!r}])\n"
        "peak = re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]\n"
        "print(code, time.process_time(), int(peak) / 1024, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code_, cpu, memory = done.stderr.split()
    assert int(code_) in (0, 3)
    assert float(cpu) < 3.0
    assert float(memory) < 200


def test_show_a_task_as_resolved_and_by_its_near_name(workspace, capsys):
    suite = workspace / "tasks" / "mine"
    suite.mkdir()
    (suite / "suite.yaml").write_text(
        "suite: mine\ntasks: [tasks/mine/t.yaml]\nsystems:\n  - {name: e, harness: empty}\n"
    )
    (suite / "t.yaml").write_text("id: days\nprompt: How long?\nreference: 14 days\ngraders: [match]\n")
    assert main(["show", "days"]) == 0
    shown = capsys.readouterr().out
    assert "How long?" in shown
    assert '"14 days"' in shown
    assert "grader match (" in shown
    assert main(["show", "day"]) == 2
    assert "did you mean 'days'?" in capsys.readouterr().err


def test_show_does_not_let_a_model_write_to_the_terminal(workspace, capsys):
    from cases import attempt, info, manifest, write

    from harness.records.outcome import Output

    made = [attempt("t", "alpha", output=Output(answer="\x1b[2J\x07gone"))]
    path = write(workspace / "runs", manifest((info("alpha"),), 1, 1), made)
    assert main(["show", str(path), "t"]) == 0
    shown = capsys.readouterr().out
    assert "gone" in shown
    assert "\x1b" not in shown
