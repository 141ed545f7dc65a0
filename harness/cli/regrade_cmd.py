"""`harness regrade`: stored outputs under today's graders, in a new run folder, without a call to any system."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from harness.cli._labels import keep_labels, labels_for
from harness.cli._out import plugins_aside
from harness.cli.execute import publish, strict_code
from harness.config.load import load_suite
from harness.config.workspace import find_run, find_workspace
from harness.engine.again import changed_tasks, suite_of, tasks_of
from harness.engine.prepare import make_manifest, named_secrets, preflight
from harness.engine.regrade import refuse_other_work, regrade
from harness.errors import NothingToRun
from harness.prices import PriceBook
from harness.store.folder import RunFolder
from harness.store.read import read_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="run folder, name or prefix (the newest)")
    parser.add_argument("--suite", metavar="NAME", help="take graders from this suite (the run's own)")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")
    parser.add_argument("--json", action="store_true", help="the summary as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--strict", action="store_true", help="exit 4 where a judge is not proven valid")


def execute(args: argparse.Namespace) -> int:
    """Grade again and report on the new folder."""
    with plugins_aside():
        folder = _regraded(find_workspace(args.workspace), args)
    with folder:
        return strict_code(publish(folder, as_json=args.json), args)


def _regraded(workspace: Path, args: argparse.Namespace) -> RunFolder:
    """The new folder, filled and still open."""
    source = find_run(workspace, args.run)
    before = read_manifest(source)
    suite = load_suite(workspace, args.suite) if args.suite else suite_of(workspace, before)
    tasks = tasks_of(suite, before)
    refuse_other_work(changed_tasks(source, tasks))
    for warning in preflight(suite, {}, tasks, PriceBook.load(suite.prices), allow_unpriced=True):
        print(f"warning: {warning}", file=sys.stderr)
    manifest = msgspec.structs.replace(
        make_manifest(suite, tasks, {}, before.selection),
        systems=before.systems,
        n_tasks=before.n_tasks,
        epochs=before.epochs,
        seed=before.seed,
        regrade_of=before.run,
    )
    labels = labels_for(suite)
    folder = RunFolder.create(workspace / "runs", manifest, named_secrets(suite))
    keep_labels(folder, labels)
    try:
        count = regrade(source, folder, suite, tasks, lambda n: _tell(n, args.quiet))
        if not count:
            raise NothingToRun(f"{before.run} has no stored attempts", help=f"harness resume {before.run}")
    except BaseException:
        folder.close()
        raise
    print(f"regraded {count} attempts of {before.run}", file=sys.stderr)
    return folder


def _tell(n: int, quiet: bool) -> None:
    if not quiet and n % 1000 == 0:
        print(f"{n} attempts graded", file=sys.stderr)
