"""An open OpenAI model: bodies out, answers in. Loaded only when a model is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import openai

from harness.api import Request, Response
from harness.models._chat_wire import Chat
from harness.models._responses_wire import Responses
from harness.models._settings import without_ambient
from harness.models._transport import PolicyRefusal, SdkClient, Transport, http_client
from harness.toolkit.wire.faults import refusal


class OpenAIClient:
    """Shared by all trials of a run; keeps no conversation."""

    def __init__(self, wire: Chat | Responses, transport: Transport, *, stream: bool) -> None:
        self._wire = wire
        self._transport = transport
        self._stream = stream

    async def generate(self, request: Request) -> Response:
        """One call, no retries. Raises ModelError."""
        body = self._wire.body(request, stream=self._stream)
        try:
            if not self._stream:
                return self._wire.read(await self._transport.send(body), request)
            assembler = self._wire.assembler()
            await self._transport.stream(body, assembler.feed)
            return self._wire.finished(assembler.response(), request)
        except PolicyRefusal as e:
            return refusal(e.problem)

    async def aclose(self) -> None:
        """Close connections; a second time does nothing."""
        await self._transport.aclose()


def connect(base_url: str, key: str, path: str, headers: Mapping[str, str | None], timeout_s: float) -> Transport:
    """A transport on the official SDK. A header of None is never sent, whatever the SDK finds in the environment."""
    own = without_ambient("OPENAI_CUSTOM_HEADERS", headers, key)
    sent: dict[str, str | openai.Omit] = {k: openai.Omit() if v is None else v for k, v in own.items()}
    bearer = bool(key) and headers.get("Authorization", "") is not None
    client = openai.AsyncOpenAI(
        api_key=key or "none",
        base_url=base_url,
        max_retries=0,
        timeout=timeout_s,
        default_headers=cast(Mapping[str, str], sent),
        http_client=http_client(openai.DefaultAioHttpClient, timeout_s),
    )
    return Transport(cast(SdkClient, client), openai, path, timeout_s=timeout_s, secret=key, bearer=bearer)
