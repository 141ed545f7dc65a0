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

HEAD = """# Validation by simulation

<!-- made by scripts/simulate.py (make simulate); rows stand in tests/planted/rows_*.py -->

Runs with planted effects, in which the truth is known, go through the same functions as real ones. Each cell must lie
in its range, which has three standard errors of the simulation in it. The same rows run with fewer replicates in every
test run (`tests/planted`). The generator is `harness.testing.simulate`; what is planted is never clipped, so that *no
change* is exactly none.
"""


def measure(number: int, scale: float) -> tuple[int, int, list[Cell], float]:
    """One row: number, replicates, cells, seconds of CPU."""
    row = next(r for r in all_rows() if r.number == number)
    began = time.process_time()
    replicates = max(50, round(row.full * scale))
    return number, replicates, row.cells(replicates), time.process_time() - began


def main() -> int:
    """Measure, print, and write the page when everything ran in full."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--row", type=int, action="append", default=[], help="only this row (repeatable)")
    parser.add_argument("--scale", type=float, default=1.0, help="times the replicates of the full set")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    args = parser.parse_args()
    numbers = [r.number for r in all_rows() if not args.row or r.number in args.row]
    with ProcessPoolExecutor(args.jobs) as pool:
        found = {n: (r, c, s) for n, r, c, s in pool.map(measure, numbers, [args.scale] * len(numbers))}
    text = HEAD + page(found)
    if args.row or args.scale != 1.0:
        print(text)
    else:
        (ROOT / "docs" / "validation.md").write_text(text, encoding="utf-8")
    outside = [f"row {n}: {c.what}: {c.value:.4f}" for n, (_, cells, _) in found.items() for c in cells if not c.ok]
    print(f"{sum(s for _, _, s in found.values()):.0f} s of CPU, {len(outside)} cells outside", file=sys.stderr)
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
        near = f"{close.what}: {close.value:.3f}"
        lines.append(
            f"| {n} | {rows[n].planted} | {rows[n].requirement} | {replicates:,} | {state} ({len(cells)}) | {near} |"
        )
    lines += ["", OTHERS]
    for n, (_, cells, _) in found.items():
        lines += ["", f"## {n}: {rows[n].planted}", "", "| cell | measured | range |", "|---|---|---|"]
        for c in cells:
            value = f"{c.value:.4f}" if c.ok else f"**{c.value:.4f}**"
            lines.append(f"| {c.what} | {value} | {c.low:.4f} to {c.high:.4f} |")
    return "\n".join(lines) + "\n"


OTHERS = """Rows without a simulation are tests: 9 and 20 `tests/compare/test_disasters.py`, `test_gate_outputs.py` and
`test_gate_policy.py`; 19 `tests/stats/test_paired.py` and `test_intervals.py` (equal to scipy and statsmodels to 1e-9);
21 `test_the_same_bytes_in_give_the_same_bytes_out`.

Why these rows: [comparison](design/010-comparison.md), [nights and routing](design/011-trend-and-routing.md)."""


if __name__ == "__main__":
    sys.exit(main())
