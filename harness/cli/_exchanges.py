"""An agent's requests through the gateway, for people: what it newly said, what came back, and what the gateway did."""

from __future__ import annotations

from collections.abc import Iterator

from harness.cli._part_text import cost_of, indented, line, part_text, tokens_of
from harness.records.content import Json
from harness.records.exchange import Exchange

SPOKEN = ("text", "content", "output", "input", "arguments", "parts", "functionResponse", "response", "summary")
"""Keys of the providers' messages under which something is said."""


def exchange_lines(exchange: Exchange, number: str, seen: set[str]) -> Iterator[str]:
    """One exchange. `seen` holds the digests of what was shown before, and grows."""
    usage, response = exchange.usage, exchange.response
    waited = f", waited {exchange.waited:.2f}s" if exchange.waited else ""
    whose = f" (agent {line(exchange.agent)})" if exchange.agent else ""
    model = line(response.model if response is not None else exchange.sent or exchange.asked) or "no model"
    named = f" (asked for {line(exchange.asked)})" if exchange.asked not in ("", model) else ""
    cost = f", {tokens_of(usage)}, {cost_of(usage)}, stopped: {response.stop}" if response is not None else ""
    yield (
        f"[{exchange.at:.2f}s +{exchange.seconds:.2f}s{waited}] {number}{exchange.role or 'agent'}{whose}: "
        f"{line(exchange.path)} -> {exchange.status}, {model}{named}{cost}"
    )
    for failure in exchange.retries:
        yield f"    try failed, absorbed: {line(failure)}"
    for label, words in (("refused", exchange.refused), ("allowed", exchange.allowed)):
        if words:
            yield f"    {label}: {line(', '.join(words))}"
    for label, word in (("limit", exchange.limit), ("trouble", exchange.trouble), ("cut off by", exchange.cut)):
        if word:
            yield f"    {label}: {line(word)}"
    for digest in (*exchange.system, *exchange.messages):
        if digest in exchange.parts and digest not in seen:
            seen.add(digest)
            yield from indented("\n".join(spoken(exchange.parts[digest])) or "[nothing said in words]", 4)
    if response is not None:
        yield "    assistant:"
        for part in response.parts:
            yield from indented(part_text(part), 6)


def spoken(content: Json) -> Iterator[str]:
    """The words of a message in any dialect, in order, after its role or kind."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for one in content:
            yield from spoken(one)
    elif isinstance(content, dict):
        head = content.get("role") or content.get("type")
        if isinstance(head, str) and head not in ("text", "input_text", "output_text"):
            yield f"{head}:"
        for key in SPOKEN:
            if key in content:
                yield from spoken(content[key])
