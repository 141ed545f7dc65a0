"""One open SDK client, used for what the official SDKs are best at: keys, addresses, headers, connections, errors.

Bodies are encoded and answers decoded by us with msgspec: building the SDKs' typed objects costs more CPU than the
whole rest of a call (docs/design/003-model-clients.md). The engine has the one retry policy, so the SDK's is off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any, Protocol

import aiohttp
import httpx2

from harness.api import ModelError
from harness.toolkit.wire.faults import Problem, clean, error_of, is_policy, problem_of

MAX_CONNECTIONS = 1000
"""Connections of one open model; the engine's own limit is lower and adapts."""

_CONNECT_S = 30.0
_KEEP_ALIVE_S = 30.0

Feed = Callable[[bytes], bool]
"""Takes the data of one server-sent event; says whether it was the final one."""


class PolicyRefusal(Exception):
    """The provider's policy answered with an error status instead of the model."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class SdkClient(Protocol):
    """What both SDKs' asynchronous clients share."""

    def post(
        self, path: str, *, cast_to: type[Any], content: bytes, options: dict[str, Any], stream: bool = False
    ) -> Any:
        """Send a body; with `cast_to=httpx2.Response` the undecoded answer comes back."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def http_client(maker: Callable[..., httpx2.AsyncClient], timeout_s: float) -> httpx2.AsyncClient:
    """The SDK's own aiohttp client, with room for many calls. Redirects are not followed: a key stays where it is."""
    return maker(
        timeout=httpx2.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s)),
        limits=httpx2.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE_S,
        ),
        follow_redirects=False,
    )


class Transport:
    """Sends bodies and reads answers. `timeout_s` bounds the whole call, from connecting to the last byte.

    `sdk` is the SDK's module, for its error types and its `Omit`. Without a `secret`, or with headers that carry it
    elsewhere, no bearer token is sent: the SDK wants that said with each request.
    """

    def __init__(
        self, client: SdkClient, sdk: ModuleType, path: str, *, timeout_s: float, secret: str, bearer: bool
    ) -> None:
        self._client = client
        self._options: dict[str, Any] = {"timeout": httpx2.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s))}
        if not bearer:
            self._options["headers"] = {"Authorization": sdk.Omit()}
        self._path = path
        self._timeout_s = timeout_s
        self._secret = secret
        self._status_error: type[Exception] = sdk.APIStatusError
        self._failures = (sdk.APIError, httpx2.HTTPError, aiohttp.ClientError, TimeoutError, OSError)
        self._closed = False

    async def send(self, body: bytes) -> bytes:
        """The bytes of the answer. Raises ModelError, or PolicyRefusal."""
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.post(
                    self._path, cast_to=httpx2.Response, content=body, options=self._options
                )
        except self._failures as e:
            raise self._mapped(e) from e
        content: bytes = response.content
        return content

    async def stream(self, body: bytes, feed: Feed) -> None:
        """Give every event to `feed`. Raises ModelError when the stream ends before its final event."""
        done = False
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.post(
                    self._path, cast_to=httpx2.Response, content=body, options=self._options, stream=True
                )
                try:
                    async for data in _events(response):
                        done = feed(data) or done
                finally:
                    await response.aclose()
        except self._failures as e:
            if not done:
                raise self._mapped(e) from e
        if not done:
            raise ModelError("bad_response", "the stream ended before its final event")

    async def aclose(self) -> None:
        """Close connections; a second time does nothing."""
        if not self._closed:
            self._closed = True
            await self._client.close()

    def _mapped(self, e: BaseException) -> Exception:
        if isinstance(e, self._status_error):
            return self._by_status(e.response)  # type: ignore[attr-defined]  # both SDKs' status errors have it
        chain = list(_causes(e))
        if any(isinstance(c, TimeoutError | httpx2.ReadTimeout | httpx2.PoolTimeout) for c in chain):
            return ModelError("timeout", f"no complete answer within {self._timeout_s:g} s")
        what = chain[-1]
        if any(isinstance(c, aiohttp.ClientPayloadError) for c in chain):
            return ModelError("bad_response", "the connection was closed in the middle of the answer")
        return ModelError("connection", clean(f"{type(what).__name__}: {what}", self._secret))

    def _by_status(self, response: httpx2.Response) -> Exception:
        status = response.status_code
        if 300 <= status < 400:
            where = response.headers.get("location", "nowhere")
            return ModelError("bad_request", f"the server redirects to {where}; give that as base_url", status=status)
        problem = problem_of(response.content)
        if status < 500 and is_policy(problem):
            return PolicyRefusal(problem)
        return error_of(problem, status, response.headers, self._secret)


def _causes(e: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = e
    while seen is not None:
        yield seen
        seen = seen.__cause__


async def _events(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The data of each server-sent event (WHATWG HTML, 9.2.6), without comments, names and ids."""
    rest = b""
    data: list[bytes] = []
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            text = line.removesuffix(b"\r")
            if text.startswith(b"data:"):
                data.append(text[5:].removeprefix(b" "))
            elif not text and data:
                yield data[0] if len(data) == 1 else b"\n".join(data)
                data = []
