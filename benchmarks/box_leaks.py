"""What trials in boxes leave on the engine: run many, and count what is there of ours.

    python benchmarks/box_leaks.py [--trials 500] [--kill 3]

Every tenth trial has a sidecar on a private network, every twentieth a command that is killed by its time limit, and
the run itself is killed with SIGKILL `--kill` times in its middle and resumed. Counted by the run's label: containers,
networks, volumes; and the images without a name that this machine did not have before.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import docker

HARNESS = '''
"""A bench."""
from harness.api import Harness, Output


class One(Harness):
    """A command that leaves processes and files behind."""

    version = "1"

    def roles(self):
        """None."""
        return ()

    async def solve(self, task, ctx):
        """It."""
        slow = "slow" in task.prompt
        more = "(sleep 1000 &) ; sleep 100" if slow else "(setsid sleep 1000 >/dev/null 2>&1 &)"
        await ctx.box.exec(["sh", "-c", "echo 0 > out; " + more], timeout_s=1 if slow else 30)
        return Output(answer="0")
'''
SUITE = """
suite: leaks
systems: [{{name: one, harness: "harnesses/one.py:One"}}]
defaults: {{sandbox: {{memory: 256m}}, graders: [match], collect: {{out: {{file: /work/out}}}}}}
tasks: {tasks}
epochs: {epochs}
"""
TASKS = 20
SIDECAR = {"image": "harness-base:bookworm", "command": ["sleep", "1000"], "memory": "64m"}


def workspace(root: Path, trials: int) -> None:
    tasks = []
    for i in range(TASKS):
        task: dict[str, object] = {"id": f"t{i}", "prompt": "slow" if i == 1 else "go", "reference": "0"}
        if i % 10 == 0:
            task["sandbox"] = {"network": "internal", "services": {"db": SIDECAR}}
        tasks.append(task)
    for name, text in {
        "harnesses/one.py": HARNESS,
        "tasks/leaks/suite.yaml": SUITE.format(tasks=json.dumps(tasks), epochs=max(1, trials // TASKS)),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def start(root: Path, *words: str) -> subprocess.Popen[bytes]:
    with (root / "log").open("ab") as log:
        argv = [sys.executable, "-m", "harness.cli.main", *words, "--quiet"]
        return subprocess.Popen(argv, cwd=root, stdout=log, stderr=log, env=os.environ)


def lines(root: Path) -> int:
    return sum(p.read_bytes().count(b"\n") for p in root.glob("runs/*/attempts.jsonl"))


def until(root: Path, process: subprocess.Popen[bytes], n: int) -> None:
    while process.poll() is None and lines(root) < n:
        time.sleep(0.2)


def held(api: docker.APIClient, run: str) -> dict[str, int]:
    label = {"label": f"harness.run={run}"}
    return {
        "containers": len(api.containers(all=True, filters=label)),
        "networks": len(api.networks(filters=label)),
        "volumes": len(api.volumes(filters=label)["Volumes"] or ()),
    }


def nameless(api: docker.APIClient) -> set[str]:
    return {str(i["Id"]) for i in api.images(filters={"dangling": True, "label": "harness.image"})}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--kill", type=int, default=3)
    args = parser.parse_args()
    api = docker.APIClient(os.environ.get("DOCKER_HOST"), version="auto")
    before, began = nameless(api), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workspace(root, args.trials)
        process, run = start(root, "run", "--suite", "leaks"), ""
        for kill in range(args.kill):
            until(root, process, (kill + 1) * args.trials // (args.kill + 1))
            process.send_signal(signal.SIGKILL)
            process.wait()
            run = next(root.glob("runs/*")).name
            print(f"killed after {lines(root)} attempts: left {held(api, run)}", flush=True)
            process = start(root, "resume", run)
        process.wait()
        run = next(root.glob("runs/*")).name
        rows = [json.loads(line) for line in next(root.glob("runs/*/attempts.jsonl")).read_text().splitlines()]
        done = {(r["task"], r["epoch"]) for r in rows if r["status"] == "graded" and r["passed"]}
        took = time.monotonic() - began
        print(f"{len(done)} trials passed of {TASKS * max(1, args.trials // TASKS)}, exit {process.returncode}, "
              f"{took:.0f} s, load {os.getloadavg()[0]:.1f}")  # fmt: skip
        print(f"left at the end: {held(api, run)}, {len(nameless(api) - before)} images without a name")
        if process.returncode:
            print((root / "log").read_text()[-2000:])


if __name__ == "__main__":
    main()
