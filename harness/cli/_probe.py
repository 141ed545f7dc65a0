"""What a box with a door reaches, proved by one: `harness doctor --probe`.

A box is opened as for an agent's trial, with the gateway's socket behind its door, and a program in it tries to reach
everything that it must not: the internet, names, this machine's own ports, metadata addresses, the engine's socket,
another trial's socket. Everything is removed again.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web

from harness.cli._doctor import Line
from harness.errors import MissingRequirement, SandboxError
from harness.gateway.server import GatewayServer
from harness.plugins.contracts import Purpose, Sandbox
from harness.plugins.gateway import DOOR_PORT
from harness.plugins.loader import installed, load
from harness.records.task import SandboxSpec

TRIES_S = 2.0
WHOLE_S = 120.0
PUBLIC = (("1.1.1.1", 443), ("8.8.8.8", 53))
METADATA = (("169.254.169.254", 80), ("100.100.100.200", 80), ("fd00:ec2::254", 80))
PROGRAM = r"""
import json, os, socket, stat, sys, urllib.request
said = json.load(sys.stdin)
def reached(host, port):
    try:
        socket.create_connection((host, port), timeout=said["tries_s"]).close()
        return True
    except OSError:
        return False
def resolved(name):
    try:
        return bool(socket.getaddrinfo(name, 80))
    except OSError:
        return False
found = {kind: [f"{h}:{p}" for h, p in places if reached(h, p)] for kind, places in said["places"].items()}
found["names"] = [n for n in said["names"] if resolved(n)]
files = (os.path.join(d, f) for root in ("/run", "/var/run", "/tmp", "/work") for d, _, fs in os.walk(root) for f in fs)
found["sockets"] = [p for p in files if os.path.lexists(p) and stat.S_ISSOCK(os.lstat(p).st_mode)]
try:
    found["gateway"] = urllib.request.urlopen(said["gateway"], timeout=15).read().decode()
except OSError as e:
    found["gateway"] = f"{type(e).__name__}: {e}"
print(json.dumps(found))
"""


def probe(workspace: Path) -> list[Line]:
    """Lines as `harness doctor` shows them."""
    try:
        return list(_lines(asyncio.run(_look(workspace))))
    except (MissingRequirement, SandboxError, TimeoutError, ValueError) as e:
        return [Line("box door", "warn", f"no box could be looked at: {e or 'it took too long'}", "harness doctor")]


async def _look(workspace: Path) -> dict[str, object]:
    """Open a box with a door, ask it, and remove everything."""
    names = list(installed("sandbox"))
    if not names:
        raise MissingRequirement("sandbox", "no sandbox plugin is installed")
    sandbox = load("sandbox", "docker" if "docker" in names else names[0], workspace)()
    assert isinstance(sandbox, Sandbox)
    gateway = GatewayServer()
    arrived = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        arrived.set()
        return web.Response(text="open")

    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))  # a service of this machine that is open to all its networks
        listener.listen()
        try:
            if reason := await sandbox.available():
                raise MissingRequirement("engine", reason)
            own, other = await gateway.listen(answer), await gateway.listen(answer)
            async with asyncio.timeout(WHOLE_S):
                async with sandbox.open(SandboxSpec(), Purpose("doctor", "probe", workspace, door=own.folder)) as box:
                    async with asyncio.timeout(15):
                        await arrived.wait()
                    said = json.dumps(_wanted(listener.getsockname()[1])).encode()
                    done = await box.exec(["python3", "-c", PROGRAM], stdin=said, timeout_s=90)
            await own.aclose()
            await other.aclose()
        finally:
            await gateway.aclose()
            await sandbox.aclose()
    if done.exit_code:
        raise SandboxError("engine", done.stderr.decode("utf-8", "replace")[-300:])
    found: dict[str, object] = json.loads(done.stdout)
    return found


def _wanted(port: int) -> dict[str, object]:
    hosts = sorted({"127.0.0.1", "172.17.0.1", "host.docker.internal", socket.gethostname(), *_own_addresses()})
    engine = [("127.0.0.1", p) for p in (2375, 2376)] + [("172.17.0.1", p) for p in (2375, 2376)]
    return {
        "places": {
            "internet": PUBLIC,
            "this machine": [(h, port) for h in hosts],
            "metadata": METADATA,
            "the engine": engine,
        },
        "names": ["example.com", "metadata.google.internal"],
        "gateway": f"http://127.0.0.1:{DOOR_PORT}/_door",
        "tries_s": TRIES_S,
    }


def _own_addresses() -> set[str]:
    try:
        return {str(a[4][0]) for a in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        return set()


def _lines(found: dict[str, object]) -> Iterator[Line]:
    answered = found.pop("gateway")
    if answered == "open":
        yield Line("box door", "ok", f"a box reaches the gateway on 127.0.0.1:{DOOR_PORT}")
    else:
        yield Line("box door", "fail", f"a box does not reach the gateway ({answered})", "the engine must run here")
    reached = {kind: places for kind, places in found.items() if places}
    if reached:
        words = "; ".join(f"{kind}: {places}" for kind, places in reached.items())
        yield Line(
            "box network", "fail", f"a box without a network reaches {words}", "do not run agents on this engine"
        )
    else:
        yield Line("box network", "ok", f"nothing else: not {', '.join(found)}")
