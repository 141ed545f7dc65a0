"""What the gateway adds to a request, against the same request made directly, in the same minutes; and its memory.

    python benchmarks/gateway.py [--rounds 5] [--requests 300] [--memory 10000]

Three processes, as in life: the provider (wire server), the gateway, and the agents' side. Requests are like Claude
Code's: 50 KB, 24 tools, streamed. Direct and relayed requests alternate, round by round; the best round of each counts,
because other work on the machine only ever adds. With 64 streams the provider takes 500 ms, so that 64 agents, begun at
random moments, wait for their model as they do in life, and about 128 requests a second pass. On a machine with much
else to do, `chrt -r 1 python benchmarks/gateway.py` takes the waiting for a core out of the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from random import Random
from time import perf_counter

import aiohttp

from harness.testing.wire import WireServer

STREAMS = 64
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "gateway"))
MODEL = "claude-opus-4-7"


def body(kb: int = 50, turns: int = 6) -> bytes:
    """A request of an agent in the middle of its work."""
    tools = [
        {"name": f"Tool{i}", "description": "what it does, at length. " * 24, "input_schema": {"type": "object"}}
        for i in range(24)
    ]
    text = "lorem ipsum dolor sit amet " * (kb * 1024 // 27 // (turns + 2))
    messages = [{"role": ("user", "assistant")[i % 2], "content": f"{i} {text}"} for i in range(turns + 1)]
    request = {"model": MODEL, "max_tokens": 1000, "stream": True, "system": text, "tools": tools}
    return json.dumps({**request, "messages": messages}).encode()


class Timings:
    """Milliseconds to the first byte and to the last."""

    def __init__(self) -> None:
        self.first: list[float] = []
        self.whole: list[float] = []

    def medians(self) -> tuple[float, float]:
        return statistics.median(self.first), statistics.median(self.whole)


async def ask(session: aiohttp.ClientSession, url: str, data: bytes, into: Timings) -> None:
    began = perf_counter()
    async with session.post(url, data=data, headers={"content-type": "application/json"}) as answer:
        assert answer.status == 200, await answer.text()
        first = 0.0
        async for _ in answer.content.iter_any():
            first = first or perf_counter()
    into.first.append((first - began) * 1000)
    into.whole.append((perf_counter() - began) * 1000)


async def one_stream(session: aiohttp.ClientSession, url: str, data: bytes, n: int) -> Timings:
    found = Timings()
    for _ in range(n):
        await ask(session, url, data, found)
    return found


async def many_streams(sessions: list[aiohttp.ClientSession], url: str, data: bytes, each: int) -> Timings:
    found, dice = Timings(), Random(7)

    async def agent(session: aiohttp.ClientSession, delay: float) -> None:
        await asyncio.sleep(delay)
        for _ in range(each):
            await ask(session, url, data, found)

    await asyncio.gather(*(agent(s, dice.random() * 0.5) for s in sessions))
    return found


def unix(path: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=path, keepalive_timeout=60))


def tcp() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60))


async def compare(wire: WireServer, doors: list[str], n: int, rounds: int, streams: int) -> None:
    """Alternate direct and relayed rounds, and print the best of each."""
    data, best = body(), {"direct": [9e9, 9e9], "relayed": [9e9, 9e9]}
    pairs: list[float] = []
    for number in range(rounds + 1):
        medians = {}
        for way in ("direct", "relayed"):
            sessions = [tcp() if way == "direct" else unix(path) for path in doors[:streams]]
            url = (wire.url if way == "direct" else "http://door") + "/v1/messages"
            if streams == 1:
                found = await one_stream(sessions[0], url, data, n)
            else:
                found = await many_streams(sessions, url, data, max(2, n // streams))
            for session in sessions:
                await session.close()
            medians[way] = found.medians()
            if number:  # the first round warms everything up
                best[way] = [min(a, b) for a, b in zip(best[way], found.medians(), strict=True)]
        if number:
            pairs.append(medians["relayed"][1] - medians["direct"][1])
    first, whole = (best["relayed"][i] - best["direct"][i] for i in (0, 1))
    print(
        f"{streams:3} stream(s): direct {best['direct'][1]:8.2f} ms, relayed {best['relayed'][1]:8.2f} ms, "
        f"added {whole:5.2f} ms (to the first byte {first:5.2f}); median of the rounds' differences "
        f"{statistics.median(pairs):5.2f} ms"
    )


async def serve(url: str, doors: int) -> None:
    """The gateway's process: doors that stay open until standard input ends."""
    from contextlib import AsyncExitStack

    from gate_bench import GateBench, a_model

    with tempfile.TemporaryDirectory(prefix="hb-") as folder:
        gate = GateBench(Path(folder))
        opened = gate.opened(a_model("anthropic", name=MODEL, base_url=url))
        async with AsyncExitStack() as stack:
            visits = [await stack.enter_async_context(gate.door(opened)) for _ in range(doors)]
            print(json.dumps([str(v.socket) for v in visits]), flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await gate.server.aclose()


async def memory(url: str, requests: int) -> None:
    """Trials one after the other, a hundred requests each, in one process with the gateway: its memory on the way."""
    from gate_bench import GateBench, a_model

    data, each = body(), 100
    with tempfile.TemporaryDirectory(prefix="hb-") as folder:
        gate = GateBench(Path(folder))
        marks = {requests // 10, requests // 2, requests}
        for done in range(each, requests + 1, each):
            async with gate.door(a_model("anthropic", name=MODEL, base_url=url)) as visit, unix(str(visit.socket)) as s:
                await one_stream(s, "http://door/v1/messages", data, each)
            gate.entrances.clear()
            if done in marks:
                print(f"after {done:6} requests: {resident_mb():.1f} MB")
        await gate.server.aclose()


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def main(argv: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="0 leaves the comparison out")
    parser.add_argument("--requests", type=int, default=300, help="per round")
    parser.add_argument("--memory", type=int, default=10_000, help="requests of the memory test; 0 leaves it out")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args(list(argv) if argv is not None else None)
    if args.serve:
        asyncio.run(serve(args.serve, STREAMS))
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, request {len(body()) // 1024} KB")
    for streams, latency in ((1, 0.0), (STREAMS, 500.0)) if args.rounds else ():
        with WireServer(latency_ms=latency) as wire:
            child = subprocess.Popen(
                [sys.executable, __file__, "--serve", wire.url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert child.stdout is not None and child.stdin is not None
            doors = json.loads(child.stdout.readline())
            asyncio.run(compare(wire, doors, args.requests * (1 if streams == 1 else 4), args.rounds, streams))
            child.stdin.close()
            child.wait(30)
    if args.memory:
        with WireServer() as wire:
            asyncio.run(memory(wire.url, args.memory))


if __name__ == "__main__":
    main()
