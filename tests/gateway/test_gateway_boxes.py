"""Two boxes alive at once, each with a door: neither reaches the other's socket, whatever it tries."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from harness.gateway.server import GatewayServer
from harness.plugins.boxes import Box, Purpose
from harness.records.task import SandboxSpec
from harness.sandboxes.docker import Docker

pytestmark = pytest.mark.docker

ATTACK = r"""
import glob, http.client, json, os, socket, sys
theirs = json.load(sys.stdin)
found = {"answers": [], "paths": [], "places": [], "sockets": []}

def ask(make):
    try:
        connection = http.client.HTTPConnection("door", timeout=3)
        connection.sock = make()
        connection.request("POST", "/whoami", headers=theirs["headers"])
        return connection.getresponse().read().decode()
    except OSError as e:
        return None

def inet(host, port):
    return lambda: socket.create_connection((host, port), 2)

def unix(path):
    def make():
        one = socket.socket(socket.AF_UNIX)
        one.connect(path)
        return one
    return make

found["answers"] = [ask(inet("127.0.0.1", 8089)) for _ in range(5)]
guesses = [theirs["socket"], *glob.glob("/run/gw/*"), *glob.glob("/tmp/harness-gw-*/*/gw.sock"), "/run/gw/gw.sock"]
guesses += [f"/proc/{p}/root{theirs['socket']}" for p in os.listdir("/proc") if p.isdigit()]
guesses += [f"/proc/{p}/root/run/gw/gw.sock" for p in os.listdir("/proc") if p.isdigit()]
found["paths"] = [p for p in guesses if ask(unix(p)) is not None]
hosts = ["127.0.0.2", "::1", "0.0.0.0", *theirs["names"], "172.17.0.1", "172.17.0.2", "172.17.0.3"]
found["places"] = [h for h in hosts if (said := ask(inet(h, 8089))) is not None and said != theirs["own"]]
for line in open("/proc/net/unix").read().splitlines()[1:]:
    name = line.split()[-1]
    if "gw" in name or name.startswith("@"):
        found["sockets"].append(name)
        path = "\0" + name[1:] if name.startswith("@") else name
        if ask(unix(path)) is not None:
            found["paths"].append(name)
found["processes"] = [p for p in os.listdir("/proc") if p.isdigit() and p != str(os.getpid())
                      and "forward" in open(f"/proc/{p}/cmdline").read()]
print(json.dumps(found))
"""


def test_a_live_box_reaches_only_its_own_trials_socket() -> None:
    """By loopback, by path, through /proc, by name and address, by abstract names, with forged headers."""
    heard: dict[str, int] = {"one": 0, "two": 0}

    async def attacked(box: Box, theirs: dict[str, Any]) -> dict[str, Any]:
        done = await box.exec(["python3", "-c", ATTACK], stdin=json.dumps(theirs).encode(), timeout_s=120)
        assert done.exit_code == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    async def go() -> None:
        gateway, sandbox = GatewayServer(), Docker()

        def trial(name: str) -> Any:
            async def answer(request: web.BaseRequest) -> web.StreamResponse:
                heard[name] += request.path == "/whoami"
                return web.Response(text=name)

            return answer

        sockets = {name: await gateway.listen(trial(name)) for name in heard}
        try:
            one = Purpose("run", "one", Path(), door=sockets["one"].folder)
            two = Purpose("run", "two", Path(), door=sockets["two"].folder)
            async with sandbox.open(SandboxSpec(), one) as first, sandbox.open(SandboxSpec(), two) as second:
                names = [h.name for h in await sandbox.held() if h.what == "container"]
                assert len(names) >= 4, "two boxes and their sidecars are alive"
                for box, own, other in ((first, "one", "two"), (second, "two", "one")):
                    theirs = {
                        "socket": str(sockets[other].folder / "gw.sock"),
                        "names": names,
                        "own": own,
                        "headers": {"Host": other, "X-Trial": other, "Authorization": f"Bearer {other}"},
                    }
                    before = dict(heard)
                    found = await attacked(box, theirs)
                    assert set(found["answers"]) == {own}
                    assert (found["paths"], found["places"], found["processes"]) == ([], [], []), found
                    assert heard[other] == before[other] and heard[own] > before[own]
        finally:
            for listening in sockets.values():
                await listening.aclose()
            await gateway.aclose()
            await sandbox.aclose()

    asyncio.run(go())
