"""What a box costs beside a bare loop on the docker SDK: same engine, same image, same limits, in the same run.

    python benchmarks/boxes.py [--trials 40] [--parallel 1,2,4,8] [--rounds 3]

A bare trial makes a throw-away container, runs one command in it and removes it, in a thread. Ours is a trial of
`harness run`: the same and a harness, limits, collecting nothing, grading, records. Rounds alternate; medians of the
rounds count. The network is off on both sides.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import statistics
import tarfile
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import docker

from harness.api import SandboxSpec
from harness.config.load import load_suite
from harness.engine.plan import Plan
from harness.engine.prepare import make_manifest
from harness.engine.retry import RetryPolicy
from harness.engine.run import Recorder, Runner
from harness.engine.select import Filters, select_tasks
from harness.engine.session import open_services
from harness.prices import PriceBook
from harness.sandboxes.docker import Docker
from harness.store.folder import RunFolder
from harness.store.read import Settled

SPEC = SandboxSpec(memory=512 * 1024**2)
HARNESS = '''
from harness.api import Harness, Output


class One(Harness):
    """One command."""

    version = "1"

    def roles(self):
        """None."""
        return ()

    async def solve(self, task, ctx):
        """It."""
        done = await ctx.box.exec(["true"])
        return Output(answer=str(done.exit_code))
'''
SUITE = """
suite: bench
systems: [{{name: one, harness: "harnesses/one.py:One"}}]
defaults: {{sandbox: {{memory: 512m}}, graders: [match]}}
tasks: [{tasks}]
boxes: {parallel}
"""


class Bare:
    """The loop that a person would write."""

    def __init__(self, image: str, parallel: int) -> None:
        self.api = docker.APIClient(os.environ.get("DOCKER_HOST"), max_pool_size=parallel, version="auto")
        self.image = image
        self.host: Any = self.api.create_host_config(
            network_mode="none", mem_limit="512m", memswap_limit="512m", pids_limit=256, cap_drop=["ALL"], init=True,
            security_opt=["no-new-privileges"], nano_cpus=10**9, log_config={"Type": "none", "Config": {}},
        )  # fmt: skip

    def start(self) -> str:
        made = self.api.create_container(self.image, ["sleep", "1000000"], host_config=self.host)
        self.api.start(made["Id"])
        return str(made["Id"])

    def command(self, container: str) -> None:
        """What the SDK's own `exec_run` does: run it, and ask for its exit code."""
        made = self.api.exec_create(container, ["true"])["Id"]
        self.api.exec_start(made)
        assert self.api.exec_inspect(made)["ExitCode"] == 0

    def trial(self, _: int = 0) -> None:
        container = self.start()
        self.command(container)
        self.api.remove_container(container, force=True)


def bare_trials(image: str, n: int, parallel: int) -> float:
    bare = Bare(image, parallel)
    with ThreadPoolExecutor(parallel) as pool:
        began = time.perf_counter()
        list(pool.map(bare.trial, range(n)))
        took = time.perf_counter() - began
    bare.api.close()
    return took


def our_trials(root: Path, n: int, parallel: int) -> float:
    tasks = ", ".join(f'{{id: t{i}, prompt: "go", reference: "0"}}' for i in range(n))
    (root / "tasks/bench").mkdir(parents=True, exist_ok=True)
    (root / "harnesses").mkdir(exist_ok=True)
    (root / "harnesses/one.py").write_text('"""A bench."""\n' + HARNESS)
    (root / "tasks/bench/suite.yaml").write_text(SUITE.format(tasks=tasks, parallel=parallel))
    return asyncio.run(_run(root))


