"""`harness judge pool` and `compare`: a judge over many runs, and two versions of a judge on the same works."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli._calibrate import sheets_out
from harness.cli._out import say
from harness.config.workspace import find_run, find_workspace, run_names
from harness.errors import Exit, UsageFault
from harness.report.judges import About
from harness.report.judges_nights import bridge_tables, bridges, pooled
from harness.report.judges_read import families_of, informing, policy_of, rules_of
from harness.report.text import table_lines
from harness.report.words import many
from harness.store.judgements import JUDGEMENTS
from harness.store.read import read_manifest


def pool(args: argparse.Namespace) -> int:
    """One data sheet of each judge over the last runs. Raises UsageFault when no run has judges."""
    workspace = find_workspace(args.workspace)
    paths = judged_runs(workspace, args.suite)[-args.last :]
    newest = read_manifest(paths[-1])
    about = About(run="", families=families_of(newest), rules=rules_of(newest), informs=informing(newest))
    found = pooled(paths, policy_of(newest), about)
    left = f"; {many(found.others, 'judgement')} of other versions left out" if found.others else ""
    heads = [f"suite {newest.suite}: {many(len(found.runs), 'run')}, {found.runs[0]} to {found.runs[-1]}{left}"]
    return sheets_out(found.report, args, heads)


def judged_runs(workspace: Path, suite: str | None) -> list[Path]:
    """Runs of a suite (or of the newest judged run's) in which judges were asked, oldest first. Raises UsageFault."""
    paths = [workspace / "runs" / n for n in run_names(workspace) if (workspace / "runs" / n / JUDGEMENTS).is_file()]
    suites = [read_manifest(p).suite for p in paths]
    wanted = suite or (suites[-1] if suites else "")
    found = [p for p, name in zip(paths, suites, strict=True) if name == wanted]
    if not found:
        what = f"no run of the suite '{suite}' has judges" if suite else "no run of this workspace has judges"
        raise UsageFault(what, help=f"suites with judged runs: {', '.join(sorted(set(suites))) or 'none'}")
    return found


def compare(args: argparse.Namespace) -> int:
    """What two versions of the judges say of the same works. Raises UsageFault when they share no judge."""
    workspace = find_workspace(args.workspace)
    old, new = find_run(workspace, args.old), find_run(workspace, args.new)
    one, _, other = args.judges.partition("=")
    if args.judges and not (one and other):
        raise UsageFault(f"--judges {args.judges} names no two judges", help="--judges OLD=NEW")
    found = bridges(old, new, (one, other) if args.judges else None)
    if not found:
        raise UsageFault(
            f"{old.name} and {new.name} share no judge of a grader", help="harness judge list; --judges OLD=NEW"
        )
    if args.json:
        import msgspec

        say(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    else:
        say(table_lines([f"old {old.name}", f"new {new.name}", ""], bridge_tables(found)))
    return Exit.OK
