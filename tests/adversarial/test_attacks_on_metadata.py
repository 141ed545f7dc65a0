"""A box with `network: open` and the addresses where a cloud tells a machine its keys.

A real server stands on a link-local address of this machine, as a cloud's does, and boxes, services and neighbours try
to reach it. The address is one of this test's own: the metadata server of a machine that has one is left alone.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from harness.api import Box, Healthcheck, Purpose, SandboxError, SandboxSpec, Service
from harness.gateway.server import GatewayServer
from harness.sandboxes._kill import restart
from harness.sandboxes.docker import Docker

pytestmark = pytest.mark.docker
BASE = "harness-base:bookworm"
KEYS = "the machine's keys"
SERVER = r"""
import ipaddress, socket, struct, sys
address, keys = ipaddress.IPv4Address(sys.argv[1]), sys.argv[2].encode()
attribute = lambda kind, value: struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
body = struct.pack("=4BI", socket.AF_INET, 32, 0, 0, socket.if_nametoindex("lo"))
body += attribute(1, address.packed) + attribute(2, address.packed) + attribute(6, struct.pack("=4I", 0, 300, 0, 0))
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
    kernel.send(struct.pack("=IHHII", 16 + len(body), 20, 0x605, 1, 0) + body)
    assert struct.unpack_from("=i", kernel.recv(65536), 16)[0] == 0, "this machine takes no more addresses"
listener = socket.create_server((str(address), 0))
print(listener.getsockname()[1], flush=True)
while True:
    one, _ = listener.accept()
    one.sendall(keys)
    one.close()
"""
"""Puts the address on the machine's loopback, for 300 s at most, whatever becomes of this test, and answers there."""

REACH = r"""
import json, socket, sys
host, port = sys.argv[1], int(sys.argv[2])
def ask(device=""):
    one = socket.socket()
    one.settimeout(2)
    try:
        if device:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        one.connect((host, port))
        return one.recv(100).decode()
    except OSError:
        return ""
    finally:
        one.close()
def send(device=""):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.sendto(b"?", (host, port))
            return "sent"
        except OSError:
            return ""
print(json.dumps([ask(), ask("eth0"), ask("lo"), send()]), flush=True)
"""
NOTHING = ["", "", "", ""]
AT_ONCE = "import os, sys; sys.argv[1:] = {said!r}\n" + REACH.replace("print(", "found = (").replace(
    ", flush=True)", ")"
) + ("open('/tmp/found', 'w').write(found)\nos.chdir('/tmp')\n"
     "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8000)")  # fmt: skip
ITS_HOST = """
import socket, struct
rows = [row.split() for row in open('/proc/net/route').read().splitlines()[1:]]
print([socket.inet_ntoa(struct.pack('<L', int(row[2], 16))) for row in rows if int(row[2], 16)][0])
"""
ANSWERS = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
except ConnectionRefusedError:
    pass
except OSError as e:
    sys.exit(e.strerror)
print("reached")
"""
FETCH = "import urllib.request as u; print(u.urlopen('http://early:8000/found', timeout=5).read().decode())"
LISTENS = "python3 -c \"import socket; socket.create_connection(('127.0.0.1', 8000))\""
KILLED = """
import asyncio, sys
from harness.api import Purpose, SandboxSpec
from harness.sandboxes.docker import Docker

async def main():
    async with Docker().open(SandboxSpec(network="open"), Purpose(run=sys.argv[1])) as box:
        print("open", flush=True)
        await box.exec(["sleep", "60"])

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def metadata() -> Iterator[tuple[str, str]]:
    """Address and port of the server."""
    name, address = f"metadata-{uuid4().hex[:8]}", f"169.254.{random.randint(1, 168)}.{random.randint(1, 254)}"
    run = [
        "docker",
        "run",
        "--rm",
        "--name",
        name,
        "--network",
        "host",
        "--cap-add",
        "NET_ADMIN",
        BASE,
        "python3",
        "-c",
    ]
    with subprocess.Popen([*run, SERVER, address, KEYS], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = server.stdout.readline().strip()
            assert port, "the server did not start"
            yield address, port
        finally:
            subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)


