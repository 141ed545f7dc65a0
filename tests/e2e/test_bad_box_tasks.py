"""What can be wrong with a task in a box: each fault has its message and status; the sound tasks keep theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.docker
OWN_IMAGES = ("/work/calc",)
GOLD = "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n"
HIDDEN = (
    "import unittest\nfrom calc import add\n\n\nclass TestAdd(unittest.TestCase):\n"
    "    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n"
)
BASE = "harness-base:bookworm"


def repo(**more: Any) -> dict[str, Any]:
    return {
        "kind": "repo_patch", "repo": {"source": "repos/calc", "base": "BASE", "dest": "/work/calc"}, "prompt": "mend",
        "runner": "unittest", "tests": {"test_add.py": HIDDEN}, "reference": {"patch": GOLD}, "timeout_s": 60, **more,
    }  # fmt: skip


def verified(verifier: str, **more: Any) -> dict[str, Any]:
    return {"kind": "script", "prompt": "write", "verifier": verifier, "collect": {"out": {"tree": "/work"}},
            "reference": {"script": "true"}, **more}  # fmt: skip


TASKS = {
    "sound": repo(),
    "bad-dockerfile": verified("exit 0\n\n", sandbox={"dockerfile": "bad"}),
    "failing-setup": verified("exit 0\n\n", sandbox={"setup": ["echo this is why; exit 7"]}),
    "missing-image": verified("exit 0\n\n", sandbox={"image": "no-such-image-anywhere:1"}),
    "wrong-commit": repo(repo={"source": "repos/calc", "base": "0123456789" * 4, "dest": "/work/calc"}),
    "gold-does-not-apply": repo(reference={"patch": GOLD.replace("a - b", "a * b")}),
    "tests-never-start": repo(python="python9"),
    "report-unreadable": repo(
        runner="junit", command=["sh", "-c", "echo 'not a report' > {report}"], tests={"t.txt": "x\n"}
    ),
    "verifier-missing-program": verified("no-such-program\nexit $?\n"),
    "reward-unreadable": verified("echo lots > $REWARD_FILE\nexit 0\n"),
}
WANTED: dict[str, tuple[str, str, str]] = {
    "bad-dockerfile": ("infra_error", "image", "non-zero code: 3"),
    "failing-setup": ("infra_error", "image", "this is why"),
    "missing-image": ("infra_error", "image", "no-such-image-anywhere"),
    "wrong-commit": ("infra_error", "image", "0123456789"),
    "gold-does-not-apply": ("skipped", "reference", "does not apply"),
    "tests-never-start": ("ungradable", "environment", "python9"),
    "report-unreadable": ("ungradable", "environment", "report"),
    "verifier-missing-program": ("ungradable", "environment", "no-such-program"),
    "reward-unreadable": ("ungradable", "bad_reward", "reward"),
}
"""Status, cause, and words of the message, of the reference's trial."""


@dataclass(frozen=True)
class Ran:
    """A run of all of them."""

    code: int
    out: str
    err: str
    attempts: dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    space = tmp_path_factory.mktemp("bad")
    source = space / "repos/calc"
    source.mkdir(parents=True)
    (source / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "base"]):
        subprocess.run([*git, *words], check=True)
    base = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    suite = {
        "suite": "bad", "coverage": {"floor": 0.98}, "retries": 1,
        "systems": [{"name": "reference", "harness": "reference"}, {"name": "empty", "harness": "empty"}],
        "tasks": [{"id": id, **task} for id, task in TASKS.items()],
    }  # fmt: skip
    for name, text in {
        "tasks/bad/suite.yaml": json.dumps(suite).replace('"BASE"', f'"{base}"'),
        "bad/Dockerfile": f"FROM {BASE}\nRUN echo so far && exit 3\n",
    }.items():
        (space / name).parent.mkdir(parents=True, exist_ok=True)
        (space / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "run", "--suite", "bad"], cwd=space, check=False, timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    logs = list(space.glob("runs/*/attempts.jsonl"))
    assert len(logs) == 1, done.stderr[-3000:]
    rows = [json.loads(line) for line in logs[0].read_text().splitlines()]
    finals = {(r["task"], r["system"]): r for r in rows if r.get("final", True)}
    return Ran(done.returncode, done.stdout, done.stderr, finals)


@pytest.mark.parametrize("id", WANTED)
def test_a_fault_of_a_task_has_its_status_and_its_message(id: str, ran: Ran) -> None:
    status, cause, words = WANTED[id]
    found = ran.attempts[id, "reference"]
    assert (found["status"], found["trouble"]["cause"]) == (status, cause), found["trouble"]
    assert words in found["trouble"]["detail"], found["trouble"]["detail"]


def test_the_sound_task_keeps_its_verdicts_and_the_run_says_that_it_is_not_valid(ran: Ran) -> None:
    assert ran.attempts["sound", "reference"]["passed"] is True
    assert ran.attempts["sound", "empty"]["passed"] is False
    assert ran.code == 3 and "this run is not valid" in ran.err
    assert len(ran.attempts) == 2 * len(TASKS)


def test_an_image_that_does_not_build_is_told_once_and_not_tried_again(ran: Ran) -> None:
    told, _, end = ran.err.partition("this run is not valid")
    words = "the image with the task's files and setup does not build"
    assert told.count(words) == 1 and f"task 'failing-setup': {words}" in told
    assert end.count(words) <= 1, "the end names what the first trial of each cause failed of"
    assert ran.attempts["failing-setup", "reference"]["attempt"] == 1


def test_the_report_counts_each_cause(ran: Ran) -> None:
    for words in ("infra_error: image 4", "skipped: reference 1", "ungradable: environment"):
        assert words in ran.out, ran.out[-4000:]
