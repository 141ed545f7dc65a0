"""What a request wants done outside the box: tools the provider runs, MCP servers it calls, addresses it fetches.

A box has no network, and a provider does: a search it runs for an agent can find the task's public solution, and an
address it fetches carries words out. So all of it is refused unless the task or the suite allows it in words. Kinds of
tools that are not known here are refused too: a new one is more often the provider's than the agent's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from harness.gateway.asks import Ask, BadAsk, Fields, ToolHead
from harness.records.exchange import Dialect, Outside

WORDS: Mapping[Outside, str] = {
    "web_search": "the provider searches the web",
    "web_fetch": "the provider fetches pages",
    "code_execution": "the provider runs code in a place of its own",
    "file_search": "the provider searches files it stores",
    "remote_mcp": "the provider calls MCP servers",
    "image_generation": "the provider makes images",
    "urls": "the provider fetches images and documents by address",
    "stored_files": "files and conversations that the provider stores",
    "other_tools": "any other tool that is not known to run in the box",
}
"""What can be allowed, and what that means."""

_CLIENT: Mapping[Dialect, tuple[str, ...]] = {
    "anthropic": ("custom", "bash_", "text_editor_", "computer_", "memory_", "tool_search_"),
    "responses": (
        "function", "custom", "local_shell", "apply_patch", "namespace", "computer_use_preview", "computer",
        "tool_search",
    ),
    "chat": ("function", "custom"),
    "gemini": ("functionDeclarations", "function_declarations", "computerUse", "computer_use"),
}  # fmt: skip
"""Kinds of tools that the agent itself runs; with `_` at the end, kinds that begin so and end in a date."""

_KINDS: tuple[tuple[str, Outside], ...] = (
    ("web_search", "web_search"), ("googlesearch", "web_search"), ("google_search", "web_search"),
    ("web_fetch", "web_fetch"), ("urlcontext", "web_fetch"), ("url_context", "web_fetch"),
    ("code_execution", "code_execution"), ("code_interpreter", "code_execution"),
    ("codeexecution", "code_execution"), ("file_search", "file_search"), ("filesearch", "file_search"),
    ("mcp", "remote_mcp"), ("image_generation", "image_generation"),
)  # fmt: skip

_HINTS = (b'url"', b'"file', b'tools"')
"""A conversation without any of these asks for nothing to be fetched: every key below begins or ends so. Looking for
them is quick, and inside of a text a quote is escaped."""
_ESCAPED = re.compile(rb"\\u00[2-7]")
"""Escaped letters, which could spell one of them."""
_FIELDS: Mapping[str, Outside] = {
    "mcp_servers": "remote_mcp", "container": "code_execution", "web_search_options": "web_search",
    "search_parameters": "web_search", "enable_search": "web_search", "plugins": "web_search",
    "cachedContent": "stored_files", "cached_content": "stored_files", "prompt": "stored_files",
    "conversation": "stored_files", "previous_response_id": "stored_files", "background": "stored_files",
}  # fmt: skip
"""Fields that ask for something by being there, also those of providers with an API like OpenAI's: xAI
(`search_parameters`), Qwen (`enable_search`), OpenRouter (`plugins`)."""
_UNSET = (b"null", b"[]", b'""', b"false")
"""An empty object is none of these: `web_search_options: {}` searches."""
_CONVERSATION = ("system", "messages", "input", "contents", "systemInstruction", "system_instruction")
_raws = msgspec.json.Decoder(dict[str, msgspec.Raw])

_SEARCHES_ALWAYS = re.compile(r"-search-(preview|api)|^sonar|deep-research|:online$")


MOST_CLEAN = 32 * 1024**2


class Clean:
    """Messages that were looked at and have no hint of an address, by their bytes.

    A conversation is sent anew with each request; only what is new in it is looked through. What is kept is bounded,
    in bytes: an agent that is refused can send for ever.
    """

    __slots__ = ("_kept", "_left")

    def __init__(self, most: int = MOST_CLEAN) -> None:
        self._kept: set[bytes] = set()
        self._left = most

    def is_new(self, message: bytes) -> bool:
        """Whether a message has to be looked at. One without a hint need not be again."""
        if message in self._kept:
            return False
        if _hints(message):
            return True
        if len(message) <= self._left:
            self._kept.add(message)
            self._left -= len(message)
        return False


def wanted(ask: Ask, clean: Clean | None = None) -> dict[Outside, str]:
    """What the request wants done outside, by its word, with what exactly it was. Raises BadAsk.

    `clean` has what was seen in earlier requests, and grows.
    """
    found: dict[Outside, str] = {}
    try:
        for word, what in (*_tools(ask.dialect, ask.tools), *_elsewhere(ask, clean or Clean(0))):
            found.setdefault(word, what)
    except (msgspec.MsgspecError, RecursionError) as e:
        raise BadAsk(f"the body is no {ask.dialect} request: {e}") from e
    return found


def _tools(dialect: Dialect, tools: Iterable[ToolHead]) -> Iterator[tuple[Outside, str]]:
    for tool in tools:
        kind = tool.type or ("custom" if dialect == "anthropic" else "function")
        if not _is_client(dialect, kind):
            yield _word(kind), kind
        yield from _tools(dialect, tool.tools or ())


def _is_client(dialect: Dialect, kind: str) -> bool:
    return any(kind == k or (k.endswith("_") and kind.startswith(k)) for k in _CLIENT[dialect])


def _word(kind: str) -> Outside:
    low = kind.lower()
    return next((word for part, word in _KINDS if part in low), "other_tools")


def _elsewhere(ask: Ask, clean: Clean) -> Iterator[tuple[Outside, str]]:
    """Outside of the list of tools: in the model's name, in fields of their own, in the conversation."""
    if _SEARCHES_ALWAYS.search(ask.model):
        yield "web_search", ask.model
    yield from _asked(ask.fields)
    for name in _CONVERSATION:
        for message in ask.fields.items_of(name):
            if clean.is_new(message):
                yield from _content(ask.dialect, msgspec.json.decode(message))


