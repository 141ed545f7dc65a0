"""A workspace for benchmarks: N one-turn tasks in a JSONL file, one system. Shared by the scripts here."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SUITE = """\
suite: bench
tasks: [tasks/bench/rows.yaml]
systems:
  - {{name: one, harness: single_turn, model: {model}}}
concurrency: {concurrency}
"""
ROWS = """\
rows: {path: rows.jsonl}
template:
  id: "{{ row.id }}"
  family: "{{ row.family }}"
  prompt: "{{ row.question }}"
  reference: "{{ row.answer }}"
  graders: [match]
"""
QUESTION = "Task {i}: what is the refund window for a customer who bought the yearly plan? Reply with the number. #{i}"


def make(root: Path, n: int, model: str, concurrency: int) -> Path:
    """The workspace, at `root`."""
    folder = root / "tasks" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "runs").mkdir(exist_ok=True)
    (folder / "suite.yaml").write_text(SUITE.format(model=model, concurrency=concurrency))
    (folder / "rows.yaml").write_text(ROWS)
    with (folder / "rows.jsonl").open("w") as out:
        for i in range(n):
            row = {"id": f"t{i}", "family": f"f{i % 200}", "question": QUESTION.format(i=i), "answer": str(i)}
            out.write(json.dumps(row) + "\n")
    return root


@dataclass(frozen=True)
class Measured:
    """CPU seconds (user + system) and peak memory in MB of one child process, and what it printed."""

    cpu_s: float
    peak_mb: float
    code: int
    out: str


def measure(argv: list[str], cwd: Path | None = None) -> Measured:
    """Run a child to its end and read its own rusage (not its children's siblings')."""
    env = {**os.environ, "OPENAI_API_KEY": "sk-local", "ANTHROPIC_API_KEY": "local"}
    child = subprocess.Popen(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Measured(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, child.returncode, out)


def harness(*args: str) -> list[str]:
    """The command line of the installed harness."""
    return [sys.executable, "-m", "harness.cli.main", *args]


def cpu_of_python() -> float:
    """CPU of a bare interpreter, for ratios."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
