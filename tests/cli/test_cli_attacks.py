"""Attacks on a run through its command line: mixed measurements, noisy plugins, keys under odd names, escapes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_workspace import SUITE, TASKS, clean_env, harness, start, workspace

from harness.testing.wire import Step, WireServer

API = """\
suite: demo
tasks: [tasks/demo/*.task.yaml]
systems:
  - name: api
    harness: single_turn
    model: {{use: openai, name: m, api: chat, base_url: "{url}/v1"{more}}}
    limits: {{turns: {turns}}}
retries: {{infra: 0}}
"""


WITH_FILE = TASKS.replace("graders: [match], tags", "files: [notes.txt], graders: [match], tags")


def only_run(root: Path) -> Path:
    (run,) = [p for p in (root / "runs").iterdir() if p.is_dir()]
    return run


def cut(run: Path, lines: int) -> None:
    """As if the run had been killed after so many attempts."""
    path = run / "attempts.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:lines]))


def test_a_reference_mended_under_a_run_is_not_mixed_into_it(tmp_path: Path) -> None:
    """The task's digest is what systems are given; the reference decides verdicts just as much."""
    harness(workspace(tmp_path), "run", "--suite", "demo")
    run = only_run(tmp_path)
    graded = json.loads((run / "attempts.jsonl").read_text().splitlines()[0])["task"]
    before = {"capital": "Vienna", "river": "Danube", "sum": '"4"'}[graded]
    cut(run, 1)
    workspace(tmp_path, tasks=TASKS.replace(f"reference: {before}", "reference: another"))
    done = harness(tmp_path, "resume")
    assert done.returncode == 6, done.stdout + done.stderr
    assert graded in done.stderr and "harness regrade" in done.stderr


def test_a_reference_of_a_task_that_was_not_graded_yet_may_change(tmp_path: Path) -> None:
    harness(workspace(tmp_path), "run", "--suite", "demo")
    cut(only_run(tmp_path), 0)
    workspace(tmp_path, tasks=TASKS.replace("reference: Vienna", "reference: Wien"))
    assert harness(tmp_path, "resume").returncode == 0


def test_a_systems_own_limits_changed_under_a_run_are_refused(tmp_path: Path) -> None:
    suite = SUITE.replace("harness: reference}", "harness: reference, limits: {turns: 5}}")
    harness(workspace(tmp_path, suite=suite), "run", "--suite", "demo")
    cut(only_run(tmp_path), 1)
    workspace(tmp_path, suite=suite.replace("turns: 5", "turns: 50"))
    done = harness(tmp_path, "resume")
    assert done.returncode == 6 and "right" in done.stderr, done.stdout + done.stderr


def test_a_regrade_is_not_resumed_into_new_work(tmp_path: Path) -> None:
    """Its outputs were made in another run; resuming it would call systems for what an interruption left out."""
    harness(workspace(tmp_path), "run", "--suite", "demo")
    first = only_run(tmp_path)
    harness(tmp_path, "regrade", first.name)
    (again,) = [p for p in (tmp_path / "runs").iterdir() if p != first]
    cut(again, 2)
    done = harness(tmp_path, "resume", again.name)
    assert done.returncode == 2 and first.name in done.stderr, done.stdout + done.stderr
    assert len((again / "attempts.jsonl").read_text().splitlines()) == 2


def test_regrading_a_damaged_run_tells_what_is_damaged(tmp_path: Path) -> None:
    harness(workspace(tmp_path), "run", "--suite", "demo")
    (only_run(tmp_path) / "transcripts.jsonl").write_text("{}\n")
    done = harness(tmp_path, "regrade")
    assert done.returncode == 2, done.stderr
    assert "transcript" in done.stderr and "Traceback" not in done.stderr


def test_the_runs_list_agrees_with_the_report_whatever_the_order_of_lines(tmp_path: Path) -> None:
    harness(workspace(tmp_path), "run", "--suite", "demo", "--system", "right")
    path = only_run(tmp_path) / "attempts.jsonl"
    lines = path.read_text().splitlines()
    first = json.loads(lines[0])
    failed = {k: v for k, v in first.items() if k not in ("passed", "value", "grades")} | {"status": "infra_error"}
    second = json.dumps(first | {"attempt": 2})
    path.write_text("\n".join([second, json.dumps(failed), *lines[1:]]) + "\n")
    (listed,) = json.loads(harness(tmp_path, "list", "runs", "--json").stdout)
    assert listed["status"] == "complete" and listed["passed"] == ["right 3/3"]


NOISY = '''\
import os
from harness.api import Grade, Grader

print("loading")


class Noisy(Grader):
    """Talks."""

    async def grade(self, work):
        print("grading", work.task.id)
        os.write(1, b"deeper\\n")
        return Grade(1.0, True)
'''


@pytest.mark.parametrize("command", ["run", "resume", "regrade"])
def test_a_plugin_that_prints_does_not_spoil_json(tmp_path: Path, command: str) -> None:
    root = workspace(tmp_path, tasks=TASKS.replace("graders: [match]", "graders: [graders/noisy.py]"))
    (root / "graders").mkdir()
    (root / "graders" / "noisy.py").write_text(NOISY)
    done = harness(root, "run", "--suite", "demo", "--json")
    if command != "run":
        if command == "resume":
            cut(only_run(root), 1)
        done = harness(root, command, "--json")
    assert json.loads(done.stdout)["format"] == 1, done.stdout[:200]
    assert "grading" in done.stderr and "deeper" in done.stderr


def test_a_key_under_an_odd_name_is_redacted_too(tmp_path: Path) -> None:
    """`api_key_env` names any variable; a server that echoes the key must not bring it into the record."""
    key = "corp9f8e7d6c5b4a"
    with WireServer() as server:
        server.script(Step(text=f"you sent {key}", repeat=3), model="m")
        suite = API.format(url=server.url, more=", api_key_env: CORP_LLM", turns=5)
        done = harness(workspace(tmp_path, suite=suite), "run", "--suite", "demo", env={"CORP_LLM": key})
    run = only_run(tmp_path)
    assert len((run / "attempts.jsonl").read_text().splitlines()) == 3, done.stderr
    for path in run.rglob("*"):
        assert not path.is_file() or key not in path.read_text(), path.name


@pytest.mark.parametrize(
    "more",
    [
        ', headers: {X-Auth-Token: "abcdefgh12345678"}',
        ', headers: {X-Goog-Api-Key: "abcdefgh12345678"}',
        ', headers: {Ocp-Apim-Subscription-Key: "abcdefgh12345678"}',
        ', headers: {Helicone-Auth: "Bearer abcdefgh12345678"}',
        ', headers: {X-Client-Secret: "abcdefgh12345678"}',
    ],
)
def test_keys_in_headers_are_refused_whatever_the_header_is_called(tmp_path: Path, more: str) -> None:
    root = workspace(tmp_path, suite=API.format(url="http://localhost:1", more=more, turns=5))
    done = harness(root, "run", "--suite", "demo", "--dry-run")
    assert done.returncode == 2 and "api_key_env" in done.stderr


@pytest.mark.parametrize("use", ["openai", "anthropic"])
@pytest.mark.parametrize("url", ["https://me:abcdefgh12345678@host", "https://host/v1?key=abcdefgh12345678"])
def test_a_password_in_an_address_is_refused(tmp_path: Path, use: str, url: str) -> None:
    """The address is recorded, and the host is the name of a lane that progress prints."""
    suite = SUITE + f'  - {{name: api, harness: single_turn, model: {{use: {use}, name: m, base_url: "{url}"}}}}\n'
    done = harness(workspace(tmp_path, suite=suite), "run", "--suite", "demo", "--dry-run")
    assert done.returncode == 2 and "base_url" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "args", [("--budget-usd", "nan"), ("--budget-usd", "-1"), ("-j", "0"), ("-j", "-3"), ("--max-wait", "nan")]
)
def test_numbers_that_switch_a_limit_off_are_refused(tmp_path: Path, args: tuple[str, str]) -> None:
    done = harness(workspace(tmp_path), "run", "--suite", "demo", *args)
    assert done.returncode == 2 and not (tmp_path / "runs").exists(), done.stdout + done.stderr


def test_escapes_in_rows_do_not_reach_the_terminal_or_the_report(tmp_path: Path) -> None:
    rows = [{"id": "a", "tag": "\x1b]0;owned\x07\x1b[2J", "q": "?", "r": "x"}]
    tasks = """\
rows: {path: tasks/demo/q.jsonl}
template: {id: "{{ id }}", prompt: "{{ q }}", reference: "{{ r }}", tags: ["{{ tag }}"], graders: [match]}
"""
    root = workspace(tmp_path, tasks=tasks)
    (root / "tasks" / "demo" / "q.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    done = harness(root, "run", "--suite", "demo")
    shown = [done.stdout, done.stderr, harness(root, "report").stdout]
    shown += [harness(root, "report", "--format", "md").stdout]
    shown += [harness(root, *words).stdout for words in (("list", "tasks"), ("list", "runs"), ("show", "latest"))]
    if done.returncode == 0:
        shown.append((only_run(root) / "report.md").read_text())
    else:
        assert done.returncode == 2 and "tags" in done.stderr, done.stderr
    assert not [s for s in shown if "\x1b" in s or "\x07" in s]


def test_escapes_in_an_error_do_not_reach_the_terminal(tmp_path: Path) -> None:
    rows = [{"id": "a\x1b[31m", "q": "?", "r": "x"}]
    tasks = """\
rows: {path: tasks/demo/q.jsonl}
template: {id: "{{ id }}", prompt: "{{ q }}", reference: x, graders: [match]}
"""
    root = workspace(tmp_path, tasks=tasks)
    (root / "tasks" / "demo" / "q.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    done = harness(root, "run", "--suite", "demo")
    assert done.returncode == 2 and "\x1b" not in done.stderr, repr(done.stderr)


@pytest.mark.parametrize("number", ["1" * 5000, "0x" + "F" * 5000, "[" + "9" * 4400 + "]"])
def test_a_huge_number_in_yaml_is_a_fault_with_its_place(tmp_path: Path, number: str) -> None:
    done = harness(workspace(tmp_path, suite=SUITE + f"seed: {number}\n"), "run", "--suite", "demo")
    assert done.returncode == 2 and "suite.yaml:6:" in done.stderr, done.stderr[-300:]


def test_a_big_whole_number_is_a_reference_like_any_other(tmp_path: Path) -> None:
    root = workspace(tmp_path, tasks=TASKS.replace("Vienna", "123456789012345678901234567890"))
    assert "Traceback" not in harness(root, "run", "--suite", "demo").stderr


def test_files_by_a_symlink_that_leaves_the_workspace_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "id_rsa"
    secret.write_text("private")
    root = workspace(tmp_path / "w", tasks=WITH_FILE)
    (root / "tasks" / "demo" / "notes.txt").symlink_to(secret)
    done = harness(root, "run", "--suite", "demo")
    assert done.returncode == 2 and "outside the workspace" in done.stderr, done.stderr


def test_a_workspace_reached_by_a_symlink_is_the_same_workspace(tmp_path: Path) -> None:
    root = workspace(tmp_path / "real", tasks=WITH_FILE)
    (root / "tasks" / "demo" / "notes.txt").write_text("x")
    (tmp_path / "link").symlink_to(root)
    assert harness(tmp_path / "link", "run", "--suite", "demo").returncode == 0
    (tmp_path / "elsewhere").mkdir()
    done = harness(tmp_path / "elsewhere", "run", "--suite", str(tmp_path / "link" / "tasks/demo/suite.yaml"),
                   "--workspace", str(tmp_path / "link"))  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_suite_file_outside_the_workspace_is_refused_in_words(tmp_path: Path) -> None:
    root = workspace(tmp_path / "w")
    outside = tmp_path / "other.yaml"
    outside.write_text(SUITE)
    done = harness(root, "run", "--suite", str(outside))
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr


def test_a_lock_that_cannot_be_taken_is_a_message(tmp_path: Path) -> None:
    harness(workspace(tmp_path), "run", "--suite", "demo")
    lock = only_run(tmp_path) / ".lock"
    lock.unlink()
    lock.mkdir()
    done = harness(tmp_path, "resume")
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr


def test_a_report_that_cannot_be_written_is_still_shown(tmp_path: Path) -> None:
    harness(workspace(tmp_path), "run", "--suite", "demo")
    run = only_run(tmp_path)
    cut(run, 2)
    (run / "report.md").unlink()
    (run / "report.md").mkdir()
    (run / "report.md" / "x").touch()
    done = harness(tmp_path, "resume")
    assert done.returncode == 2 and "right" in done.stdout and "Traceback" not in done.stderr, done.stderr
    assert harness(tmp_path, "report").returncode == 0


def test_a_reader_that_goes_away_does_not_make_an_invalid_run_valid(tmp_path: Path) -> None:
    root = workspace(tmp_path, suite=SUITE + "coverage: {floor: 1.0}\n")
    harness(root, "run", "--suite", "demo")
    cut(only_run(root), 2)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "harness.cli.main", "report"], cwd=root, env=clean_env(None),
                          stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)  # fmt: skip
    os.close(write)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_nothing_depends_on_the_hash_seed(tmp_path: Path) -> None:
    suite = SUITE + "epochs: 2\nseed: 5\n"
    seen = set()
    for n in ("0", "1", "777"):
        root = workspace(tmp_path / n, suite=suite)
        harness(root, "run", "--suite", "demo", "--sample", "2", env={"PYTHONHASHSEED": n})
        said = json.loads((only_run(root) / "manifest.json").read_text())
        order = [json.loads(x)["task"] for x in (only_run(root) / "attempts.jsonl").read_text().splitlines()]
        kept = {k: said[k] for k in ("suite_digest", "tasks_digest", "systems", "graders", "selection")}
        seen.add(json.dumps([kept, sorted(order)], sort_keys=True))
    assert len(seen) == 1


def test_the_manifest_says_which_prices_a_run_was_billed_by(tmp_path: Path) -> None:
    overlay = "prices:\n  - {{model: house-70b, input: {}, output: 2.00}}\n"
    overlays = (overlay.format("1.00"), overlay.format("2.00"))
    seen = set()
    for n, text in enumerate(overlays):
        root = workspace(tmp_path / str(n))
        (root / "prices.yaml").write_text(text)
        done = harness(root, "run", "--suite", "demo")
        assert done.returncode == 0, done.stderr
        seen.add(json.loads((only_run(root) / "manifest.json").read_text())["versions"]["prices.yaml"])
    assert len(seen) == 2


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_suite_loads_leaves_nothing_behind(tmp_path: Path, end: signal.Signals) -> None:
    slow = "import time\nopen('loading', 'w').close()\ntime.sleep(20)\n"
    root = workspace(tmp_path, tasks=TASKS.replace("graders: [match]", "graders: [graders/slow.py]"))
    (root / "graders").mkdir()
    (root / "graders" / "slow.py").write_text(slow)
    run = start(root, "run", "--suite", "demo")
    for _ in range(600):
        if (root / "loading").exists():
            break
        time.sleep(0.05)
    run.send_signal(end)
    _, err = run.communicate(timeout=10)
    assert run.returncode == (130 if end == signal.SIGINT else -signal.SIGTERM), err
    assert "Traceback" not in err and not (root / "runs").exists()


def test_what_a_kill_left_between_transcript_and_attempt_is_run_again_once(tmp_path: Path) -> None:
    """The transcript of an attempt is written first: after a kill it may stand alone, whole or torn."""
    harness(workspace(tmp_path), "run", "--suite", "demo")
    run = only_run(tmp_path)
    cut(run, 3)
    with (run / "attempts.jsonl").open("a") as file:
        file.write('{"task": "river", "syst')
    with (run / "transcripts.jsonl").open("a") as file:
        file.write('{"task": "sum", "sys')
    done = harness(tmp_path, "resume")
    assert done.returncode == 0 and done.stderr.count("repaired:") == 2, done.stderr
    keys = [(a["task"], a["system"]) for a in map(json.loads, (run / "attempts.jsonl").read_text().splitlines())]
    assert len(keys) == len(set(keys)) == 6
    for task, system in keys:
        assert harness(tmp_path, "show", run.name, task, system).returncode == 0
