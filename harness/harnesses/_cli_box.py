"""An agent's program in a box: look whether the image has what it needs, lay its files down, run it, end it.

The program runs in a session of its own. What ends it is INT to its whole process group, a while to write down what it
knows, then KILL; afterwards nothing it started runs any more, unless the task asks of the living box.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.api import Box, Completed, Json, MissingRequirement, SandboxError
from harness.toolkit.agent_layers import ARCHITECTURES, MOUNT, version_key

STATE = "/scratch/agent"
"""The agent's own folder in the box, in memory: configuration, sessions, output. It is no part of the work."""
LOOK_S = 30.0
SHORT_S = 20.0
WATCH_S = 0.25
"""How often a running program is looked at: whether it was stopped by a limit."""
KEPT_FIRST, KEPT_LAST = 6 * 1024**2, 2 * 1024**2
"""Bytes of the program's own output that are kept, of its beginning and of its end: how it ended is said there."""

LOOK = r"""# look-around
say() { printf '%s\t%s\n' "$1" "$2"; }
for p in bash git python3 node rg; do say "$p" "$(command -v "$p" 2>/dev/null)"; done
say glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null ||
  for f in /lib/*-linux-gnu/libc.so.6 /lib64/libc.so.6; do [ -x "$f" ] && "$f" | head -n 1 && break; done)"
say python "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
say libstdc++ "$(ls /usr/lib/*/libstdc++.so.6 /usr/lib64/libstdc++.so.6 /usr/lib/libstdc++.so.6 2>/dev/null |
  head -n 1)"
say machine "$(uname -m)"
say user "$(id -u)"
say home "$HOME"
say writable "$(t="$HOME/.box-probe-$$"; (: >"$t") 2>/dev/null && rm -f "$t" && echo yes)"
say tmp "$(t="/tmp/.box-probe-$$"
  (printf '#!/bin/sh\n' >"$t" && chmod 700 "$t" && "$t" && echo yes) 2>/dev/null; rm -f "$t")"
say folder "$(pwd)"
mkdir -p "$1" && chmod 700 "$1" && say state yes
"""
PUT = '# lay-down\nmkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
RUN = 'echo $$ >"$0/pid" && exec "$@" 2>"$0/stderr"'
SIGNAL = '# signal\nread -r pid <"$1/pid" && kill -s "$2" -- "-$pid" 2>/dev/null; :'
LEFT = r"""# end-what-is-left
if [ "$1" = all ]; then kill -s KILL -- -1 2>/dev/null; exit 0; fi
for p in /proc/[0-9]*; do
  case "$(readlink "$p/exe" 2>/dev/null)" in "$2"/*) kill -s KILL "${p#/proc/}" 2>/dev/null ;; esac
done
:
"""
NO_START = (
    "nothing runs in the task's image: the box ended as it began. It is made for another kind of processor than this "
    "engine's, or its /bin/sh does not start"
)
_VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, slots=True)
class Around:
    """What an image has: programs by name, versions, the user's home. Empty where there is none."""

    has: Mapping[str, str]

    @property
    def home(self) -> str:
        """A home that can be written: the user's own, or else a folder of the agent's."""
        return self.has["home"] if self.has.get("writable") else f"{STATE}/home"

    @property
    def folder(self) -> str:
        """The working folder."""
        return self.has.get("folder", "/")

    @property
    def shell(self) -> str:
        """bash where there is one."""
        return self.has.get("bash") or "/bin/sh"


