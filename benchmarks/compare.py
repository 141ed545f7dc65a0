"""Compare, gate and baseline on two runs of N attempts each: CPU, wall time and peak memory of the whole command.

python benchmarks/compare.py [--tasks 10000] [--epochs 10]      100,000 attempts a run
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.testing.simulate import Conduct, Missing, Night, World, simulate_run


def timed(root: Path, *args: str) -> str:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    code = [sys.executable, "-c", _PEAK, *args]
    done = subprocess.run(
        code, cwd=root, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"}, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = done.stderr.strip().splitlines()[-1]
    wall = time.monotonic() - began
    return f"| `harness {args[0]}` | {done.returncode} | {cpu:.2f} s | {wall:.2f} s | {peak} MB |"


_PEAK = """
import resource, sys
from harness.cli.main import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
sys.exit(code)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "tasks").mkdir()
        world = World(tasks=args.tasks, families=max(2, args.tasks // 5), seed=1)
        night = {"epochs": args.epochs, "missing": Missing(random=0.003)}
        a = simulate_run(root / "runs", world, Night(seed=1, **night), {"sim": Conduct()}, 0)
        print("| command | exit | CPU | wall | peak |\n|---|---|---|---|---|")
        promote = ("baseline", "promote", "--reason", "x", "--now", "2026-02-01")
        print(timed(root, *promote))
        b = simulate_run(root / "runs", world, Night(seed=2, **night), {"sim": Conduct(delta=-0.02)}, 1)
        print(timed(root, "compare", a.name, b.name, "--slices"))
        print(timed(root, "gate", b.name, "--now", "2026-02-01"))
        print(timed(root, "compare", "baseline:simulated-sim", b.name))


if __name__ == "__main__":
    main()
