"""Requests in the words of the Gemini API (`v1beta`), and one call of it. Shapes: ai.google.dev/api/generate-content.

A thought's signature belongs to the part after it and goes back with that part, as the API asks.
"""

from __future__ import annotations

import asyncio

import httpx2

from harness.api import File, Message, ModelError, Reasoning, Request, Response, Text, ToolCall, ToolResult
from harness.models._body import merged
from harness.models._files import IMAGES, PDF, Files, is_text
from harness.records.content import Part
from harness.toolkit.wire import gemini as wire
from harness.toolkit.wire.body import Block, encode
from harness.toolkit.wire.faults import clean, error_of, is_policy, problem_of, refusal

SIGNATURE = wire.SIGNATURE


class Contents:
    """Writes bodies for one model. `config` is its `generationConfig`, `extra` what the user adds on top."""

    def __init__(self, config: Block, extra: Block, files: Files, max_tokens: int | None) -> None:
        self._config = config
        self._extra = extra
        self._files = files
        self._max_tokens = max_tokens

    def body(self, request: Request) -> bytes:
        """The encoded body. Raises ModelError for a file that cannot be sent."""
        names = {p.id: p.name for m in request.messages for p in m.parts if isinstance(p, ToolCall)}
        body: Block = {"contents": [self._content(m, names) for m in request.messages]}
        if request.system:
            body["systemInstruction"] = {"parts": [{"text": request.system}]}
        if request.tools:
            declared = [
                {"name": t.name, "description": t.description, "parametersJsonSchema": t.schema} for t in request.tools
            ]
            body["tools"] = [{"functionDeclarations": declared}]
            if request.tool_choice != "auto":
                body["toolConfig"] = {"functionCallingConfig": {"mode": request.tool_choice.upper()}}
        if config := self._generation(request):
            body["generationConfig"] = config
        return encode(merged(body, self._extra) if self._extra else body)

    def _generation(self, request: Request) -> Block:
        config = dict(self._config)
        limits = [n for n in (request.max_output_tokens, self._max_tokens) if n]
        if limits:
            config["maxOutputTokens"] = min(limits)
        if request.stop:
            config["stopSequences"] = request.stop
        if request.json_schema is not None:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": request.json_schema}
        return config

    def _content(self, message: Message, names: dict[str, str]) -> Block:
        parts: list[Block] = []
        signature: Block = {}
        for part in message.parts:
            if isinstance(part, Reasoning):
                opaque = part.opaque if isinstance(part.opaque, dict) else {}
                signature = {SIGNATURE: opaque[SIGNATURE]} if set(opaque) == {SIGNATURE} else signature
                continue
            parts.append({**self._part(part, names), **signature})
            signature = {}
        return {"role": "model" if message.role == "assistant" else "user", "parts": parts or [{"text": ""}]}

    def _part(self, part: Part, names: dict[str, str]) -> Block:
        if isinstance(part, Text):
            return {"text": part.text}
        if isinstance(part, ToolCall):
            given = part.arguments if isinstance(part.arguments, dict) else {"unparsed": part.arguments}
            return {"functionCall": {"id": part.id, "name": part.name, "args": given}}
        if isinstance(part, ToolResult):
            said = {"error" if part.is_error else "result": part.content}
            return {"functionResponse": {"id": part.id, "name": names.get(part.id, part.id), "response": said}}
        assert isinstance(part, File)
        if is_text(part.media_type):
            return {"text": self._files.text(part)}
        if part.media_type in IMAGES or part.media_type == PDF:
            return {"inlineData": {"mimeType": part.media_type, "data": self._files.base64(part)}}
        raise ModelError("bad_request", f"file '{part.name}' is {part.media_type}: Gemini takes text, PDF and images")


class GeminiClient:
    """Shared by all trials of a run; keeps no conversation. There is no official SDK among our dependencies."""

    def __init__(self, contents: Contents, url: str, headers: dict[str, str], secret: str, timeout_s: float) -> None:
        self._contents = contents
        self._url = url
        self._secret = secret
        self._timeout_s = timeout_s
        self._http = httpx2.AsyncClient(headers=headers, timeout=timeout_s, follow_redirects=False)

    async def generate(self, request: Request) -> Response:
        """One call, no retries. Raises ModelError."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._http.post(self._url, content=self._contents.body(request))
        except (TimeoutError, httpx2.TimeoutException) as e:
            raise ModelError("timeout", f"no complete answer within {self._timeout_s:g} s") from e
        except httpx2.RemoteProtocolError as e:
            if "without sending" in str(e):
                raise ModelError("connection", "the connection was closed without an answer") from e
            raise ModelError("bad_response", "the connection was closed in the middle of the answer") from e
        except httpx2.HTTPError as e:
            raise ModelError("connection", clean(f"{type(e).__name__}: {e}", self._secret)) from e
        if answer.status_code >= 300:
            problem = problem_of(answer.content)
            if answer.status_code < 500 and is_policy(problem):
                return refusal(problem)
            raise error_of(problem, answer.status_code, answer.headers, self._secret)
        return wire.whole(answer.content)

    async def aclose(self) -> None:
        """Close connections; a second time does nothing."""
        await self._http.aclose()
