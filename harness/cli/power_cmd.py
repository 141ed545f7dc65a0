"""`harness power`: how small a loss a suite can find, and what it costs, before money is spent."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._numbers import level, whole
from harness.errors import Exit, HarnessError

if TYPE_CHECKING:
    from harness.config.suite import Suite
    from harness.report.measured import Measured
    from harness.report.power_table import Basis

RUNS_READ = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", default="mine", metavar="NAME", help="the suite (mine)")
    parser.add_argument("--delta", type=_share, default=0.05, metavar="D", help="the loss that must be found (0.05)")
    parser.add_argument("--epochs", type=whole, action="append", metavar="K", help="epochs to look at (1, 3, 5)")
    parser.add_argument("--tasks", type=whole, metavar="N", help="as if the suite had so many tasks")
    parser.add_argument(
        "--system", action="append", default=[], metavar="NAME",
        help="whose cost is guessed where no run tells (default systems; repeatable, globs)",
    )  # fmt: skip
    parser.add_argument("--alpha", type=level, default=0.05, metavar="P", help="one-sided level (0.05)")
    parser.add_argument("--json", action="store_true", help="the same as JSON on stdout")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def _share(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"'{word}' is not a share between 0 and 1, such as 0.05")
    return value


def execute(args: argparse.Namespace) -> int:
    """Always 0: advice."""
    from dataclasses import asdict, replace

    from harness.cli._out import plugins_aside, say
    from harness.config.load import load_suite
    from harness.config.workspace import find_workspace
    from harness.report.compare_json import encoded, without_nan
    from harness.report.draw import draw_text
    from harness.report.power_table import EPOCHS, basis_of, power_table, power_tables
    from harness.report.words import many

    workspace = find_workspace(args.workspace)
    with plugins_aside():
        suite = load_suite(workspace, args.suite)
    families = len({t.family or t.id for t in suite.tasks})
    basis = basis_of(len(suite.tasks), families, history_of(workspace, suite.name))
    if basis.cost_usd is None or args.system:
        basis = guessed(basis, suite, args.system)
    if args.tasks:
        basis = replace(basis, tasks=args.tasks, families=max(1, round(families * args.tasks / len(suite.tasks))))
    found = power_table(basis, args.delta, tuple(args.epochs or EPOCHS), args.alpha)
    if args.json:
        say(encoded(without_nan(asdict(found))))
        return Exit.OK
    of = "1 family" if families == 1 else f"{families:,} families"
    head = (f"suite {suite.name}: {many(len(suite.tasks), 'task')} in {of}, {many(suite.epochs, 'epoch')}",)
    say(draw_text(head, (), power_tables(found)))
    return Exit.OK


def guessed(basis: Basis, suite: Suite, names: list[str]) -> Basis:
    """The cost of a trial from past runs of these systems or the price book, and how it was come by.

    Where no default system asks a model that costs money, the suite's others are reckoned with, and named.
    """
    from dataclasses import replace

    from harness.engine.estimate import estimate
    from harness.engine.select import select_systems
    from harness.prices import PriceBook
    from harness.report.words import money

    chosen = select_systems(suite, names)
    found = estimate(suite, chosen, suite.tasks, PriceBook.load(suite.prices))
    free = not names and all(e.basis == "free" for e in found)
    if free:
        found = estimate(suite, suite.systems, suite.tasks, PriceBook.load(suite.prices))
    dear = sorted((e.usd / e.trials, e.system, e.basis) for e in found if e.usd and e.trials)
    unpriced = [e.system for e in found if e.basis == "unpriced"]
    said = list(basis.known)
    if free:
        said.append("no default system asks a model that costs money")
    if dear:
        (low, cheap, _), (high, most, _) = dear[0], dear[-1]
        spread = money(low) if len(dear) == 1 else f"{money(low)} ({cheap}) to {money(high)} ({most})"
        how = (
            "past runs" if all(b == "past runs" for *_, b in dear) else "prices, prompt lengths and 1,000 output tokens"
        )
        said.append(f"a trial of {most if len(dear) == 1 else 'a system'} costs about {spread}, from {how}")
        said.append(f"costs below are those of {most}")
        basis = replace(basis, cost_usd=high)
    if unpriced:
        said.append(f"no known price: {', '.join(unpriced)}")
    return replace(basis, known=tuple(said))


def history_of(workspace: Path, suite: str) -> list[list[Measured]]:
    """The newest valid runs of a suite, each with its systems; what cannot be read is passed over."""
    from harness.report.measured import measure
    from harness.report.trials import read_trials
    from harness.store.read import read_manifest

    found: list[list[Measured]] = []
    for path in sorted((workspace / "runs").glob(f"*-{suite}-*/manifest.json"), reverse=True):
        if len(found) == RUNS_READ:
            break
        try:
            if read_manifest(path.parent).suite != suite:
                continue
            trials = read_trials(path.parent)
            sides = [measure(trials, s.name) for s in trials.manifest.systems]
        except HarnessError:
            continue
        if any(m.totals.graded for m in sides):
            found.append([m for m in sides if m.totals.graded])
    return found
