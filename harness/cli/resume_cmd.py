"""`harness resume`: finish an interrupted run. What is decided stays; infrastructure failures are tried again."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from harness.cli._out import plugins_aside
from harness.cli.execute import add_execution_arguments, execute_job, policy_of
from harness.config.workspace import find_run, find_workspace
from harness.engine.again import refuse_changes, suite_of, tasks_of
from harness.engine.prepare import named_secrets, preflight
from harness.engine.session import Job
from harness.errors import UsageFault
from harness.prices import PriceBook
from harness.store.folder import RunFolder
from harness.store.read import settled


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="run folder, name or prefix (the newest)")
    add_execution_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Load the suite again, refuse what changed, and go on where the run stopped."""
    workspace = find_workspace(args.workspace)
    folder = RunFolder.open(find_run(workspace, args.run))
    try:
        job = resumed_job(workspace, folder, args)
    except BaseException:
        folder.close()
        raise
    return execute_job(job, args)


@plugins_aside()
def resumed_job(workspace: Path, folder: RunFolder, args: argparse.Namespace) -> Job:
    """What is left of a run, after the suite was loaded again. Raises NotComparable when it changed meanwhile."""
    for mended in folder.repaired:
        print(f"repaired: {mended}", file=sys.stderr)
    if source := folder.manifest.regrade_of:
        raise UsageFault(
            f"{folder.manifest.run} holds the outputs of {source} under new graders; it has no work of its own",
            help=f"finish that run: harness resume {source}; or grade it again: harness regrade {source}",
        )
    suite = suite_of(workspace, folder.manifest)
    tasks = tasks_of(suite, folder.manifest)
    folder.hide(named_secrets(suite))
    refuse_changes(folder.path, suite, tasks, "resume")
    changes = {
        "budget_usd": args.budget_usd,
        "concurrency": args.concurrency,
        "boxes": args.boxes,
        "cache": args.cache or None,
    }
    suite = replace(suite, **{name: value for name, value in changes.items() if value is not None})
    systems = {s.name: suite.systems[s.name] for s in folder.manifest.systems}
    prices = PriceBook.load(suite.prices)
    unpriced = args.allow_unpriced or folder.manifest.allow_unpriced
    for warning in preflight(suite, systems, tasks, prices, unpriced):
        print(f"warning: {warning}", file=sys.stderr)
    before = settled(folder.path)
    left = folder.manifest.n_trials - len(before.done)
    print(
        f"resuming {folder.manifest.run}: {len(before.done)} trials settled, {left or 'nothing'} to go", file=sys.stderr
    )
    return Job(suite, folder, tasks, before, prices, policy_of(args))