@asynccontextmanager
async def sandbox_of(**parameters: Any) -> AsyncIterator[Docker]:
    sandbox = Docker(**parameters)
    try:
        yield sandbox
    finally:
        await sandbox.aclose()


def purpose_of(**more: Any) -> Purpose:
    return Purpose(f"test-{uuid4().hex[:8]}", "task/system/1", Path(), **more)


async def reached(box: Box, where: tuple[str, str], user: str = "") -> list[str]:
    """What a program in a box gets: plainly, bound to its network device and to its loopback, and by UDP."""
    done = await box.exec(["python3", "-c", REACH, *where], user=user, timeout_s=30)
    found: list[str] = json.loads(done.stdout)
    return found


def test_box_without_a_fence_reaches_the_keys(metadata: tuple[str, str]) -> None:
    """Else the tests below prove nothing."""

    async def body() -> None:
        async with sandbox_of(refused=()) as sandbox, sandbox.open(SandboxSpec(network="open"), purpose_of()) as box:
            assert await reached(box, metadata) == [KEYS, KEYS, "", "sent"]

    asyncio.run(body())


def test_open_box_reaches_nothing_of_the_machines_own(metadata: tuple[str, str]) -> None:
    """Also as root, and when the box was restarted, which gives other containers a new namespace."""

    async def body() -> None:
        async with sandbox_of() as sandbox, sandbox.open(SandboxSpec(network="open"), purpose_of()) as box:
            assert await reached(box, metadata) == NOTHING
            assert await reached(box, metadata, "root") == NOTHING
            assert sandbox._shop is not None
            await restart(sandbox._shop.engine, box.container)
            assert await reached(box, metadata) == NOTHING

    asyncio.run(body())


def test_root_of_a_box_cannot_take_the_rules_away(metadata: tuple[str, str]) -> None:
    forget = (
        "import socket, struct\nkernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)\n"
        "rule = struct.pack('=8BI', 2, 16, 0, 0, 0, 0, 0, 7, 0) + struct.pack('=HH4B', 8, 1, 169, 254, 0, 0)\n"
        "rule += struct.pack('=HHI', 8, 6, 1005)\n"
        "kernel.send(struct.pack('=IHHII', 16 + len(rule), 33, 5, 1, 0) + rule)\n"
        "print(struct.unpack_from('=i', kernel.recv(65536), 16)[0])"
    )

    async def body() -> None:
        async with sandbox_of() as sandbox, sandbox.open(SandboxSpec(network="open"), purpose_of()) as box:
            done = await box.exec(["python3", "-c", forget], user="root")
            assert done.stdout.strip() == b"-1", "EPERM"
            assert await reached(box, metadata) == NOTHING

    asyncio.run(body())


def test_service_is_fenced_before_its_first_line(metadata: tuple[str, str]) -> None:
    """And it is reached by its name, and the box by its own, as without a fence."""
    early = Service("early", "sandbox", ("python3", "-c", AT_ONCE.format(said=list(metadata))),
                    healthcheck=Healthcheck(LISTENS, wait_s=30))  # fmt: skip
    spec = SandboxSpec(network="open", services=(early,))

    async def body() -> None:
        for refused, plainly in (((), KEYS), (Docker().refused, "")):
            async with sandbox_of(refused=refused) as sandbox, sandbox.open(spec, purpose_of()) as box:
                done = await box.exec(["python3", "-c", FETCH])
                assert json.loads(done.stdout)[0] == plainly, done.stderr
                assert (await box.exec(["getent", "hosts", "box"])).exit_code == 0

    asyncio.run(body())


