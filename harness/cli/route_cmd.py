"""`harness route`: which system for which tasks, from what was measured."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._numbers import amount, moment, seed, share, whole
from harness.errors import UsageFault

if TYPE_CHECKING:
    from harness.config.needs import NeedsFile
    from harness.report.route_model import Route


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("run", nargs="*", metavar="RUN", help="runs to read (default: the suite's newest whole run)")
    parser.add_argument("--suite", default="mine", metavar="NAME", help="the suite, where no run is named (mine)")
    parser.add_argument(
        "--system", action="append", default=[], metavar="NAME", help="only these candidates (repeatable)"
    )
    parser.add_argument(
        "--by", default="horizon,stakes,surface", metavar="FIELDS", help="fields of the shape, by commas"
    )
    needs = parser.add_argument_group("needs: what a system must be shown to be")
    needs.add_argument(
        "--needs", type=Path, metavar="FILE", help="YAML with needs, also by shape; options go before it"
    )
    needs.add_argument("--min-success", type=share, metavar="P", help="least pass rate, such as 0.8")
    needs.add_argument("--max-critical", type=share, metavar="P", help="largest share of tasks with a critical error")
    needs.add_argument("--p95", type=amount, metavar="S", help="longest working time of 95 %% of the tasks, seconds")
    needs.add_argument("--max-cost-per-success", type=amount, metavar="USD", help="the most that a success may cost")
    needs.add_argument("--loss-per-failure", type=amount, metavar="USD", help="what a failure costs you")
    needs.add_argument("--margin", type=share, metavar="P", help="how much worse counts as no worse (0.10)")
    parser.add_argument(
        "--simulate", action="append", default=[], metavar="A>B",
        help="also: A, and B where A was unsure, counted on stored outcomes; A+B: what planning with A and working "
        "with B would have to reach (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--unsure", default="unresolved,abstained,refused,no_answer", metavar="SIGNS",
        help="what hands a task on, by commas; also confidence<0.7",
    )  # fmt: skip
    out = parser.add_argument_group("output")
    out.add_argument("--write", type=Path, metavar="FILE", help="write the policy that the harness `router` executes")
    out.add_argument("--valid-days", type=whole, default=30, metavar="N", help="days until the advice expires (30)")
    out.add_argument("--strict", action="store_true", help="exit 4 when any shape has too little evidence")
    out.add_argument("--long", action="store_true", help="text: every candidate by shape")
    out.add_argument("--format", choices=("text", "md", "json"), default="text", help="default: text")
    out.add_argument("--seed", type=seed, default=0, metavar="S", help="seed of the bootstrap (0)")
    out.add_argument("--now", type=moment, metavar="TIME", help="ISO 8601 (default: now)")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """0; 4 with --strict when a shape has too little evidence; 5 without a run; 2 for words that mean nothing."""
    from harness.config.workspace import find_workspace
    from harness.report.route import RouteOptions, build_route, exit_code_of
    from harness.report.route_data import read_evidence

    workspace = find_workspace(args.workspace)
    options = RouteOptions(
        now=args.now or datetime.now(UTC),
        needs=_needs(args),
        by=_fields(args.by),
        valid_days=args.valid_days,
        seed=args.seed,
        compositions=tuple(_parts(word) for word in args.simulate if "+" not in word),
        planned=tuple(_pair(word) for word in args.simulate if "+" in word),
        doubts=tuple(w.strip() for w in args.unsure.split(",") if w.strip()),
        systems=tuple(args.system),
    )
    route = build_route(read_evidence(_runs(workspace, args)), options)
    if args.write:
        _write(workspace, args.write, route)
    _print(route, args)
    return exit_code_of(route, strict=args.strict)


def _fields(words: str) -> tuple[str, ...]:
    known = ("horizon", "stakes", "surface")
    found = tuple(w.strip() for w in words.split(",") if w.strip())
    for word in found:
        if word not in known:
            raise UsageFault(f"--by {word}: tasks are told apart by {', '.join(known)}")
    return found


def _parts(word: str) -> tuple[str, ...]:
    parts = tuple(p.strip() for p in word.split(">"))
    if len(parts) < 2 or not all(parts) or len(set(parts)) < len(parts):
        raise UsageFault(f"--simulate '{word}' is no composition", help="--simulate 'cheap>strong', in quotes")
    return parts


def _pair(word: str) -> tuple[str, str]:
    parts = [p.strip() for p in word.split("+")]
    if len(parts) != 2 or not all(parts) or parts[0] == parts[1] or ">" in word:
        raise UsageFault(f"--simulate '{word}' is no pair", help="--simulate planner+worker")
    return parts[0], parts[1]


def _needs(args: argparse.Namespace) -> NeedsFile:
    """The file of needs, or none, with the options over its general ones. Raises ConfigError, UsageFault."""
    from harness.config.needs import NeedsFile, read_needs

    file = read_needs(args.needs) if args.needs else NeedsFile()
    said = {
        "min_success": args.min_success,
        "max_critical": args.max_critical,
        "p95_s": args.p95,
        "max_cost_per_success": args.max_cost_per_success,
        "loss_per_failure": args.loss_per_failure,
        "margin": args.margin,
    }
    given = {name: value for name, value in said.items() if value is not None}
    for name, value in given.items():
        if value <= 0:
            raise UsageFault(f"--{name.removesuffix('_s').replace('_', '-')} must be above 0")
    return file.model_copy(update={"needs": file.needs.model_copy(update=given)})


def _runs(workspace: Path, args: argparse.Namespace) -> list[Path]:
    """The runs named, of one suite; else the suite's newest run of all its tasks."""
    from harness.config.nightly import suite_name
    from harness.config.workspace import find_run, run_names
    from harness.errors import NothingToRun
    from harness.store.read import read_manifest

    if args.run:
        paths = [find_run(workspace, name) for name in args.run]
        suites = sorted({read_manifest(p).suite for p in paths})
        if len(suites) > 1:
            raise UsageFault(
                f"these are runs of {len(suites)} suites: {', '.join(suites)}", help="name runs of one suite"
            )
        return paths
    suite = suite_name(workspace, args.suite)
    for name in reversed(run_names(workspace)):
        manifest = read_manifest(workspace / "runs" / name)
        if manifest.suite == suite and manifest.selection.task_ids is None and not manifest.regrade_of:
            return [workspace / "runs" / name]
    raise NothingToRun(f"no whole run of suite '{suite}'", help=f"make one: harness run --suite {suite}")


def _write(workspace: Path, path: Path, route: Route) -> None:
    """The policy, read back before it is written: what the router could not read is never written."""
    from harness.report.route_policy import policy_yaml
    from harness.toolkit.routing import parse_policy

    text = policy_yaml(route)
    parse_policy(text, str(path))
    target = path if path.is_absolute() else workspace / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as e:
        raise UsageFault(f"cannot write '{path}': {e.strerror}") from e
    print(f"policy: {path}; use it as harness: {{use: router, policy: {path}}}", file=sys.stderr)


def _print(route: Route, args: argparse.Namespace) -> None:
    from harness.cli._out import say
    from harness.report.route_render import route_json, route_markdown, route_text

    if args.format == "json":
        import msgspec

        say(msgspec.json.format(msgspec.json.encode(route_json(route))).decode() + "\n")
    else:
        say(route_markdown(route) if args.format == "md" else route_text(route, long=args.long))
