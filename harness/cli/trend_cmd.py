"""`harness trend`: has anything drifted over the nights, since when, and where does it come from?"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._numbers import hours, moment, seed, share, whole
from harness.errors import UsageFault

if TYPE_CHECKING:
    from harness.report.trend import Drawn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options; `trend ack` is another command in the same place."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions")
    _add_ack(actions.add_parser("ack", help="say what an alarm was: the chart starts anew after it"))
    parser.add_argument("--suite", default="mine", metavar="NAME", help="the suite whose nights are watched (mine)")
    parser.add_argument("--system", action="append", default=[], metavar="NAME", help="only these systems (repeatable)")
    parser.add_argument("--control", metavar="NAME", help="a pinned system that tells whose change it is (the suite's)")
    parser.add_argument(
        "--max-age", type=hours, metavar="36h", help="without a valid night in this time: stale, exit 1 (the suite's)"
    )
    parser.add_argument("--now", type=moment, metavar="TIME", help="ISO 8601; the only clock (default: now)")
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--yearly-alarms", type=share, metavar="P",
        help="chance of any false alarm in a quiet year, over all charts (the suite's, 0.2)",
    )  # fmt: skip
    limits.add_argument(
        "--seed", type=seed, default=0, metavar="S", help="seed of the Monte Carlo that makes limits (0)"
    )
    limits.add_argument("--replicates", type=whole, default=2000, metavar="R", help="quiet years simulated (2000)")
    limits.add_argument("--calibrate", action="store_true", help="make all limits anew, also those that are stored")
    out = parser.add_argument_group("output")
    out.add_argument("--format", choices=("text", "md", "json"), default="text", help="default: text")
    out.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to stdout")
    out.add_argument("--figure", type=Path, metavar="FILE", help="draw the charts: .png or .svg")
    out.add_argument("--no-record", action="store_true", help="write neither history nor limits")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def _add_ack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", default="mine", metavar="NAME", help="the suite (mine)")
    parser.add_argument("--cause", required=True, metavar="TEXT", help="what it was: kept with the chart")
    parser.add_argument("--system", default="", metavar="NAME", help="only this system (all)")
    parser.add_argument("--chart", default="", metavar="NAME", help="only this chart, e.g. 'pass rate' (all)")
    parser.add_argument("--until", default="", metavar="TIME", help="the last night it is about (the newest)")
    parser.add_argument("--rebaseline", action="store_true", help="the new level is right: nights after it are learned")
    parser.add_argument("--by", default="", metavar="WHO", help="who says so")
    parser.add_argument("--now", type=moment, metavar="TIME", help="ISO 8601 (default: now)")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """0 ok, watch or learning; 1 alarm or stale; 3 the newest night is not valid; 5 no night; 6 another suite."""
    return _ack(args) if args.action == "ack" else _trend(args)


def _trend(args: argparse.Namespace) -> int:
    from harness.config.nightly import nightly_of, suite_name
    from harness.config.workspace import find_workspace
    from harness.report.trend_model import TrendOptions

    workspace = find_workspace(args.workspace)
    says = nightly_of(workspace, args.suite)
    suite = suite_name(workspace, args.suite)
    options = TrendOptions(
        now=args.now or datetime.now(UTC),
        max_age=args.max_age or (hours(says.max_age) if "max_age" in says.model_fields_set else None),
        yearly_alarms=args.yearly_alarms or says.yearly_alarms,
        seed=args.seed,
        replicates=args.replicates,
        systems=tuple(args.system),
        control=says.control if args.control is None else args.control,
    )
    from harness.cli._trend import drawn_of, write_figure

    drawn = drawn_of(workspace, suite, options, anew=args.calibrate, record=not args.no_record)
    if args.figure:
        write_figure(drawn.trend, args.figure)
    _write(args, _rendered(drawn, args))
    return drawn.trend.exit_code


def _rendered(drawn: Drawn, args: argparse.Namespace) -> str:
    from harness.report.trend_render import trend_json, trend_markdown, trend_text

    if args.format == "json":
        import msgspec

        return msgspec.json.format(msgspec.json.encode(trend_json(drawn.trend))).decode() + "\n"
    if args.format == "md":
        return trend_markdown(drawn.trend, args.figure.name if args.figure else "")
    return trend_text(drawn.trend)


def _write(args: argparse.Namespace, text: str) -> None:
    from harness.cli._out import say

    if args.out is None:
        say(text)
        return
    try:
        args.out.write_text(text, encoding="utf-8")
    except OSError as e:
        raise UsageFault(f"cannot write '{args.out}': {e.strerror}") from e


def _ack(args: argparse.Namespace) -> int:
    from harness.cli._trend import acknowledge
    from harness.config.workspace import find_workspace

    print(acknowledge(find_workspace(args.workspace), args, args.now or datetime.now(UTC)))
    return 0
