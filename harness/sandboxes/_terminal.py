"""A command in a box at somebody's terminal: keys go in, what it shows comes out, the size follows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from secrets import token_hex

from harness.api import SandboxError
from harness.plugins.boxes import Screen
from harness.sandboxes._engine import Engine, Hijacked
from harness.sandboxes._kill import MARK, kill_tree
from harness.sandboxes._settle import settled

PIECE = 64 * 1024


async def at_terminal(
    engine: Engine,
    container: str,
    argv: Sequence[str],
    screen: Screen,
    *,
    env: Mapping[str, str],
    user: str,
    workdir: str,
) -> int:
    """Run to the end; the exit code. On cancel everything it started is killed first. Raises SandboxError."""
    mark = token_hex(8)
    made = await engine.call(
        engine.api.exec_create,
        container,
        list(argv),
        stdin=True,
        tty=True,
        user=user,
        workdir=workdir or None,
        environment={**env, MARK: mark},
    )
    exec_id = str(made["Id"])
    stream = await engine.hijack(f"/exec/{exec_id}/start", {"Detach": False, "Tty": True})
    tasks = [
        asyncio.create_task(_show(stream, screen)),
        asyncio.create_task(_type(stream, screen)),
        asyncio.create_task(_follow(engine, exec_id, screen)),
    ]
    try:
        await tasks[0]
    except OSError as e:
        raise SandboxError("engine", f"the terminal's connection broke off: {e}") from e
    except asyncio.CancelledError:
        killing = asyncio.ensure_future(kill_tree(engine, container, exec_id, mark, user))
        await asyncio.gather(settled(killing), return_exceptions=True)
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stream.writer.close()
    return await _exit_code(engine, exec_id)


async def _show(stream: Hijacked, screen: Screen) -> None:
    while data := await stream.reader.read(PIECE):
        screen.show(data)


async def _type(stream: Hijacked, screen: Screen) -> None:
    while data := await screen.keys():
        stream.writer.write(data)
        await stream.writer.drain()


async def _follow(engine: Engine, exec_id: str, screen: Screen) -> None:
    """Give the command the size of the screen, now and whenever that changes."""
    while True:
        columns, rows = screen.size()
        await engine.call(engine.api.exec_resize, exec_id, height=rows, width=columns)
        await screen.resized()


async def _exit_code(engine: Engine, exec_id: str) -> int:
    for _ in range(100):
        state = await engine.call(engine.api.exec_inspect, exec_id)
        if not state["Running"] and state["ExitCode"] is not None:
            return int(state["ExitCode"])
        await asyncio.sleep(0.02)
    raise SandboxError("engine", "the shell's terminal ended and the shell did not")
