"""The four APIs: their paths, how each spells an error, a stop and a sign of life, and who reads its answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec

from harness.records.content import Response
from harness.records.exchange import Dialect
from harness.toolkit.wire import anthropic, chat, gemini, responses

Action = Literal["generate", "count"]
encode = msgspec.json.Encoder().encode


class Reader(Protocol):
    """Puts a streamed answer together."""

    def feed(self, data: bytes) -> bool:
        """Take one event's data; True at the final one. Raises ModelError."""
        ...

    def response(self) -> Response:
        """The answer. Raises ModelError when it is not whole."""
        ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How one API behaves.

    `stop` is the status with which its agents end at once when a limit is hit, `refuse` the one they take as final for
    one request (measured, reference/agents.md 2.1 and 2.3): on others they try again for minutes. `alive` is what a
    waiting stream may be sent; empty where clients do not bear it.
    """

    whole: Callable[[bytes], Response]
    reader: Callable[[], Reader]
    stop: int
    refuse: int
    alive: bytes


MANNERS: Mapping[Dialect, Manner] = {
    "anthropic": Manner(anthropic.response, anthropic.Assembler, 402, 403, b'event: ping\ndata: {"type": "ping"}\n\n'),
    "responses": Manner(responses.whole, responses.Assembler, 429, 400, b": waiting\n\n"),
    "chat": Manner(chat.whole, chat.Assembler, 400, 400, b": waiting\n\n"),
    "gemini": Manner(gemini.whole, gemini.Assembler, 400, 400, b""),
}


@dataclass(frozen=True, slots=True)
class Path:
    """A path that is relayed. `model` is the one named in it (Gemini), `tail` what follows the provider's address."""

    dialect: Dialect
    action: Action
    tail: str
    model: str = ""
    method: str = ""


_FIXED: Mapping[str, Path] = {
    "/messages": Path("anthropic", "generate", "/v1/messages"),
    "/messages/count_tokens": Path("anthropic", "count", "/v1/messages/count_tokens"),
    "/responses": Path("responses", "generate", "/responses"),
    "/chat/completions": Path("chat", "generate", "/chat/completions"),
}
_GEMINI = re.compile(r"/(v1(?:alpha|beta)?)/models/([^/:]+):(generateContent|streamGenerateContent|countTokens)")


def path_of(method: str, path: str) -> Path | None:
    """What a request is for; None for everything that is not relayed."""
    if method != "POST":
        return None
    found = _FIXED.get(path.removeprefix("/v1"))
    if found is not None:
        return found
    match = _GEMINI.fullmatch(path)
    if match is None:
        return None
    version, model, call = match.groups()
    return Path("gemini", "count" if call == "countTokens" else "generate", f"/{version}/models/", model, call)


_ANTHROPIC = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error",
}  # fmt: skip
_GOOGLE = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}


def error_body(dialect: Dialect | None, status: int, message: str) -> dict[str, Any]:
    """An error in the dialect's own words; in OpenAI's where the dialect is not known."""
    if dialect == "anthropic":
        kind = _ANTHROPIC.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    if dialect == "gemini":
        word = _GOOGLE.get(status, "UNAVAILABLE" if status >= 500 else "INVALID_ARGUMENT")
        return {"error": {"code": status, "message": message, "status": word}}
    code = {429: "insufficient_quota", 404: "not_found"}.get(status)
    kind = code or ("server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def stream_error(dialect: Dialect, status: int, message: str) -> bytes:
    """The same as an event of a stream that has begun."""
    body = error_body(dialect, status, message)
    if dialect == "anthropic":
        return b"event: error\ndata: " + encode(body) + b"\n\n"
    if dialect == "responses":
        inner = body["error"]
        event = {"type": "error", "code": inner["code"] or inner["type"], "message": message, "param": None}
        return b"event: error\ndata: " + encode(event) + b"\n\n"
    return b"data: " + encode(body) + b"\n\n"
