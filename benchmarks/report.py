"""Time and memory of the full report: `python benchmarks/report.py --tasks 10000 --epochs 5` (100,000 attempts).

Each form is measured in a process of its own: CPU seconds with imports, and the peak of memory.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from make_run import Plan, make_run

PROGRAM = """
import re, sys, time
from pathlib import Path
from harness.cli.main import main
code = main(["report", {path!r}, "--format", {form!r}, "--out", {out!r}])
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print("made", code, time.process_time(), int(peak) / 1024, file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--earlier", type=int, default=0, help="earlier runs of the same things beside it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(tasks=args.tasks, epochs=args.epochs)
        for i in range(args.earlier):
            make_run(Path(folder), plan, f"20250101T00000{i}Z-made-000000000000")
        path = make_run(Path(folder), plan)
        print(f"{args.tasks * args.epochs * 2:,} attempts")
        for form in ("text", "md", "json", "html"):
            code = PROGRAM.format(path=str(path), form=form, out=str(Path(folder) / f"report.{form}"))
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            found = re.search(r"^made (\d+) ([\d.]+) ([\d.]+)$", done.stderr, re.M)
            assert found, done.stderr
            size = (Path(folder) / f"report.{form}").stat().st_size
            print(f"  {form:<5} {float(found[2]):6.2f} s CPU  {float(found[3]):6.0f} MB  {size / 1024:8,.0f} kB")


if __name__ == "__main__":
    main()
