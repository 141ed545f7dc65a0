"""The shipped suite `mine`, run as a user runs it: by the command, in a copy of the workspace, without a key.

Here no container engine answers; with one, `test_suite_mine_boxes.py` runs what is skipped here.

What each system must get right is what tasks/mine/answers/README.md says about its planted mistakes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cli_process import run_harness
from jsonschema import Draft202012Validator

from harness.api import read_run

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = (1, 2, 3)


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOTICES = frozenset(
    "judged-notice-" + name
    for name in words("""
    ramp stocktaking fire-drill canteen forklift keys parking heating dust-masks visitors laptops cash-desk
    first-aid crane summer-hours paint returns water lights training scales gloves inventory-app
""")
)
TASKS = (
    words("""
    smoke handbook-phone-order-otherwise
    refund-window handbook-phone-order handbook-trip-approver handbook-incident-deadline handbook-part-time
    handbook-discount handbook-expenses invoice-total invoice-interest invoice-due-date invoice-freight-weight
    agreement-notice agreement-liability agreement-court triage-priority triage-reply-language order-email shift-table
    maths-profit-interval maths-marginal-cost codes-part-number codes-carrier chart-best-month chart-return-rate
    reply-late-parcel reply-status-note german-invoice german-notice ticket-double-charge ticket-vat-number
    ticket-voucher ticket-parcel-late ticket-wrong-street ticket-empty-box ticket-saw-blade ticket-hose-leak
    ticket-login-loop ticket-two-accounts date-en date-us date-de date-fr date-pl
    judged-cracked-guard judged-shop-notice judged-incident-summary judged-order-total judged-late-mower
    judged-wrong-colour judged-missing-screws judged-double-invoice judged-noisy-pump judged-flood-summary
    judged-outage-summary judged-audit-summary judged-recall-summary judged-training-summary judged-lumber-total
    judged-hours-total judged-paint-total judged-fuel-total judged-tile-total judged-cable-total judged-rent-total
    judged-shift-total
""")
    | NOTICES
)
BOXED = words("box-old-backups box-merge-shifts box-ledger-split box-shop-cancel-old box-node-slug log-report")
CAREFUL_WRONG = words("""
    agreement-notice chart-return-rate ticket-empty-box
    judged-missing-screws judged-fuel-total judged-notice-crane judged-notice-lights
""")
CAREFUL_WRONG_ONCE = {("handbook-expenses", 3), ("date-us", 2)}
HASTY_SAYS_IT_ALL = frozenset(
    "judged-notice-" + name for name in words("training dust-masks fire-drill stocktaking heating parking")
)
HASTY_WRONG = words("""
    handbook-phone-order-otherwise
    refund-window handbook-trip-approver handbook-incident-deadline handbook-part-time handbook-discount
    handbook-expenses invoice-total invoice-due-date agreement-notice agreement-liability agreement-court
    triage-priority order-email shift-table maths-profit-interval codes-part-number codes-carrier chart-best-month
    chart-return-rate reply-late-parcel german-notice ticket-saw-blade ticket-hose-leak ticket-login-loop date-us
    judged-cracked-guard judged-shop-notice judged-incident-summary judged-order-total judged-late-mower
    judged-wrong-colour judged-double-invoice judged-noisy-pump judged-outage-summary judged-recall-summary
    judged-training-summary judged-lumber-total judged-hours-total judged-fuel-total judged-tile-total
    judged-cable-total judged-rent-total
""") | (NOTICES - HASTY_SAYS_IT_ALL)
HASTY_WRONG_ONCE = {("invoice-interest", 2)}
KEYWORDS_RIGHT = words("""
    ticket-double-charge ticket-vat-number ticket-voucher ticket-parcel-late ticket-wrong-street ticket-two-accounts
