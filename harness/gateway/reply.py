"""What an agent is answered: begun as late as possible, passed on as it comes."""

from __future__ import annotations

from time import perf_counter

from aiohttp import web

from harness.gateway.asks import Ask
from harness.gateway.dialects import MANNERS, encode, error_body, stream_error
from harness.gateway.headers import Pairs


class _Joined(web.StreamResponse):
    """Sends its head with the first bytes: one write, and the agent wakes once."""

    _send_headers_immediately = False


class Reply:
    """One answer. `status` is what the agent was given; `first` when the first byte of it was passed on."""

    __slots__ = ("_ask", "_request", "_response", "began", "bytes", "first", "status")

    def __init__(self, request: web.BaseRequest, ask: Ask) -> None:
        self._request = request
        self._ask = ask
        self._response: web.StreamResponse | None = None
        self.began = perf_counter()
        self.first: float | None = None
        self.status = 0
        self.bytes = 0

    @property
    def has_begun(self) -> bool:
        """Whether a status was sent: it cannot be another one any more."""
        return self._response is not None

    @property
    def response(self) -> web.StreamResponse:
        """What the server is given at the end."""
        return self._response if self._response is not None else web.Response(status=502)

    async def begin(self, status: int, headers: Pairs, first: bytes = b"") -> None:
        """Send the status, unless signs of life have done so, and with it what of the answer is there already."""
        if self._response is None:
            response = (_Joined if first else web.StreamResponse)(status=status)
            for name, value in headers:
                response.headers.add(name, value)
            self._response, self.status = response, status
            await response.prepare(self._request)
        if first:
            await self.write(first)

    async def alive(self) -> None:
        """Tell a waiting stream that it is not forgotten."""
        alive = MANNERS[self._ask.dialect].alive
        if self._ask.streamed and alive:
            await self.begin(200, [("Content-Type", "text/event-stream; charset=utf-8")])
            await self.response.write(alive)

    async def write(self, data: bytes) -> None:
        """Pass bytes on at once."""
        if self.first is None:
            self.first = perf_counter()
        self.bytes += len(data)
        await self.response.write(data)

    async def end(self) -> None:
        """The answer is whole."""
        await self.response.write_eof()

    def break_off(self) -> None:
        """The provider's answer ended in the middle: so does ours, and the agent sees it."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def whole(self, status: int, body: bytes, headers: Pairs) -> None:
        """An answer in one piece."""
        await self.begin(status, [*headers, ("Content-Length", str(len(body)))], body)
        await self.end()

    async def error(self, status: int, message: str) -> None:
        """An error in the agent's dialect, as an event where a stream has begun."""
        if self.has_begun:
            await self.write(stream_error(self._ask.dialect, status, message))
            await self.end()
            return
        body = encode(error_body(self._ask.dialect, status, message))
        await self.whole(status, body, [("Content-Type", "application/json"), ("x-should-retry", "false")])
