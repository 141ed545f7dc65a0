"""A long conversation kept affordable: old outputs are left out in few, large steps.

Providers cache a prompt by its prefix. A conversation that loses a little in every turn is never read from that cache.
So nothing is touched until the context passes `above` tokens; then the oldest outputs become one fixed stub until it is
near `to` tokens. Between two cuts every request begins with the whole of the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from harness.api import File, Message, Reasoning, Response, Text, ToolCall, ToolResult

STUB = "[this output was left out to save space; run the command again if you need it]"
WORTH_CHARS = 4 * len(STUB)
"""A shorter output stays: leaving it out would save next to nothing."""
CHARS_PER_TOKEN = 4.0
"""A first guess for English and code, until a model has counted."""
LEAST_RATE, MOST_RATE = 2.0, 8.0
"""Bounds of what is believed: the system prompt and the tools are in a model's count and not in ours."""
IMAGE_CHARS = 6000
"""What a file is taken for, in characters: an image of 1,500 tokens."""

Part = Text | File | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Elision:
    """When to leave out what: sizes in tokens; the last `keep` messages with outputs stay. `above` of 0 is never."""

    above: int = 100_000
    to: int = 50_000
    keep: int = 4

    @property
    def least(self) -> int:
        """Tokens a cut must free, or it waits: a cut that frees little costs the cache and brings the next one near."""
        return (self.above - self.to) // 2


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut: how many outputs were left out, and the context's size before and after, in estimated tokens."""

    outputs: int
    before: int
    after: int


class Conversation:
    """The messages of one piece of work. The first message is the task and is never touched; nor is a model's turn."""

    def __init__(self, first: Message, elision: Elision) -> None:
        self._elision = elision
        self._messages = [first]
        self._chars = chars_of(first)
        self._seen_chars = 0
        self._seen_tokens = 0
        self._rate = CHARS_PER_TOKEN

    @property
    def messages(self) -> tuple[Message, ...]:
        """All of them, as the next request sends them."""
        return tuple(self._messages)

    @property
    def tokens(self) -> int:
        """Estimated size: what the model counted at its last turn, and a guess for what came since."""
        return self._seen_tokens + round((self._chars - self._seen_chars) / self._rate)

    def answered(self, response: Response) -> None:
        """The model's turn, as it came: reasoning and calls in their order, since providers check both."""
        sent = self._chars
        self._add(Message("assistant", response.parts))
        usage = response.usage
        if usage.input_total and sent:
            self._rate = min(max(sent / usage.input_total, LEAST_RATE), MOST_RATE)
            self._seen_tokens = usage.input_total + usage.output_total
            self._seen_chars = self._chars

    def observed(self, *parts: Text | ToolResult) -> None:
        """What came of it: all results of one turn, in the order of its calls, and words after them."""
        self._add(Message("user", parts))

    def elide(self) -> Cut | None:
        """Leave out the oldest outputs if the context has grown past the mark, and enough can be freed."""
        before, rule = self.tokens, self._elision
        if not rule.above or before <= rule.above:
            return None
        chosen: list[tuple[int, int]] = []
        freed = 0.0
        for place, part in self._outputs():
            if before - freed <= rule.to:
                break
            chosen.append(place)
            freed += (len(_said(part)) - len(STUB)) / self._rate
        if not chosen or freed < rule.least:
            return None
        for at, index in chosen:
            self._stub(at, index)
        self._chars = sum(chars_of(m) for m in self._messages)
        self._seen_chars, self._seen_tokens = self._chars, before - round(freed)
        return Cut(len(chosen), before, self.tokens)

    def _add(self, message: Message) -> None:
        self._messages.append(message)
        self._chars += chars_of(message)

    def _outputs(self) -> Iterator[tuple[tuple[int, int], Text | ToolResult]]:
        """What may be left out, oldest first: (message, part) and the part."""
        said = [i for i, m in enumerate(self._messages) if m.role == "user" and i > 0]
        for at in said[: max(0, len(said) - self._elision.keep)]:
            for index, part in enumerate(self._messages[at].parts):
                if isinstance(part, (Text, ToolResult)) and len(_said(part)) > WORTH_CHARS:
                    yield (at, index), part

    def _stub(self, at: int, index: int) -> None:
        parts = list(self._messages[at].parts)
        part = parts[index]
        parts[index] = msgspec.structs.replace(part, content=STUB) if isinstance(part, ToolResult) else Text(STUB)
        self._messages[at] = Message("user", tuple(parts))


def _said(part: Text | ToolResult) -> str:
    return part.text if isinstance(part, Text) else part.content


def chars_of(message: Message) -> int:
    """Characters a message sends, roughly: texts, arguments, reasoning; files as `IMAGE_CHARS`."""
    return sum(_chars(part) for part in message.parts)


def _chars(part: Part) -> int:
    if isinstance(part, (Text, ToolResult)):
        return len(_said(part))
    if isinstance(part, File):
        return IMAGE_CHARS
    if isinstance(part, Reasoning):
        return len(part.text) or len(str(part.opaque or ""))
    return len(part.name) + len(str(part.arguments))
