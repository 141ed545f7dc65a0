"""What a new user types wrong: each has its message and its code, by a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_workspace import SUITE, clean_env, harness, workspace

STORED = """\
suite: demo
tasks: [tasks/demo/*.task.yaml]
systems:
  - {name: right, harness: reference}
  - {name: floor, harness: empty}
  - {name: old, harness: {use: replay, path: tasks/demo/old.jsonl, repeat: true}}
  - {name: checked, harness: {use: self_verify, inner: {use: replay, path: tasks/demo/old.jsonl, repeat: true}},
     model: {use: scripted, name: c, answer: "VERDICT: OK"}, default: false}
  - {name: routed, harness: {use: router, policy: tasks/demo/policy.yaml}, default: false}
"""
POLICY = "policy: 1\nrules: []\ndefault: right\nexpires: 2020-01-31\n"


def stored_workspace(root: Path, tasks: tuple[str, ...] = ("capital", "river", "sum")) -> Path:
    workspace(root, STORED)
    rows = [json.dumps({"task": t, "answer": "4"}) + "\n" for t in tasks]
    (root / "tasks" / "demo" / "old.jsonl").write_text("".join(rows))
    (root / "tasks" / "demo" / "policy.yaml").write_text(POLICY)
    return root


def manifest(root: Path) -> dict[str, dict[str, object]]:
    (path,) = (root / "runs").glob("*/manifest.json")
    return {s["name"]: s for s in json.loads(path.read_text())["systems"]}


# --- what a run says of itself


def test_stored_answers_are_said_to_be_stored(tmp_path: Path) -> None:
    done = harness(stored_workspace(tmp_path), "run", "--suite", "demo", "--system", "*", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "!! STORED: old, checked: answers made earlier are played from a file" in done.stdout
    assert "STORED" in next((tmp_path / "runs").glob("*/report.md")).read_text()
    systems = manifest(tmp_path)
    assert [n for n, s in systems.items() if s.get("stored")] == ["old", "checked"]
    assert "old (stored)" in harness(tmp_path, "list", "runs").stdout


def test_the_manifest_names_the_harness_as_the_yaml_does(tmp_path: Path) -> None:
    harness(stored_workspace(tmp_path), "run", "--suite", "demo", "--system", "*", "--quiet")
    assert {n: s["harness"] for n, s in manifest(tmp_path).items()} == {
        "right": "reference", "floor": "empty", "old": "replay", "checked": "self_verify", "routed": "router",
    }  # fmt: skip


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_policy_past_its_date_is_warned_of_and_runs(tmp_path: Path, more: tuple[str, ...]) -> None:
    done = harness(stored_workspace(tmp_path), "run", "--suite", "demo", "--system", "routed", *more)
    assert done.returncode == 0
    assert "warning: system 'routed': the policy tasks/demo/policy.yaml expired on 2020-01-31" in done.stderr
    (tmp_path / "tasks" / "demo" / "policy.yaml").write_text(POLICY.replace("2020", "9020"))
    assert "expired" not in harness(tmp_path, "run", "--suite", "demo", "--system", "routed", *more).stderr


def test_a_file_that_a_glob_passes_over_is_named(tmp_path: Path) -> None:
    workspace(tmp_path)
    (tmp_path / "tasks" / "demo" / "other.task.yaml").write_text("include: [tasks/demo/all.task.yaml]\n")
    done = harness(tmp_path, "run", "--suite", "demo", "--quiet")
    assert done.returncode == 0
    assert "warning: tasks/demo/other.task.yaml has no key of a task file and was passed over" in done.stderr


def test_a_run_with_skipped_trials_is_not_sent_to_resume(tmp_path: Path) -> None:
    done = harness(stored_workspace(tmp_path, ("capital",)), "run", "--suite", "demo", "--quiet")
    assert done.returncode == 3
    assert "2 skipped: supply what is missing, or choose with --system and --task" in done.stderr
    assert "harness resume" not in done.stderr


def test_a_new_task_is_tried_with_systems_that_can_answer_it(tmp_path: Path) -> None:
    made = harness(stored_workspace(tmp_path), "new", "task", "late")
    command = made.stdout.splitlines()[-1].removeprefix("next: ")
    assert command == "harness run --suite demo --task late --system right --system floor"
    (tmp_path / "tasks" / "demo" / "late.yaml").rename(tmp_path / "tasks" / "demo" / "late.task.yaml")
    assert harness(tmp_path, *command.split()[1:], "--quiet").returncode == 0


def test_resuming_a_complete_run_says_that_nothing_is_left(tmp_path: Path) -> None:
    harness(workspace(tmp_path), "run", "--suite", "demo", "--quiet")
    done = harness(tmp_path, "resume")
    assert done.returncode == 0 and "6 trials settled, nothing to go" in done.stderr
    assert "passed, " not in done.stderr


# --- 2: usage


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("run", "--suite", "demo", "--budget-usd", "-1"), "'-1' is not a number from 0"),
        (("run", "--suite", "demo", "--budget-usd", "nan"), "'nan' is not a number from 0"),
        (("run", "--suite", "demo", "-j", "0"), "'0' is not a whole number above 0"),
        (("run", "--suite", "demo", "--max-wait", "soon"), "'soon' is not a number from 0"),
        (("run", "--suite", "demo", "--seed", "x"), "'x' is not a whole number"),
        (("list", "runs", "--limit", "-3"), "'-3' is not a whole number above 0"),
        (("run", "--suite", "demo", "--shape", "stake=high"), "did you mean 'stakes'?"),
        (("run", "--suite", "demo", "--shape", "stakes="), "expected FIELD=VALUE"),
        (("run", "--suite", "demo", "--task", "river", "--task", "capitol"), "did you mean 'capital'?"),
        (("show", "latest", "--attempt", "2"), "--attempt needs a trial"),
        (("show", "latest", "capitol"), "did you mean 'capital'?"),
        (("sandbox", "prune", "--unused-days", "3"), "--unused-days is for --images"),
        (("sandbox", "prune", "--images", "--unused-days", "nan"), "a number of days from 0 on"),
        (("schema", "--out", "tasks/demo/suite.yaml"), "cannot write 'tasks/demo/suite.yaml'"),
    ],
)
def test_2_with_what_was_expected(tmp_path: Path, argv: tuple[str, ...], said: str) -> None:
    workspace(tmp_path)
    if argv[0] == "show":
        harness(tmp_path, "run", "--suite", "demo", "--quiet")
    done = harness(tmp_path, *argv)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_2_where_nothing_can_be_written(tmp_path: Path) -> None:
    workspace(tmp_path)
    (tmp_path / "runs").write_text("a file")
    (tmp_path / "graders").write_text("a file")
    (tmp_path / ".harness").write_text("a file")
    for argv in (("run", "--suite", "demo"), ("new", "grader", "tone"), ("new", "task", "x"), ("schema",)):
        done = harness(tmp_path, *argv)
        assert done.returncode == 2 and "cannot write" in done.stderr, (argv, done.stderr)
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (("--task", "capitol"), "did you mean 'capital'?"),
        (("--tag", "gee"), "did you mean 'geo'? — --tag fits nothing with 'gee'; there are: geo"),
        (("--shape", "stakes=higher"), "did you mean 'high'?"),
        (("--tag", "geo", "--shape", "stakes=high"), "each filter fits some of the 3 tasks, none fits them all"),
    ],
)
def test_5_names_the_filter_that_fits_nothing(tmp_path: Path, filters: tuple[str, ...], said: str) -> None:
    done = harness(workspace(tmp_path), "run", "--suite", "demo", *filters)
    assert done.returncode == 5 and said in done.stderr, done.stderr


