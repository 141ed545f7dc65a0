"""`harness list`: suites, tasks, systems, runs and graders of this workspace, at once and without checking them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.cli._numbers import whole
from harness.cli._table import clip, table
from harness.errors import Exit

Rows = list[dict[str, Any]]
Found = tuple[Rows, list[str]]
"""What is listed, and what could not be read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="?", default="suites", choices=tuple(LISTS), help="what to list (default: suites)"
    )
    parser.add_argument("--suite", metavar="S", help="only this suite (tasks, systems, runs)")
    parser.add_argument("--limit", type=whole, metavar="N", help="at most N lines; of runs, the newest")
    parser.add_argument("--json", action="store_true", help="the same as JSON on stdout")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """Print the list. What could not be read is named on stderr, and makes the exit code 2."""
    from harness.config.workspace import find_workspace

    workspace = find_workspace(args.workspace)
    find, columns = LISTS[args.what]
    rows, troubles = find(workspace, args.suite)
    total = len(rows)
    if args.limit is not None:
        rows = rows[: args.limit]
    if args.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif rows:
        print(table(columns, [[_cell(row[c]) for c in columns] for row in rows]))
        if total > len(rows):
            print(f"{total - len(rows):,} more", file=sys.stderr)
    else:
        print(f"no {args.what} here{_how(args.what)}", file=sys.stderr)
    for trouble in troubles:
        print(f"cannot read {trouble}", file=sys.stderr)
    return Exit.USAGE if troubles else Exit.OK


def _suites(workspace: Path, only: str | None) -> Found:
    rows = []
    troubles = []
    for suite in _skimmed(workspace, only):
        troubles += suite.troubles
        named = [s.name for s in suite.systems if s.default]
        more = len(suite.systems) - len(named)
        rows.append(
            {
                "suite": suite.name,
                "tasks": suite.n_tasks,
                "systems": ", ".join(named) + (f" (+{more})" if more else ""),
                "epochs": str(suite.epochs),
                "place": suite.place,
                "description": clip(suite.description, 60),
            }
        )
    return rows, troubles


def _tasks(workspace: Path, only: str | None) -> Found:
    suites = _skimmed(workspace, only)
    rows = [
        {
            "suite": task.suite,
            "id": task.id,
            "rows": task.rows,
            "family": task.family,
            "shape": _shape(task.shape),
            "tags": list(task.tags),
            "graders": list(task.graders),
            "place": task.place,
        }
        for suite in suites
        for task in suite.tasks
    ]
    return rows, [t for s in suites for t in s.troubles]


def _systems(workspace: Path, only: str | None) -> Found:
    suites = _skimmed(workspace, only)
    rows = [
        {
            "suite": system.suite,
            "system": system.name,
            "harness": system.harness,
            "models": system.models,
            "default": system.default,
            "place": system.place,
        }
        for suite in suites
        for system in suite.systems
    ]
    return rows, [t for s in suites for t in s.troubles]


def _runs(workspace: Path, only: str | None) -> Found:
    """Newest first."""
    from harness.cli._runs import RunSkimmer
    from harness.config.workspace import run_names
    from harness.errors import StoreError

    rows: Rows = []
    troubles = []
    skimmer = RunSkimmer()
    for name in reversed(run_names(workspace)):
        try:
            run = skimmer.skim(workspace / "runs" / name)
        except StoreError as e:
            troubles.append(f"runs/{name}: {e}")
            continue
        if only in (None, run["suite"]):
            rows.append(run)
    return rows, troubles


def _graders(workspace: Path, only: str | None) -> Found:
    """The workspace's own grader definitions and classes, then the installed ones."""
    del only  # graders belong to no suite
    from harness.cli._entry_points import installed_names

    folder = workspace / "graders"
    own = sorted(folder.glob("*.y*ml")) + sorted(folder.glob("*.py")) if folder.is_dir() else []
    rows: Rows = [
        {
            "grader": f"graders/{path.name}" if path.suffix == ".py" else path.stem,
            "owner": "this workspace",
            "place": f"graders/{path.name}",
        }
        for path in own
    ]
    rows += [{"grader": n, "owner": owner, "place": value} for n, owner, value in installed_names("grader")]
    return rows, []


LISTS: Mapping[str, tuple[Callable[[Path, str | None], Found], Sequence[str]]] = {
    "suites": (_suites, ("suite", "tasks", "systems", "epochs", "place", "description")),
    "tasks": (_tasks, ("id", "rows", "family", "shape", "tags", "graders", "place")),
    "systems": (_systems, ("suite", "system", "harness", "models", "default", "place")),
    "runs": (_runs, ("run", "suite", "created", "systems", "trials", "status", "passed")),
    "graders": (_graders, ("grader", "owner", "place")),
}


def _skimmed(workspace: Path, only: str | None) -> list[Any]:
    from harness.cli._skim import skim_suite
    from harness.config.workspace import find_suite, suite_names

    if only is not None:
        return [skim_suite(workspace, find_suite(workspace, only))]
    return [skim_suite(workspace, workspace / "tasks" / name / "suite.yaml") for name in suite_names(workspace)]


def _shape(shape: Mapping[str, object]) -> str:
    words = [str(shape[k]) for k in ("horizon", "stakes", "surface") if shape.get(k) is not None]
    words += [f"{k}={shape[k]}" for k in ("tools", "context") if shape.get(k) is not None]
    return " ".join(words)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "only when named"
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)
    return "?" if value is None else str(value)


def _how(what: str) -> str:
    """What would make there be some."""
    hints = {
        "suites": "harness new suite mine",
        "tasks": "harness new task NAME --suite S",
        "runs": "harness run --suite NAME",
        "graders": "harness new grader NAME",
    }
    return f"; make one: {hints[what]}" if what in hints else ""
