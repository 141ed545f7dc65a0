#!/usr/bin/env python3
"""The full validation by simulation: every row of tests/planted with many replicates, written to docs/validation.md.

    scripts/simulate.py                 all rows, in full; writes the page
    scripts/simulate.py --row 4 --row 5 these rows only, on stdout
    scripts/simulate.py --scale 0.1     a tenth of the replicates, on stdout

To add a row: tests/planted/cells.py. Seeds are fixed: the same code gives the same page. Exit 1 when a cell is outside.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "planted")]

from cells import Cell, all_rows  # noqa: E402
from rows_tests import PROOFS  # noqa: E402

LONG = (10, 11, 4, 5, 6)
"""Rows that take longest."""

HEAD = """# Validation by simulation

<!-- made by scripts/simulate.py (make simulate); rows stand in tests/planted/rows_*.py -->

Runs with planted effects, in which the truth is known. Each cell must lie in its range, which has three standard errors
of the simulation in it. The same rows run with fewer replicates in every test run (`tests/planted`). The generator is
`harness.testing.simulate`; what is planted is never clipped, so that *no change* is exactly none.

**Through the command line or through functions.** Rows 101 to 118 are the rows 1 to 18 again, on the whole way: run
folders are generated, `harness compare`, `gate`, `baseline`, `report`, `power`, `trend` and `route` read them, and
their JSON and exit codes are counted. Rows 9, 20 and 21 are tests of the commands. Rows 2 to 8, 10, 11, 15, 16 and 18
call the functions behind the commands on arrays instead: with thousands of replicates, folders would take hours. That
the arrays are those of a folder is a test of its own (`test_the_arrays_of_these_rows_are_those_of_the_run_folder`).
By functions alone:

- 1: an exact sum over every outcome of the interval; a command has one outcome.
- 12: nights with so much missing are hollow in `harness trend`, so that no z of theirs can be read from it.
- 13 and 14: biases far under what one report rounds away, of estimators that `harness report` calls on many trials.
- 17: prices are looked up while a run is made, never by a command that reads one.
- 19: parity with other libraries is of functions.
- 41 to 44: judges of planted bias, as tables of verdicts.
"""


def measure(number: int, scale: float) -> tuple[int, int, list[Cell], float]:
    """One row: number, replicates, cells, seconds."""
    row = next(r for r in all_rows() if r.number == number)
    began = time.monotonic()
    replicates = max(50, round(row.full * scale)) if row.quick else 1
    return number, replicates, row.cells(replicates), time.monotonic() - began


def main() -> int:
    """Measure, print, and write the page when everything ran in full."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--row", type=int, action="append", default=[], help="only this row (repeatable)")
    parser.add_argument("--scale", type=float, default=1.0, help="times the replicates of the full set")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    args = parser.parse_args()
    numbers = [r.number for r in all_rows() if not args.row or r.number in args.row]
    began = time.monotonic()
    with ProcessPoolExecutor(args.jobs) as pool:
        order = sorted(numbers, key=lambda n: (n not in LONG, n))  # the longest first, or one core waits for the other
        measured = {n: (r, c, s) for n, r, c, s in pool.map(measure, order, [args.scale] * len(order))}
    found = {n: measured[n] for n in numbers}
    text = HEAD + page(found)
    if args.row or args.scale != 1.0:
        print(text)
    else:
        (ROOT / "docs" / "validation.md").write_text(text, encoding="utf-8")
    outside = [f"row {n}: {c.what}: {c.value:.4f}" for n, (_, cells, _) in found.items() for c in cells if not c.ok]
    slow = ", ".join(f"row {n} {s:.0f} s" for n, (_, _, s) in sorted(found.items(), key=lambda f: -f[1][2])[:5])
    print(f"{time.monotonic() - began:.0f} s, {len(outside)} cells outside; longest: {slow}", file=sys.stderr)
    print("\n".join(outside), file=sys.stderr)
    return 1 if outside else 0


def page(found: dict[int, tuple[int, list[Cell], float]]) -> str:
    """The overview, then the cells of every row."""
    rows = {r.number: r for r in all_rows()}
    lines = [
        "",
        "| # | planted | requirement | replicates | cells | nearest to its limit |",
        "|---|---|---|---|---|---|",
    ]
    for n, (replicates, cells, _) in found.items():
        state = "all inside" if all(c.ok for c in cells) else f"**{sum(not c.ok for c in cells)} outside**"
        close = min(cells, key=lambda c: min(c.value - c.low, c.high - c.value) if c.low < c.high else 1.0)
        near = f"{close.what}: {close.value:.3f}" if rows[n].quick else ""
        many = f"{replicates:,}" if rows[n].quick else "tests"
        lines.append(f"| {n} | {rows[n].planted} | {rows[n].requirement} | {many} | {state} ({len(cells)}) | {near} |")
    lines += ["", WHY]
    for n, (_, cells, _) in found.items():
        lines += ["", f"## {n}: {rows[n].planted}", "", *_proofs(n, rows[n].quick > 0)]
        lines += ["| cell | measured | range |", "|---|---|---|"]
        for c in cells:
            value = f"{c.value:.4f}" if c.ok else f"**{c.value:.4f}**"
            lines.append(f"| {c.what} | {value} | {c.low:.4f} to {c.high:.4f} |")
    return "\n".join(lines) + "\n"


def _proofs(number: int, simulated: bool) -> list[str]:
    """The tests of a row, by name."""
    names = ", ".join(f"`{node}`" for node in PROOFS.get(number, ()))
    if not names:
        return []
    return [f"{'Also held by' if simulated else 'Held by'} (below `tests/`) {names}.", ""]


WHY = """Why these rows: [comparison](design/010-comparison.md), [nights and routing](design/011-trend-and-routing.md),
[the report](design/012-reliability-report.md). Rows 41 to 44 are of judges, rows from
101 on go through the command line."""


if __name__ == "__main__":
    sys.exit(main())
