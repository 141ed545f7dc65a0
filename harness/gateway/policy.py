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

from harness.gateway.asks import Ask, BadAsk, ToolHead
from harness.records.exchange import Dialect, Outside

WORDS: Mapping[Outside, str] = {
    "web_search": "the provider searches the web",
    "web_fetch": "the provider fetches pages",
    "code_execution": "the provider runs code in a place of its own",
    "file_search": "the provider searches files it stores",
    "remote_mcp": "the provider calls MCP servers",
    "image_generation": "the provider makes images",
    "urls": "the provider fetches images and documents by address",
    "stored_files": "files that the provider stores",
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

_HINTS = (b'url"', b'"file', b'"additional_tools"')
"""A conversation without any of these asks for nothing to be fetched: every key below begins or ends so. Looking for
them is quick, and inside of a text a quote is escaped."""
_ESCAPED = re.compile(rb"\\u00[2-7]")
"""Escaped letters, which could spell one of them."""
_FIELDS: Mapping[str, Outside] = {
    "mcp_servers": "remote_mcp", "container": "code_execution", "web_search_options": "web_search",
    "cachedContent": "stored_files", "cached_content": "stored_files", "prompt": "stored_files",
    "conversation": "stored_files",
}  # fmt: skip
_CONVERSATION = ("system", "messages", "input", "contents", "systemInstruction", "system_instruction")
_raws = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])

_SEARCHES_ALWAYS = re.compile(r"-search-(preview|api)|^sonar|deep-research")


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
    fields = _raws.decode(ask.body)
    for name, word in _FIELDS.items():
        if name in fields and bytes(fields[name]).strip() not in (b"null", b"[]", b"{}", b'""'):
            yield word, name
    for name in _CONVERSATION:
        for message in _messages(fields.get(name)):
            if clean.is_new(bytes(message)):
                yield from _content(ask.dialect, msgspec.json.decode(message))


def _messages(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    if raw is None:
        return []
    return _list.decode(raw) if bytes(raw).startswith(b"[") else [raw]


def _hints(raw: bytes) -> bool:
    if b"\\u00" in raw and _ESCAPED.search(raw):
        return True
    return any(hint in raw for hint in _HINTS)


def _content(dialect: Dialect, content: Any) -> Iterator[tuple[Outside, str]]:
    """Blocks that name an address or a stored file, and tools declared inside the conversation (Codex)."""
    if isinstance(content, list):
        for one in content:
            yield from _content(dialect, one)
        return
    if not isinstance(content, dict):
        return
    if content.get("type") == "additional_tools":
        heads = msgspec.convert(content.get("tools") or [], list[ToolHead], strict=False)
        yield from _tools(dialect, heads)
        return
    if content.get("type") == "tool_use" or "functionCall" in content:
        return  # arguments of the agent's own tools: words, and nothing that a provider acts on
    yield from _block(content)
    for key in ("content", "source", "output", "parts", "image_url", "file", "inlineData", "functionResponse"):
        if key in content:
            yield from _content(dialect, content[key])


def _block(block: dict[str, Any]) -> Iterator[tuple[Outside, str]]:
    for key in ("url", "image_url", "file_url", "file_uri", "fileUri", "server_url"):
        value = block.get(key)
        if isinstance(value, str) and not value.startswith("data:"):
            yield "urls", f"{key} {value[:100]}"
    if isinstance(block.get("file_id"), str):
        yield "stored_files", f"file_id {block['file_id'][:60]}"
    for key in ("fileData", "file_data"):
        value = block.get(key)
        if isinstance(value, dict):
            yield "urls", f"{key} {str(value.get('fileUri') or value.get('file_uri'))[:100]}"
