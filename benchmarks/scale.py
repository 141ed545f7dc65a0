"""Trials per second and memory with a scripted model, from 1,000 to 100,000 trials; then the report alone.

python benchmarks/scale.py [--sizes 1000,10000,100000]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from time import perf_counter

from bench_workspace import harness, make, measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000")
    args = parser.parse_args()
    os.sched_setaffinity(0, {0})  # one core, end to end
    empty = 0.0
    print("trials      CPU/trial  marginal  trials/s  peak")
    with tempfile.TemporaryDirectory() as folder:
        for n in map(int, args.sizes.split(",")):
            root = make(Path(folder) / str(n), n, "{use: scripted, name: echo, echo: true}", 64)
            if not empty:
                tiny = make(Path(folder) / "1", 1, "{use: scripted, name: echo, echo: true}", 64)
                runs = [measure(harness("run", "--suite", "bench", "--workspace", str(tiny))) for _ in range(5)]
                empty = min(run.cpu_s for run in runs)
            began = perf_counter()
            got = measure(harness("run", "--suite", "bench", "--workspace", str(root)))
            wall = perf_counter() - began
            assert got.code == 0, got.out
            marginal = (got.cpu_s - empty) / n * 1e6
            each = got.cpu_s / n * 1e6
            print(f"{n:>7,}  {each:>8.0f} us  {marginal:>5.0f} us  {n / wall:>8,.0f}  {got.peak_mb:>4.0f} MB")
        run = next((root / "runs").glob("*-bench-*"))
        report = measure(harness("report", str(run), "--workspace", str(root)))
        print(f"start-up alone {empty:.2f} s CPU")
        print(f"report on {n:,} trials: {report.cpu_s:.2f} s CPU, {report.peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
