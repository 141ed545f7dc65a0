"""A suite with boxes from its YAML to its report and back again, by the command line, on a real engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from cli_process import run_harness

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.docker
OWN_IMAGES = ("mkdir -p /work/repo && chown",)

SUITE = """
suite: fixes
tasks: [tasks/fixes/one.yaml]
systems: [{name: reference, harness: reference}, {name: empty, harness: empty}]
boxes: 2
"""
TASK = """
id: swap
prompt: "`add` subtracts. Mend it."
sandbox: {repo: {source: source, base: v1}}
collect: {patch: {patch: /work/repo}}
reference: {script: "sed -i 's/a - b/a + b/' calc.py"}
graders: [graders/runs.py:Runs]
"""
GRADER = '''
"""Applies the patch in a clean box and runs the function."""
from harness.api import Grade, Grader


class Runs(Grader):
    """Passes when 2 and 3 make 5."""

    async def grade(self, work):
        """Run it."""
        async with work.open_box(work.task.sandbox) as box:
            await box.write("/tmp/p", work.artifact("patch") or b"")
            line = "cd /work/repo; [ ! -s /tmp/p ] || git apply /tmp/p; python3 -c 'import calc; print(calc.add(2, 3))'"
            done = await box.exec(["bash", "-c", line])
        return Grade(float(done.stdout == b"5\\n"), done.stdout == b"5\\n", extracted=done.stdout.decode())
'''


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name, text in (
        ("tasks/fixes/suite.yaml", SUITE),
        ("tasks/fixes/one.yaml", TASK),
        ("graders/runs.py", GRADER),
        ("source/calc.py", "def add(a, b):\n    return a - b\n"),
        # The plugin's entry point, for an installation older than the plugin.
        ("plugins/box-0.dist-info/METADATA", "Metadata-Version: 2.1\nName: box\nVersion: 0\n"),
        (
            "plugins/box-0.dist-info/entry_points.txt",
            "[harness.sandboxes]\ndocker = harness.sandboxes.docker:Docker\n",
        ),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    me = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], [*me, "commit", "-qm", "x"], ["tag", "v1"]):
        subprocess.run(["git", "-C", str(tmp_path / "source"), *words], check=True, capture_output=True)
    return tmp_path


def harness(workspace: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{workspace / 'plugins'}{os.pathsep}{ROOT}"
    return run_harness(words, workspace, {**os.environ, "PYTHONPATH": path, **env})


def attempts(run: Path) -> dict[str, dict[str, object]]:
    return {a["system"]: a for a in map(json.loads, (run / "attempts.jsonl").read_text().splitlines())}


def test_run_and_regrade_a_repository_task(workspace: Path) -> None:
    done = harness(workspace, "run", "--suite", "fixes", "--boxes", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "does not build" not in done.stderr
    (run,) = (workspace / "runs").iterdir()
    found = attempts(run)
    assert found["reference"]["passed"] is True and found["empty"]["passed"] is False
    assert str(found["empty"]["digests"]).count("sha256:") == 1
    again = harness(workspace, "regrade", run.name)
    assert again.returncode == 0, again.stdout + again.stderr
    (second,) = set((workspace / "runs").iterdir()) - {run}
    assert {s: a["passed"] for s, a in attempts(second).items()} == {"reference": True, "empty": False}
    old = f"{{use: replay, system: reference, path: runs/{run.name}/attempts.jsonl}}"
    suite = f"suite: again\ntasks: [tasks/fixes/one.yaml]\nsystems: [{{name: old, harness: {old}}}]\n"
    (workspace / "tasks/again").mkdir()
    (workspace / "tasks/again/suite.yaml").write_text(suite)
    played = harness(workspace, "run", "--suite", "again")
    assert played.returncode == 0, played.stdout + played.stderr
    [third] = (workspace / "runs").glob("*-again-*")
    assert attempts(third)["old"]["passed"] is True, "the work of a box is played with what was collected from it"
    left = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label=harness.run={run.name}"], capture_output=True, text=True
    )
    assert left.stdout == ""


def test_without_an_engine_the_run_says_so_once_and_is_not_valid(workspace: Path) -> None:
    done = harness(workspace, "run", "--suite", "fixes", DOCKER_HOST=f"unix://{workspace}/none.sock")
    assert done.returncode == 3
    assert done.stderr.count("no container engine answers") == 1, done.stderr
    (run,) = (workspace / "runs").iterdir()
    assert {a["status"] for a in attempts(run).values()} == {"skipped"}