# --- 70


def test_70_with_a_traceback_for_a_bug_of_ours(tmp_path: Path) -> None:
    """A bug stands in for itself: the process is started with one command's module broken."""
    code = (
        "import sys, harness.cli.list_cmd as m\n"
        "m.execute = lambda args: 1 / 0\n"
        "from harness.cli.main import main\n"
        "sys.exit(main(['list']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=workspace(tmp_path), capture_output=True, text=True)
    assert done.returncode == 70
    assert "ZeroDivisionError" in done.stderr and done.stderr.endswith("nothing measured is lost\n")


def test_a_plugin_that_ends_the_program_does_not_choose_the_exit_code(tmp_path: Path) -> None:
    workspace(tmp_path, SUITE.replace("[tasks/demo/*.task.yaml]", "[tasks/demo/exit.yaml]"))
    (tmp_path / "graders").mkdir()
    (tmp_path / "graders" / "leave.py").write_text(LEAVE)
    task = "id: a\nprompt: b\nreference: c\ngraders: [graders/leave.py]\n"
    (tmp_path / "tasks" / "demo" / "exit.yaml").write_text(task)
    done = harness(tmp_path, "run", "--suite", "demo", "--quiet")
    assert done.returncode in (3, 70), done.stdout


LEAVE = '''
import sys

from harness.api import Grader, Verdict, Work


class Leave(Grader):
    """Ends the program as if all were well."""

    async def grade(self, work: Work) -> Verdict:
        """No verdict."""
        sys.exit(0)
'''


# --- the plan


def dry_run(root: Path, *argv: str) -> dict[str, dict[str, object]]:
    env = {"OPENAI_API_KEY": "not-a-key", "ANTHROPIC_API_KEY": "not-a-key"}
    done = harness(root, "run", "--suite", "demo", "--dry-run", "--json", *argv, env=env)
    assert done.returncode == 0, done.stderr
    return {e["system"]: e for e in json.loads(done.stdout)["estimates"]}


PRICED = (
    SUITE
    + """\
  - {name: small, harness: single_turn, model: anthropic/claude-haiku-4-5}
  - {name: large, harness: single_turn, model: anthropic/claude-opus-4-5}
  - {name: odd, harness: single_turn, model: {use: openai, name: nobody-knows}}
  - {name: played, harness: single_turn, model: {use: scripted, name: p, answer: "4"}}
  - {name: routed, harness: {use: router, policy: tasks/demo/policy.yaml}}
"""
)


def test_a_plan_says_what_each_system_may_cost(tmp_path: Path) -> None:
    workspace(tmp_path, PRICED)
    policy = "policy: 1\nrules: [{when: {stakes: high}, use: large}]\ndefault: small\n"
    (tmp_path / "tasks" / "demo" / "policy.yaml").write_text(policy)
    plan = dry_run(tmp_path)
    assert [plan[n]["basis"] for n in ("right", "floor", "played")] == ["free"] * 3
    assert 0 < plan["small"]["usd"] < plan["large"]["usd"]
    assert (plan["odd"]["basis"], plan["odd"]["usd"]) == ("unpriced", None)
    assert plan["routed"]["basis"] == "dearest delegate"
    assert plan["routed"]["usd"] == pytest.approx(plan["large"]["usd"])


def test_a_simulated_model_stays_free_after_a_run_of_it(tmp_path: Path) -> None:
    workspace(
        tmp_path, SUITE + '  - {name: played, harness: single_turn, model: {use: scripted, name: p, answer: "4"}}\n'
    )
    harness(tmp_path, "run", "--suite", "demo", "--quiet")
    assert dry_run(tmp_path)["played"]["basis"] == "free"


# --- plugins and terminals


def test_a_plugin_of_two_kinds_is_checked_by_name_and_kind(tmp_path: Path) -> None:
    done = harness(workspace(tmp_path), "plugin", "check", "replay", "--kind", "model")
    assert done.returncode == 0, done.stdout
    assert "answers with one call of usage" in done.stdout


@pytest.mark.parametrize("columns", ["0", "1", "20", "400", "x"])
def test_any_width_of_the_terminal_is_survived(tmp_path: Path, columns: str) -> None:
    workspace(tmp_path)
    env = {"COLUMNS": columns}
    assert harness(tmp_path, "run", "--suite", "demo", env=env).returncode == 0
    for argv in (("report",), ("list", "runs"), ("list", "tasks"), ("show", "latest"), ("--help",)):
        done = harness(tmp_path, *argv, env=env)
        assert done.returncode == 0 and done.stdout, (argv, done.stderr)


@pytest.mark.parametrize(
    "argv",
    [
        ("list",), ("list", "tasks"), ("list", "systems"), ("list", "runs"), ("list", "graders"),
        ("show", "latest"), ("show", "capital"), ("show", "latest", "capital"), ("report",),
        ("plugin", "list"), ("plugin", "check", "match"), ("doctor",),
    ],
)  # fmt: skip
def test_every_reading_command_has_json(tmp_path: Path, argv: tuple[str, ...]) -> None:
    harness(workspace(tmp_path), "run", "--suite", "demo", "--quiet")
    done = harness(tmp_path, *argv, "--json")
    assert json.loads(done.stdout) and done.returncode in (0, 3 if argv == ("doctor",) else 0), done.stderr


@pytest.mark.parametrize(("columns", "shown"), [(100, "| 6/6 ["), (0, "6/6 trials, ")])
def test_a_terminal_gets_a_bar_and_one_without_a_width_plain_lines(tmp_path: Path, columns: int, shown: str) -> None:
    workspace(tmp_path)
    inner = f"stty cols {columns} rows 40; exec {sys.executable} -m harness.cli.main run --suite demo"
    code = f"import pty, sys; sys.exit(pty.spawn(['sh', '-c', {inner!r}]) >> 8)"
    env = {**os.environ, "NO_COLOR": "1", "TERM": "xterm"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 0
    assert shown in done.stdout and "\x1b[3" not in done.stdout


FILES_OF = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
    "from harness.cli.main import main; sys.exit(main(sys.argv[1:]))"
)
"""The program where no file may grow beyond 60 KB: the kernel refuses the write, as on a full disk."""


def test_3_on_a_full_disk_says_so_once_and_nothing_measured_is_lost(tmp_path: Path) -> None:
    workspace(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FILES_OF, "run", "--suite", "demo", "--epochs", "100"],
        cwd=tmp_path, env=clean_env(None), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 3 and done.stderr.count("no space left") == 1, done.stderr[-2000:]
    [run] = (tmp_path / "runs").iterdir()
    assert f"harness resume {run.name}" in done.stderr
    before = (run / "attempts.jsonl").read_bytes()
    assert before.endswith(b"\n") and 50_000 < len(before) <= 60_000
    assert harness(tmp_path, "resume", run.name).returncode == 0
    after = (run / "attempts.jsonl").read_bytes()
    assert after.startswith(before), "what was measured stays as it was"
    rows = [json.loads(line) for line in after.splitlines()]
    assert len({(r["task"], r["system"], r["epoch"]) for r in rows}) == len(rows) == 600
