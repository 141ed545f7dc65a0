"""`harness judge audit --suite` and `--judge`: stored work of a suite's runs, judged into a folder of its own."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.cli._out import plugins_aside
from harness.config.load import load_suite, load_with_judge
from harness.config.suite import Suite
from harness.config.workspace import find_run, run_names
from harness.engine.audit import Wanted
from harness.engine.audit_suite import AUDITS, How, Pool, asking, audit_suite, pool_of
from harness.engine.judges import judge_graders
from harness.engine.prepare import make_manifest, named_secrets, preflight
from harness.errors import NothingToRun, UsageFault
from harness.plugins.loader import did_you_mean
from harness.prices import PriceBook
from harness.store.folder import RunFolder
from harness.store.manifest import Selection
from harness.store.read import read_manifest
from harness.toolkit.judging.judge import Judge


def audit_apart(workspace: Path, args: argparse.Namespace, watch: Callable[[int], None]) -> Path:
    """The folder of the audit. Raises UsageFault, ConfigError, NothingToRun, RunInvalid."""
    runs, name = _runs(workspace, args)
    with plugins_aside():
        suite, judge = (
            load_with_judge(workspace, name, args.judge) if args.judge else (load_suite(workspace, name), None)
        )
        graders = _graders(suite, args.grader, args.judge)
        pool = pool_of(suite, runs, graders)
        asked = asking(suite, graders, judge, args.repeats)
        if not any(pool.works.values()):
            old = f"; {pool.outdated} works answer tasks that have changed since" if pool.outdated else ""
            raise NothingToRun(
                f"no run of '{suite.name}' has work for {', '.join(graders)}{old}", help="make a run first"
            )
        suite = _asked_by(suite, graders, judge)
        tasks = [t for t in suite.tasks if {*t.graders, *t.informative} & set(graders)]
        preflight(replace(suite, budget_usd=None), {}, tasks, PriceBook.load(suite.prices), allow_unpriced=True)
        who = {w.attempt.system for works in pool.works.values() for w in works}
        systems = {n: s for n, s in suite.systems.items() if n in who}
        manifest = make_manifest(suite, tasks, systems, Selection(tasks_in_suite=len(suite.tasks)))
        wanted = Wanted(tuple(graders), args.pairs, args.repeats, args.seed)
        with RunFolder.create(workspace / AUDITS, manifest, named_secrets(suite)) as folder:
            try:
                judged = audit_suite(folder, suite, pool, asked, How(wanted, watch))
            except NothingToRun:
                shutil.rmtree(folder.path)
                raise
    said = ", ".join(f"{judged[g]} works of {g}" for g in graders if judged[g])
    print(f"{said}, from {_from(pool)}; no system was called, and no run is changed", file=sys.stderr)
    print(f"kept in {AUDITS.as_posix()}/{manifest.run}", file=sys.stderr)
    return folder.path


def _from(pool: Pool) -> str:
    old = f" ({pool.outdated} works left out: their task has changed)" if pool.outdated else ""
    return f"{pool.runs} run{'s' if pool.runs != 1 else ''}{old}"


def _runs(workspace: Path, args: argparse.Namespace) -> tuple[list[Path], str]:
    """The runs whose work is judged, newest first, and their suite. Raises UsageFault."""
    if args.run or not args.suite:
        path = find_run(workspace, args.run)
        name = read_manifest(path).suite
        if args.suite not in (None, name):
            raise UsageFault(f"{path.name} is a run of '{name}', not of '{args.suite}'", help="leave one of them out")
        return [path], name
    paths = [workspace / "runs" / n for n in reversed(run_names(workspace))]
    found = [p for p in paths if read_manifest(p).suite == args.suite]
    if not found:
        names = sorted({read_manifest(p).suite for p in paths})
        help = did_you_mean(args.suite, names) or f"suites with runs: {', '.join(names) or 'none'}"
        raise UsageFault(f"there is no run of the suite '{args.suite}'", help=help)
    return found, args.suite


def _graders(suite: Suite, wanted: Sequence[str], judge: str | None) -> list[str]:
    """Graders whose questions are asked: those named, else those that ask this judge, else all. Raises UsageFault."""
    there = {n: {j for g in judge_graders(b.grader) for j in g.judges()} for n, b in sorted(suite.graders.items())}
    there = {n: judges for n, judges in there.items() if judges}
    if not there:
        raise UsageFault(f"no grader of '{suite.name}' asks a judge", help="docs/how-to/judge.md")
    for name in wanted:
        if name not in there:
            raise UsageFault(
                f"'{name}' is no grader of '{suite.name}' with a judge", help=f"graders: {', '.join(there)}"
            )
    own = [n for n, judges in there.items() if judge in judges]
    return list(wanted) or own or list(there)


def _asked_by(suite: Suite, graders: Sequence[str], judge: Judge | None) -> Suite:
    """The suite as its record tells it: these graders ask this judge."""
    if judge is None:
        return suite
    found = dict(suite.graders)
    for name in graders:
        bound = found[name]
        inner = judge_graders(bound.grader)[0].audited(1, judge)
        found[name] = replace(bound, grader=inner, config={**bound.config, "judge": judge.name, "panel": []})
    return replace(suite, graders=found)
