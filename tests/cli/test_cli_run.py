"""`run`, `resume` and `regrade` as processes: what they print, what they leave, and every exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from cli_workspace import SUITE, harness, start, workspace

from harness.testing.wire import Step, WireServer

OPENAI = """\
suite: demo
tasks: [tasks/demo/*.task.yaml]
systems:
  - {{name: api, harness: single_turn, model: {{use: openai, name: "{model}", api: chat, base_url: "{url}/v1"}}}}
concurrency: {concurrency}
retries: {{infra: 0}}
"""


def only_run(root: Path) -> Path:
    (run,) = [p for p in (root / "runs").iterdir() if p.is_dir()]
    return run


def attempts(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "attempts.jsonl").read_text().splitlines()]


def test_a_run_ends_with_its_report_and_0(tmp_path: Path) -> None:
    done = harness(workspace(tmp_path), "run", "--suite", "demo")
    assert done.returncode == 0, done.stderr
    assert "right" in done.stdout and "floor" in done.stdout and "100" in done.stdout
    run = only_run(tmp_path)
    for name in ("manifest.json", "attempts.jsonl", "transcripts.jsonl", "summary.json", "report.md", "run.log"):
        assert (run / name).is_file(), name
    assert done.stderr.splitlines()[-1].startswith("report: runs/")


def test_json_is_on_stdout_alone(tmp_path: Path) -> None:
    done = harness(workspace(tmp_path), "run", "--suite", "demo", "--json")
    assert json.loads(done.stdout) and done.returncode == 0


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("--task", "ca*"), {"capital"}),
        (("--tag", "geo"), {"capital", "river"}),
        (("--shape", "stakes=high"), {"sum"}),
        (("--limit", "1"), {"capital"}),
    ],
)
def test_filters_choose_tasks_and_are_recorded(tmp_path: Path, filters: tuple[str, str], expected: set[str]) -> None:
    done = harness(workspace(tmp_path), "run", "--suite", "demo", "--system", "right", *filters)
    assert done.returncode == 0, done.stderr
    assert {a["task"] for a in attempts(only_run(tmp_path))} == expected
    selection = json.loads((only_run(tmp_path) / "manifest.json").read_text())["selection"]
    assert set(selection["task_ids"]) == expected and selection["filters"]


def test_a_sample_is_repeatable(tmp_path: Path) -> None:
    workspace(tmp_path)
    chosen = []
    for _ in range(2):
        harness(tmp_path, "run", "--suite", "demo", "--sample", "2", "--seed", "5", "--quiet")
        chosen.append({a["task"] for a in attempts(only_run(tmp_path))})
        shutil.rmtree(tmp_path / "runs")
    assert chosen[0] == chosen[1] and len(chosen[0]) == 2


def test_a_dry_run_plans_and_runs_nothing(tmp_path: Path) -> None:
    done = harness(workspace(tmp_path), "run", "--suite", "demo", "--epochs", "3", "--dry-run")
    assert done.returncode == 0 and "3 tasks x 2 systems x 3 epochs = 18 trials" in done.stdout
    assert not list((tmp_path / "runs").glob("*")) if (tmp_path / "runs").exists() else True


# --- exit codes


def test_2_for_an_unknown_command_suite_system_or_option(tmp_path: Path) -> None:
    workspace(tmp_path)
    for argv, word in [
        (("rnu",), "did you mean 'run'?"),
        (("run", "--suite", "dmo"), "demo"),
        (("run", "--suite", "demo", "--system", "rihgt"), "did you mean 'right'?"),
        (("run", "--suite", "demo", "--limit", "0"), "whole number above 0"),
        (("run",), "--suite"),
    ]:
        done = harness(tmp_path, *argv)
        assert done.returncode == 2 and word in done.stderr, (argv, done.stderr)
        assert "Traceback" not in done.stderr


def test_2_for_a_key_that_is_absent_before_anything_runs(tmp_path: Path) -> None:
    suite = SUITE + "  - {name: paid, harness: single_turn, model: anthropic/claude-opus-4-5, default: false}\n"
    workspace(tmp_path, suite)
    done = harness(tmp_path, "run", "--suite", "demo", "--system", "paid")
    assert done.returncode == 2 and "ANTHROPIC_API_KEY is not set" in done.stderr
    assert not (tmp_path / "runs").exists()
    assert harness(tmp_path, "run", "--suite", "demo", "--quiet").returncode == 0


def test_2_for_a_budget_over_a_model_without_a_price(tmp_path: Path) -> None:
    with WireServer() as server:
        workspace(tmp_path, OPENAI.format(url=server.url, model="fixed:4", concurrency=2))
        done = harness(tmp_path, "run", "--suite", "demo", "--budget-usd", "1")
        assert done.returncode == 2 and "no known price" in done.stderr and "--allow-unpriced" in done.stderr
        done = harness(tmp_path, "run", "--suite", "demo")
        assert done.returncode == 0 and "unpriced" in done.stderr and "unpriced" in done.stdout


def test_what_was_allowed_when_a_run_began_holds_when_it_goes_on(tmp_path: Path) -> None:
    """The command that an interrupted run names to go on with is the whole command."""
    with WireServer() as server:
        workspace(tmp_path, OPENAI.format(url=server.url, model="fixed:4", concurrency=2))
        done = harness(tmp_path, "run", "--suite", "demo", "--budget-usd", "1", "--allow-unpriced", "--limit", "1")
        assert done.returncode == 0, done.stderr
        done = harness(tmp_path, "resume")
        assert done.returncode == 0 and "no known price" in done.stderr, done.stderr


def test_3_when_coverage_is_under_the_floor_and_resume_mends_it(tmp_path: Path) -> None:
    with WireServer() as server:
        workspace(tmp_path, OPENAI.format(url=server.url, model="m", concurrency=1))
        server.script(Step(text="Vienna"), Step(status=500, repeat=2), Step(text="Danube", repeat=5))
        done = harness(tmp_path, "run", "--suite", "demo", "--max-wait", "0")
        assert done.returncode == 3, done.stderr
        assert "harness resume" in done.stderr
        again = harness(tmp_path, "resume")
        assert again.returncode == 0, again.stderr
    lines = attempts(only_run(tmp_path))
    assert sum(a["status"] == "infra_error" for a in lines) == 2
    assert len({a["task"] for a in lines if a["status"] == "graded"}) == 3


def test_5_when_nothing_is_selected(tmp_path: Path) -> None:
    done = harness(workspace(tmp_path), "run", "--suite", "demo", "--task", "nothing")
    assert done.returncode == 5 and "no task" in done.stderr


def test_6_when_the_suite_changed_under_a_run(tmp_path: Path) -> None:
    workspace(tmp_path)
    harness(tmp_path, "run", "--suite", "demo", "--quiet")
    path = tmp_path / "tasks" / "demo" / "all.task.yaml"
    path.write_text(path.read_text().replace("2 + 2?", "2 + 3?"))
    for command in ("resume", "regrade"):
        done = harness(tmp_path, command)
        assert done.returncode == 6 and "sum" in done.stderr, done.stderr


def test_a_mended_reference_is_regraded_without_any_call(tmp_path: Path) -> None:
    with WireServer() as server:
        workspace(tmp_path, OPENAI.format(url=server.url, model="fixed:4", concurrency=2))
        harness(tmp_path, "run", "--suite", "demo", "--quiet")
        asked = len(server.log())
        path = tmp_path / "tasks" / "demo" / "all.task.yaml"
        path.write_text(path.read_text().replace("reference: Vienna", 'reference: "4"'))
        source = only_run(tmp_path)
        done = harness(tmp_path, "regrade", source.name)
        assert done.returncode == 0, done.stderr
        assert len(server.log()) == asked
    regraded = [p for p in (tmp_path / "runs").iterdir() if p.is_dir() and p != source]
    verdicts = {a["task"]: a["passed"] for a in attempts(regraded[0])}
    assert verdicts == {"capital": True, "river": False, "sum": True}
    assert json.loads((regraded[0] / "manifest.json").read_text())["regrade_of"] == source.name


def test_130_on_ctrl_c_and_resume_finishes(tmp_path: Path) -> None:
    with WireServer(latency_ms=400) as server:
        workspace(tmp_path, OPENAI.format(url=server.url, model="fixed:4", concurrency=1))
        run = start(tmp_path, "run", "--suite", "demo")
        _wait_for_lines(tmp_path, 1)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=30)
        assert run.returncode == 130, err
        assert "nothing new is started" in err and "continue with: harness resume" in err
        before = len(attempts(only_run(tmp_path)))
        assert before < 3
        assert harness(tmp_path, "resume").returncode == 0
    assert len(attempts(only_run(tmp_path))) == 3


def test_two_ctrl_c_stop_at_once(tmp_path: Path) -> None:
    with WireServer(latency_ms=20_000) as server:
        workspace(tmp_path, OPENAI.format(url=server.url, model="fixed:4", concurrency=3))
        run = start(tmp_path, "run", "--suite", "demo")
        _wait_until(lambda: len(server.log()) == 3)
        run.send_signal(signal.SIGINT)
        time.sleep(0.3)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=15)
        assert run.returncode == 130, err


def test_two_processes_on_one_run_are_refused(tmp_path: Path) -> None:
    with WireServer(latency_ms=1500) as server:
        workspace(tmp_path, OPENAI.format(url=server.url, model="fixed:4", concurrency=1))
        run = start(tmp_path, "run", "--suite", "demo")
        _wait_until(lambda: (tmp_path / "runs").exists() and any((tmp_path / "runs").glob("*/manifest.json")))
        second = harness(tmp_path, "resume")
        assert second.returncode == 2 and str(run.pid) in second.stderr, second.stderr
        run.kill()
        run.communicate()


def test_a_run_folder_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    harness(workspace(tmp_path), "run", "--suite", "demo", "--quiet")
    path = only_run(tmp_path) / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 99'))
    for command in ("resume", "report", "regrade"):
        done = harness(tmp_path, command)
        assert done.returncode == 2 and "newer" in done.stderr, (command, done.stderr)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a tiny tmpfs")
def test_a_full_disk_is_3_and_loses_nothing(tmp_path: Path) -> None:
    import subprocess

    tasks = "tasks:\n" + "".join(
        f'  - {{id: t{i}, prompt: "{"long " * 400}{i}", reference: "4", graders: [match]}}\n' for i in range(400)
    )
    with WireServer() as server:
        workspace(tmp_path, OPENAI.format(url=server.url, model="echo", concurrency=4), tasks)
        (tmp_path / "runs").mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(tmp_path / "runs")]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("tmpfs cannot be mounted here")
        try:
            done = harness(tmp_path, "run", "--suite", "demo")
            assert done.returncode == 3, done.stderr
            assert "disk" in done.stderr or "space" in done.stderr
            assert all(a["status"] == "graded" for a in attempts(only_run(tmp_path)))
            assert len(attempts(only_run(tmp_path))) > 10
        finally:
            subprocess.run(["umount", str(tmp_path / "runs")], check=True)


def _wait_for_lines(root: Path, n: int) -> None:
    _wait_until(lambda: sum(p.read_bytes().count(b"\n") for p in root.glob("runs/*/attempts.jsonl")) >= n)


def _wait_until(true: object, most_s: float = 30.0) -> None:
    assert callable(true)
    end = time.monotonic() + most_s
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
