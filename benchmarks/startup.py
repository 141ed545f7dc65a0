"""CPU of starting commands, best of several, as a multiple of the bare interpreter's."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys

COMMANDS = {
    "bare interpreter": ["-c", "pass"],
    "harness --help": ["-m", "harness.cli.main", "--help"],
    "harness list": ["-m", "harness.cli.main", "list"],
    "harness list tasks": ["-m", "harness.cli.main", "list", "tasks"],
    "harness list runs": ["-m", "harness.cli.main", "list", "runs"],
    "harness plugin list": ["-m", "harness.cli.main", "plugin", "list"],
    "harness doctor": ["-m", "harness.cli.main", "doctor"],
}
BUDGET_MS = {"harness --help": 60, "harness list": 250, "harness list tasks": 250, "harness list runs": 250}


def cpu_ms(argv: list[str]) -> float:
    """User and system time of one child, in ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> int:
    """Print the table; exit 1 when a command takes more than its budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=9, help="starts of each command")
    best_of = parser.parse_args().n
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "0")
    best = {name: min(cpu_ms(argv) for _ in range(best_of)) for name, argv in COMMANDS.items()}
    bare = best["bare interpreter"]
    over = []
    for name, ms in best.items():
        budget = BUDGET_MS.get(name)
        print(f"{name:22} {ms:7.1f} ms  {ms / bare:5.1f}x" + (f"  (budget {budget} ms)" if budget else ""))
        if budget and ms > budget:
            over.append(name)
    if over:
        print(f"over budget: {', '.join(over)}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
