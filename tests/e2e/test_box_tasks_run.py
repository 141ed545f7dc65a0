"""A Harbor folder and a repo_patch on a repository made here, from YAML to verdicts by `harness run`, in real boxes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.plugins.loader import installed

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(
        "harbor" not in installed("source") or "test_report" not in installed("grader"),
        reason="the entry points of box tasks are not installed",
    ),
]
OWN_IMAGES = ("/work/calc", "/work/out", "TASK=tb-hello")
GOLD = """\
diff --git a/calc.py b/calc.py
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""
FILES = {
    "tasks/s/suite.yaml": """\
suite: s
tasks: [tasks/s/harbor.yaml, tasks/s/calc.yaml, tasks/s/trees.yaml]
coverage: 0
systems: [{name: floor, harness: empty}, {name: ceiling, harness: reference}]
""",
    "tasks/s/harbor.yaml": "rows: {use: harbor, path: ../../tb}\n",
    "tasks/s/calc.yaml": """\
id: calc
kind: repo_patch
repo: {source: repos/calc, base: HEAD, dest: /work/calc}
prompt: add() subtracts.
runner: unittest
tests: hidden
gold: gold.patch
""",
    "tasks/s/trees.yaml": """\
defaults: {collect: {out: {tree: /work/out}}, sandbox: {setup: [install -d -o agent /work/out]}}
tasks:
  - id: verified
    kind: script
    prompt: Write hello into /work/out/sub/a.txt.
    verifier: |
      test "$(cat /work/out/sub/a.txt)" = hello
      exit $?
    reference: {script: mkdir /work/out/sub && echo hello > /work/out/sub/a.txt}
  - id: apart
    kind: script
    as_work: true
    prompt: Write a program /work/out/sub/a.sh that says hello.
    verifier: |
      test "$(as-work sh /work/out/sub/a.sh)" = hello
      exit $?
    reference: {script: mkdir /work/out/sub && echo echo hello > /work/out/sub/a.sh}
  - id: changed
    kind: script
    prompt: Write hello into /work/out/sub/a.txt, and take /work/old away.
    collect: {work: {changes: [/work]}}
    sandbox: {setup: [install -d -o agent /work/out, install -o agent /etc/hostname /work/old]}
    verifier: |
      test "$(cat /work/out/sub/a.txt)" = hello && test ! -e /work/old
      exit $?
    reference: {script: mkdir /work/out/sub && echo hello > /work/out/sub/a.txt && rm /work/old}
  - id: checked
    kind: state
    prompt: Write hello into /work/out/sub/a.txt.
    checks: [{name: a, of: out, path: sub/a.txt, contains: hello}, {name: b, of: out, has: ["sub/*.txt"]}]
    reference: {script: mkdir /work/out/sub && echo hello > /work/out/sub/a.txt}
""",
    "tasks/s/gold.patch": GOLD,
    "tasks/s/hidden/test_add.py": "import unittest\nfrom calc import add\n\n\nclass TestAdd(unittest.TestCase):\n"
    "    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n",
    "repos/calc/calc.py": "def add(a, b):\n    return a - b\n",
    "tb/hello/task.toml": "[environment]\ncpus = 1\n",
    "tb/hello/instruction.md": "Write hello into /app/hello.txt.\n",
    "tb/hello/environment/Dockerfile": "FROM harness-base:bookworm\nENV TASK=tb-hello\nWORKDIR /app\n",
    "tb/hello/tests/test.sh": "#!/bin/sh\nif grep -qsx hello /app/hello.txt; then r=1; else r=0; fi\n"
    "echo $r > /logs/verifier/reward.txt\n",
    "tb/hello/solution/solve.sh": "echo hello > /app/hello.txt\n",
    "tb/steps/task.toml": '[[steps]]\nname = "one"\n',
}


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    ran = subprocess.run(["git", *identity, "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return ran.stdout.strip()


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    space = tmp_path_factory.mktemp("run")
    for name, text in FILES.items():
        path = space / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    repo = space / "repos" / "calc"
    git(repo, "init", "-q")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "base")
    base = git(repo, "rev-parse", "HEAD")
    task = space / "tasks/s/calc.yaml"
    task.write_text(task.read_text().replace("base: HEAD", f"base: {base}"))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    ran = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "run", "--suite", "s"],
        cwd=space, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    logs = list(space.glob("runs/*/attempts.jsonl"))
    assert len(logs) == 1, ran.stderr
    [log] = logs
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert rows, ran.stderr
    return {(row["task"], row["system"]): row for row in rows}


@pytest.mark.parametrize("task", ["hello", "calc", "verified", "apart", "changed", "checked"])
def test_the_reference_passes_and_the_empty_work_fails(
    attempts: dict[tuple[str, str], dict[str, Any]], task: str
) -> None:
    ceiling, floor = attempts[task, "ceiling"], attempts[task, "floor"]
    assert (ceiling["status"], ceiling.get("passed")) == ("graded", True), ceiling
    assert (floor["status"], floor.get("passed")) == ("graded", False), floor
    assert "flags" not in ceiling and "flags" not in floor


def test_what_is_not_supported_is_skipped_with_its_reason(attempts: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = attempts["steps", "ceiling"]
    assert row["status"] == "skipped" and "it has 1 steps" in row["trouble"]["detail"]
