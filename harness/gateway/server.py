"""The gateway of a run: one process, one unix socket for each trial, one pool of connections to providers.

    agent -> sidecar -> <folder>/<n>/gw.sock -> Entrance of that trial -> provider, or a model of ours

The folder is this user's alone; a trial's own folder in it is what a sidecar is given. A folder whose process is gone,
however it ended, is removed by the next gateway: its lock is free then.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from harness.errors import SandboxError
from harness.plugins.gateway import DOOR_SOCKET

PREFIX = "harness-gw-"
LOCK = "lock"
LONGEST_PATH = 103
"""Of a unix socket, in bytes: `sun_path` has 104 on macOS and 108 on Linux, and ends with a zero."""
SHORT = "/tmp"
"""Where sockets are kept when the folder for temporary files has too long a path for one."""
SHUTDOWN_S = 2.0
MADE_S = 3600.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Unread = Callable[[str], None]
"""Told why the bytes of a client could not be read as a request."""


class Listening:
    """A socket that is served. Close it once."""

    __slots__ = ("_path", "_server", "_sockets", "url")

    def __init__(self, server: web.Server, sockets: object, path: Path | None, url: str = "") -> None:
        self._server = server
        self._sockets = sockets
        self._path = path
        self.url = url

    @property
    def folder(self) -> Path:
        """The folder of the unix socket."""
        assert self._path is not None
        return self._path.parent

    async def aclose(self) -> None:
        """Hang up on everyone and remove the socket."""
        self._sockets.close()  # type: ignore[attr-defined]  # asyncio's Server
        await self._server.shutdown(SHUTDOWN_S)
        if self._path is not None:
            shutil.rmtree(self._path.parent, ignore_errors=True)


class GatewayServer:
    """Opened on first use, closed once by the run."""

    def __init__(self, folder: Path | None = None) -> None:
        self._parent = folder or _temporary()
        self._folder: Path | None = None
        self._lock = -1
        self._session: aiohttp.ClientSession | None = None
        self._numbers = count(1)

    @property
    def session(self) -> aiohttp.ClientSession:
        """Connections to providers, shared by all trials. No cookies are kept and no redirect is followed."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            )
        return self._session

    async def listen(self, handler: Handler, unread: Unread | None = None) -> Listening:
        """Serve a new unix socket in a folder of its own. Raises SandboxError `gateway`."""
        try:
            folder = self._open_folder() / str(next(self._numbers))
            folder.mkdir(mode=0o755)
            path = folder / DOOR_SOCKET
            server = _Server(handler, unread)
            sockets = await asyncio.get_running_loop().create_unix_server(server, path=str(path), backlog=512)
            path.chmod(0o666)
        except OSError as e:
            raise SandboxError("gateway", f"the gateway cannot open a socket in {self._parent}: {e.strerror}") from e
        return Listening(server, sockets, path)

    async def listen_on_host(self, handler: Handler, unread: Unread | None = None) -> Listening:
        """Serve a port of this machine's loopback. Raises SandboxError `gateway`."""
        server = _Server(handler, unread)
        try:
            sockets = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, backlog=512)
        except OSError as e:
            raise SandboxError("gateway", f"the gateway cannot open a port on 127.0.0.1: {e.strerror}") from e
        return Listening(server, sockets, None, f"http://127.0.0.1:{sockets.sockets[0].getsockname()[1]}")

    async def aclose(self) -> None:
        """Close connections and remove the folder."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._folder = None

    def _open_folder(self) -> Path:
        if self._folder is None:
            reap(self._parent)
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._parent))
            if not _fits(folder):
                shutil.rmtree(folder, ignore_errors=True)
                raise SandboxError("gateway", f"{self._parent} is too long a path for a socket: set TMPDIR=/tmp")
            made = folder / "making"  # under its own name once it is held: a free lock means that nobody is left
            self._lock = os.open(made, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made.rename(folder / LOCK)
            self._folder = folder
        return self._folder


def _temporary() -> Path:
    """The folder for temporary files, or a short one in its stead."""
    usual = Path(tempfile.gettempdir())
    return usual if _fits(usual / f"{PREFIX}12345678") or not os.access(SHORT, os.W_OK | os.X_OK) else Path(SHORT)


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / "1000000" / DOOR_SOCKET)) <= LONGEST_PATH


class _Reader(web.RequestHandler):
    """One connection. Bytes that are no request never reach a handler: they are told of all the same."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer a connection that cannot go on."""
        server = self._manager
        if isinstance(server, _Server) and server.unread is not None and exc is not None:
            server.unread(" ".join(f"{type(exc).__name__}: {message or exc}".split())[:200])
        return super().handle_error(request, status, exc, message)


class _Server(web.Server):
    """Without routes, access log and limits of its own; a handler ends when its client hangs up."""

    def __init__(self, handler: Handler, unread: Unread | None) -> None:
        super().__init__(handler, handler_cancellation=True)
        self.unread = unread

    def __call__(self) -> web.RequestHandler:
        no_log: Any = None
        return _Reader(self, loop=self._loop, access_log=no_log, keepalive_timeout=3600.0)


def reap(parent: Path) -> list[Path]:
    """Remove the folders of gateways that are gone; those removed. Nobody else's are touched."""
    removed = []
    for folder in sorted(parent.glob(f"{PREFIX}*")):
        with suppress(OSError):
            if folder.stat().st_uid == os.getuid() and _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
    return removed


def _is_left(folder: Path) -> bool:
    """Whether nobody holds the lock. A folder without one is just being made, or was an hour ago."""
    try:
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime > MADE_S
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True
