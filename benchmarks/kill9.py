"""kill -9 at a random moment, again and again, then resume: nothing lost, nothing doubled, little asked twice.

    python benchmarks/kill9.py [--kills 20] [--n 2000] [--concurrency 100] [--latency-ms 100] [--seed 1]

The server logs every request it answered. After the last resume each trial must be decided exactly once, and what was
answered more than once is the price of the kills.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench_workspace import harness, make

from harness.testing.wire import WireServer

ENV = {**os.environ, "OPENAI_API_KEY": "sk-local"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=100)
    parser.add_argument("--jitter-ms", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "answered.jsonl"
        with WireServer(latency_ms=args.latency_ms, jitter_ms=args.jitter_ms, log=log) as server:
            model = f'{{use: openai, name: "after:#", api: chat, base_url: "{server.url}/v1"}}'
            root = make(Path(folder) / "w", args.n, model, args.concurrency)
            kills = kill_and_resume(root, args.kills, rng)
        report(root, log, args.n, kills)


def kill_and_resume(root: Path, most: int, rng: random.Random) -> int:
    """Start, kill in mid-run, resume, `most` times; then let it end. Returns how often it was killed in mid-run."""
    argv, kills = harness("run", "--suite", "bench", "--workspace", str(root), "--quiet"), 0
    while kills < most:
        child = subprocess.Popen(argv, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = settled(root)
        while child.poll() is None and settled(root) <= before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.05, 0.5))
        if child.poll() is not None:
            break
        child.send_signal(signal.SIGKILL)
        child.wait()
        kills += 1
        argv = harness("resume", "--workspace", str(root), "--quiet")
    end = subprocess.run(
        harness("resume", "--workspace", str(root), "--quiet"), env=ENV, capture_output=True, text=True
    )
    assert end.returncode == 0, end.stderr
    return kills


def settled(root: Path) -> int:
    """Lines in the run's record so far."""
    return sum(path.read_bytes().count(b"\n") for path in root.glob("runs/*/attempts.jsonl"))


def report(root: Path, log: Path, n: int, kills: int) -> None:
    """Compare the record with what the server answered."""
    (record,) = root.glob("runs/*/attempts.jsonl")
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    decided = Counter(a["task"] for a in lines if a.get("final", True) and a["status"] == "graded" and a["passed"])
    assert len(decided) == n, f"{n - len(decided)} trials lost"
    assert set(decided.values()) == {1}, "trials doubled"
    asked = Counter(re.findall(r"#(\d+)", log.read_text()))
    twice = sum(asked.values()) - len(asked)
    print(f"{kills} kills, {n} trials: none lost, none doubled; answered trials asked again: {twice} in all, "
          f"{twice / max(1, kills):.1f} per kill (target <= 5)")  # fmt: skip


if __name__ == "__main__":
    main()