async def look_around(box: Box, needs: Sequence[str], who: str) -> Around:
    """Ask the image before any model call. Raises MissingRequirement with everything that is not there."""
    look = ["/bin/sh", "-c", LOOK, "sh", STATE]
    try:
        done = await box.exec(look, timeout_s=LOOK_S)
        if done.exit_code != 0:  # its box may have ended under it: the next command is told so
            await asyncio.sleep(WATCH_S)
            done = await box.exec(look, timeout_s=LOOK_S)
    except SandboxError as e:
        raise SandboxError("image", NO_START) if "not running" in str(e) else e from e
    if b"stopped container" in done.stderr + done.stdout:
        raise SandboxError("image", NO_START)
    rows = (line.partition("\t") for line in done.stdout.decode("utf-8", "replace").splitlines())
    has = {name: value.strip() for name, _, value in rows if value.strip()}
    if done.exit_code != 0 or "state" not in has:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()[-300:]
        raise SandboxError("preflight", f"the box cannot be looked at: {said or f'exit {done.exit_code}'}")
    lacking = [fault for need in needs if (fault := _lacks(has, need))]
    if "tmp" not in has:
        lacking.append("a /tmp in which programs can be written and run")
    if lacking:
        raise MissingRequirement("image", f"the task's image lacks what {who} needs: {', '.join(lacking)}")
    return Around(has)


def _lacks(has: Mapping[str, str], need: str) -> str:
    """What is missing for one need (`bash`, `glibc>=2.28`, `python3.11`, `libstdc++`, `x64`), or nothing."""
    name, _, least = need.partition(">=")
    if name.startswith("python3."):
        found, wanted = has.get("python", ""), name.removeprefix("python")
        return "" if found == wanted else f"Python {wanted}{f' (it has {found})' if found else ''}"
    if name in ARCHITECTURES.values():
        found = ARCHITECTURES.get(has.get("machine", ""), has.get("machine", "unknown"))
        return "" if found == name else f"a machine for {name} programs (it is {found})"
    found = has.get(name, "")
    if not found:
        return f"{name} {least}".strip()
    if least:
        version = next(iter(_VERSION.findall(found)), "")
        if version_key(version) < version_key(least):
            return f"{name} {least} (it has {version})"
    return ""


async def lay_down(box: Box, files: Mapping[str, str | bytes]) -> None:
    """Write the agent's own files. They may lie in memory, where the engine cannot reach: a shell writes them."""
    for path, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        done = await box.exec(["/bin/sh", "-c", PUT, "sh", path, "600"], stdin=data or b"\n", timeout_s=SHORT_S)
        if done.exit_code != 0:
            raise SandboxError(
                "preflight", f"{path} cannot be written: {done.stderr.decode('utf-8', 'replace')[-200:]}"
            )


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a program is started. An empty `stdin` is closed at once: some wait for its end.

    `task_words` are words of the command line that the task says, and no flags.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    stdin: bytes = b""
    workdir: str = ""
    task_words: Sequence[str] = ()


@dataclass(slots=True)
class Ran:
    """How a program ended. `stopped` says why it was ended from here: `limit` or `time`; empty: it ended by itself."""

    exit_code: int | None = None
    stopped: str = ""
    killed: bool = False
    written: int = 0
    stderr: str = ""
    left: list[str] = field(default_factory=list)
    _first: bytearray = field(default_factory=bytearray)
    _last: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes) -> None:
        """A piece of standard output. The beginning is kept, and the end."""
        self.written += len(data)
        room = KEPT_FIRST - len(self._first)
        self._first += data[:room]
        self._last += data[room:]
        if len(self._last) > 2 * KEPT_LAST:
            del self._last[:-KEPT_LAST]

    @property
    def output(self) -> bytes:
        """What is kept of standard output, with a line that says what is left out."""
        last = bytes(self._last[-KEPT_LAST:])
        left_out = self.written - len(self._first) - len(last)
        gap = b"\n[%d bytes left out]\n" % left_out if left_out else b""
        return bytes(self._first) + gap + last


