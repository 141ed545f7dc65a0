"""`harness judge list`, `audit`, `calibrate`, `pool`, `compare`: which judges there are, and can they be believed?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._numbers import seed, whole
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.cli._calibrate import Found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    listing = actions.add_parser("list", help="judges of a suite: grader, model, controls, sentinels, labels")
    listing.add_argument("--suite", metavar="NAME", help="only this suite (default: all of the workspace)")
    audit = actions.add_parser("audit", help="ask judges again on stored work, in both orders; no system runs")
    audit.add_argument("--suite", metavar="NAME", help="on work from all runs of this suite; no run is changed")
    audit.add_argument("--judge", metavar="NAME", help="ask this judge alone, also one that no grader asks yet")
    audit.add_argument("--pairs", type=whole, default=200, metavar="N", help="works of each grader (200)")
    audit.add_argument("--repeats", type=whole, default=2, metavar="R", help="times in each order (2)")
    audit.add_argument("--seed", type=seed, default=0, metavar="S", help="seed of the draw (0)")
    audit.add_argument("--quiet", action="store_true", help="no progress")
    calibrate = actions.add_parser("calibrate", help="judges against people's labels; the score corrected by them")
    calibrate.add_argument(
        "--labels",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="instead of the files that the suite's `calibration` names, or graders/labels (repeatable)",
    )
    calibrate.add_argument(
        "--design",
        choices=("auto", "run_sample", "external"),
        help="run_sample: labels drawn at random from this run (PPI++); external: from elsewhere (Rogan-Gladen); "
        "left out: as the suite's `calibration` says",
    )
    pool = actions.add_parser("pool", help="one data sheet of each judge over many runs: nights add up")
    pool.add_argument("--last", type=whole, default=30, metavar="N", help="the last N runs (30)")
    pool.add_argument("--suite", metavar="NAME", help="runs of this suite (default: of the newest judged run's)")
    pool.add_argument("--strict", action="store_true", help="exit 4 where a judge is not proven valid")
    compare = actions.add_parser("compare", help="two versions of the judges on the same works: the bridge of scores")
    compare.add_argument("old", metavar="OLD", help="run folder, name or prefix")
    compare.add_argument(
        "--judges", default="", metavar="OLD=NEW", help="two judges of other names, such as main=second"
    )
    compare.add_argument("new", nargs="?", metavar="NEW", help="the other one (default: the newest run)")
    for action in (audit, calibrate):
        action.add_argument("run", nargs="?", metavar="RUN", help="run folder, name or prefix (default: the newest)")
        action.add_argument("--grader", action="append", default=[], metavar="NAME", help="only these (repeatable)")
        action.add_argument("--strict", action="store_true", help="exit 4 where a judge is not proven valid")
    for action in (listing, audit, calibrate, pool, compare):
        action.add_argument("--json", action="store_true", help="the same as JSON on stdout")
        action.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """0; 3 where a judge is not valid, 4 under --strict where one is not proven so, 5 when nothing was judged."""
    if args.action == "list":
        return _list(args)
    if args.action in ("pool", "compare"):
        from harness.cli import _judge_nights as nights

        return nights.pool(args) if args.action == "pool" else nights.compare(args)
    return _audit(args) if args.action == "audit" else _calibrate(args)


def _list(args: argparse.Namespace) -> int:
    from harness.cli._judge_list import lines, listed
    from harness.config.workspace import find_workspace, suite_names

    workspace = find_workspace(args.workspace)
    rows = [row for name in ([args.suite] if args.suite else suite_names(workspace)) for row in listed(workspace, name)]
    if args.json:
        import json

        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print(lines(rows))
    return Exit.OK


def _audit(args: argparse.Namespace) -> int:
    from harness.cli._out import plugins_aside
    from harness.config.workspace import find_run, find_workspace
    from harness.engine.again import suite_of, tasks_of
    from harness.engine.audit import Wanted, audit
    from harness.engine.prepare import named_secrets
    from harness.store.folder import RunFolder
    from harness.store.read import read_manifest

    workspace = find_workspace(args.workspace)
    if args.suite or args.judge:
        from harness.cli._audit import audit_apart

        return _report(audit_apart(workspace, args, lambda n: _tell(n, args.quiet)), args)
    path = find_run(workspace, args.run)
    with plugins_aside():
        manifest = read_manifest(path)
        suite = suite_of(workspace, manifest)
        tasks = tasks_of(suite, manifest)
        wanted = Wanted(_graders(path, args.grader), args.pairs, args.repeats, args.seed)
        with RunFolder.open(path, named_secrets(suite)) as folder:
            told = audit(folder, suite, tasks, wanted, lambda n: _tell(n, args.quiet))
    print(f"{told} judgements added to {path.name}; no system was called", file=sys.stderr)
    return _report(path, args)


def _tell(n: int, quiet: bool) -> None:
    if not quiet and sys.stderr.isatty():
        print(f"\r{n} judgements", end="", file=sys.stderr, flush=True)


def _graders(path: Path, wanted: list[str]) -> tuple[str, ...]:
    """The graders that judged something in this run, or those of them that are named. Raises UsageFault."""
    from harness.errors import UsageFault
    from harness.store.judgements import iter_judgements

    there = sorted({j.grader for j in iter_judgements(path) if j.role == "score"})
    if not there:
        raise UsageFault(f"no judge was asked in {path.name}", help="name a run whose tasks have judge graders")
    for name in wanted:
        if name not in there:
            raise UsageFault(f"the grader '{name}' judged nothing in {path.name}", help=f"graders: {', '.join(there)}")
    return tuple(wanted or there)


def _calibrate(args: argparse.Namespace) -> int:
    from harness.cli._calibrate import labels_of_run
    from harness.config.workspace import find_run, find_workspace

    workspace = find_workspace(args.workspace)
    path = find_run(workspace, args.run)
    return _report(path, args, labels_of_run(workspace, path, _graders(path, args.grader), args))


def _report(path: Path, args: argparse.Namespace, found: Found | None = None) -> int:
    """The data sheets, drawn; the exit code of the judges alone."""
    from harness.cli._calibrate import draw_sheets

    return draw_sheets(path, args, found)