async def _run(root: Path) -> float:
    suite = load_suite(root, "bench")
    chosen, selection = select_tasks(suite, Filters())
    manifest = make_manifest(suite, chosen, suite.systems, selection)
    prices = PriceBook.load(None)
    with RunFolder.create(root / "runs", manifest) as folder:
        recorder = Recorder(folder)
        services = open_services(suite, prices, RetryPolicy(), recorder, manifest.run)
        settled = Settled(frozenset(), {}, 0.0, 0.0, 0)
        try:
            await services.boxes.prepare(suite.tasks)
            began = time.perf_counter()
            runner = Runner(services, recorder, Plan(suite.tasks, ["one"], 1, 0, settled), settled)
            await runner.run(1)
            took = time.perf_counter() - began
        finally:
            await services.aclose()
    assert runner.stats.passed == len(chosen), runner.stats
    return took


async def both(bare: Callable[[], Any], ours: Callable[[], Awaitable[Any]], n: int) -> tuple[float, float]:
    """Median milliseconds of n calls of each, in pairs whose order is left to chance: what else runs here hits both."""
    took: tuple[list[float], list[float]] = ([], [])
    chance = random.Random(7)
    for mine in (side for _ in range(n) for side in chance.sample((0, 1), 2)):
        began = time.perf_counter()
        if mine:
            await ours()
        else:
            bare()
        took[mine].append(time.perf_counter() - began)
    return statistics.median(took[0]) * 1000, statistics.median(took[1]) * 1000


def tar_of(size: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("f")
        member.size = size
        tar.addfile(member, io.BytesIO(os.urandom(size)))
    return out.getvalue()


async def parts(image: str, n: int) -> list[tuple[str, float, float]]:
    """Milliseconds of each part, bare and ours."""
    bare, ours, rows = Bare(image, 1), Docker(), []
    opened: list[Any] = []

    def bare_start() -> None:
        container = bare.start()
        bare.command(container)
        opened.append(container)

    async def our_start() -> None:
        box = ours.open(SPEC)
        await (await box.__aenter__()).exec(["true"])
        opened.append(box)

    rows.append(("start to the end of the first command", *await both(bare_start, our_start, n)))
    for one in opened:
        if isinstance(one, str):
            bare.api.remove_container(one, force=True)
        else:
            await one.__aexit__(None, None, None)

    container = bare.start()
    async with ours.open(SPEC) as box:
        rows.append(("one command", *await both(lambda: bare.command(container), lambda: box.exec(["true"]), 6 * n)))
        for name, size in (("1 KB", 1024), ("1 MB", 1024**2), ("50 MB", 50 * 1024**2)):
            data, k = tar_of(size), 6 * n if size < 2**21 else n
            put = partial(bare.api.put_archive, container, "/tmp", data), partial(box.put_archive, "/tmp", data)
            rows.append((f"{name} in", *await both(*put, k)))
            get = lambda: b"".join(bare.api.get_archive(container, "/tmp/f")[0])  # noqa: E731
            rows.append((f"{name} out", *await both(get, partial(box.get_archive, "/tmp/f"), k)))
    bare.api.remove_container(container, force=True)
    bare.api.close()
    await ours.aclose()
    return rows


async def image_of() -> str:
    sandbox = Docker()
    async with sandbox.open(SPEC) as box:
        found = box.image_digest
    await sandbox.aclose()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--parallel", default="1,2,4,8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=20)
    args = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    image = asyncio.run(image_of())
    print(f"\n{'part, ms':40} {'bare':>8} {'ours':>8} {'ratio':>6}")
    for name, bare, ours in asyncio.run(parts(image, args.calls)):
        print(f"{name:40} {bare:8.1f} {ours:8.1f} {ours / bare:6.2f}")
    print(f"\n{'trials a minute, in parallel':40} {'bare':>8} {'ours':>8} {'ours/bare per trial':>20}")
    with tempfile.TemporaryDirectory() as folder:
        for parallel in map(int, args.parallel.split(",")):
            took: list[tuple[float, float]] = []
            for _ in range(args.rounds):
                took.append(
                    (bare_trials(image, args.trials, parallel), our_trials(Path(folder), args.trials, parallel))
                )
            bare, ours = (statistics.median(side) for side in zip(*took, strict=True))
            n = args.trials * 60
            print(f"{parallel:40} {n / bare:8.0f} {n / ours:8.0f} {ours / bare:20.2f}")
    print(f"\nload {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
