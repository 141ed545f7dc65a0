"""A year of nights: how long a trend takes from its history alone, and how large the history is; then one large night.

python benchmarks/nights.py [--nights 365] [--tasks 100]
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import numpy as np
from bench_workspace import harness, measure

from harness.report.nights import nights_of
from harness.store.history import Night, TaskNight, append_history, history_path
from harness.testing.simulate import Conduct, World, simulate_run
from harness.testing.simulate import Night as OneNight


def year(path: Path, nights: int, tasks: int) -> None:
    """A history of two systems, without run folders."""
    rng = np.random.default_rng(0)
    rates = rng.beta(0.75, 0.25, tasks)
    first = datetime(2026, 1, 1, 3, 23, tzinfo=UTC)
    for i in range(nights):
        lines = []
        for system in ("one", "two"):
            passed = rng.random(tasks) < rates
            found = {f"task-{t:05d}": TaskNight(int(p), 1, f"{t:08x}") for t, p in enumerate(passed)}
            lines.append(
                Night(
                    suite="bench",
                    system=system,
                    run=f"run-{i:04d}",
                    created=(first + timedelta(days=i)).isoformat(),
                    planned=tasks,
                    graded=tasks,
                    floor=0.98,
                    epochs=1,
                    tasks=found,
                    cost_usd=float(rng.lognormal()),
                    successes=int(passed.sum()),
                    p50_s=float(rng.lognormal(2, 0.1)),
                    output_tokens=500.0,
                )
            )
        append_history(path, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--tasks", type=int, default=100)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "tasks").mkdir()
        path = history_path(root / "runs", "bench")
        year(path, args.nights, args.tasks)
        said = f"{args.nights} nights x {args.tasks} tasks x 2 systems"
        print(f"{said}: history {path.stat().st_size / 1e6:.1f} MB")
        words = ["trend", "--suite", "bench", "--workspace", folder, "--now", "2027-01-01T12:00Z", "--format", "json"]
        for what, more in (("limits made", []), ("limits stored", []), ("with a PNG", ["--figure", f"{folder}/t.png"])):
            got = measure(harness(*words, *more))
            assert got.code in (0, 1), got.out
            print(f"  trend, {what}: {got.cpu_s:.2f} s CPU, {got.peak_mb:.0f} MB")
        big = simulate_run(
            root / "runs", World(tasks=10_000, suite="big"), OneNight(epochs=5), {"a": Conduct(), "b": Conduct()}
        )
        began = process_time()
        found = nights_of(big)
        print(
            f"a night of {sum(n.graded for n in found):,} attempts as history lines: {process_time() - began:.2f} s CPU"
        )
        got = measure(harness("route", big.name, "--workspace", folder, "--format", "json"))
        assert got.code == 0, got.out
        print(f"  route on the same attempts: {got.cpu_s:.2f} s CPU, {got.peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
