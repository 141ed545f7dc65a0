"""`harness nightly` whole: in a small workspace without a key, restarted, broken on purpose, told to a webhook."""

from __future__ import annotations

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from harness.cli.main import main
from harness.store.history import read_history
from harness.store.lock import Lock

SUITE = """
suite: mine
tasks:
  - {id: capital, prompt: "Capital of France?", reference: Paris, graders: [{use: match, ignore: [case]}]}
  - {id: sum, prompt: "2 + 2?", reference: "4", graders: [{use: match, ignore: [case]}]}
  - {id: river, prompt: "River through Cairo?", reference: Nile, graders: [{use: match, ignore: [case]}]}
systems:
  - {name: reference, harness: reference}
  - name: ours
    harness: single_turn
    model: {use: scripted, rules: [{when: France, answer: paris}, {when: Cairo, answer: nile}], answer: "5"}
epochs: 2
"""
CANARY = """
suite: canary
tasks:
  - {id: six, prompt: "6 times 7?", reference: "42", graders: [match]}
systems:
  - {name: must-pass, harness: single_turn, model: {use: scripted, answer: "42"}}
  - {name: must-fail, harness: single_turn, model: {use: scripted, answer: "41"}}
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    for name, text in (("mine", SUITE), ("canary", CANARY)):
        (tmp_path / "tasks" / name).mkdir(parents=True)
        (tmp_path / "tasks" / name / "suite.yaml").write_text(text)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "HARNESS_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def nightly(workspace, day, *more):
    words = ["--workspace", str(workspace), "--now", f"2026-03-{day:02}T03:00Z", "--replicates", "100", "--quiet"]
    return main(["nightly", *words, *more])


def result(workspace, day):
    folder = workspace / "runs" / "nightly" / f"mine-2026-03-{day:02}"
    return json.loads((folder / "result.json").read_text()), folder


def steps(workspace, day):
    return {s["name"]: s for s in result(workspace, day)[0]["steps"]}


def runs(workspace):
    return sorted(p.name for p in (workspace / "runs").glob("2*"))


def test_a_night_runs_everything_in_order_and_leaves_its_files(workspace, capsys):
    assert nightly(workspace, 1) == 0
    said, folder = result(workspace, 1)
    assert [s["name"] for s in said["steps"]] == ["replay", "sandbox", "sentinels", "run", "gate", "trend"]
    assert steps(workspace, 1)["sandbox"]["state"] == "ok"
    assert steps(workspace, 1)["run"]["said"].startswith("12 of 12 trials graded; ours 66.7%")
    assert steps(workspace, 1)["trend"]["said"] == "learning: 1 of 10 baseline nights"
    assert {p.name for p in folder.iterdir()} >= {"summary.md", "trend.md", "trend.png", "result.json"}
    assert (workspace / said["files"]["report_html"]).is_file()
    assert "night 2026-03-01 of suite mine: ok (exit code 0)" in capsys.readouterr().out
    assert json.loads((workspace / "runs" / said["run"] / "manifest.json").read_text())["night"] == "2026-03-01"


def test_a_restarted_night_does_nothing_twice(workspace, capsys):
    assert nightly(workspace, 1) == 0
    before = runs(workspace), (workspace / "runs" / "history" / "mine.jsonl").read_bytes()
    first = (workspace / "runs" / before[0][0] / "attempts.jsonl").read_bytes()
    assert nightly(workspace, 1) == 0
    assert (runs(workspace), (workspace / "runs" / "history" / "mine.jsonl").read_bytes()) == before
    assert (workspace / "runs" / before[0][0] / "attempts.jsonl").read_bytes() == first


def test_a_night_that_was_killed_goes_on_where_it_was(workspace, capsys):
    nightly(workspace, 1)
    path = workspace / "runs" / runs(workspace)[0] / "attempts.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]) + lines[5][:30])
    shutil.rmtree(workspace / "runs" / "nightly")
    assert nightly(workspace, 1) == 0
    assert len(runs(workspace)) == 1
    assert len(path.read_bytes().splitlines()) == 12
    nights = read_history(workspace / "runs" / "history" / "mine.jsonl").nights
    assert [(n.system, n.graded) for n in nights] == [("ours", 6), ("reference", 6)]


def test_two_at_the_same_night_are_refused(workspace, capsys):
    folder = workspace / "runs" / "nightly" / "mine-2026-03-01"
    folder.mkdir(parents=True)
    lock = Lock(folder)
    try:
        assert nightly(workspace, 1) == 2
    finally:
        lock.release()
    assert "is being written by process" in capsys.readouterr().err
    assert runs(workspace) == []


def test_a_grader_that_changed_overnight_is_found_by_replay_and_the_night_is_not_valid(workspace, capsys):
    assert nightly(workspace, 1) == 0
    path = workspace / "tasks" / "mine" / "suite.yaml"
    path.write_text(path.read_text().replace("{use: match, ignore: [case]}", "match"))
    assert nightly(workspace, 2) == 3
    replay = steps(workspace, 2)["replay"]
    assert replay["state"] == "invalid"
    assert "verdicts differ" in replay["said"]
    assert "under graders or references that were edited" in replay["said"]
    assert any("capital (ours)" in d for d in replay["details"])
    history = read_history(workspace / "runs" / "history" / "mine.jsonl")
    assert [(c.night, c.state) for c in history.canaries if c.rung == "replay"] == [
        ("2026-03-01", "not measured"), ("2026-03-02", "moved"),
    ]  # fmt: skip


def test_work_is_pinned_and_graded_again_bit_for_bit(workspace, capsys):
    nightly(workspace, 1)
    assert main(["nightly", "--workspace", str(workspace), "--pin", runs(workspace)[0]]) == 0
    assert "commit this folder" in capsys.readouterr().out
    for run in runs(workspace):
        shutil.rmtree(workspace / "runs" / run)
    assert nightly(workspace, 2) == 0
    assert steps(workspace, 2)["replay"]["said"] == "12 verdicts the same"
    attempts = workspace / "runs" / "baselines" / "replay" / "mine" / "attempts.jsonl"
    forged = [json.loads(line) for line in attempts.read_text().splitlines()]
    forged[0]["passed"] = not forged[0]["passed"]
    grade = forged[0]["grades"]["match"]
    grade["passed"], grade["value"] = forged[0]["passed"], float(forged[0]["passed"])
    attempts.write_text("".join(json.dumps(line) + "\n" for line in forged))
    assert nightly(workspace, 3) == 3
    assert steps(workspace, 3)["replay"]["said"].startswith("1 of 12 verdicts differ")


def test_an_agent_that_must_fail_and_passes_makes_the_night_not_valid(workspace, capsys):
    path = workspace / "tasks" / "canary" / "suite.yaml"
    path.write_text(path.read_text().replace('answer: "41"', 'answer: "42"'))
    assert nightly(workspace, 1) == 3
    sandbox = steps(workspace, 1)["sandbox"]
    assert (sandbox["state"], sandbox["details"]) == ("invalid", ["six (must-fail: passed)"])


def test_github_is_told_of_each_step_that_failed_whichever_it_was(workspace, monkeypatch, capsys):
    canary = workspace / "tasks" / "canary" / "suite.yaml"
    canary.write_text(canary.read_text().replace('answer: "41"', 'answer: "42"'))
    with_gate(workspace, "{must_pass: [sum], systems: [ours]}")
    assert nightly(workspace, 1) == 3
    assert not [line for line in "".join(capsys.readouterr()).splitlines() if line.startswith("::")]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert nightly(workspace, 1, "--again") == 3
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::error title=harness nightly")]
    titles = [line.split("::")[1].removeprefix("error title=harness nightly%3A mine 2026-03-01%3A ") for line in told]
    assert titles == ["sandbox%3A invalid", "gate%3A failed"]
    assert told[0].endswith("six (must-fail: passed)")
    assert nightly(workspace, 1, "--json") == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["exit_code"] == 3
    assert sum(line.startswith("::error title=harness nightly") for line in err.splitlines()) == 2


def test_a_workspace_without_a_canary_suite_says_so(workspace, capsys):
    shutil.rmtree(workspace / "tasks" / "canary")
    assert nightly(workspace, 1) == 0
    assert steps(workspace, 1)["sandbox"]["state"] == "not measured"


def test_a_night_under_the_floor_is_not_valid_and_its_issue_goes_when_it_is_mended(workspace, capsys):
    path = workspace / "tasks" / "mine" / "suite.yaml"
    sound = path.read_text()
    path.write_text(
        sound.replace(
            "- {name: reference, harness: reference}", "- {name: gone, harness: {use: replay, path: a.jsonl}}"
        )
    )
    (workspace / "a.jsonl").write_text('{"task": "sum", "answer": "4"}\n')
    assert nightly(workspace, 1) == 3
    folder = result(workspace, 1)[1]
    issue = (folder / "issue.md").read_text()
    assert issue.startswith("# Nightly of mine: not valid")
    assert "<!-- harness-nightly:mine -->" in issue
    assert "gone: coverage" in issue
    path.write_text(sound)
    assert nightly(workspace, 2) == 0
    assert not (result(workspace, 2)[1] / "issue.md").exists()


def test_a_suite_that_changed_during_its_night_is_not_mixed(workspace, capsys):
    nightly(workspace, 1)
    run = workspace / "runs" / runs(workspace)[0] / "attempts.jsonl"
    run.write_bytes(b"".join(run.read_bytes().splitlines(keepends=True)[:4]))
    path = workspace / "tasks" / "mine" / "suite.yaml"
    path.write_text(path.read_text().replace("2 + 2?", "3 + 1?"))
    assert nightly(workspace, 1) == 6
    assert "would mix two measurements" in capsys.readouterr().err
    said, folder = result(workspace, 1)
    assert (said["verdict"], steps(workspace, 1)["run"]["state"]) == ("not comparable", "not comparable")
    assert "would mix two measurements" in (folder / "issue.md").read_text()


@pytest.mark.parametrize("at_trial", [4, 12])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2 + 2?", "3 + 1?", "sum changed"),
        ("{id: river", "{id: stream", "river"),
        ("[{use: match, ignore: [case]}]}\nsystems", "[match]}\nsystems", "match"),
        ('answer: "5"', 'answer: "6"', "ours changed"),
        ("epochs: 2", "  - {name: another, harness: reference}\nepochs: 2", "another was added"),
    ],
)
def test_a_suite_that_changed_ends_a_night_with_6_complete_or_not(workspace, capsys, at_trial, old, new, said):
    assert nightly(workspace, 1) == 0
    run = workspace / "runs" / runs(workspace)[0] / "attempts.jsonl"
    run.write_bytes(b"".join(run.read_bytes().splitlines(keepends=True)[:at_trial]))
    path = workspace / "tasks" / "mine" / "suite.yaml"
    before = path.read_text()
    path.write_text(before.replace(old, new))
    assert nightly(workspace, 1) == 6
    assert said in " ".join(capsys.readouterr().err.split())
    assert len(runs(workspace)) == 1
    path.write_text(before)
    assert nightly(workspace, 1) == 0


def test_github_gets_a_summary_and_outputs(workspace, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    assert nightly(workspace, 1) == 0
    summary = (tmp_path / "summary").read_text()
    assert "# Night 2026-03-01 of mine: ok" in summary
    assert "## ours: learning, 1 night" in summary, "a system's name is not spelt anew"
    assert "](trend.png)" not in summary, "a summary has no files beside it: an image there is a broken one"
    assert "](trend.png)" in (result(workspace, 1)[1] / "summary.md").read_text()
    outputs = dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())
    assert outputs["verdict"] == "ok"
    assert outputs["exit_code"] == "0"
    assert outputs["run"] == runs(workspace)[0]


@pytest.fixture
def webhook():
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(500 if "refuse" in self.path else 200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook-secret-7f3a", got
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_is_told_once_and_its_address_is_written_nowhere(workspace, webhook, monkeypatch, capsys):
    url, got = webhook
    monkeypatch.setenv("HARNESS_WEBHOOK_URL", url)
    assert nightly(workspace, 1) == 0
    assert nightly(workspace, 1) == 0
    assert [m["verdict"] for m in got] == ["ok"]
    assert got[0]["text"].startswith("nightly mine 2026-03-01: ok")
    written = b"".join(p.read_bytes() for p in (workspace / "runs").rglob("*") if p.is_file())
    assert b"hook-secret-7f3a" not in written
    assert "hook-secret-7f3a" not in "".join(capsys.readouterr())


def test_a_webhook_that_fails_changes_nothing_and_is_tried_again(workspace, webhook, monkeypatch, capsys):
    url, got = webhook
    monkeypatch.setenv("HARNESS_WEBHOOK_URL", url + "-refuse")
    assert nightly(workspace, 1) == 0
    assert nightly(workspace, 1) == 0
    assert len(got) == 2
    err = capsys.readouterr().err
    assert "was not told (500)" in err
    assert "hook-secret" not in err


@pytest.mark.parametrize("night", ["../x", "a/b", ".hidden", "a b"])
def test_a_night_cannot_leave_its_folder(workspace, night, capsys):
    assert nightly(workspace, 1, "--night", night) == 2


def test_the_suite_says_what_runs_at_night(workspace, capsys):
    path = workspace / "tasks" / "mine" / "suite.yaml"
    path.write_text(path.read_text() + "nightly: {systems: [ours], control: reference, yearly_alarms: 0.1}\n")
    assert nightly(workspace, 1) == 0
    nights = read_history(workspace / "runs" / "history" / "mine.jsonl").nights
    assert sorted(n.system for n in nights) == ["ours", "reference"]
    path.write_text(path.read_text().replace("yearly_alarms: 0.1", "yearly_alarm: 3"))
    assert nightly(workspace, 2) == 2
    assert "suite.yaml:" in capsys.readouterr().err


def test_a_night_is_held_against_its_baseline_and_fails_when_the_system_got_worse(workspace, capsys):
    path = workspace / "tasks" / "mine" / "suite.yaml"
    more = "".join(
        f'  - {{id: add-{i}, prompt: "{i} plus 1?", reference: "{i + 1}", graders: [match]}}\n' for i in range(40)
    )
    good = path.read_text().replace("systems:", more + "systems:")
    rules = ", ".join(f"{{when: '^{i} plus', answer: '{i + 1}'}}" for i in range(40))
    good = good.replace("rules: [", f"rules: [{rules}, ")
    path.write_text(good)
    assert nightly(workspace, 1) == 0
    assert steps(workspace, 1)["gate"]["state"] == "not measured"
    promoted = ["baseline", "promote", "--workspace", str(workspace), "--system", "ours", "--reason", "first"]
    assert main([*promoted, "--from", runs(workspace)[0]]) == 0
    assert nightly(workspace, 2) == 0
    assert steps(workspace, 2)["gate"]["state"] == "ok"
    run = workspace / "runs" / runs(workspace)[-1]
    assert {p.name for p in run.iterdir()} >= {"junit.xml", "metrics.txt", "gate.md"}
    path.write_text(good.replace(f"rules: [{rules}, ", "rules: ["))
    assert nightly(workspace, 3) == 1
    gate = steps(workspace, 3)["gate"]
    assert gate["state"] == "failed"
    assert "REGRESSION" in gate["said"]
    assert "gate: failed" in (result(workspace, 3)[1] / "issue.md").read_text()


def with_gate(workspace, gate, *, critical=False):
    """The suite under a policy; with `critical`, the task that `ours` gets wrong is one where a wrong answer is."""
    path = workspace / "tasks" / "mine" / "suite.yaml"
    text = SUITE.replace("{id: sum,", "{id: sum, tags: [critical],") if critical else SUITE
    path.write_text(text + f"gate: {gate}\n")


def test_a_critical_error_is_red_in_the_first_night_too(workspace, capsys):
    with_gate(workspace, "{systems: [ours]}", critical=True)
    assert nightly(workspace, 1) == 1
    gate = steps(workspace, 1)["gate"]
    assert (gate["state"], "critical_errors" in gate["said"]) == ("failed", True)


def test_a_critical_error_is_not_hidden_by_a_night_that_is_no_measurement(workspace, capsys):
    with_gate(workspace, "{systems: [ours]}", critical=True)
    path = workspace / "tasks" / "mine" / "suite.yaml"
    gone = "systems:\n  - {name: gone, harness: {use: replay, path: a.jsonl}}\n"
    path.write_text(path.read_text().replace("systems:\n", gone, 1))
    (workspace / "a.jsonl").write_text('{"task": "sum", "answer": "4"}\n')
    assert nightly(workspace, 1) == 1
    assert steps(workspace, 1)["run"]["state"] == "invalid"
    assert result(workspace, 1)[0]["verdict"] == "failed"


def test_a_must_pass_task_is_judged_in_the_first_night_too(workspace, capsys):
    with_gate(workspace, "{must_pass: [capital]}")
    assert nightly(workspace, 1) == 0
    assert steps(workspace, 1)["gate"]["state"] == "not measured"
    with_gate(workspace, "{must_pass: [sum]}")
    assert nightly(workspace, 2) == 1


@pytest.mark.parametrize(
    "rule",
    [
        "metrics: {pass_rate: 0.05}",
        "latency: {max_ratio: 1.2}",
        "cost_per_success: {max_ratio: 1.2}",
        "same_system: true",
        "max_age_days: 30",
    ],
)
def test_a_night_whose_written_rule_has_nothing_to_compare_with_is_no_green(workspace, capsys, rule):
    with_gate(workspace, f"{{systems: [ours], {rule}}}")
    assert nightly(workspace, 1) == 3
    assert steps(workspace, 1)["gate"]["state"] == "invalid"


def test_half_a_gate_is_no_green(workspace, capsys):
    with_gate(workspace, "{systems: [ours, reference]}")
    assert nightly(workspace, 1) == 0
    promoted = ["baseline", "promote", "--workspace", str(workspace), "--system", "reference", "--reason", "first"]
    assert main([*promoted, "--from", runs(workspace)[0]]) == 0
    assert nightly(workspace, 2) == 3, "ours must pass, and was compared with nothing"


def test_json_on_stdout_is_the_result_and_nothing_else(workspace, capsys):
    assert nightly(workspace, 1, "--json") == 0
    assert json.loads(capsys.readouterr().out) == result(workspace, 1)[0]
