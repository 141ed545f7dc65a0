"""Words for parts of messages, tokens and money, as trajectories show them."""

from __future__ import annotations

import msgspec

from harness.records.content import File, Part, Reasoning, Text, ToolCall, ToolResult, Usage


def part_text(part: Part) -> str:
    """A part of a message. Of a tool's call, its texts as they are, so that a program can be read."""
    if isinstance(part, Text):
        return part.text
    if isinstance(part, File):
        return f"[file {part.name}, {part.media_type}]"
    if isinstance(part, Reasoning):
        return f"[reasoning] {part.text}" if part.text else "[reasoning, not shown by the provider]"
    if isinstance(part, ToolCall):
        return _call_text(part)
    assert isinstance(part, ToolResult)
    return f"[{'error' if part.is_error else 'result'}] {part.content}"


def _call_text(call: ToolCall) -> str:
    if isinstance(call.arguments, str):
        return f"[calls {call.name}] {call.arguments}"
    plain = {k: v for k, v in call.arguments.items() if not (isinstance(v, str) and "\n" in v)}
    lines = [f"[calls {call.name}] {msgspec.json.encode(plain).decode() if plain else ''}".rstrip()]
    for name, value in call.arguments.items():
        if name not in plain:
            lines += [f"  {name}:", *indented(value, 4)]
    return "\n".join(lines)


def cost_of(u: Usage) -> str:
    """Money, or that the price is not known; a lower bound where a part of it is not."""
    if not u.unpriced:
        return f"${u.cost_usd:.4f}" if u.calls else "no calls"
    return f">= ${u.cost_usd:.4f}" if u.cost_usd else "unpriced"


def tokens_of(u: Usage) -> str:
    """Tokens in and out."""
    return f"{u.input_total:,} tokens in ({u.cache_read:,} cached), {u.output_total:,} out ({u.reasoning:,} reasoning)"


def line(text: str) -> str:
    """On one line: what others wrote must not look like a line of ours."""
    return " ".join(text.split())


def indented(text: str, by: int = 2) -> list[str]:
    """Every line with so many spaces before it."""
    return [" " * by + line for line in text.splitlines()]
