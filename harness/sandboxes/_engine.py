"""The connection to a container engine: short calls in threads through the docker SDK, command streams on the loop.

The SDK is synchronous. Calls that take milliseconds run in a small pool of threads; what lasts as long as a command
(its output) is read by the event loop from a connection of its own, so that no thread waits for a program.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import docker
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env, parse_host
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from harness.api import MissingRequirement, SandboxError
from harness.sandboxes._settle import settled

T = TypeVar("T")

OLDEST_API = (1, 41)
"""Engine 20.10."""
PROBE_S = 10
CALL_S = 120
THREADS = 16
SPELLED = {"http+unix": "unix", "http": "tcp", "https": "tcp"}
SAY_HOST = "mend DOCKER_HOST (such as unix:///var/run/docker.sock), DOCKER_TLS_VERIFY, DOCKER_CERT_PATH"
ADVICE = "start it (scripts/docker-up, Docker Desktop), or set DOCKER_HOST"


class NotThere(SandboxError):
    """The engine answered 404: no such container, image or path."""


@dataclass(frozen=True)
class Things:
    """What one box is made of on the engine, by name; removed together, containers first."""

    containers: tuple[str, ...]
    network: str = ""


class Engine:
    """One engine. Connected on first use; `host` overrides DOCKER_HOST. Safe to use from any thread and loop."""

    def __init__(self, host: str = "", wait_s: float = 60.0) -> None:
        self.host, self._tls, self._fault = "", None, ""
        try:
            environment = kwargs_from_env()
            self._tls = environment.get("tls")
            self.host = parse_host(host or environment.get("base_url"), tls=bool(self._tls))
        except (DockerException, ValueError) as e:  # a port that is no number is not caught by the SDK (docker 7.2)
            self._fault = f"no container engine can be reached as said ({str(e).partition('. ')[0]}): {SAY_HOST}"
        self.cpus = 0.0
        self.is_podman = False
        self._wait_s = wait_s
        self._api: docker.APIClient | None = None
        self._lost = False
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, "docker")
        self._in_use: set[Things] = set()
        self._left_over: set[Things] = set()

    @property
    def api(self) -> docker.APIClient:
        """The SDK's client. Raises MissingRequirement when the engine never answered."""
        if self._api is None:
            self.connect()
        return self._api

    def connect(self) -> None:
        """Connect if that has not been done. Raises MissingRequirement with the cause."""
        with self._lock:
            if self._api is not None:
                return
            about = self._probe()
            version = min(about["ApiVersion"], DEFAULT_DOCKER_API_VERSION, key=_as_numbers)
            api = docker.APIClient(
                self.host, version=version, timeout=CALL_S, tls=self._tls or False, max_pool_size=THREADS
            )
            parts = about.get("Components") or ()
            self.is_podman = any("podman" in str(part.get("Name", "")).lower() for part in parts)
            self.cpus = float(api.info().get("NCPU") or 0)
            atexit.register(self._last_chance)
            self._api = api

    def _probe(self) -> dict[str, Any]:
        """What the engine says of itself. Raises MissingRequirement."""
        if self._fault:
            raise MissingRequirement("engine", self._fault)
        if self.host.startswith("ssh"):
            raise MissingRequirement("engine", "an engine over ssh is not supported: forward its socket with ssh -L")
        try:
            self._knock()
            # A fixed version keeps the constructor off the network, where it would leave its socket open (docker 7.2).
            probe = docker.APIClient(self.host, version="1.41", timeout=PROBE_S, tls=self._tls or False)
            try:
                about: dict[str, Any] = probe.version(api_version=False)
            finally:
                probe.close()
        except (DockerException, RequestException, HTTPError, OSError) as e:
            message = f"no container engine answers at {self.address} ({cause_of(e)}): {ADVICE}"
            raise MissingRequirement("engine", message) from e
        if _as_numbers(about.get("ApiVersion", "0")) < OLDEST_API:
            found = about.get("Version", "?")
            raise MissingRequirement("engine", f"the container engine is {found}: 20.10 or newer is needed")
        if about.get("Os", "linux") != "linux":
            raise MissingRequirement("engine", f"the container engine runs {about['Os']} containers: linux is needed")
        return about

    def _knock(self) -> None:
        """Connect to a socket and hang up: the SDK leaves its own open where nobody answers (docker 7.2)."""
        scheme, _, path = self.host.partition("://")
        if scheme == "http+unix":
            with socket.socket(socket.AF_UNIX) as door:
                door.settimeout(PROBE_S)
                door.connect(path)

    @property
    def address(self) -> str:
        """Where the engine is, as a user writes it."""
        scheme, _, place = self.host.partition("://")
        return f"{SPELLED.get(scheme, scheme)}://{place}"

    async def ready(self) -> None:
        """Return when the engine answers. One that answered before is waited for while it restarts.

        Raises MissingRequirement when it never answered, SandboxError when it does not come back.
        """
        if self._api is None:
            await self.thread(self.connect)
        if self._lost:
            await self.thread(self._wait_for)
            await self.thread(self.remove_left_over)

    def _wait_for(self) -> None:
        until = time.monotonic() + self._wait_s
        while True:
            try:
                self._probe()
            except MissingRequirement as e:
                if time.monotonic() > until:
                    raise SandboxError("engine", str(e)) from e
                time.sleep(0.5)
            else:
                self._lost = False
                return

    async def call(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run one short SDK call in a thread, to its end even when cancelled. Raises SandboxError, NotThere."""
        return await self.thread(partial(self.guarded, partial(work, *args, **kwargs)))

    async def thread(self, work: Callable[[], T]) -> T:
        """Run work that calls the engine in a thread, to its end even when cancelled."""
        return await settled(asyncio.get_running_loop().run_in_executor(self._pool, work))

    def guarded(self, work: Callable[[], T]) -> T:
        """Run SDK calls here and now. Raises SandboxError, and NotThere for a 404."""
        try:
            return work()
        except APIError as e:
            hang_up(e)
            fault = (
                NotThere("not_there", cause_of(e)) if isinstance(e, NotFound) else SandboxError("engine", cause_of(e))
            )
            raise fault from e
        except (DockerException, RequestException, HTTPError, OSError) as e:
            self._lost = True
            raise SandboxError("engine", f"the container engine does not answer ({cause_of(e)})") from e

    async def hijack(self, path: str, body: Mapping[str, Any]) -> Hijacked:
        """POST, and keep the connection as a raw stream. Raises SandboxError with the engine's words."""
        try:
            reader, writer = await self._open()
        except OSError as e:
            self._lost = True
            raise SandboxError("engine", f"the container engine does not answer ({cause_of(e)})") from e
        payload = json.dumps(body).encode()
        head = (
            f"POST /v{self.api.api_version}{path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + payload)
            async with asyncio.timeout(CALL_S):
                status, rest = await _answer(reader)
        except (OSError, EOFError, TimeoutError) as e:
            writer.close()
            self._lost = True
            raise SandboxError("engine", f"the container engine does not answer ({cause_of(e)})") from e
        except BaseException:
            writer.close()
            raise
        if status not in (101, 200):
            writer.close()
            fault = {404: "not_there", 409: "stopped"}.get(status, "engine")
            raise SandboxError(fault, rest)
        return Hijacked(reader, writer)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        scheme, _, place = self.host.partition("://")
        if scheme == "http+unix":
            return await asyncio.open_unix_connection(place)
        name, _, port = place.rpartition(":")
        context = None
        if scheme == "https":
            context = ssl.create_default_context(cafile=getattr(self._tls, "ca_cert", None))
            if cert := getattr(self._tls, "cert", None):
                context.load_cert_chain(*cert)
        return await asyncio.open_connection(name, int(port.partition("/")[0]), ssl=context)

    def hold(self, things: Things) -> None:
        """Remember what exists or is about to, so that it is removed whatever happens."""
        self._in_use.add(things)

    async def release(self, things: Things) -> None:
        """Remove a box for good; also when cancelled. What an absent engine keeps is removed when it is back."""
        await self.thread(partial(self._release, things))

    def _release(self, things: Things) -> None:
        try:
            self.guarded(partial(self._remove, things))
        except SandboxError:
            self._left_over.add(things)
        else:
            self._left_over.discard(things)
        self._in_use.discard(things)

    def remove_left_over(self) -> None:
        """Try again to remove what could not be removed before."""
        for things in list(self._left_over):
            self._release(things)

    def _remove(self, things: Things) -> None:
        for name in things.containers:
            remove_container(self.api, name)
        if things.network:
            remove_network(self.api, things.network)

    def _last_chance(self) -> None:
        """At exit: what is still open, because something ended the loop before its contexts."""
        for things in [*self._in_use, *self._left_over]:
            self._release(things)

    async def aclose(self) -> None:
        """Remove what is left, and close. The engine can be used again afterwards."""
        if self._api is None:
            return
        await self.thread(self._last_chance)
        atexit.unregister(self._last_chance)
        self._api.close()
        self._api = None
        self._pool.shutdown(wait=True)
        self._pool = ThreadPoolExecutor(THREADS, "docker")


@dataclass(slots=True)
class Hijacked:
    """A raw connection to a command."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def _answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    """The status, and for a refusal the engine's message."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = int(head.split(" ", 2)[1])
    if status in (101, 200):
        return status, ""
    body = (await reader.read(64 * 1024)).decode("utf-8", "replace")
    text = body[body.find("{") : body.rfind("}") + 1]
    try:
        return status, str(json.loads(text)["message"])
    except (ValueError, KeyError):
        return status, body.strip()


def remove_container(api: docker.APIClient, name: str) -> None:
    """Remove a container with its anonymous volumes, and wait until it is gone if another removal is under way."""
    for _ in range(100):
        try:
            api.remove_container(name, v=True, force=True)
        except NotFound:
            return
        except APIError as e:
            if "is already in progress" not in cause_of(e):
                raise
            time.sleep(0.1)
        else:
            return


def remove_network(api: docker.APIClient, name: str) -> None:
    """Remove a network; one that is not there is removed."""
    try:
        api.remove_network(name)
    except NotFound:
        return


def hang_up(error: APIError) -> None:
    """Close the connection of a refused call, which the SDK leaves open where an answer would be streamed."""
    if error.response is not None:
        error.response.close()


def cause_of(error: BaseException) -> str:
    """The engine's or the system's own words, without the layers of wrapping around them."""
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation)
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror.lower()
        reason = next((a for a in (*inner.args, getattr(inner, "reason", None)) if isinstance(a, BaseException)), None)
        inner = reason or inner.__cause__ or inner.__context__
    return str(error) or type(error).__name__


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
