"""A trial's entrance: its socket, whoever comes to it, and the `ctx.gateway` that opens it for a harness."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from harness.errors import LimitReached, MissingRequirement, ModelError, SandboxError, UsageFault
from harness.gateway.dialects import MANNERS, encode, error_body, path_of
from harness.gateway.ports import Opened, Trial
from harness.gateway.room import Room, mismatch_of
from harness.gateway.server import GatewayServer, Handler, Listening
from harness.plugins.gateway import Served, Upstream
from harness.records.exchange import Dialect

ARRIVAL_S = 15.0
MAX_NOTES = 50
ALL_DIALECTS: tuple[Dialect, ...] = ("anthropic", "responses", "chat", "gemini")


class Entrance:
    """Serves one trial's socket. Without an open room everything is refused."""

    def __init__(self, server: GatewayServer, trial: Trial) -> None:
        self.server = server
        self.trial = trial
        self.room: Room | None = None
        self.lost: ModelError | None = None
        self.arrived = asyncio.Event()
        self._listening: Listening | None = None
        self._notes = 0

    async def open(self) -> Path:
        """The folder with the socket, for the box's sidecar. Raises SandboxError."""
        self._listening = await self.server.listen(self.handle, self.unread)
        return self._listening.folder

    async def aclose(self) -> None:
        """Remove the socket."""
        if self._listening is not None:
            await self._listening.aclose()
            self._listening = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request of this trial."""
        if request.path == "/_door":
            self.arrived.set()
            return web.Response(text="open")
        path = path_of(request.method, request.path)
        if path is None:
            return self._unknown(request)
        if self.room is None:
            status = MANNERS[path.dialect].stop
            return _error(path.dialect, status, "the door is closed: the harness has not opened it, or has ended")
        return await self.room.answer(request, path)

    def unread(self, why: str) -> None:
        """Keep that something came which is no request."""
        if self.room is not None:
            self.room.unread = self.room.unread or why
        self._note(f"bytes that are no request: {why}")

    def _note(self, text: str) -> None:
        self._notes += 1
        if self._notes <= MAX_NOTES:
            self.trial.note("gateway", text)

    def _unknown(self, request: web.BaseRequest) -> web.StreamResponse:
        what = f"{request.method} {request.path[:200]}".encode("utf-8", "replace").decode()
        self._note(f"{what}: not an API that is relayed")
        return _error(None, 404, f"{what} is not relayed by the harness")


class TrialGateway:
    """`ctx.gateway` (contract `harness.plugins.gateway.Gateway`): an entrance with the models of one system."""

    def __init__(self, entrance: Entrance, models: Mapping[str, Opened], *, boxed: bool) -> None:
        self._entrance = entrance
        self._opened = models
        self._boxed = boxed
        self._upstreams = {role: None if o.simulated else o.model.upstream() for role, o in models.items()}
        self.models: Mapping[str, Served] = {r: _served(o, self._upstreams[r]) for r, o in models.items()}

    @asynccontextmanager
    async def open(
        self,
        dialects: Sequence[Dialect] = (),
        *,
        role: str = "main",
        aliases: Mapping[str, str] | None = None,
        must_call: bool = True,
        on_host: bool = False,
    ) -> AsyncIterator[Room]:
        """Let requests through for as long as the context lasts."""
        entrance = self._entrance
        room = self._room(dialects, role, aliases or {})
        if self._boxed and not on_host:
            await self._arrival()
        before, entrance.room = entrance.room, room
        host: Listening | None = None
        try:
            if on_host:
                host = await entrance.server.listen_on_host(_for_key(room.key, entrance.handle), entrance.unread)
                room.host_url = host.url
            yield room
        except (LimitReached, asyncio.CancelledError):
            entrance.lost = room.failed  # a limit after that is no outcome of the agent's: the engine looks
            raise
        except (ModelError, SandboxError, MissingRequirement):
            raise
        except Exception as e:  # an agent that fails because its model did, or because it was stopped, is no fault
            room.explain(e)
            raise
        finally:
            entrance.room = before
            await room.settle()
            if host is not None:
                await host.aclose()
        room.conclude(must_call)

    def _room(self, dialects: Sequence[Dialect], role: str, aliases: Mapping[str, str]) -> Room:
        for name in (role, *aliases.values()):
            if name not in self._opened:
                raise UsageFault(f"the system has no model role '{name}'; it has: {', '.join(self._opened)}")
        for name in {role, *aliases.values()}:
            upstream, opened = self._upstreams[name], self._opened[name]
            if upstream is None and not opened.simulated:
                raise UsageFault(
                    f"model '{opened.model.name}' cannot be reached through the gateway",
                    help="its plugin has no upstream(); anthropic and openai have one, scripted and replay need none",
                )
            for dialect in dialects if upstream is not None else ():
                if dialect not in upstream.dialects:  # type: ignore[union-attr]  # not None here
                    raise UsageFault(mismatch_of(dialect, opened.model, upstream.dialects))  # type: ignore[union-attr]
        session = self._entrance.server.session
        return Room(self._entrance.trial, self._opened, self._upstreams, aliases, role, session)

    async def _arrival(self) -> None:
        """Wait until the box's sidecar has reached the socket."""
        try:
            async with asyncio.timeout(ARRIVAL_S):
                await self._entrance.arrived.wait()
        except TimeoutError as e:
            raise SandboxError(
                "gateway",
                f"the box's door did not reach the gateway's socket in {ARRIVAL_S:g} s: the container engine must run "
                "on this machine and be able to mount its files (harness doctor)",
            ) from e


def _served(opened: Opened, upstream: Upstream | None) -> Served:
    effort = getattr(opened.model, "effort", None) or ""
    dialects = ALL_DIALECTS if upstream is None else upstream.dialects
    return Served(opened.model.name, opened.model.provider, dialects, opened.simulated, str(effort))


def _for_key(key: str, handle: Handler) -> Handler:
    """A handler that answers only who sends the key: a port of loopback is open to everyone on the machine."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        sent = [request.headers.get(n, "") for n in ("x-api-key", "x-goog-api-key", "api-key")]
        sent += [request.headers.get("Authorization", "").removeprefix("Bearer "), request.query.get("key", "")]
        if not any(hmac.compare_digest(key.encode(), s.encode()) for s in sent):
            return _error(None, 401, "this door needs its key")
        return await handle(request)

    return handler


def _error(dialect: Dialect | None, status: int, message: str) -> web.Response:
    return web.Response(
        status=status, body=encode(error_body(dialect, status, message)), content_type="application/json"
    )
