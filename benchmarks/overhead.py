"""What a trial costs beside the bare SDK loop: same server, same concurrency, same run, everything on.

    python benchmarks/overhead.py [--n 10000] [--concurrency 64] [--rounds 3] [--sdk openai|anthropic]

Everything on: records, transcripts, grading, prices, retries, adaptive concurrency, progress lines, report.
CPU is of the whole process, imports and report included; the best round of each side counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench_workspace import harness, make, measure

from harness.testing.wire import WireServer

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sdk", choices=("openai", "anthropic"), default="openai")
    args = parser.parse_args()
    bare, ours, peak = [], [], 0.0
    with WireServer() as server, tempfile.TemporaryDirectory() as folder:
        if args.sdk == "openai":
            model = f'{{use: openai, name: "after:#", api: chat, base_url: "{server.url}/v1"}}'
        else:
            model = f'{{use: anthropic, name: "after:#", base_url: "{server.url}", stream: false}}'
        root = make(Path(folder), args.n, model, args.concurrency)
        for _ in range(args.rounds):
            loop = [
                sys.executable,
                str(HERE / "bare_loop.py"),
                args.sdk,
                server.url,
                str(args.n),
                str(args.concurrency),
            ]
            got = measure(loop, HERE)
            assert got.code == 0, "the bare loop failed"
            bare.append(got.cpu_s)
            mine = measure(harness("run", "--suite", "bench", "--workspace", str(root)))
            assert mine.code == 0, mine.out
            ours.append(mine.cpu_s)
            peak = max(peak, mine.peak_mb)
    per = 1000 / args.n
    print(f"{args.sdk}, {args.n} trials, concurrency {args.concurrency}, best of {args.rounds}")
    print(f"bare SDK loop  {min(bare) * per:.3f} ms CPU per call")
    print(f"harness run    {min(ours) * per:.3f} ms CPU per trial, peak {peak:.0f} MB")
    print(f"ratio          {min(ours) / min(bare):.2f}  (target <= 1.40)")


if __name__ == "__main__":
    main()