def _asked(fields: Fields, depth: int = 0) -> Iterator[tuple[Outside, str]]:
    """Fields of the request, and of what some providers take beside it (`extra_body`, in it `google`)."""
    for name, word in _FIELDS.items():
        if name in fields and fields.get(name).strip() not in _UNSET:
            yield word, name
    more = fields.get("google" if depth else "extra_body")
    if more.startswith(b"{") and depth < 2:
        yield from _asked(Fields(_raws.decode(more)), depth + 1)


def _hints(raw: bytes) -> bool:
    if b"\\u00" in raw and _ESCAPED.search(raw):
        return True
    return any(hint in raw for hint in _HINTS) or (raw.startswith(b"{") and _refers(_head.decode(raw)))


class _Head(msgspec.Struct, gc=False):
    """What an item of a conversation is."""

    id: Any = None
    type: Any = None
    role: Any = None


_head = msgspec.json.Decoder(_Head)


def _refers(item: _Head) -> bool:
    """Whether an item stands for one that the provider stores; the Responses API lets it go without a type."""
    return item.type == "item_reference" or (item.id is not None and item.type is None and item.role is None)


def _content(dialect: Dialect, content: Any) -> Iterator[tuple[Outside, str]]:
    """Blocks that name an address or something stored, and tools declared inside the conversation (Codex).

    Arguments of the agent's own tools are words that no provider acts on: they are under keys that are not followed
    (`input`, `args`, `arguments`). What else is said beside them is looked at.
    """
    if isinstance(content, list):
        for one in content:
            yield from _content(dialect, one)
        return
    if not isinstance(content, dict):
        return
    if dialect == "responses":
        yield from _tools(dialect, msgspec.convert(content.get("tools") or [], list[ToolHead], strict=False))
        if _refers(_Head(content.get("id"), content.get("type"), content.get("role"))):
            yield "stored_files", f"item_reference {str(content.get('id'))[:60]}"
    yield from _block(content)
    for key in _FOLLOWED:
        if key in content:
            yield from _content(dialect, content[key])


_FOLLOWED = (
    "content", "source", "output", "parts", "image_url", "video_url", "audio_url", "file", "inlineData", "inline_data",
    "functionResponse", "function_response",
)  # fmt: skip


def _block(block: dict[str, Any]) -> Iterator[tuple[Outside, str]]:
    for key in ("url", "image_url", "video_url", "audio_url", "file_url", "file_uri", "fileUri", "server_url"):
        value = block.get(key)
        if isinstance(value, str) and not value.startswith("data:"):
            yield "urls", f"{key} {value[:100]}"
    if isinstance(block.get("file_id"), str):
        yield "stored_files", f"file_id {block['file_id'][:60]}"
    for key in ("fileData", "file_data"):
        value = block.get(key)
        if isinstance(value, dict):
            yield "urls", f"{key} {str(value.get('fileUri') or value.get('file_uri'))[:100]}"
