"""The bare loop others are measured against: the official SDK with its aiohttp transport, nothing else.

python benchmarks/bare_loop.py {openai|anthropic} URL N CONCURRENCY
"""

from __future__ import annotations

import asyncio
import sys

from bench_workspace import QUESTION


async def main(sdk: str, url: str, n: int, concurrency: int) -> None:
    todo = iter(range(n))
    right = 0
    if sdk == "openai":
        import openai

        client = openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key="k", max_retries=0, http_client=openai.DefaultAioHttpClient()
        )

        async def ask(text: str) -> str:
            messages = [{"role": "user", "content": text}]
            got = await client.chat.completions.create(model="after:#", messages=messages)  # type: ignore[arg-type]
            return got.choices[0].message.content or ""
    else:
        import anthropic

        client = anthropic.AsyncAnthropic(
            base_url=url, api_key="k", max_retries=0, http_client=anthropic.DefaultAioHttpClient()
        )

        async def ask(text: str) -> str:
            messages = [{"role": "user", "content": text}]
            got = await client.messages.create(model="after:#", max_tokens=100, messages=messages)  # type: ignore[arg-type]
            return got.content[0].text  # type: ignore[union-attr]

    async def worker() -> None:
        nonlocal right
        for i in todo:
            answer = await ask(QUESTION.format(i=i))
            right += answer == str(i)

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    await client.close()
    assert right == n, (right, n)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
