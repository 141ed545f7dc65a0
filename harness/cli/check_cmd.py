"""`harness check`: prove each task before it counts."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from harness.cli._check_text import Watch, render_checks
from harness.cli._run_gate import check_policy
from harness.config.load import load_suite
from harness.config.quarantine import Entry, quarantine_path, read_quarantine, render_quarantine
from harness.config.suite import Suite
from harness.config.workspace import find_workspace
from harness.engine.select import Filters, parse_shape, select_tasks
from harness.errors import Exit, UsageFault
from harness.qa.cache import CheckCache
from harness.qa.findings import TaskCheck
from harness.qa.suite import Checking
from harness.qa.task import Options

DAYS = 14
"""How long a quarantine lasts if nothing is said: time to mend a task, too short to forget it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--suite", required=True, metavar="NAME", help="suite name (tasks/NAME/suite.yaml) or a path")
    parser.add_argument("--task", action="append", default=[], metavar="GLOB", help="only tasks whose id matches")
    parser.add_argument("--tag", action="append", default=[], metavar="T", help="only tasks with this tag")
    parser.add_argument("--shape", action="append", default=[], metavar="FIELD=VALUE", help="only this shape")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N tasks")
    parser.add_argument("--repeats", type=int, default=3, metavar="K", help="times reference, empty and base run (3)")
    parser.add_argument("--judges", action="store_true", help="let graders call judge models (costs money)")
    parser.add_argument("--quarantine", action="store_true", help="write failing tasks into quarantine.yaml")
    parser.add_argument("--owner", default="", metavar="NAME", help="who mends what is put under quarantine")
    parser.add_argument("--days", type=int, default=DAYS, metavar="N", help=f"how long a quarantine lasts ({DAYS})")
    parser.add_argument("--boxes", type=int, default=0, metavar="N", help="boxes at a time (cores x 2)")
    parser.add_argument("--no-cache", action="store_true", help="prove everything again")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def execute(args: argparse.Namespace) -> int:
    """Check, print, and say by the exit code whether every task is proven."""
    for name in ("repeats", "days"):
        if getattr(args, name) < 1:
            raise UsageFault(f"--{name} {getattr(args, name)} is not a whole number above 0")
    workspace = find_workspace(args.workspace)
    suite = load_suite(workspace, args.suite)
    check_policy(suite)
    shape = parse_shape(args.shape)
    tasks, _ = select_tasks(suite, Filters(tuple(args.task), tuple(args.tag), (), shape, args.limit))
    options = Options(args.repeats, args.judges)
    cache = CheckCache(workspace, on=not args.no_cache and not args.judges)
    checking = Checking(suite, tasks, options, cache, args.boxes)
    watch = Watch(sys.stderr, quiet=args.quiet)
    checks = asyncio.run(checking.run(watch.begin))
    for notice in checking.notices:
        print(f"notice: {notice}", file=sys.stderr)
    if args.json:
        print(msgspec.json.format(msgspec.json.encode({"suite": suite.name, "tasks": checks})).decode())
    else:
        print(render_checks(checks))
    _quarantine(suite, checks, args)
    if checking.interrupted:
        print(f"interrupted: {len(checks)} of {len(tasks)} tasks checked; they are cached", file=sys.stderr)
        return Exit.INTERRUPTED
    return exit_code(checks)


def exit_code(checks: list[TaskCheck]) -> int:
    """1 when a task fails, 3 when one could not be checked, 5 when there is none, else 0."""
    words = {check.verdict for check in checks}
    if not words:
        return Exit.NOTHING
    if "fail" in words:
        return Exit.GATE_FAILED
    return Exit.INVALID if "unchecked" in words else Exit.OK


def _quarantine(suite: Suite, checks: list[TaskCheck], args: argparse.Namespace) -> None:
    """Put failing tasks under quarantine and let proven ones out; without --quarantine, say what would be written."""
    path = quarantine_path(suite.path)
    shown = path.relative_to(suite.workspace).as_posix() if path.is_relative_to(suite.workspace) else str(path)
    before = read_quarantine(path, shown)
    after = quarantined(before, checks, args.owner, args.days, datetime.now(UTC))
    if after == before:
        return
    text = render_quarantine(after)
    if args.quarantine:
        path.write_text(text, "utf-8")
        print(f"{shown}: {len(after)} tasks under quarantine", file=sys.stderr)
    else:
        print(f"`--quarantine` would write {shown}:\n{text}", file=sys.stderr, end="")


def quarantined(
    before: dict[str, Entry], checks: list[TaskCheck], owner: str, days: int, now: datetime
) -> dict[str, Entry]:
    """The entries after these checks. An entry that still counts keeps its dates and its owner."""
    today = now.date()
    entries = dict(before)
    for check in checks:
        old = entries.get(check.task)
        if check.verdict in ("ok", "warn"):
            entries.pop(check.task, None)
        elif check.verdict == "fail":
            stays = old is not None and not old.is_over(today)
            entries[check.task] = Entry(
                task=check.task,
                reason=check.reason[:300],
                owner=owner or (old.owner if old else ""),
                since=old.since if old and stays else today.isoformat(),
                expires=old.expires if old and stays else (today + timedelta(days=days)).isoformat(),
            )
    return entries
