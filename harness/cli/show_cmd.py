"""`harness show`: one task as resolved, one run, or one trial with its transcript."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._numbers import whole
from harness.errors import Exit, HarnessError, UsageFault

if TYPE_CHECKING:
    from harness.cli._show import Found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="RUN|TASK", help="a run (folder, name, prefix, `latest`) or a task's id")
    parser.add_argument("task", nargs="?", metavar="TASK", help="after a run: the trial of this task")
    parser.add_argument("system", nargs="?", metavar="SYSTEM", help="default: the first system of the run")
    parser.add_argument("epoch", nargs="?", type=whole, metavar="EPOCH", default=None, help="default: 1")
    parser.add_argument("--system", dest="named", metavar="NAME", help="the same as SYSTEM")
    parser.add_argument("--attempt", type=whole, metavar="N", help="not the deciding attempt but this one")
    parser.add_argument("--suite", metavar="S", help="where to look for a task (default: every suite)")
    parser.add_argument("--json", action="store_true", help="the records themselves as JSON")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """Print it. Raises UsageFault when there is neither such a run nor such a task."""
    from harness.cli._out import printable, say
    from harness.cli._show import run_text, task_text, trial_text

    if args.attempt and not args.task:
        raise UsageFault("--attempt needs a trial", help="harness show RUN TASK [SYSTEM] [EPOCH] --attempt N")
    system = _system(args)
    found = None if args.suite else _run(args)
    if found is None and not args.task:
        text = task_text(_task(args), as_json=args.json)
    elif found is None:
        raise UsageFault(f"no run '{args.what}'", help="harness list runs")
    elif args.task:
        text = trial_text(found, (args.task, system, args.epoch), args.attempt, as_json=args.json)
    else:
        text = run_text(found, as_json=args.json)
    say(text if args.json else printable(text))
    return Exit.OK


def _system(args: argparse.Namespace) -> str | None:
    """The system by its place or by `--system`. Raises UsageFault where there is no trial, or the two differ."""
    named: str | None = args.named
    if named and not args.task:
        raise UsageFault("--system needs a trial", help=f"harness show RUN TASK --system {named}")
    if named and args.system not in (None, named):
        said = f"two systems are named: '{args.system}' and --system '{named}'"
        raise UsageFault(said, help=f"harness show RUN TASK {named} [EPOCH]")
    return named or args.system


def _run(args: argparse.Namespace) -> Path | None:
    from harness.config.workspace import find_run, find_workspace

    path = Path(args.what)
    if (path / "manifest.json").is_file():
        return path
    try:
        return find_run(find_workspace(args.workspace), args.what)
    except UsageFault:
        return None


def _task(args: argparse.Namespace) -> Found:
    """The task in the named suite, or in every suite that loads. Raises UsageFault naming what is close."""
    from harness.cli._show import Found
    from harness.config.load import load_suite
    from harness.config.workspace import find_workspace, suite_names
    from harness.plugins.loader import did_you_mean

    workspace = find_workspace(args.workspace)
    seen: list[str] = []
    broken: list[str] = []
    for name in [args.suite] if args.suite else suite_names(workspace):
        try:
            suite = load_suite(workspace, name)
        except HarnessError:
            if args.suite:
                raise
            broken.append(name)
            continue
        for task in suite.tasks:
            if task.id == args.what:
                return Found(suite, task)
            seen.append(task.id)
    hints = [did_you_mean(args.what, seen), "harness list tasks and harness list runs show what there is"]
    if broken:
        hints.append(f"not searched, for they have faults: {', '.join(broken)}")
    raise UsageFault(f"no run and no task '{args.what}'", help=" — ".join(h for h in hints if h))
