"""What the gateway adds to a request, against the same request made directly, in the same minutes; and its memory.

    python benchmarks/gateway.py [--rounds 5] [--requests 300] [--memory 10000]

Processes as in life: the provider (wire server), the gateway, and the agents' side. Requests are like Claude Code's:
50 KB, 24 tools, streamed. Direct requests, requests through a bare relay (the fewest lines of asyncio that pass bytes
from a unix socket to the provider and back, reading nothing) and relayed ones alternate, round by round; the best round
of each counts, because other work on the machine only ever adds. What the bare relay adds is this machine's price of a
second hop; the gateway's CPU for each request is printed beside it. With 64 streams the provider takes 500 ms, so that
64 agents, begun at random moments, wait for their model as they do in life, and about 128 requests a second pass. On a
machine with much else to do, `chrt -r 1 python benchmarks/gateway.py` takes the waiting for a core out of the figures.
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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


WAYS = ("direct", "bare", "relayed")


@dataclass
class Child:
    """A process that relays: the sockets it listens on."""

    process: subprocess.Popen[str]
    doors: list[str]

    @property
    def cpu_s(self) -> float:
        """CPU seconds it has taken so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def child(kind: str, url: str) -> Iterator[Child]:
    """Start a relaying process, and end it."""
    argv = [sys.executable, __file__, "--serve", kind, url]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        yield Child(process, json.loads(process.stdout.readline()))
        process.stdin.close()
        process.wait(30)


async def measure(url: str, paths: list[str], streams: int, n: int) -> Timings:
    """`n` requests in all, to a url, or through sockets where there are some."""
    sessions = [unix(path) for path in paths[:streams]] or [tcp() for _ in range(streams)]
    data, to = body(), ("http://door" if paths else url) + "/v1/messages"
    try:
        if streams == 1:
            return await one_stream(sessions[0], to, data, n)
        return await many_streams(sessions, to, data, max(2, n // streams))
    finally:
        for session in sessions:
            await session.close()


async def compare(url: str, relays: dict[str, Child], n: int, rounds: int, streams: int) -> None:
    """Alternate the ways, round by round, and print the best of each."""
    best, rounds_of = {way: [9e9, 9e9] for way in WAYS}, {way: list[float]() for way in WAYS}
    cpu = 0.0
    for number in range(rounds + 1):
        for way in WAYS:
            before = relays["relayed"].cpu_s
            found = await measure(url, relays[way].doors if way in relays else [], streams, n)
            if number:  # the first round warms everything up
                best[way] = [min(a, b) for a, b in zip(best[way], found.medians(), strict=True)]
                rounds_of[way].append(found.medians()[1])
                cpu += (relays["relayed"].cpu_s - before) / len(found.whole) if way == "relayed" else 0.0
    print(f"{streams:3} stream(s): direct {best['direct'][1]:8.2f} ms")
    for way in ("bare", "relayed"):
        first, whole = (best[way][i] - best["direct"][i] for i in (0, 1))
        pairs = [there - direct for there, direct in zip(rounds_of[way], rounds_of["direct"], strict=True)]
        print(
            f"    {way:8} adds {whole:5.2f} ms (to the first byte {first:5.2f}; median of the rounds' differences "
            f"{statistics.median(pairs):5.2f})"
        )
    print(f"    the gateway's CPU: {cpu / rounds * 1000:.2f} ms a request")


class Pipe(asyncio.Protocol):
    """One end of a bare relay: what comes here is written there."""

    def __init__(self, other: Pipe | None = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None
        self.early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's
        for piece in self.other.early if self.other else ():
            self.transport.write(piece)  # type: ignore[union-attr]  # set above

    def data_received(self, data: bytes) -> None:
        if self.other is None or self.other.transport is None:
            self.early.append(data)
        else:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class BareDoor(Pipe):
    """The agents' end: it calls the provider when somebody comes."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.host, self.port = url.removeprefix("http://").split(":")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.other = Pipe(self)
        loop = asyncio.get_running_loop()
        self.task = loop.create_task(loop.create_connection(lambda: self.other, self.host, int(self.port)))  # type: ignore[arg-type,return-value]  # set above


async def serve_bare(url: str, doors: int) -> None:
    """The bare relay's process."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="hb-") as folder:
        paths = [f"{folder}/{i}" for i in range(doors)]
        servers = [await loop.create_unix_server(lambda: BareDoor(url), path) for path in paths]
        print(json.dumps(paths), flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
        for server in servers:
            server.close()


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
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args(list(argv) if argv is not None else None)
    if args.serve:
        kind, url = args.serve
        asyncio.run((serve if kind == "relayed" else serve_bare)(url, STREAMS))
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, request {len(body()) // 1024} KB")
    for streams, latency in ((1, 0.0), (STREAMS, 500.0)) if args.rounds else ():
        with (
            WireServer(latency_ms=latency) as wire,
            child("bare", wire.url) as bare,
            child("relayed", wire.url) as gateway,
        ):
            relays = {"bare": bare, "relayed": gateway}
            n = args.requests * (1 if streams == 1 else 4)
            asyncio.run(compare(wire.url, relays, n, args.rounds, streams))
    if args.memory:
        with WireServer() as wire:
            asyncio.run(memory(wire.url, args.memory))


if __name__ == "__main__":
    main()
