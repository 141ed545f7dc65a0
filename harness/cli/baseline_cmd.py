"""`harness baseline`: what later runs are compared with. It moves only by this command, in a reviewed commit."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._numbers import whole
from harness.errors import Exit, UsageFault

if TYPE_CHECKING:
    from harness.report.baseline import Baseline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    made = actions.add_parser("promote", help="make a baseline of the newest valid nights")
    made.add_argument("name", nargs="?", default="", metavar="NAME", help="default: <suite>-<system>")
    made.add_argument(
        "--from", dest="runs", nargs="+", default=[], metavar="RUN", help="these runs (default: the newest)"
    )
    made.add_argument("--system", metavar="S", help="whose baseline (the run's only system)")
    made.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the file (required)")
    made.add_argument("--nights", type=whole, default=30, metavar="N", help="pool at most the newest N nights (30)")
    made.add_argument("--extend", action="store_true", help="add to the nights that the baseline has")
    made.add_argument("--accept-regression", action="store_true", help="also when the newest run is worse")
    made.add_argument("--expires", type=whole, metavar="DAYS", help="do not use it any more after so many days")
    status = actions.add_parser("status", help="nights, attempts, age, and what it can detect")
    status.add_argument("name", nargs="?", default="", metavar="NAME", help="default: all")
    listing = actions.add_parser("list", help="the baselines there are")
    for action in (made, status, listing):
        action.add_argument("--now", type=_time, metavar="TIME", help="the time that ages are counted from (ISO 8601)")
        action.add_argument("--json", action="store_true", help="the same as JSON on stdout")
        action.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def _time(word: str) -> datetime:
    try:
        at = datetime.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{word}' is not a time such as 2026-01-31T02:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def execute(args: argparse.Namespace) -> int:
    """0; of `promote`: 1 when the newest run is worse than the old baseline, 3 when there is no valid night."""
    args.now = args.now or datetime.now(UTC)
    if args.action == "promote":
        return _promote(args)
    return _list(args) if args.action == "list" else _status(args)


def _promote(args: argparse.Namespace) -> int:
    from harness.cli._sides import run_path
    from harness.config.workspace import find_workspace, is_run_name
    from harness.report.baseline import baseline_names, read_baseline, write_baseline
    from harness.report.baseline_pool import Wanted, candidates, promote
    from harness.store.read import read_manifest

    workspace = find_workspace(args.workspace)
    if args.name and is_run_name(workspace, args.name):
        raise UsageFault(f"'{args.name}' is a run, where a baseline's name stands", help=f"--from {args.name}")
    chosen = tuple(run_path(name, args.workspace) for name in args.runs)
    newest = max(chosen, key=lambda p: read_manifest(p).created) if chosen else run_path(None, args.workspace)
    manifest = read_manifest(newest)
    system = args.system or _only(newest.name, [s.name for s in manifest.systems])
    name = args.name or f"{manifest.suite}-{system}"
    old = read_baseline(workspace, name) if name in baseline_names(workspace) else None
    if old is not None and (old.system.name, old.suite) != (system, manifest.suite):
        raise UsageFault(
            f"the baseline '{name}' is of {old.suite}, system '{old.system.name}'",
            help=f"give this one another name, such as {manifest.suite}-{system}",
        )
    expires = (args.now + timedelta(days=args.expires)).date().isoformat() if args.expires else ""
    wanted = Wanted(
        name=name,
        reason=args.reason,
        promoted=args.now.astimezone(UTC).isoformat(timespec="seconds"),
        expires=expires,
        chosen=chosen,
        nights=args.nights,
        accept_regression=args.accept_regression,
        extend=args.extend,
    )
    done = promote(candidates(workspace / "runs", newest, system), wanted, old)
    path = write_baseline(workspace, done.baseline)
    if args.json:
        _print_json({"path": str(path.relative_to(workspace)), **_facts(done.baseline, args.now)})
        return Exit.OK
    for note in done.notes:
        print(f"note: {note}")
    for run, why in done.left_out:
        print(f"left out {run}: {why}")
    if done.against_old is not None:
        print(f"the newest against {done.against_old.a.label}: {done.against_old.verdict}")
    print(f"{path.relative_to(workspace)}: {_line(done.baseline, args.now)}")
    print(f"next: commit it, then after a run: harness gate --baseline {name}")
    return Exit.OK


def _only(run: str, systems: list[str]) -> str:
    if len(systems) == 1:
        return systems[0]
    raise UsageFault(f"{run} has {len(systems)} systems: {', '.join(systems)}", help="name one: --system S")


def _list(args: argparse.Namespace) -> int:
    found = _all(args)
    if args.json:
        _print_json([_facts(b, args.now) for b in found])
        return Exit.OK
    if not found:
        print("no baseline yet: harness baseline promote --system S --reason TEXT")
    for b in found:
        print(f"{b.name}: {_line(b, args.now)}")
    return Exit.OK


def _status(args: argparse.Namespace) -> int:
    from harness.report.baseline_status import status_sections
    from harness.report.draw import draw_text

    found = _all(args)
    if args.json:
        _print_json([_facts(b, args.now) for b in found])
        return Exit.OK
    if not found:
        print("no baseline yet: harness baseline promote --system S --reason TEXT")
    for b in found:
        print(
            draw_text((f"baseline {b.name}: {_line(b, args.now)}", f"why: {b.reason}"), (), status_sections(b)), end=""
        )
    return Exit.OK


def _all(args: argparse.Namespace) -> list[Baseline]:
    from harness.config.workspace import find_workspace
    from harness.report.baseline import baseline_names, read_baseline

    workspace = find_workspace(args.workspace)
    name = getattr(args, "name", "")
    return [read_baseline(workspace, n) for n in ([name] if name else baseline_names(workspace))]


def _line(b: Baseline, now: datetime) -> str:
    from harness.report.baseline_status import facts_of

    f = facts_of(b, now)
    nights = f"{f.nights} night{'' if f.nights == 1 else 's'}"
    ends = "" if not b.expires else f", ENDED {b.expires}" if b.is_over(now) else f", until {b.expires}"
    return (
        f"{b.suite} {b.system.name}, {nights}, {f.tasks} tasks, {f.attempts_per_task:.1f} graded trials per task, "
        f"pass rate {100 * f.pass_rate:.1f}%, {f.age_days:.0f} days old{ends}"
    )


def _facts(b: Baseline, now: datetime) -> dict[str, object]:
    from dataclasses import asdict

    from harness.report.baseline_status import facts_of

    return {"name": b.name, "suite": b.suite, "system": b.system.name, "reason": b.reason, **asdict(facts_of(b, now))}


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=2))
