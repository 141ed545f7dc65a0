"""`harness judge pool` and `compare`: a judge over many runs, and two versions of a judge on the same works."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.cli._calibrate import sheets_out
from harness.cli._out import say
from harness.config.workspace import find_run, find_workspace, run_names
from harness.engine.audit_suite import AUDITS
from harness.errors import Exit, UsageFault
from harness.report.judges import About
from harness.report.judges_nights import bridge_tables, bridges, pooled
from harness.report.judges_read import families_of, informing, policy_of, rules_of
from harness.report.text import table_lines
from harness.report.words import many
from harness.store.judgements import JUDGEMENTS
from harness.store.read import read_manifest


def pool(args: argparse.Namespace) -> int:
    """One data sheet of each judge over the last runs and the suite's audits since. Raises UsageFault without any."""
    workspace = find_workspace(args.workspace)
    runs = judged_runs(workspace, args.suite)[-args.last :]
    newest = read_manifest(runs[-1])
    audits = audits_since(workspace, newest.suite, read_manifest(runs[0]).created)
    about = About(run="", families=families_of(newest), rules=rules_of(newest), informs=informing(newest))
    found = pooled([*runs, *audits], runs[-1], policy_of(newest), about)
    used = [many(sum(p.name in found.runs for p in paths), word) for paths, word in ((runs, "run"), (audits, "audit"))]
    left = f"; {many(found.others, 'judgement')} of other versions or judges left out" if found.others else ""
    heads = [f"suite {newest.suite}: {' and '.join(used if audits else used[:1])}, {_span(found.runs)}{left}"]
    return sheets_out(found.report, args, heads)


def _span(names: Sequence[str]) -> str:
    """From the first to the last by name, which begins with the time."""
    return min(names) if len(names) == 1 else f"{min(names)} to {max(names)}"


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


def audits_since(workspace: Path, suite: str, since: str) -> list[Path]:
    """Audits of a suite that were made from then on, oldest first: `harness judge audit --suite` keeps them apart."""
    paths = sorted(p.parent for p in (workspace / AUDITS).glob(f"*/{JUDGEMENTS}"))
    made = [(read_manifest(p), p) for p in paths]
    return [p for manifest, p in made if manifest.suite == suite and manifest.created >= since]


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
