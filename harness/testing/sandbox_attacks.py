"""Checks that nothing in a box gets out of it or past its limits. Each has a box of its own, and says what is wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from harness.errors import SandboxError
from harness.plugins.contracts import Box
from harness.testing.sandbox_basics import differs, sh

REACH = r"""
import socket, struct, sys
from concurrent.futures import ThreadPoolExecutor
places = [("1.1.1.1", 443), ("8.8.8.8", 53), ("169.254.169.254", 80), ("172.17.0.1", 80), ("192.168.0.1", 80)]
for line in open("/proc/net/route").read().splitlines()[1:]:
    places.append((socket.inet_ntoa(struct.pack("<L", int(line.split()[2], 16))), 80))
places += [(name, 80) for name in sys.argv[1:]]
places = [place for place in places if place[0] != "0.0.0.0"]
def look(place):
    try:
        socket.create_connection(place, timeout=2).close()
    except ConnectionRefusedError:
        return f"answered by {place}\n"
    except OSError:
        return ""
    return f"connected to {place}\n"
def resolve(name):
    try:
        return f"resolved {socket.gethostbyname(name)}\n"
    except OSError:
        return ""
with ThreadPoolExecutor(len(places) + 1) as pool:
    resolved = pool.submit(resolve, "example.com")
    found = [*pool.map(look, places), resolved.result()]
print("".join(found) + "tried")
"""
"""Anything that answers, be it with a refusal, has been reached. Arguments are more addresses to try."""
ALIVE = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"


async def _timeout(box: Box) -> str:
    began = time.monotonic()
    done = await sh(box, "echo partial; sleep 60", timeout_s=1)
    took = time.monotonic() - began
    if not done.timed_out or took > 8:
        return f"a command of 60 s with a limit of 1 s: timed_out is {done.timed_out} after {took:.1f} s"
    return differs("the output before the timeout", done.stdout, b"partial\n")


async def _kills_tree(box: Box) -> str:
    """A child that ignores TERM, one in a session of its own, a double-forked one without the parent's environment."""
    script = (
        "trap '' TERM; (trap '' TERM; sleep 61) & setsid sh -c 'sleep 62; true' & "
        "setsid sh -c 'sh -c \"sleep 63; true\" &' & env -i sleep 64 & sleep 65"
    )
    if not (await sh(box, script, timeout_s=1)).timed_out:
        return "it did not time out"
    left = [n for n in (b"61", b"62", b"63", b"64", b"65") if b"sleep " + n in (await sh(box, ALIVE)).stdout]
    return f"still running after the timeout: sleep {b', '.join(left).decode()}" if left else ""


async def _spares_others(box: Box) -> str:
    await sh(box, "setsid sleep 71 >/dev/null 2>&1 </dev/null &")
    await sh(box, "sleep 60", timeout_s=1)
    return "" if b"sleep 71" in (await sh(box, ALIVE)).stdout else "a timeout killed what an earlier command started"


async def _kills_on_cancel(box: Box) -> str:
    try:
        async with asyncio.timeout(1):
            await box.exec(["sh", "-c", "sleep 81; true"])
    except TimeoutError:
        pass
    else:
        return "a cancelled command ended by itself"
    return "still running after a cancel" if b"sleep 81" in (await sh(box, ALIVE)).stdout else ""


async def _no_suicide(box: Box) -> str:
    await box.exec(["sh", "-c", "kill -9 -1; true"], user="root")
    await sh(box, "kill -9 -1; true")
    return differs("a command after `kill -9 -1`", (await sh(box, "echo here")).stdout, b"here\n")


async def _no_network(box: Box) -> str:
    done = await box.exec(["python3", "-c", REACH], timeout_s=40)
    return differs("what could be reached", done.stdout, b"tried\n")


async def _loopback(box: Box) -> str:
    script = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(s.getsockname()); print('ok')"
    )
    return differs("a connection to itself", (await box.exec(["python3", "-c", script])).stdout, b"ok\n")


async def _no_engine(box: Box) -> str:
    done = await sh(
        box, "ls /var/run/docker.sock /run/docker.sock /run/podman 2>/dev/null; grep -c docker.sock /proc/mounts"
    )
    return differs("sockets of an engine", done.stdout.strip(), b"0")


async def _no_capabilities(box: Box) -> str:
    done = await box.exec(["grep", "-E", "^Cap(Prm|Eff|Bnd|Amb)", "/proc/self/status"], user="root")
    sets = [line.split()[1] for line in done.stdout.splitlines()]
    return differs("capabilities of root", sets, [b"0" * 16] * 4)


async def _no_new_privileges(box: Box) -> str:
    done = await sh(box, "grep NoNewPrivs /proc/self/status")
    return differs("no-new-privileges", done.stdout.split(), [b"NoNewPrivs:", b"1"])


async def _no_mounts(box: Box) -> str:
    done = await box.exec(["sh", "-c", "mkdir -p /m; mount -t tmpfs none /m; mknod /dev/x b 8 0"], user="root")
    return "root could mount or make a device" if done.exit_code == 0 else ""