def test_box_with_a_door_is_fenced_too_and_its_door_leads_to_the_gateway(metadata: tuple[str, str]) -> None:
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8089/', timeout=10).read().decode())"

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="the gateway")

    async def body() -> None:
        gateway = GatewayServer()
        own = await gateway.listen(answer)
        purpose = purpose_of(door=own.folder)
        try:
            async with sandbox_of() as sandbox, sandbox.open(SandboxSpec(network="open"), purpose) as box:
                done = await box.exec(
                    ["sh", "-c", f'for i in 1 2 3 4 5 6; do python3 -c "{ask}" && break; sleep 1; done']
                )
                assert done.stdout.strip() == b"the gateway"
                assert await reached(box, metadata) == NOTHING
                kinds = [h.name.partition(".")[2] for h in await sandbox.held() if h.run == purpose.run]
                assert kinds.count("fence") == 1
        finally:
            await own.aclose()
            await gateway.aclose()

    asyncio.run(body())


@pytest.mark.parametrize("inside", [True, False])
def test_what_is_asked_beside_a_box_is_fenced(metadata: tuple[str, str], inside: bool) -> None:
    """A work could answer a prober with a redirection."""

    async def body() -> None:
        async with sandbox_of() as sandbox, sandbox.open(SandboxSpec(network="open"), purpose_of()) as box:
            argv = ["python3", "-c", REACH, *metadata]
            done = await box.beside(argv, image="sandbox", timeout_s=30, inside=inside)
            assert json.loads(done.stdout) == NOTHING

    asyncio.run(body())


def test_private_networks_can_be_refused_and_the_services_stay(metadata: tuple[str, str]) -> None:
    """The host's own address on the box's network is private as well."""
    web_service = Service("web", "sandbox", ("python3", "-m", "http.server", "8000"), healthcheck=Healthcheck(LISTENS))
    spec = SandboxSpec(network="open", services=(web_service,))
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")

    async def body() -> None:
        for refused, said in ((Docker().refused, b"reached"), (private, b"")):
            async with sandbox_of(refused=refused) as sandbox, sandbox.open(spec, purpose_of()) as box:
                gateway = (await box.exec(["python3", "-c", ITS_HOST])).stdout.decode().strip()
                assert (await box.exec(["python3", "-c", ANSWERS, gateway, "9"])).stdout.strip() == said
                assert (await box.exec(["python3", "-c", ANSWERS, "web", "8000"])).stdout.strip() == b"reached"

    asyncio.run(body())


def test_box_does_not_open_where_something_refused_is_reached_all_the_same() -> None:
    """No rule comes before the kernel's own table of local addresses."""

    async def body() -> None:
        purpose = purpose_of()
        async with sandbox_of(refused=("127.0.0.0/8",)) as sandbox:
            with pytest.raises(SandboxError, match=r"cannot be refused in it \(127\.0\.0\.0/8\)"):
                async with sandbox.open(SandboxSpec(network="open"), purpose):
                    pass
            assert [h.name for h in await sandbox.held() if h.run == purpose.run] == []

    asyncio.run(body())


def test_only_an_open_box_has_a_fence_and_nothing_of_it_is_left() -> None:
    async def body() -> None:
        purpose = purpose_of()
        async with sandbox_of() as sandbox:
            for network, fences in (("none", 0), ("internal", 0), ("open", 1)):
                async with sandbox.open(SandboxSpec(network=network), purpose):  # type: ignore[arg-type]  # a literal
                    ours = [h for h in await sandbox.held() if h.run == purpose.run]
                    assert sum(h.name.endswith(".fence") for h in ours) == fences
            assert [h.name for h in await sandbox.held() if h.run == purpose.run] == []

    asyncio.run(body())


def test_fence_of_a_killed_process_is_removed_by_the_next() -> None:
    run = f"test-{uuid4().hex[:8]}"
    with subprocess.Popen([sys.executable, "-c", KILLED, run], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"open\n"
        process.kill()

    async def body() -> None:
        async with sandbox_of() as sandbox:
            left: Callable[[], Any] = sandbox.held
            assert sum(h.name.endswith(".fence") for h in await left() if h.run == run) == 1
            await sandbox.prune()
            assert [h.name for h in await left() if h.run == run] == []

    asyncio.run(body())


@pytest.mark.parametrize("said", ["here", "10.0.0.1/8"])
def test_network_that_is_none_is_told(said: str) -> None:
    with pytest.raises(ValueError, match=f"'{said}' is no network such as 10.0.0.0/8"):
        Docker(refused=(said,))
