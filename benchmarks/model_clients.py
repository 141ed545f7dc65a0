"""CPU per call: the bare official SDKs (aiohttp transport, typed answers) against our models, in one run.

    python benchmarks/model_clients.py [--calls 4000] [--concurrency 64] [--rounds 3]

Both sides talk to the same wire server process, take turns, and the best round of each counts. Figures and the
decision they led to: docs/design/003-model-clients.md.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anthropic
import httpx2
import openai

from harness.api import Request, user
from harness.models.anthropic_api import Anthropic
from harness.models.openai_api import OpenAI
from harness.testing.wire import WireServer

PROMPT = "What is the refund window for a customer in Austria who bought the yearly plan?"
SYSTEM = "Answer in one line."
Call = Callable[[], Awaitable[object]]


def bare(url: str) -> tuple[dict[str, Call], list[Callable[[], Awaitable[None]]]]:
    limits = httpx2.Limits(max_connections=1000)
    o = openai.AsyncOpenAI(
        api_key="k", base_url=f"{url}/v1", max_retries=0, http_client=openai.DefaultAioHttpClient(limits=limits)
    )
    a = anthropic.AsyncAnthropic(
        api_key="k", base_url=url, max_retries=0, http_client=anthropic.DefaultAioHttpClient(limits=limits)
    )
    turn = {"role": "user", "content": PROMPT}
    system = {"role": "system", "content": SYSTEM}
    calls: dict[str, Call] = {
        "openai chat": lambda: o.chat.completions.create(model="echo", messages=[system, turn], max_tokens=1000),
        "openai responses": lambda: o.responses.create(
            model="echo", instructions=SYSTEM, input=PROMPT, max_output_tokens=1000
        ),
        "anthropic": lambda: a.messages.create(model="echo", system=SYSTEM, max_tokens=1000, messages=[turn]),
    }
    return calls, [o.close, a.close]


def ours(url: str, workspace: Path) -> tuple[dict[str, Call], list[Callable[[], Awaitable[None]]]]:
    models = {
        "openai chat": OpenAI(name="echo", base_url=f"{url}/v1", max_output_tokens=1000),
        "openai responses": OpenAI(name="echo", api="responses", base_url=f"{url}/v1", max_output_tokens=1000),
        "anthropic": Anthropic(name="echo", base_url=url, max_output_tokens=1000),
        "openai chat, stream": OpenAI(name="echo", base_url=f"{url}/v1", max_output_tokens=1000, stream=True),
        "openai responses, stream": OpenAI(
            name="echo", api="responses", base_url=f"{url}/v1", max_output_tokens=1000, stream=True
        ),
        "anthropic, stream": Anthropic(name="echo", base_url=url, max_output_tokens=1000, stream=True),
    }
    clients = {name: model.open(workspace) for name, model in models.items()}

    def call(name: str) -> Call:
        client = clients[name]
        return lambda: client.generate(Request((user(PROMPT),), SYSTEM))

    return {name: call(name) for name in clients}, [c.aclose for c in clients.values()]


async def cpu_ms(call: Call, calls: int, concurrency: int) -> float:
    """CPU of this process per call, in milliseconds."""
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await call()

    await call()
    start = time.process_time()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return (time.process_time() - start) / calls * 1000


async def measure(url: str, calls: int, concurrency: int, rounds: int) -> None:
    theirs, close_theirs = bare(url)
    own, close_own = ours(url, Path.cwd())
    best: dict[tuple[str, str], float] = {}
    for _ in range(rounds):
        for side, group in (("bare", theirs), ("ours", own)):
            for name, call in group.items():
                spent = await cpu_ms(call, calls, concurrency)
                best[side, name] = min(best.get((side, name), spent), spent)
    print(f"{'':26}{'bare SDK':>10}{'ours':>10}{'ratio':>8}   (ms CPU per call, best of {rounds} x {calls})")
    for name in own:
        b, o = best.get(("bare", name)), best["ours", name]
        print(f"{name:26}{b:10.3f}{o:10.3f}{o / b:8.2f}" if b else f"{name:26}{'':10}{o:10.3f}")
    for close in (*close_theirs, *close_own):
        await close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with WireServer() as server:
        asyncio.run(measure(server.url, args.calls, args.concurrency, args.rounds))


if __name__ == "__main__":
    main()
