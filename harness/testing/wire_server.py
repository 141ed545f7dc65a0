"""The server itself: HTTP/1.1 with keep-alive on a raw asyncio protocol, four dialects, a script and a log.

Bytes in -> one request -> a step (scripted, or by the model's name) -> its dialect -> bytes out. It is used in
benchmarks too, so it does nothing per request that the answer does not need.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from harness.testing import wire_anthropic, wire_gemini, wire_openai
from harness.testing.wire_prompt import due, view_of
from harness.testing.wire_script import Ask, Step, by_rule

Json = dict[str, Any]
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SECRET = {"authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"}
_encode = msgspec.json.Encoder().encode
_ask = msgspec.json.Decoder(Ask)
_steps = msgspec.json.Decoder(list[Step])


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one API spells answers, stream events and errors. `named` events carry an `event:` line."""

    answer: Callable[[Step, Ask, int], Json]
    events: Callable[[Step, Ask, int], list[Json]]
    error: Callable[[int, Step, int], Json]
    stream_error: Callable[[Step, Ask, int], Json]
    named: bool
    done: bytes


ANTHROPIC = Dialect(
    wire_anthropic.answer,
    wire_anthropic.events,
    wire_anthropic.error,
    lambda step, _ask, _n: wire_anthropic.stream_error(step),
    named=True,
    done=b"",
)
RESPONSES = Dialect(
    wire_openai.responses_answer,
    wire_openai.responses_events,
    lambda status, step, _n: wire_openai.error(status, step),
    wire_openai.responses_failed,
    named=True,
    done=b"",
)
CHAT = Dialect(
    wire_openai.chat_answer,
    wire_openai.chat_events,
    lambda status, step, _n: wire_openai.error(status, step),
    lambda step, _ask, _n: wire_openai.stream_error(step),
    named=False,
    done=b"data: [DONE]\n\n",
)
GEMINI = Dialect(
    wire_gemini.answer,
    wire_gemini.events,
    lambda status, step, _n: wire_gemini.error(status, step),
    lambda step, _ask, _n: wire_gemini.stream_error(step),
    named=False,
    done=b"",
)
_GOOGLE = re.compile(rb"/v1(?:alpha|beta)?/models/([^/:]+):(generateContent|streamGenerateContent|countTokens)")
_SESSION = re.compile(rb"(?im)^(?:x-claude-code-session-id|session-id|session_id|thread-id): *(\S+)")
ROUTES = {
    prefix + path: dialect
    for prefix in (b"/v1", b"")
    for path, dialect in ((b"/messages", ANTHROPIC), (b"/responses", RESPONSES), (b"/chat/completions", CHAT))
}
"""Also without `/v1`, so that one address serves clients that add it and clients that do not."""


@dataclass
class State:
    """What the connections share. `seen` keeps the last requests; `scripts` are queues by model name, "" for any."""

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    log_fd: int = -1
    keep: int = 1000
    count: int = 0
    scripts: dict[str, deque[Step]] = field(default_factory=dict)
    seen: deque[tuple[int, bytes, bytes]] = field(default_factory=deque)
    erred: set[str] = field(default_factory=set)
    dice: random.Random = field(default_factory=lambda: random.Random(0))

    def next_step(self, ask: Ask) -> Step:
        """The next scripted step for this model, then for any model, then what the prompt or the model's name says."""
        for key in (ask.model, "") if self.scripts else ():
            queue = self.scripts.get(key)
            if queue:
                step = queue.popleft()
                if not queue:
                    del self.scripts[key]
                if step.text is None and not _says_something(step):
                    step = msgspec.structs.replace(step, text=by_rule(ask).text)
                return step
        return (self._prompted(ask) if ask.directed else None) or by_rule(ask)

    def _prompted(self, ask: Ask) -> Step | None:
        """What the prompt itself asks for."""
        found = due(view_of(ask))
        if found is None:
            return None
        return Step(status=found.error) if found.fails(self.erred, ask.session) else found.step

    def remember(self, head: bytes, body: bytes) -> None:
        """Keep a request for `GET /_log`."""
        self.seen.append((self.count, head, body))
        if len(self.seen) > self.keep:
            self.seen.popleft()


def _says_something(step: Step) -> bool:
    return bool(step.tool_calls or step.refusal or step.body is not None or step.status != 200)


