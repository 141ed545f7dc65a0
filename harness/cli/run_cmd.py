"""`harness run`: every task under every system, graded and recorded."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.cli._labels import keep_labels, labels_for
from harness.cli._numbers import seed, whole
from harness.cli._out import plugins_aside
from harness.cli.execute import add_execution_arguments, execute_job, policy_of
from harness.config.load import load_suite
from harness.config.suite import Suite, System
from harness.config.workspace import find_workspace
from harness.engine.estimate import Check, Estimate, estimate, judge_checks
from harness.engine.judge_checks import strict_faults
from harness.engine.plan import Plan
from harness.engine.prepare import make_manifest, named_secrets, preflight, with_delegates
from harness.engine.select import Filters, parse_shape, select_systems, select_tasks
from harness.engine.session import Job
from harness.errors import ConfigError, Exit
from harness.prices import PriceBook
from harness.records.task import Task
from harness.store.folder import RunFolder
from harness.store.manifest import Selection
from harness.store.read import Settled

NOTHING_SETTLED = Settled(frozenset(), {}, 0.0, 0.0, 0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--suite", required=True, metavar="NAME", help="suite name (tasks/NAME/suite.yaml) or a path")
    which = parser.add_argument_group("which trials")
    which.add_argument(
        "--task", action="append", default=[], metavar="GLOB", help="only tasks whose id matches (repeatable)"
    )
    which.add_argument(
        "--system", action="append", default=[], metavar="NAME", help="only these systems (repeatable, globs)"
    )
    which.add_argument(
        "--tag", action="append", default=[], metavar="T", help="only tasks with this tag (repeatable: all)"
    )
    which.add_argument(
        "--shape", action="append", default=[], metavar="FIELD=VALUE", help="only this shape, e.g. stakes=high"
    )
    which.add_argument("--limit", type=whole, metavar="N", help="the first N tasks")
    which.add_argument("--sample", type=whole, metavar="N", help="N tasks, stratified by family and tags")
    which.add_argument("--epochs", type=whole, metavar="K", help="trials of each task under each system")
    which.add_argument("--seed", type=seed, metavar="S", help="seed of order, sample and shuffled choices")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and what it may cost; run nothing")
    parser.add_argument("--gate", action="store_true", help="then `harness gate` this run; its exit code is the gate's")
    parser.add_argument("--baseline", default="", metavar="NAME", help="the same, against this baseline")
    add_execution_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Load, select, check, run, report."""
    workspace = find_workspace(args.workspace)
    if args.dry_run:
        return _dry_run(_select(workspace, args), args)
    if not (args.gate or args.baseline):
        return execute_job(_job(_select(workspace, args), args), args)
    from harness.cli._run_gate import check_gate, gate_run

    chosen = _select(workspace, args)
    check_gate(chosen.suite, list(chosen.systems), args.baseline)
    made = [_job(chosen, args)]
    del chosen
    folder = made[0].folder.path
    # Handed over, not kept: the tasks are given up before the report is made.
    return gate_run(folder, execute_job(made.pop(), args), args)


@dataclass(frozen=True, slots=True)
class _Selected:
    suite: Suite
    tasks: list[Task]
    selection: Selection
    systems: dict[str, System]
    prices: PriceBook


@plugins_aside()
def _select(workspace: Path, args: argparse.Namespace) -> _Selected:
    """The suite, and what the command line chooses from it."""
    from harness.cli._run_gate import check_policy

    loaded = load_suite(workspace, args.suite)
    check_policy(loaded)  # by the suite's own epochs: a quick run of one is no fault of a policy about three
    suite = _overridden(loaded, args)
    shape, words = parse_shape(args.shape), (tuple(args.task), tuple(args.tag), tuple(args.system))
    tasks, selection = select_tasks(suite, Filters(*words, shape, args.limit, args.sample, suite.seed))
    systems = select_systems(suite, args.system)
    return _Selected(suite, tasks, selection, systems, PriceBook.load(suite.prices))