""")
ALL = {(task, epoch) for task in TASKS for epoch in EPOCHS}
PASSES = {
    "reference": ALL,
    "empty": set(),
    "careful": {(t, e) for t, e in ALL if t not in CAREFUL_WRONG} - CAREFUL_WRONG_ONCE,
    "hasty": {(t, e) for t, e in ALL if t not in HASTY_WRONG} - HASTY_WRONG_ONCE,
    "keywords": {(t, e) for t, e in ALL if t in KEYWORDS_RIGHT},
}
KEYS = re.compile(r"(API_KEY|TOKEN|SECRET)$")


@dataclass(frozen=True)
class Ran:
    """A workspace after `harness run --suite mine`."""

    workspace: Path
    folder: Path
    process: subprocess.CompletedProcess[str]

    def attempts(self, folder: Path | None = None) -> list[dict[str, object]]:
        lines = ((folder or self.folder) / "attempts.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


def harness(workspace: Path, *words: str, timeout_s: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
    """The command in this workspace, with no provider key in its environment."""
    env = {k: v for k, v in os.environ.items() if not KEYS.search(k) and k != "HARNESS_WORKSPACE"}
    env |= {"PYTHONPATH": str(ROOT), "DOCKER_HOST": "unix:///no/engine.sock", **more}
    return run_harness(words, workspace, env, timeout_s)


def copy_workspace(to: Path) -> Path:
    """The shipped workspace folders and nothing else."""
    for name in ("tasks", "graders"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prices.yaml", to)
    return to


def newest(workspace: Path) -> Path:
    return max((p for p in (workspace / "runs").iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime_ns)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    workspace = copy_workspace(tmp_path_factory.mktemp("mine"))
    process = harness(workspace, "run", "--suite", "mine")
    assert process.returncode == 0, process.stdout + process.stderr
    return Ran(workspace, newest(workspace), process)


def test_every_trial_is_graded_once(ran: Ran) -> None:
    attempts = [a for a in ran.attempts() if a["task"] not in BOXED]
    assert {a["status"] for a in attempts} == {"graded"}
    assert len(attempts) == len(TASKS) * len(PASSES) * len(EPOCHS)
    assert {(a["task"], a["system"], a["epoch"]) for a in attempts} == {
        (task, system, epoch) for task, epoch in ALL for system in PASSES
    }


def test_without_an_engine_tasks_in_boxes_are_skipped_said_so_and_the_run_is_valid(ran: Ran) -> None:
    boxed = [a for a in ran.attempts() if a["task"] in BOXED]
    assert {(a["status"], a["trouble"]["cause"]) for a in boxed} == {("skipped", "engine")}  # type: ignore[index]
    assert len(boxed) == len(BOXED) * len(PASSES) * len(EPOCHS)
    assert "NOT MEASURED: 90 of 1440 trials were skipped: no engine here" in ran.process.stdout
    assert ran.process.stderr.count("no container engine answers at unix:///no/engine.sock") == 1
    summary = json.loads((ran.folder / "summary.json").read_text(encoding="utf-8"))
    assert {s["coverage"]["overlooked"] for s in summary["systems"]} == {18}


def test_what_may_be_lacking_is_the_suites_to_say(ran: Ran, tmp_path: Path) -> None:
    """Without the word the same run is not valid; and it excuses no other cause, nor a run in which all was skipped."""
    workspace = copy_workspace(tmp_path)
    path = workspace / "tasks/mine/suite.yaml"
    text = path.read_text(encoding="utf-8")
    few = ("run", "--suite", "mine", "--system", "reference", "--epochs", "1", "--quiet")
    assert harness(workspace, *few, "--task", "smoke", "--task", "box-merge-shifts").returncode == 0
    assert harness(workspace, *few, "--task", "box-merge-shifts").returncode == 3
    path.write_text(text.replace("may_lack: [engine]", "may_lack: [stored_answer]"), encoding="utf-8")
    strict = harness(workspace, *few, "--task", "smoke", "--task", "box-merge-shifts")
    assert strict.returncode == 3 and "coverage 1/2 = 50.0% is under the floor" in strict.stdout


@pytest.mark.parametrize("system", PASSES)
def test_a_system_passes_exactly_what_is_planted(ran: Ran, system: str) -> None:
    passed = {(a["task"], a["epoch"]) for a in ran.attempts() if a["system"] == system and a.get("passed")}
    assert passed == PASSES[system]


def test_the_report_says_the_planted_rates_and_labels_what_is_no_model(ran: Ran) -> None:
    said = ran.process.stdout
    for system in PASSES:
        assert system in said
    assert "simulated" in said
    assert f"{len(TASKS) + len(BOXED)} tasks" in said
    summary = json.loads((ran.folder / "summary.json").read_text(encoding="utf-8"))
    assert summary
    assert (ran.folder / "report.md").read_text(encoding="utf-8").startswith("#")
    assert (ran.folder / "manifest.json").is_file()


def test_labels_tell_how_an_answer_was_wrong(ran: Ran) -> None:
    labels = {(a["task"], a["system"]): a.get("label") for a in ran.attempts() if a["epoch"] == 1}
    assert labels["chart-best-month", "hasty"] == "no_answer"
    assert labels["triage-priority", "hasty"] == "ambiguous"
    assert labels["codes-carrier", "hasty"] == "forbidden"
    assert labels["refund-window", "keywords"] == "abstained"
    assert labels["refund-window", "hasty"] == "wrong"


def test_shuffled_options_are_the_same_for_every_system_and_differ_between_epochs(ran: Ran) -> None:
    orders: dict[tuple[object, object], set[tuple[int, ...]]] = {}
    for a in ran.attempts():
        if a.get("choice_order"):
            orders.setdefault((a["task"], a["epoch"]), set()).add(tuple(a["choice_order"]))  # type: ignore[arg-type]
    assert all(len(o) == 1 for o in orders.values())
    assert len({o for (task, _), os in orders.items() if task == "handbook-expenses" for o in os}) > 1


def test_regrading_gives_the_same_verdicts(ran: Ran) -> None:
    process = harness(ran.workspace, "regrade", ran.folder.name, "--quiet")
    assert process.returncode == 0, process.stderr
    again = newest(ran.workspace)
    assert again != ran.folder

    def verdicts(folder: Path) -> dict[tuple[object, ...], tuple[object, ...]]:
        key = ("task", "system", "epoch")
        return {
            tuple(a[k] for k in key): (a.get("passed"), a.get("value"), a.get("label")) for a in ran.attempts(folder)
        }

    assert verdicts(again) == verdicts(ran.folder)


def test_a_changed_reference_is_regraded_and_a_changed_prompt_is_refused(ran: Ran, tmp_path: Path) -> None:
    workspace = tmp_path / "copy"
    shutil.copytree(ran.workspace, workspace)
    path = workspace / "tasks/mine/refund-window.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('reference: "30 days"', 'reference: "14 days"'), encoding="utf-8")
    assert harness(workspace, "regrade", ran.folder.name, "--quiet").returncode == 0
    passed = {a["system"] for a in ran.attempts(newest(workspace)) if a["task"] == "refund-window" and a.get("passed")}
    assert passed == {"hasty"}  # the stored outputs did not change: today's reference is not what the ceiling said

    path.write_text(text.replace("pair of shears", "pair of gloves"), encoding="utf-8")
    refused = harness(workspace, "regrade", ran.folder.name, "--quiet")
    assert refused.returncode == 6
    assert "refund-window" in refused.stderr


def test_a_finished_run_has_nothing_to_resume(ran: Ran) -> None:
    before = len(ran.attempts())
    harness(ran.workspace, "resume", ran.folder.name, "--quiet")
    assert len(ran.attempts()) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list",), "mine"),
        (("list", "tasks", "--suite", "mine"), "ticket-{{ id }}"),
        (("list", "systems", "--suite", "mine"), "claude-verify"),
        (("show", "refund-window"), "30 days"),
        (("plugin", "check", "graders/tone.py:Tone"), "docstring"),
    ],
)
def test_reading_commands_work_on_it(ran: Ran, words: tuple[str, ...], said: str) -> None:
    process = harness(ran.workspace, *words)
    assert process.returncode == 0, process.stderr
    assert said in process.stdout


def test_listing_without_loading_says_what_was_run(ran: Ran) -> None:
    listed = json.loads(harness(ran.workspace, "list", "tasks", "--suite", "mine", "--json").stdout)
    single = {line["id"]: line for line in listed if line["id"] in TASKS}
    assert len(single) == len(TASKS) - 15 - len(NOTICES)  # rows of tickets.jsonl, dates.csv, notices.jsonl are not read
    seen = {a["task"]: a for a in ran.attempts()}
    for task, line in single.items():
        attempt = seen[task]
        shape = dict(attempt["shape"])  # type: ignore[call-overload]
        said = [str(shape[k]) for k in ("horizon", "stakes", "surface")]
        said += [f"{k}={shape[k]}" for k in ("tools", "context") if k in shape]
        assert (line["family"], line["shape"].split(), line["tags"]) == (
            attempt["family"],
            said,
            attempt.get("tags", []),
        )


def test_the_run_is_exported_and_read_with_pandas(ran: Ran) -> None:
    out = ran.workspace / "out.csv"
    process = harness(ran.workspace, "export", ran.folder.name, "--format", "csv", "--out", str(out))
    assert process.returncode == 0, process.stderr
    assert len(out.read_text(encoding="utf-8").splitlines()) > len(ran.attempts())
    frame = read_run(ran.folder)
    rates = frame.groupby("system")["passed"].mean()
    for system, passes in PASSES.items():
        assert rates[system] == pytest.approx(len(passes) / len(ALL))


def test_systems_that_need_keys_resolve_and_say_which_keys_are_missing(ran: Ran) -> None:
    chosen = [
        w
        for system in ("claude-direct", "claude-small", "claude-verify", "gpt-direct", "plan-gpt", "routed")
        for w in ("--system", system)
    ]
    dry = harness(ran.workspace, "run", "--suite", "mine", *chosen, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "6 systems" in dry.stdout
    assert "unpriced" not in dry.stdout

    before = newest(ran.workspace)
    process = harness(ran.workspace, "run", "--suite", "mine", *chosen)
    assert process.returncode == 2
    assert "ANTHROPIC_API_KEY is not set" in process.stderr
    assert "OPENAI_API_KEY is not set" in process.stderr
    assert newest(ran.workspace) == before


def test_every_shipped_yaml_fits_the_schema_its_first_line_names(ran: Ran) -> None:
    made = harness(ran.workspace, "schema")
    assert made.returncode == 0, made.stderr
    files = [*(ran.workspace / "tasks/mine").rglob("*.yaml"), *(ran.workspace / "graders").glob("*.yaml")]
    assert len(files) > 15
    for path in files:
        if path.parent.name == "data":
            continue  # the router's policy has a form of its own
        if path.name == "judges.yaml":
            continue  # names of judges, which graders and suites take: no grader
        text = path.read_text(encoding="utf-8")
        named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
        assert named, f"{path.name} has no editor hint"
        schema = json.loads((path.parent / named[1]).resolve().read_text(encoding="utf-8"))
        faults = [e.message for e in Draft202012Validator(schema).iter_errors(yaml.safe_load(text))]
        assert not faults, f"{path.name}: {faults}"