async def _host_env(box: Box) -> str:
    import os

    done = await sh(box, "env; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")
    said = done.stdout.decode("utf-8", "replace").splitlines()
    if not any(line.startswith("PATH=") for line in said):
        return "the box's own environment could not be read"
    usual = {"PATH", "HOME", "PWD", "LANG", "TERM", "SHLVL", "_", "HOSTNAME", "OLDPWD"}
    leaked = sorted({k for k, v in os.environ.items() if k not in usual and v and f"{k}={v}" in said})
    return f"the host's environment is in the box: {', '.join(leaked)}" if leaked else ""


async def _memory(box: Box) -> str:
    done = await box.exec(["python3", "-c", "x = bytearray(512 * 1024 * 1024); print(len(x))"])
    if not done.oom_killed or done.exit_code == 0:
        return f"512 MB in a box of 128 MB: exit {done.exit_code}, oom_killed is {done.oom_killed}"
    after = await sh(box, "echo here")
    return differs("(output, oom_killed) afterwards", (after.stdout, after.oom_killed), (b"here\n", False))


async def _child_memory(box: Box) -> str:
    done = await sh(box, "python3 -c 'x = bytearray(512 * 1024 * 1024)'; exit 1")
    return differs("(exit code, oom_killed) when a child is killed", (done.exit_code, done.oom_killed), (1, True))


async def _fork_bomb(box: Box) -> str:
    began = time.monotonic()
    done = await box.exec(["bash", "-c", "f() { f | f & }; f; sleep 60"], timeout_s=2)
    took = time.monotonic() - began
    if not done.timed_out or took > 30:
        return f"timed_out is {done.timed_out} after {took:.1f} s"
    return differs("a command afterwards", (await sh(box, "echo here")).stdout, b"here\n")


async def _pids(box: Box) -> str:
    script = (
        "import os, time\nn = 0\ntry:\n  while n < 500:\n    if os.fork() == 0: time.sleep(5); os._exit(0)\n"
        "    n += 1\nexcept OSError: pass\nprint(n)"
    )
    done = await box.exec(["python3", "-c", script], timeout_s=20)
    n = int(done.stdout or b"-1")
    return "" if 0 < n < 64 else f"{n} processes could be started where 64 are allowed"


async def _file_size(box: Box) -> str:
    await sh(box, "head -c 200000000 /dev/zero > big")
    size = int((await sh(box, "stat -c %s big")).stdout or b"-1")
    return "" if 0 < size <= 64 * 1024**2 else f"a file of {size:,} bytes was written where 64 MiB are allowed"


async def _disk(box: Box) -> str:
    done = await sh(box, "i=0; while :; do i=$((i+1)); head -c 20000000 /dev/zero > f$i; sleep 0.2; done", timeout_s=30)
    if not done.disk_full or done.timed_out:
        return f"a disk filler: disk_full is {done.disk_full}, timed_out is {done.timed_out}"
    return differs("clearing up afterwards", (await sh(box, "rm -f f*; echo here")).stdout, b"here\n")


async def _runaway(box: Box) -> str:
    began = time.monotonic()
    done = await sh(box, "yes", timeout_s=2)
    took = time.monotonic() - began
    found = (done.timed_out, done.truncated, len(done.stdout) < 70_000)
    return differs("(timed_out, truncated, small)", found, (True, True, True)) or (
        "" if took < 15 else f"took {took:.1f} s"
    )


async def _stopped(box: Box) -> str:
    """A daemon that rewrites a report is dead when it is read, and the report is what it was at that moment."""
    await sh(box, "echo 1 > report; (while :; do echo 0 > report2; sleep 0.05; done) >/dev/null 2>&1 &")
    await box.stop()
    first = await box.read("report")
    try:
        await box.exec(["true"])
    except SandboxError:
        pass
    else:
        return "a stopped box runs commands"
    await box.write("added", b"x")
    if await box.read("added") != b"x" or b"report" not in await box.get_archive("report"):
        return "files of a stopped box cannot be read or written"
    return differs("the report", first, b"1\n")


async def _shadowed(box: Box) -> str:
    """Tools that the sandbox may use to kill are replaced by root: a timeout still ends everything."""
    script = "for t in sh grep kill cat tr; do cp -f /bin/true /usr/bin/$t; done; exec sleep 91"
    done = await box.exec(["bash", "-c", script], user="root", timeout_s=2)
    return differs("timed_out", done.timed_out, True)


CHECKS: dict[str, Callable[[Box], Awaitable[str]]] = {
    "a timeout ends a command": _timeout,
    "a timeout kills the whole tree": _kills_tree,
    "a timeout spares other commands": _spares_others,
    "a cancel kills the command": _kills_on_cancel,
    "a box cannot end itself": _no_suicide,
    "nothing outside is reached": _no_network,
    "loopback works": _loopback,
    "no socket of the engine": _no_engine,
    "no capabilities, not even root's": _no_capabilities,
    "no new privileges": _no_new_privileges,
    "no mounts, no devices": _no_mounts,
    "the host's environment is not in the box": _host_env,
    "memory is limited and its end is told": _memory,
    "a child killed for memory is told": _child_memory,
    "a fork bomb is survived": _fork_bomb,
    "processes are limited": _pids,
    "a file's size is limited": _file_size,
    "a disk filler is stopped and told": _disk,
    "endless output is stopped": _runaway,
    "a stopped box is read, not run": _stopped,
    "a timeout works against replaced tools": _shadowed,
}
"""Each in a box of its own."""