@dataclass(slots=True)
class Program:
    """A running program of an agent, and how it is ended. `grace_s` is the time between INT and KILL."""

    box: Box
    grace_s: float
    longest_s: float
    keep_left: bool = False
    ran: Ran = field(default_factory=Ran)

    async def run(self, how: Invocation, is_over: Callable[[], bool]) -> Ran:
        """Run to the end. When `is_over` says so, or the caller is cancelled, it is ended and everything with it.

        What it wrote is in `ran`, also when cancelled.
        """
        running = asyncio.create_task(self._exec(how))
        try:
            await self._watch(running, is_over)
        except asyncio.CancelledError:
            self.ran.stopped = "time"
            await self._end(running)
            raise
        finally:
            if not running.done():
                running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await self._clear()
        self.ran.exit_code = running.result().exit_code
        if running.result().timed_out:
            self.ran.stopped, self.ran.killed = "time", True
        return self.ran

    async def _exec(self, how: Invocation) -> Completed:
        return await self.box.exec(
            ["/bin/sh", "-c", RUN, STATE, *how.argv],
            env=how.env,
            stdin=how.stdin,
            workdir=how.workdir,
            on_output=self.ran.take,
        )

    async def _watch(self, running: asyncio.Task[Completed], is_over: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        until, over_since = loop.time() + self.longest_s - self.grace_s - 2, None
        while not running.done():
            await asyncio.wait({running}, timeout=WATCH_S)
            now = loop.time()
            if over_since is None and is_over():
                over_since = now
            if not running.done() and (now > until or (over_since is not None and now > over_since + self.grace_s)):
                self.ran.stopped = "limit" if over_since is not None else "time"
                await self._end(running)
                return

    async def _end(self, running: asyncio.Task[Completed]) -> None:
        """INT to the process group, a while, then KILL."""
        for signal, wait_s in (("INT", self.grace_s), ("KILL", 2.0)):
            if running.done():
                return
            self.ran.killed = signal == "KILL"
            with contextlib.suppress(SandboxError):
                await self.box.exec(["/bin/sh", "-c", SIGNAL, "sh", STATE, signal], timeout_s=SHORT_S)
            await asyncio.wait({running}, timeout=wait_s)

    async def _clear(self) -> None:
        """Nothing that the agent started runs any more; what did is told. Its error output is read."""
        try:
            said = await self.box.exec(["/bin/sh", "-c", f"# stderr\ntail -c 4000 {STATE}/stderr"], timeout_s=SHORT_S)
            self.ran.stderr = said.stdout.decode("utf-8", "replace").strip()
            self.ran.left = [p.get("command", "")[:200] for p in await self.box.processes()]
            for _ in range(3):
                if not await self.box.processes():
                    return
                which = "own" if self.keep_left else "all"
                await self.box.exec(["/bin/sh", "-c", LEFT, "sh", which, MOUNT], timeout_s=SHORT_S)
                if self.keep_left:
                    return
        except SandboxError:
            return  # an engine that is gone is met again by whoever needs it next


def last_event(ran: Ran, kind: str) -> dict[str, Json]:
    """The last event of a type in a program's output; empty when there is none."""
    return next((e for e in reversed(words_of(ran.output)) if e.get("type") == kind), {})


ENDS = ("result", "error", "turn.failed")
"""Types of the events in which agents' programs say to people how it ended."""
_SAYING = ("result", "message", "error", "errors", "data")
"""Where in such an event the words are, the best first; all but the first two hold more fields."""


def end_text(ran: Ran) -> str:
    """What the last event of an end that has words says to people; empty where there is none."""
    events = reversed(words_of(ran.output))
    return next((text for e in events if e.get("type") in ENDS and (text := _words_in(e))), "")


def _words_in(said: Json) -> str:
    if isinstance(said, str):
        return said.strip()
    if isinstance(said, list):
        return "; ".join(filter(None, map(_words_in, said)))
    return next((text for name in _SAYING if (text := _words_in(said.get(name)))), "") if isinstance(said, dict) else ""


def words_of(events: bytes) -> list[dict[str, Json]]:
    """The JSON objects of a program's output, line by line; other lines are left out."""
    import msgspec

    found = []
    for line in events.splitlines():
        if line.startswith(b"{"):
            with contextlib.suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(line))
    return [one for one in found if isinstance(one, dict)]
