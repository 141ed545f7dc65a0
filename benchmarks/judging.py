"""What judging costs: 2,000 pairs in both orders through the whole engine, against the bare SDK's calls.

    python benchmarks/judging.py [--pairs 2000] [--concurrency 32] [--rounds 2]

Both sides ask the same instant local server (a process of its own) the same number of calls with prompts of the same
length and a JSON schema. Ours renders, asks, reads, votes and records; the bare side only calls and gets typed answers.
The stored answers come from a file, so that a trial costs little besides its judging. Memory is the peak of a process
that judges all pairs, and of one that judges a quarter of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.testing.wire import WireServer

ANSWER = "The yearly plan may be cancelled within 14 days of the order; the shop pays back what was paid. " * 6
OTHER = "You can send it back for two weeks, and the money is returned to the card that was used to pay. " * 6


def judged(url: str, pairs: int, concurrency: int) -> tuple[float, int, int]:
    """CPU seconds, judgements and peak memory (kB) of one run of the engine over so many pairs."""
    import openai

    from harness.config.load import load_suite
    from harness.engine.prepare import make_manifest
    from harness.engine.retry import RetryPolicy
    from harness.engine.session import Job, run_job
    from harness.prices import PriceBook
    from harness.store.folder import RunFolder
    from harness.store.judgements import iter_judgements
    from harness.store.manifest import Selection
    from harness.store.read import Settled

    with tempfile.TemporaryDirectory() as place:
        workspace = Path(place)
        write_workspace(workspace, url, pairs, concurrency)
        suite = load_suite(workspace, "bench")
        manifest = make_manifest(suite, suite.tasks, suite.systems, Selection(tasks_in_suite=len(suite.tasks)))
        openai.AsyncOpenAI(api_key="k", http_client=openai.DefaultAioHttpClient())  # imports are no cost of judging
        began = time.process_time()
        with RunFolder.create(workspace / "runs", manifest) as folder:
            nothing = Settled(frozenset(), {}, 0.0, 0.0, 0)
            job = Job(suite, folder, suite.tasks, nothing, PriceBook.load(None), RetryPolicy())
            run_job(job, lambda runner: lambda: None)
        spent = time.process_time() - began
        n = sum(1 for j in iter_judgements(folder.path) if j.status == "ok")
    return spent, n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def write_workspace(workspace: Path, url: str, pairs: int, concurrency: int) -> None:
    """A suite of pairs: stored answers against an expert's, judged by a model of the local server."""
    (workspace / "tasks" / "bench").mkdir(parents=True)
    ids = [f"p{i}" for i in range(pairs)]
    rows = "".join(json.dumps({"task": i, "answer": f"{i}: {ANSWER}"}) + "\n" for i in ids)
    (workspace / "tasks" / "bench" / "answers.jsonl").write_text(rows)
    rows = "".join(json.dumps({"id": i, "q": f"Question {i}: for how long may it be returned?"}) + "\n" for i in ids)
    (workspace / "tasks" / "bench" / "rows.jsonl").write_text(rows)
    judge = {
        "name": "main", "cache": False,
        "model": {"use": "openai", "name": "judge:tie", "base_url": f"{url}/v1", "api": "chat"},
    }  # fmt: skip
    grader = {"use": "judge_pairwise", "judge": judge, "opponent": {"field": "expert"}}
    template = {
        "id": "{{ id }}", "prompt": "{{ q }}", "meta": {"expert": "{{ id }}: " + OTHER}, "graders": [grader],
    }  # fmt: skip
    said = {"rows": {"path": "rows.jsonl"}, "template": template}
    (workspace / "tasks" / "bench" / "pairs.yaml").write_text(json.dumps(said))
    suite = {
        "suite": "bench", "tasks": ["tasks/bench/pairs.yaml"], "concurrency": concurrency,
        "systems": [{"name": "stored", "harness": {"use": "replay", "path": "tasks/bench/answers.jsonl"}}],
    }  # fmt: skip
    (workspace / "tasks" / "bench" / "suite.yaml").write_text(json.dumps(suite))


def bare(url: str, calls: int, concurrency: int) -> tuple[float, int, int]:
    """CPU seconds of so many bare SDK calls with a prompt of the same length, and of the same form."""
    import httpx2
    import openai

    from harness.graders.judge_pairwise import AGAIN, TASK, JudgePairwise
    from harness.toolkit.judging.prompt import Piece, derive, render

    form = JudgePairwise.model_construct(scale="win_tie_loss")._form(("A", "B"))
    pieces = [Piece("question", "Question: for how long?"), Piece("answer A", ANSWER), Piece("answer B", OTHER)]
    prompt = render(TASK, AGAIN, pieces, derive(b"k", "i", "0", ()), form.words("schema"))
    messages: list[Any] = [
        {"role": "system", "content": prompt.system},
        {"role": "user", "content": "".join(p.text for p in prompt.parts)},  # type: ignore[union-attr]
    ]
    shape: Any = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": form.schema(), "strict": True}}

    async def work() -> float:
        limits = httpx2.Limits(max_connections=1000)
        http = openai.DefaultAioHttpClient(limits=limits)
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0, http_client=http) as client:
            left = iter(range(calls))

            async def worker() -> None:
                for _ in left:
                    await client.chat.completions.create(model="judge:tie", messages=messages, response_format=shape)

            await client.chat.completions.create(model="judge:tie", messages=messages, response_format=shape)
            began = time.process_time()
            await asyncio.gather(*(worker() for _ in range(concurrency)))
            return time.process_time() - began

    return asyncio.run(work()), calls, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Take turns, each in a process of its own, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    best: dict[str, float] = {}
    peaks: dict[int, int] = {}
    context = multiprocessing.get_context("spawn")
    with WireServer() as server:
        for _ in range(args.rounds):
            for side, work, n in (
                ("bare", bare, 2 * args.pairs), ("ours", judged, args.pairs), ("ours", judged, args.pairs // 4),
            ):  # fmt: skip
                with context.Pool(1) as pool:
                    spent, done, peak = pool.apply(work, (server.url, n, args.concurrency))
                if side == "ours":
                    assert done == 2 * n, f"{done} of {2 * n} judgements have a verdict"
                    peaks[n] = max(peaks.get(n, 0), peak)
                if n != args.pairs // 4:
                    best[side] = min(best.get(side, spent), spent)
    calls = 2 * args.pairs
    for side, spent in best.items():
        print(f"{side}: {spent / calls * 1000:.3f} ms CPU per call ({calls:,} calls, best of {args.rounds})")
    print(f"ratio {best['ours'] / best['bare']:.2f}")
    print("; ".join(f"peak {peak // 1024} MB with {n:,} pairs" for n, peak in sorted(peaks.items())))


if __name__ == "__main__":
    main()
