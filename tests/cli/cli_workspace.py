"""A small workspace on disk and the harness as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from cli_process import run_harness

SUITE = """\
suite: demo
tasks: [tasks/demo/*.task.yaml]
systems:
  - {name: right, harness: reference}
  - {name: floor, harness: empty}
"""
TASKS = """\
tasks:
  - {id: capital, prompt: "Capital of Austria?", reference: Vienna, graders: [match], tags: [geo], family: geo}
  - {id: river, prompt: "River in Vienna?", reference: Danube, graders: [match], tags: [geo], family: geo}
  - {id: sum, prompt: "2 + 2?", reference: "4", graders: [match], shape: {stakes: high}}
"""


def workspace(root: Path, suite: str = SUITE, tasks: str = TASKS) -> Path:
    folder = root / "tasks" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suite.yaml").write_text(dedent(suite))
    (folder / "all.task.yaml").write_text(dedent(tasks))
    return root


def harness(root: Path, *args: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `harness ARGS` in the workspace, without provider keys."""
    return run_harness(args, root, clean_env(env))


def start(root: Path, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """The same, not waited for."""
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli.main", *args],
        cwd=root,
        env=clean_env(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def clean_env(extra: Mapping[str, str] | None) -> dict[str, str]:
    """This environment without provider keys or a workspace of its own."""
    dropped = ("HARNESS_WORKSPACE", "COLUMNS")
    mine = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and k not in dropped}
    return {**mine, "NO_COLOR": "1", **(extra or {})}