def _job(chosen: _Selected, args: argparse.Namespace) -> Job:
    """A new run folder for what was chosen, after keys and prices were checked."""
    suite, tasks, systems = chosen.suite, chosen.tasks, chosen.systems
    _refuse(chosen, args)
    made = make_manifest(suite, tasks, systems, chosen.selection, chosen.prices)
    manifest = msgspec.structs.replace(made, allow_unpriced=args.allow_unpriced)
    labels = labels_for(suite)
    folder = RunFolder.create(suite.workspace / "runs", manifest, named_secrets(suite))
    keep_labels(folder, labels)
    return Job(suite, folder, tasks, NOTHING_SETTLED, chosen.prices, policy_of(args))


def _refuse(chosen: _Selected, args: argparse.Namespace) -> None:
    """Everything that a run refuses before it starts, and what it warns of. Raises ConfigError."""
    suite, tasks, systems = chosen.suite, chosen.tasks, chosen.systems
    for warning in preflight(suite, systems, tasks, chosen.prices, args.allow_unpriced, dry=args.dry_run):
        print(f"warning: {warning}", file=sys.stderr)
    if args.strict and (faults := strict_faults(suite, with_delegates(suite, systems), tasks)):
        raise ConfigError(faults)


def _overridden(suite: Suite, args: argparse.Namespace) -> Suite:
    """The suite with what the command line says instead."""
    changes = {
        "epochs": args.epochs,
        "seed": args.seed,
        "budget_usd": args.budget_usd,
        "concurrency": args.concurrency,
        "boxes": args.boxes,
        "cache": args.cache or None,
    }
    return replace(suite, **{name: value for name, value in changes.items() if value is not None})


def _dry_run(chosen: _Selected, args: argparse.Namespace) -> int:
    suite, tasks, systems = chosen.suite, chosen.tasks, chosen.systems
    _refuse(chosen, args)
    labels_for(suite)
    estimates = estimate(suite, systems, tasks, chosen.prices)
    checks = judge_checks(suite, systems, tasks, chosen.prices)
    plan = Plan(tasks, list(systems), suite.epochs, suite.seed, NOTHING_SETTLED)
    from harness.cli.power_cmd import history_of
    from harness.report.power_table import basis_of, one_line

    families = len({t.family or t.id for t in tasks})
    detectable = one_line(basis_of(len(tasks), families, history_of(suite.workspace, suite.name)), suite.epochs)
    if args.json:
        said = {
            "suite": suite.name, "tasks": [t.id for t in tasks], "systems": list(systems), "epochs": suite.epochs,
            "trials": plan.total, "budget_usd": suite.budget_usd, "estimates": estimates, "judge_checks": checks,
            "detectable": detectable,
        }  # fmt: skip
        print(msgspec.json.format(msgspec.json.encode(said)).decode())
        return Exit.OK
    print(
        f"suite {suite.name}: {_n(len(tasks), 'task')} x {_n(len(systems), 'system')} x "
        f"{_n(suite.epochs, 'epoch')} = {_n(plan.total, 'trial')}"
    )
    print(f"families: {families}; tags: {', '.join(sorted({tag for t in tasks for tag in t.tags})) or 'none'}")
    width = max(len(e.system) for e in estimates)
    for e in estimates:
        print(f"  {e.system:<{width}}  {_n(e.trials, 'trial')}  {_cost_words(e)}")
    for c in checks:
        print(f"  {c.what} of {c.grader}: {_n(c.works, 'work')}, {_n(c.calls, 'judge call')}  {_check_words(c)}")
    parts = [*(e.usd for e in estimates), *(c.usd for c in checks)]
    total = sum(usd or 0.0 for usd in parts)
    open_ended = "at least " if None in parts else ""
    budget = f"; budget ${suite.budget_usd:g}" if suite.budget_usd is not None else ""
    print(detectable)
    print(f"estimated cost: {open_ended}${total:.4f}{budget}; nothing was run")
    return Exit.OK


def _n(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _check_words(c: Check) -> str:
    return "unpriced: no known price for a judge" if c.usd is None else f"about ${c.usd:.4f} (a guess, as above)"


def _cost_words(e: Estimate) -> str:
    match e.basis:
        case "free":
            return "no model that costs money"
        case "unpriced":
            return "unpriced: no known price for one of its models"
        case "past runs":
            return f"about ${e.usd:.4f} (mean of {e.n} attempts in past runs)"
        case "dearest delegate":
            return f"at most about ${e.usd:.4f} (a guess for the dearest system it can choose, as for the others)"
        case _:
            return f"about ${e.usd:.4f} (a guess from prompt length and 1,000 output tokens a call)"
