"""`harness compare`: what changed between two runs, a run and a baseline, or two systems of a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._numbers import level
from harness.errors import Exit, NotComparable, UsageFault

if TYPE_CHECKING:
    from harness.report.comparison import Comparison, MetricSpec, Options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", nargs="?", metavar="A", help="a run, or baseline:NAME (default: the newest run)")
    parser.add_argument("b", nargs="?", metavar="B", help="the run compared with it; without one, systems within A")
    parser.add_argument("--systems", nargs="+", metavar="S", help="one system, or two: the first of A, the second of B")
    parser.add_argument(
        "--metric", action="append", default=[], metavar="NAME[=MARGIN]", help="what decides (pass_rate; repeatable)"
    )
    parser.add_argument("--margin", type=_share, metavar="M", help="the loss that is a regression (0.05)")
    parser.add_argument("--alpha", type=level, default=0.05, metavar="P", help="one-sided level (0.05)")
    parser.add_argument("--cluster", choices=("family", "task"), default="family", help="the unit that varies (family)")
    parser.add_argument("--min-coverage", type=_share, metavar="C", help="floor (the stricter of the two runs')")
    parser.add_argument("--allow-mismatch", action="store_true", help="compare the unchanged common tasks only")
    parser.add_argument("--slices", action="store_true", help="also by shape, tag and family")
    parser.add_argument("--all", action="store_true", help="every task that moved, and every pair of systems")
    parser.add_argument("--format", choices=("text", "md", "json"), default="text", help="default: text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to stdout")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the sign-flip test (0)")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def _share(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"'{word}' is not a share between 0 and 1, such as 0.05")
    return value


def _take_runs_back(args: argparse.Namespace) -> None:
    """`--systems A B RUN` is read as three systems: what follows the second is what stands first elsewhere."""
    names = args.systems or []
    free = [args.a, args.b].count(None)
    if len(names) - 2 > free:
        help = "without --systems all pairs of a run are compared; runs stand before it"
        raise UsageFault("--systems takes one name or two", help=help)
    runs = [r for r in (args.a, args.b, *names[2:]) if r is not None]
    args.systems, (args.a, args.b) = names[:2], (*runs, None, None)[:2]


def execute(args: argparse.Namespace) -> int:
    """0; 3 when a side is not valid, 5 when nothing ran, 6 when they are not comparable. Never fails on quality."""
    from harness.cli._sides import folder_of, measured_side, pairs_of, read_side
    from harness.report.fingerprints import with_fingerprints

    _take_runs_back(args)
    a = read_side(args.a or "latest", args.workspace)
    if args.b is None and len(args.systems or ()) != 2:
        return _within(args, a)
    b = a if args.b is None else read_side(args.b, args.workspace)
    folders = [folder_of(name or args.a or "latest", args.workspace) for name in (args.a, args.b)]
    found = []
    for one, other in pairs_of(a, b, args.systems or []):
        side_a, side_b = measured_side(a, one), measured_side(b, other)
        compared = _compare(side_a, side_b, args)
        if one == other and (same := sorted({*side_a.runs} & {*side_b.runs})):
            raise NotComparable(
                f"{side_a.label} and {side_b.label} hold the same work of '{one}' ({same[0]}): it would be compared "
                "with itself",
                help="two systems of one run: harness compare RUN --systems A B; a run against the ones before it: "
                "harness compare baseline:NAME RUN",
            )
        found.append(with_fingerprints(compared, *folders))
    _show(found, args)
    return max((int(c.exit_code) for c in found), default=Exit.NOTHING)


def _compare(a: object, b: object, args: argparse.Namespace) -> Comparison:
    from harness.report.compare import compare
    from harness.report.measured import Measured

    assert isinstance(a, Measured)
    assert isinstance(b, Measured)
    return compare(a, b, options_of(args, max(a.origin.coverage_floor, b.origin.coverage_floor)))


def options_of(args: argparse.Namespace, floor: float) -> Options:
    """What the command line asks for."""
    from harness.report.comparison import MARGIN, Options

    specs = tuple(_metric(word, args.margin or MARGIN) for word in args.metric or ["pass_rate"])
    return Options(
        metrics=specs,
        alpha=args.alpha,
        coverage=args.min_coverage or floor,
        by_family=args.cluster == "family",
        allow_mismatch=args.allow_mismatch,
        slices=args.slices,
        seed=args.seed,
    )


def _metric(word: str, margin: float) -> MetricSpec:
    from harness.report.comparison import MetricSpec

    name, given, value = word.partition("=")
    try:
        return MetricSpec(name, _share(value) if given else margin)
    except argparse.ArgumentTypeError as e:
        raise UsageFault(f"--metric {word}: {e}", help="write it as pass_rate=0.05") from e


def _show(found: Sequence[Comparison], args: argparse.Namespace) -> None:
    from harness.report.compare_json import comparison_json, encoded
    from harness.report.compare_sections import head_of, loud_of, sections_of
    from harness.report.draw import draw_markdown, draw_text

    if args.format == "json":
        values = [comparison_json(c) for c in found]
        text = encoded(values[0] if len(values) == 1 else values)
    else:
        draw = draw_markdown if args.format == "md" else draw_text
        text = "\n".join(draw(head_of(c), loud_of(c), sections_of(c, all_rows=args.all)) for c in found)
    write_or_say(text, args.out)


def write_or_say(text: str, path: Path | None) -> None:
    """To a file, or to stdout. Raises UsageFault."""
    from harness.cli._out import say

    if path is None:
        say(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as e:
        raise UsageFault(f"cannot write '{path}': {e.strerror}") from e


def _within(args: argparse.Namespace, side: object) -> int:
    """Tables of the pairs of systems of one run."""
    from harness.report.compare_json import encoded, without_nan
    from harness.report.draw import draw_markdown, draw_text
    from harness.report.matrix import matrix_head, matrix_json, matrix_of, matrix_sections
    from harness.report.trials import Trials

    if not isinstance(side, Trials):
        raise UsageFault("a baseline has one system", help="name a run to compare with it: harness compare A B")
    floor = side.manifest.coverage_floor
    found = matrix_of(side, options_of(args, floor), only=(args.systems or [""])[0], every=args.all)
    if args.format == "json":
        text = encoded(without_nan(matrix_json(found)))
    else:
        draw = draw_markdown if args.format == "md" else draw_text
        text = draw(matrix_head(found), found.invalid, matrix_sections(found))
    write_or_say(text, args.out)
    return found.exit_code