class Connection(asyncio.Protocol):
    """One client connection. Requests on it are answered in order."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer = self._buffer + data if self._buffer else data
        while self._buffer:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < stop:
                return
            body = self._buffer[end + 4 : stop]
            self._buffer = self._buffer[stop:]
            self._request(head, body)

    def _request(self, head: bytes, body: bytes) -> None:
        line = head[: head.find(b"\r\n")]
        _, _, target = line.partition(b" ")
        path = target.partition(b" ")[0].partition(b"?")[0]
        google = _GOOGLE.fullmatch(path)
        dialect = GEMINI if google and google[2] != b"countTokens" else ROUTES.get(path)
        if dialect is None:
            self._other(path, body)
            return
        state = self._state
        state.count += 1
        state.remember(head, body)
        try:
            ask = _ask.decode(body)
        except msgspec.MsgspecError as e:
            self._send(400, dialect.error(400, Step(error_message=str(e)), state.count))
            return
        ask.size, ask.directed = len(body), b"@@" in body
        if ask.directed and (session := _SESSION.search(head)):
            ask.session = session[1].decode("ascii", "replace")
        if google:
            ask.model, ask.stream = google[1].decode(), google[2] == b"streamGenerateContent"
        step = state.next_step(ask)
        wait = step.delay_ms + state.latency_ms
        if state.jitter_ms:
            wait += state.dice.random() * state.jitter_ms
        if step.hang:
            return
        if wait:
            asyncio.get_running_loop().call_later(wait / 1000, self._answer, dialect, step, ask, state.count)
        else:
            self._answer(dialect, step, ask, state.count)

    def _answer(self, dialect: Dialect, step: Step, ask: Ask, n: int) -> None:
        if self._transport.is_closing():
            return
        if step.close:
            self._end(step.close)
        elif step.status != 200:
            self._send(step.status, dialect.error(step.status, step, n), step.headers)
        elif step.malformed or step.empty:
            self._raw(200, b'{"id": "broken", "choices": [' if step.malformed else b"", "application/json", {})
        elif ask.stream:
            self._stream(dialect, step, ask, n)
        else:
            self._whole(dialect, step, ask, n)
        if self._state.log_fd >= 0 and not step.close and step.truncate != "cut":
            entry = {"n": n, "model": ask.model, "status": step.status, "text": ask.last_text()[:400]}
            os.write(self._state.log_fd, _encode(entry) + b"\n")

    def _whole(self, dialect: Dialect, step: Step, ask: Ask, n: int) -> None:
        body = _encode(dialect.answer(step, ask, n) if step.body is None else step.body)
        if not step.truncate:
            self._raw(200, body, "application/json", step.headers)
            return
        half = body[: len(body) // 2]
        if step.truncate == "clean":
            self._raw(200, half, "application/json", step.headers)
        else:
            self._transport.write(_head(200, "application/json", len(body), {}) + half)
            self._end("fin")

    def _stream(self, dialect: Dialect, step: Step, ask: Ask, n: int) -> None:
        found = dialect.events(step, ask, n)
        done = dialect.done
        if step.truncate == "last":
            found, done = (found, b"") if done else (found[:-1], b"")
        elif step.truncate or step.stream_error:
            found, done = found[: max(2, len(found) // 2)], b""
        if step.stream_error:
            found.append(dialect.stream_error(step, ask, n))
        frames = [frame(e, named=dialect.named) for e in found]
        if done:
            frames.append(done)
        head = _head(200, "text/event-stream; charset=utf-8", None, step.headers)
        self._transport.write(head + b"".join(b"%x\r\n%s\r\n" % (len(f), f) for f in frames))
        if step.truncate == "cut":
            self._end("fin")
        else:
            self._transport.write(b"0\r\n\r\n")

    def _send(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        self._raw(status, _encode(body), "application/json", headers or {})

    def _raw(self, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self._transport.write(_head(status, kind, len(body), headers) + body)

    def _end(self, how: str) -> None:
        if how == "reset":
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()

    def _other(self, path: bytes, body: bytes) -> None:
        state = self._state
        if path == b"/v1/messages/count_tokens":
            self._send(200, {"input_tokens": max(1, len(body) // 4)})
        elif path.endswith(b":countTokens"):
            self._send(200, {"totalTokens": max(1, len(body) // 4)})
        elif path == b"/_script":
            self._script(body)
        elif path == b"/_log":
            self._raw(200, _encode([_logged(*r) for r in state.seen]), "application/json", {})
        elif path == b"/_reset":
            state.scripts.clear()
            state.erred.clear()
            state.seen.clear()
            self._send(200, {})
        else:
            self._send(404, {"error": {"type": "not_found_error", "message": f"no route {path.decode()}"}})

    def _script(self, body: bytes) -> None:
        try:
            order = msgspec.json.decode(body)
            steps = msgspec.convert(order["steps"], list[Step])
        except (msgspec.MsgspecError, KeyError, TypeError) as e:
            self._send(400, {"error": {"type": "bad_script", "message": str(e)}})
            return
        queue = self._state.scripts.setdefault(order.get("model", ""), deque())
        for step in steps:
            queue.extend([step] * step.repeat)
        self._send(200, {"queued": len(queue)})


def frame(event: Json, *, named: bool) -> bytes:
    """One server-sent event."""
    data = _encode(event)
    return b"event: %s\ndata: %s\n\n" % (event["type"].encode(), data) if named else b"data: %s\n\n" % data


def _head(status: int, kind: str, length: int | None, headers: dict[str, str]) -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    more = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{size}\r\n{more}\r\n".encode()


def _logged(n: int, head: bytes, body: bytes) -> Json:
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers[name.lower()] = _masked(value) if name.lower() in _SECRET else value
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError:
        decoded = None
    return {"n": n, "path": first.split(" ")[1], "headers": headers, "body": decoded}


def _masked(value: str) -> str:
    """Enough of a key to tell two apart."""
    return f"***{value[-4:]}" if len(value) >= 16 else "***"
