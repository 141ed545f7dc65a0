"""A workspace of simulated nights, and `harness` as a process or in this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli_process import run_harness

from harness.cli.main import main
from harness.store.read import ATTEMPTS
from harness.testing.simulate import Conduct, Night, World, simulate_run

NOW = "2026-03-01T00:00:00Z"
WORLD = World(tasks=60, families=15, seed=3)


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def workspace(root: Path) -> Path:
    (root / "tasks" / "simulated").mkdir(parents=True, exist_ok=True)
    return root


def night(root: Path, number: int, conduct: Conduct | None = None, *, world: World = WORLD, **about: Any) -> Path:
    seed = about.pop("seed", number)
    return simulate_run(root / "runs", world, Night(seed=seed, **about), {"sim": conduct or Conduct()}, number)


def harness(root: Path, *args: str) -> Ran:
    """In this process: quick."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(root):
        try:
            code = main(list(args))
        except SystemExit as e:
            code = int(e.code or 0)
    return Ran(int(code), out.getvalue(), err.getvalue())


def process(root: Path, *args: str, env: Mapping[str, str] | None = None) -> Ran:
    """As a user's shell runs it."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "HARNESS_"))}
    done = run_harness(args, root, {**plain, **(env or {})})
    return Ran(done.returncode, done.stdout, done.stderr)


def promoted(root: Path, nights: int = 10, **about: Any) -> Path:
    """A workspace with a baseline `simulated-sim` of some nights."""
    workspace(root)
    for number in range(nights):
        night(root, number, **about)
    done = harness(root, "baseline", "promote", "--reason", "first", "--accept-regression", "--now", NOW)
    assert done.code == 0, done.err
    return root


def edit(run: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], *, follow: bool = True) -> None:
    """Change the lines of a run; with `follow`, a line that is made a pass has graders that say so."""
    path = run / ATTEMPTS
    changed = change([json.loads(line) for line in path.read_text().splitlines()])
    for line in changed:
        if follow and line.get("passed") is True:
            line["grades"] = {n: {**g, "passed": True, "value": line["value"]} for n, g in line["grades"].items()}
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))


def edit_manifest(run: Path, **change: Any) -> None:
    path = run / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
