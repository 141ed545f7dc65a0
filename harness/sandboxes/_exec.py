"""One command in a box, from its start to its true end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from time import monotonic
from typing import Literal

from harness.api import SandboxError
from harness.sandboxes._engine import Engine, NotThere
from harness.sandboxes._kill import MARK, kill_tree, restart
from harness.sandboxes._output import Kept, pump
from harness.sandboxes._settle import settled
from harness.sandboxes._watch import Watch

FIRST_LOOK_S = 0.1
LAST_LOOK_S = 2.0
QUIET_S = 0.5
LATE_S = 10.0
"""A command that ended is read until its output is closed, nothing came for QUIET_S, or LATE_S are over: what it left
running may hold its output open, and on a busy machine its own last words are under way for long."""
DRAIN_S = 2.0
NOT_FOUND, KILLED = 127, 137

Ended = Literal["", "timed_out", "disk_full"]


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, as whom, where and for how long. An empty `workdir` is the image's."""

    argv: Sequence[str]
    timeout_s: float
    output_bytes: int
    user: str = ""
    workdir: str = ""
    env: Mapping[str, str] | None = None
    stdin: bytes = b""
    on_output: Callable[[bytes], None] | None = None


@dataclass(slots=True)
class Finished:
    """The contract `Completed`. `pids_full`: one more process was refused, where the host shows that."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
    timed_out: bool = False
    truncated: bool = False
    oom_killed: bool = False
    disk_full: bool = False
    pids_full: bool = False


async def run(engine: Engine, container: str, command: Command, watch: Watch) -> Finished:
    """Run a command. On timeout, full disk or cancel its processes are killed first. Raises SandboxError."""
    mark = token_hex(8)
    exec_id = await engine.call(_create, engine, container, command, mark)
    kept = Kept(command.output_bytes, command.on_output)
    try:
        stream = await engine.hijack(f"/exec/{exec_id}/start", {"Detach": False, "Tty": False})
    except SandboxError as e:
        return _not_started(str(e)) if "OCI runtime exec failed" in str(e) else _raise(e)
    reading = asyncio.create_task(pump(stream, command.stdin, kept))
    try:
        ended, code = await _until_the_end(engine, exec_id, reading, command.timeout_s, watch, fed=bool(command.stdin))
        if not ended:
            await _read_late(reading, kept)
        if ended == "timed_out":
            await kill_tree(engine, container, exec_id, mark, command.user)
        elif ended == "disk_full":
            await restart(engine, container)
        if ended:
            await asyncio.wait({reading}, timeout=DRAIN_S)
    except asyncio.CancelledError:
        killing = asyncio.ensure_future(kill_tree(engine, container, exec_id, mark, command.user))
        await asyncio.gather(settled(killing), return_exceptions=True)
        raise
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        stream.writer.close()
    if code is None:
        code = await _code_after_the_end(engine, exec_id)
    finished = _finished(code, kept, ended)
    finished.oom_killed = await watch.oom_killed(finished.exit_code)
    finished.pids_full = watch.pids_full()
    finished.disk_full = finished.disk_full or await watch.disk_full(between=True)
    return finished


def _raise(error: SandboxError) -> Finished:
    raise error


def _create(engine: Engine, container: str, command: Command, mark: str) -> str:
    made = engine.api.exec_create(
        container,
        list(command.argv),
        stdin=bool(command.stdin),
        user=command.user,
        workdir=command.workdir or None,
        environment={**(command.env or {}), MARK: mark},
    )
    return str(made["Id"])


async def _until_the_end(
    engine: Engine, exec_id: str, reading: asyncio.Task[None], timeout_s: float, watch: Watch, *, fed: bool
) -> tuple[Ended, int | None]:
    """Wait until the command ended, not merely its output, nor whatever it left running with its output open.

    How it was ended, and its exit code where it ended by itself. `fed`: it was given input.
    """
    until, look = monotonic() + timeout_s, FIRST_LOOK_S
    after_output = 0.001
    while (left := until - monotonic()) > 0:
        if reading.done():
            if (error := reading.exception()) is not None and not (
                fed
                and isinstance(error, ConnectionResetError | BrokenPipeError)
                and await _exit_code(engine, exec_id) is not None
            ):  # Podman hangs up on input that a command which ended did not read
                raise SandboxError("engine", f"the command's output broke off: {error}") from error
            if (code := await _exit_code(engine, exec_id)) is not None:
                return "", code
            await asyncio.sleep(min(left, after_output))
            after_output = min(after_output * 2, FIRST_LOOK_S)
            continue
        await asyncio.wait({reading}, timeout=min(left, look))
        if reading.done():
            continue
        if (code := await _exit_code(engine, exec_id)) is not None:
            return "", code
        if await watch.disk_full():
            return "disk_full", None
        look = min(look * 2, LAST_LOOK_S)
    return "timed_out", None


async def _read_late(reading: asyncio.Task[None], kept: Kept) -> None:
    """Take what a command that ended had written, and not all that something it left running goes on to write."""
    until, before = monotonic() + LATE_S, -1
    while not reading.done() and kept.total != before and monotonic() < until:
        before = kept.total
        await asyncio.wait({reading}, timeout=QUIET_S)


async def _code_after_the_end(engine: Engine, exec_id: str) -> int:
    """The exit code of a command that was killed; Podman forgets those of a box that was restarted."""
    try:
        return int((await engine.call(engine.api.exec_inspect, exec_id))["ExitCode"] or KILLED)
    except NotThere:
        return KILLED


async def _exit_code(engine: Engine, exec_id: str) -> int | None:
    """The command's exit code; None while it runs."""
    state = await engine.call(engine.api.exec_inspect, exec_id)
    return None if state["Running"] or state["ExitCode"] is None else int(state["ExitCode"])


def _finished(exit_code: int | None, kept: Kept, ended: Ended) -> Finished:
    stdout, stderr = kept.stream(False), kept.stream(True)
    code = -1 if exit_code is None else exit_code
    if code in (126, 127, 128) and stdout.startswith(b"OCI runtime exec failed"):
        return _not_started(stdout.decode("utf-8", "replace"), code)
    return Finished(code, stdout, stderr, ended == "timed_out", kept.truncated, disk_full=ended == "disk_full")


def _not_started(message: str, code: int = 126) -> Finished:
    """The engine could not start the program: 127 when there is none, as in a shell."""
    absent = "executable file not found" in message or "no such file or directory" in message
    return Finished(NOT_FOUND if absent else code, b"", message.strip().encode() + b"\n")
