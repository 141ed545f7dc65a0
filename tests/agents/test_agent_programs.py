"""An agent's program in a real box: looked at before, ended by INT and KILL, and nothing of it runs afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from harness.api import Box, MissingRequirement, SandboxSpec
from harness.harnesses._cli_box import STATE, Invocation, Program, Ran, lay_down, look_around
from harness.sandboxes.docker import Docker

pytestmark = pytest.mark.docker

POLITE = """
trap 'echo "{\\"type\\": \\"result\\", \\"interrupted\\": true}"; exit 3' INT
echo '{"type": "init"}'
while :; do sleep 0.1; done
"""
STUBBORN = "trap '' INT TERM; echo started; while :; do sleep 0.1; done"
DAEMON = "(trap '' INT HUP TERM; setsid sh -c 'trap \"\" INT HUP; while :; do sleep 1; done' &) ; echo forked"


def in_box(body: Callable[[Box], Awaitable[None]], spec: SandboxSpec | None = None) -> None:
    async def whole() -> None:
        sandbox = Docker()
        try:
            async with asyncio.timeout(120), sandbox.open(spec or SandboxSpec()) as box:
                await body(box)
        finally:
            await sandbox.aclose()

    asyncio.run(whole())


def script(text: str) -> Invocation:
    return Invocation(["/bin/sh", "-c", text], {})


def never() -> bool:
    return False


async def ticks(until: Callable[[], bool]) -> AsyncIterator[None]:
    for _ in range(1000):
        if until():
            return
        await asyncio.sleep(0.02)
        yield


def test_a_program_that_ends_by_itself_is_read_whole() -> None:
    async def body(box: Box) -> None:
        await look_around(box, (), "it")
        how = Invocation(["/bin/sh", "-c", "cat; echo problem >&2; exit 4"], {}, b"x" * 300_000)
        ran = await Program(box, 2, 60).run(how, never)
        assert (ran.exit_code, ran.stopped, ran.killed) == (4, "", False)
        assert bytes(ran.output) == b"x" * 300_000
        assert ran.stderr == "problem"

    in_box(body)


def test_a_limit_gives_the_program_time_to_say_what_it_knows() -> None:
    async def body(box: Box) -> None:
        await look_around(box, (), "it")
        program = Program(box, 3, 60)
        ran = await program.run(script(POLITE), lambda: b"init" in program.ran.output)
        assert (ran.stopped, ran.killed) == ("limit", False)
        assert b'"interrupted": true' in ran.output

    in_box(body)


def test_a_program_that_does_not_listen_is_killed() -> None:
    async def body(box: Box) -> None:
        await look_around(box, (), "it")
        program = Program(box, 0.5, 60)
        ran = await program.run(script(STUBBORN), lambda: b"started" in program.ran.output)
        assert (ran.stopped, ran.killed) == ("limit", True)
        assert not await box.processes()

    in_box(body)


def test_the_end_of_time_gives_it_time_too() -> None:
    async def body(box: Box) -> None:
        await look_around(box, (), "it")
        program = Program(box, 3, 60)
        running = asyncio.create_task(program.run(script(POLITE), never))
        async for _ in ticks(lambda: b"init" in program.ran.output):
            pass
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert program.ran.stopped == "time"
        assert b'"interrupted": true' in program.ran.output
        assert not await box.processes()

    in_box(body)


def test_daemons_of_a_program_are_gone_and_told() -> None:
    async def body(box: Box) -> None:
        await look_around(box, (), "it")
        ran: Ran = await Program(box, 1, 60).run(script(DAEMON), never)
        assert ran.exit_code == 0
        assert any("while :" in command for command in ran.left)
        assert not await box.processes()

    in_box(body)


def test_what_the_task_asked_to_serve_lives_on() -> None:
    async def body(box: Box) -> None:
        await look_around(box, (), "it")
        ran = await Program(box, 1, 60, keep_left=True).run(script(DAEMON), never)
        assert ran.left
        assert any("while :" in p["command"] for p in await box.processes())

    in_box(body)


def test_an_image_says_what_it_lacks() -> None:
    async def body(box: Box) -> None:
        needs = ("bash", "git", "glibc>=99.1", "python3.5", "libstdc++")
        with pytest.raises(
            MissingRequirement, match=r"lacks what it@1 needs: .*glibc 99\.1 \(it has 2\.36\)"
        ) as raised:
            await look_around(box, needs, "it@1")
        assert "Python 3.5 (it has 3.11)" in str(raised.value)
        assert "bash" not in str(raised.value)

    in_box(body)


def test_a_home_that_cannot_be_written_is_replaced() -> None:
    async def body(box: Box) -> None:
        around = await look_around(box, ("git",), "it")
        assert around.home == f"{STATE}/home"
        await lay_down(box, {f"{STATE}/deep/config.toml": "a = 1\n"})
        read = await box.exec(["cat", f"{STATE}/deep/config.toml"])
        assert read.stdout == b"a = 1\n"

    in_box(body, SandboxSpec(user="12345", workdir="/tmp"))


def test_a_program_that_is_not_there_is_no_answer() -> None:
    async def body(box: Box) -> None:
        await look_around(box, (), "it")
        ran = await Program(box, 1, 60).run(Invocation(["/opt/agent/absent"], {}), never)
        assert ran.exit_code == 127
        assert "not found" in ran.stderr

    in_box(body)
