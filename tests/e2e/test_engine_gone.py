"""The engine is stopped in the middle of a run, comes back or not, or its disk is full: the run goes on and says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from own_engine import OwnEngine, own_engine, why_not

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.docker
WORKER = '''
"""Takes its time."""
from harness.api import Harness, Output


class Worker(Harness):
    """Sleeps in the box, then does the work."""

    version = "1"
    sleep_s: float = 0

    def roles(self):
        """None."""
        return ()

    async def solve(self, task, ctx):
        """Once."""
        if ctx.box is None:
            return Output(answer="ready")
        await ctx.box.exec(["sh", "-c", f"sleep {self.sleep_s}; echo done > out.txt"])
        return Output(declared_done=True)
'''
SUITE = """
suite: s
systems: [{{name: worker, harness: {{use: "harnesses/worker.py:Worker", sleep_s: {sleep_s}}}}}]
sandbox: {{use: docker, engine_wait_s: {wait_s}}}
tasks: [tasks/s/tasks.yaml, {{id: words, prompt: say it, graders: [match], reference: ready}}]
epochs: 3
boxes: 2
retries: 2
"""
TASK = """
defaults:
  sandbox: {{image: "harness-base:bookworm", workdir: /work, setup: ["{setup}"]}}
  collect: {{out: {{file: /work/out.txt}}}}
tasks:
  - id: out
    kind: state
    prompt: write out.txt
    checks: [{{name: it is there, of: out, contains: done}}]
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    if why := why_not():
        pytest.skip(why)
    bridge = Path("/sys/class/net/docker0")
    before = bridge.exists()
    with own_engine(Path(tmp_path_factory.mktemp("e"))) as engine:
        assert bridge.exists() is before
        yield engine


class Space:
    """A workspace with a suite whose boxes are on the test's own engine."""

    def __init__(self, root: Path, engine: OwnEngine, sleep_s: float, wait_s: float, setup: str = "true") -> None:
        self.root, self.engine = root, engine
        for name, text in {
            "harnesses/worker.py": WORKER,
            "tasks/s/suite.yaml": SUITE.format(sleep_s=sleep_s, wait_s=wait_s),
            "tasks/s/tasks.yaml": TASK.format(setup=setup),
        }.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)

    def start(self, *words: str) -> subprocess.Popen[str]:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": self.engine.host}
        return subprocess.Popen(
            [sys.executable, "-m", "harness.cli.main", *words], cwd=self.root, env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        return process.returncode, out + err

    def until_working(self, process: subprocess.Popen[str]) -> None:
        until = time.monotonic() + 120
        while not self.engine.docker("ps", "-q", "--filter", "label=harness.run"):
            assert time.monotonic() < until and process.poll() is None, process.communicate()
            time.sleep(0.1)

    def attempts(self) -> list[dict[str, Any]]:
        [log] = self.root.glob("runs/*/attempts.jsonl")
        return [json.loads(line) for line in log.read_text().splitlines()]

    def left(self) -> str:
        return self.engine.docker("ps", "-aq", "--filter", "label=harness.run")


def test_a_run_survives_an_engine_that_is_restarted(engine: OwnEngine, tmp_path: Path) -> None:
    space = Space(tmp_path, engine, sleep_s=4, wait_s=60)
    process = space.start("run", "--suite", "s")
    space.until_working(process)
    engine.stop()
    engine.start()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out[-3000:] + err[-3000:]
    boxed = [a for a in space.attempts() if a["task"] == "out"]
    lost = [a for a in boxed if a["status"] == "infra_error"]
    assert lost and all(not a.get("final", True) and a["trouble"]["source"] == "sandbox" for a in lost), boxed
    final = [a for a in boxed if a.get("final", True)]
    assert [(a["status"], a["passed"]) for a in final] == [("graded", True)] * 3
    assert space.left() == ""


def test_what_was_done_before_an_engine_stopped_for_good_is_kept_and_resumed(engine: OwnEngine, tmp_path: Path) -> None:
    space = Space(tmp_path, engine, sleep_s=2, wait_s=1)
    process = space.start("run", "--suite", "s")
    space.until_working(process)
    engine.stop()
    try:
        out, err = process.communicate(timeout=300)
    finally:
        engine.start()
    assert process.returncode == 3, out[-3000:] + err[-3000:]
    before = space.attempts()
    assert {a["status"] for a in before if a["task"] == "words" and a.get("final", True)} <= {"skipped", "graded"}
    final = [a for a in before if a["task"] == "out" and a.get("final", True)]
    assert any(a["status"] == "infra_error" for a in final), final
    assert "container engine" in " ".join(a["trouble"]["detail"] for a in final if a["status"] == "infra_error")
    assert "to be tried again: harness resume" in err
    [run] = (tmp_path / "runs").iterdir()
    _, said = space.run("resume", run.name)
    after = [a for a in space.attempts() if a["task"] == "out" and a["status"] == "graded"]
    assert len({a["epoch"] for a in after}) == 3, said[-3000:]
    assert space.attempts()[: len(before)] == before
    assert space.left() == ""


def test_a_full_disk_of_the_engine_is_told_and_costs_only_the_tasks_it_hit(engine: OwnEngine, tmp_path: Path) -> None:
    space = Space(tmp_path, engine, sleep_s=0, wait_s=10, setup="head -c 900000000 /dev/zero > /big")
    code, said = space.run("run", "--suite", "s")
    assert code == 3, said[-3000:]
    assert "no space left on device" in said.lower()
    boxed = [a for a in space.attempts() if a["task"] == "out"]
    assert {(a["status"], a["trouble"]["cause"]) for a in boxed} == {("infra_error", "image")}
    again = Space(tmp_path / "again", engine, sleep_s=0, wait_s=10)
    code, said = again.run("run", "--suite", "s", "--task", "out")
    assert code == 0, said[-3000:]
    assert engine.docker("images", "-q", "--filter", "dangling=true") == ""
