"""An open Anthropic model: bodies out, answers in. Loaded only when a model is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import anthropic

from harness.api import Request, Response
from harness.models._anthropic_wire import Messages
from harness.models._settings import without_ambient
from harness.models._transport import PolicyRefusal, SdkClient, Transport, http_client
from harness.toolkit.wire import anthropic as wire
from harness.toolkit.wire.faults import refusal


class AnthropicClient:
    """Shared by all trials of a run; keeps no conversation."""

    def __init__(self, messages: Messages, transport: Transport) -> None:
        self._messages = messages
        self._transport = transport

    async def generate(self, request: Request) -> Response:
        """One call, no retries. Raises ModelError."""
        body, stream = self._messages.body(request)
        try:
            if not stream:
                return wire.response(await self._transport.send(body))
            assembler = wire.Assembler()
            await self._transport.stream(body, assembler.feed)
            return assembler.response()
        except PolicyRefusal as e:
            return refusal(e.problem)

    async def aclose(self) -> None:
        """Close connections; a second time does nothing."""
        await self._transport.aclose()


def connect(base_url: str, key: str, headers: Mapping[str, str | None], timeout_s: float) -> Transport:
    """A transport on the official SDK. Without a key no authorization is sent, and a header of None never is."""
    own = without_ambient("ANTHROPIC_CUSTOM_HEADERS", headers, key)
    sent: dict[str, str | anthropic.Omit] = {k: anthropic.Omit() if v is None else v for k, v in own.items()}
    bearer = bool(key) and headers.get("Authorization", "") is not None
    client = anthropic.AsyncAnthropic(
        api_key=key or "none",
        base_url=base_url,
        max_retries=0,
        timeout=timeout_s,
        default_headers=cast(Mapping[str, str], sent),
        open_telemetry=False,
        http_client=http_client(anthropic.DefaultAioHttpClient, timeout_s),
    )
    return Transport(cast(SdkClient, client), anthropic, "/v1/messages", timeout_s=timeout_s, secret=key, bearer=bearer)
