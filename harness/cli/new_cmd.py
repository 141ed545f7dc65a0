"""`harness new`: a suite, task, grader or harness that runs as it is."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.errors import Exit, UsageFault


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("kind", choices=("suite", "task", "grader", "harness"), help="what to make")
    parser.add_argument("name", metavar="NAME", help="its name")
    parser.add_argument("--suite", metavar="S", help="the suite of a new task (the only one, or mine)")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """Write the files, print their paths, and say what to type next. Raises UsageFault when they cannot be written."""
    try:
        return _make(args)
    except OSError as e:
        raise UsageFault(f"cannot write '{e.filename or args.name}': {e.strerror}") from e


def _make(args: argparse.Namespace) -> int:
    from harness.config.scaffold import scaffold
    from harness.config.workspace import suite_names

    workspace = _workspace(args)
    suite = args.suite or _only(suite_names(workspace)) if args.kind == "task" else ""
    made = scaffold(args.kind, args.name, workspace, suite)
    for path in made:
        print(path.relative_to(workspace.resolve()) if path.is_relative_to(workspace.resolve()) else path)
    _schemas(workspace)
    relative = made[0].relative_to(workspace) if made[0].is_relative_to(workspace) else made[0]
    chosen = _floor_and_ceiling(workspace, suite) if args.kind == "task" else ""
    if args.kind == "suite":
        print(_power(workspace, args.name))
    print(f"next: {_next(args.kind, args.name, suite, relative.as_posix())}{chosen}")
    return Exit.OK


def _power(workspace: Path, suite: str) -> str:
    """What the new suite could tell as it is: most suites begin too small, and nobody says so."""
    from harness.cli._skim import skim_suite
    from harness.cli._table import many
    from harness.config.workspace import find_suite
    from harness.report.power_table import basis_of, one_line

    found = skim_suite(workspace, find_suite(workspace, suite))
    count = sum(t.rows or 1 for t in found.tasks)
    families = len({t.family or t.id for t in found.tasks})
    epochs = found.epochs if isinstance(found.epochs, int) and found.epochs > 0 else 1
    return f"{many(count, 'task')}: {one_line(basis_of(count, families, ()), epochs)}"


def _floor_and_ceiling(workspace: Path, suite: str) -> str:
    """Options that try a new task with systems that can answer it at once; stored answers do not know it yet."""
    from harness.cli._skim import skim_suite
    from harness.config.workspace import find_suite

    systems = skim_suite(workspace, find_suite(workspace, suite)).systems
    names = [s.name for s in systems if s.default and s.harness in ("reference", "empty")]
    return "".join(f" --system {name}" for name in names if len(names) < len([s for s in systems if s.default]))


def _workspace(args: argparse.Namespace) -> Path:
    """Where to write. A new suite may begin a workspace."""
    from harness.config.workspace import MARK, find_workspace

    try:
        return find_workspace(args.workspace)
    except UsageFault:
        if args.kind != "suite":
            raise
        folder: Path = (args.workspace or Path.cwd()).expanduser().resolve()
        (folder / MARK).mkdir(parents=True, exist_ok=True)
        return folder


def _only(names: list[str]) -> str:
    return names[0] if len(names) == 1 else "mine"


def _next(kind: str, name: str, suite: str, path: str) -> str:
    if kind == "suite":
        return f"harness run --suite {name}"
    if kind == "task":
        return f"harness run --suite {suite} --task {name}"
    use = "graders: [{use: " + path + "}]" if kind == "grader" else "harness: " + path
    return f"harness plugin check {path} --kind {kind}, then name it in YAML: {use}"


def _schemas(workspace: Path) -> None:
    """The schemas that the first line of new YAML files names, if they are not there yet."""
    folder = workspace / ".harness" / "schema"
    if not folder.exists():
        from harness.config.json_schema import write_schemas

        write_schemas(folder, workspace)
