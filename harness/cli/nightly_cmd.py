"""`harness nightly`: one night of a suite: sentinels, canaries, run or resume, gate, trend, report, outputs."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from harness.cli._numbers import moment, whole
from harness.cli.execute import add_execution_arguments
from harness.errors import UsageFault


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--suite", default="mine", metavar="NAME", help="suite name or path (mine)")
    parser.add_argument(
        "--system", action="append", default=[], metavar="NAME", help="only these systems (repeatable, globs)"
    )
    parser.add_argument("--epochs", type=whole, metavar="K", help="trials of each task under each system")
    parser.add_argument("--night", default="", metavar="ID", help="name of the night (default: the date of --now, UTC)")
    parser.add_argument("--now", type=moment, metavar="TIME", help="ISO 8601; dates the night (default: now)")
    parser.add_argument("--replicates", type=whole, default=2000, metavar="R", help="quiet years of the trend's limits")
    parser.add_argument("--again", action="store_true", help="ask canaries and sentinels again that answered tonight")
    parser.add_argument(
        "--pin", metavar="RUN", help="instead of a night: keep work of this run, to be graded again every night"
    )
    add_execution_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """0 ok; 1 gate or trend; 3 tonight is no measurement; 4, 5, 6 as the gate; 130: run it again."""
    from harness.cli._nightly import pin_work, tonight
    from harness.config.workspace import find_workspace

    workspace = find_workspace(args.workspace)
    if args.pin:
        return pin_work(workspace, args)
    now = args.now or datetime.now(UTC)
    night = args.night or now.astimezone(UTC).date().isoformat()
    if not all(c.isalnum() or c in "-_." for c in night) or night.startswith("."):
        raise UsageFault(f"'{night}' cannot name a night", help="letters, digits, - _ and . only")
    return tonight(workspace, night, now, args)
