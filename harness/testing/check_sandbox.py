"""The contract suite of sandboxes: what a box must do, and what nothing in it may do.

    assert not failed(await check_sandbox(Docker, workspace))

It opens real boxes of the sandbox's default image, in which it needs a shell, coreutils and python3.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex

import msgspec

from harness.errors import MissingRequirement, SandboxError
from harness.plugins.contracts import Box, Completed, Purpose, Sandbox
from harness.records.task import SandboxSpec
from harness.testing import sandbox_attacks as attacks
from harness.testing import sandbox_basics as basics
from harness.testing.checks import Finding, check_class, failed
from harness.testing.sandbox_attacks import ALIVE

SPEC = SandboxSpec(memory=128 * 1024**2, pids=64, disk=64 * 1024**2, output_bytes=64 * 1024, command_timeout_s=60)
"""Small limits, so that reaching them is quick."""
PARALLEL = 2
DIGEST = re.compile("sha256:[0-9a-f]{64}")

NOT_HELD = "an open box is not in what the sandbox says it holds"

Check = Callable[[Box], Awaitable[str]]


async def check_sandbox(cls: type[Sandbox], workspace: Path, spec: SandboxSpec = SPEC) -> list[Finding]:
    """All findings. Where there is no engine the only finding after the class says so, and is not ok."""
    findings = check_class(cls, workspace)
    if failed(findings):
        return findings
    sandbox = cls.model_validate(dict(cls.example))
    try:
        return [*findings, *await check_open_sandbox(sandbox, workspace, spec)]
    finally:
        await sandbox.aclose()


async def check_open_sandbox(sandbox: Sandbox, workspace: Path, spec: SandboxSpec = SPEC) -> list[Finding]:
    """The findings of a sandbox made with the caller's own parameters, which the caller closes."""
    if absent := await sandbox.available():
        return [Finding("boxes can be opened", False, absent)]
    await sandbox.warm([spec], workspace)
    places = asyncio.Semaphore(PARALLEL)
    maker = Maker(sandbox, spec, Purpose("contract-suite", "checks", workspace))
    checks = [_in_one_box(maker, basics.CHECKS), *(_in_own_box(maker, n, c) for n, c in attacks.CHECKS.items())]
    checks += [_named(maker, name, check) for name, check in WHOLE.items()]

    async def one(check: Awaitable[list[Finding]]) -> list[Finding]:
        async with places:
            return await check

    found = await asyncio.gather(*(one(check) for check in checks))
    return [finding for group in found for finding in group]


@dataclass(frozen=True, slots=True)
class Maker:
    """Opens boxes of one kind."""

    sandbox: Sandbox
    spec: SandboxSpec
    purpose: Purpose

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Box]:
        """A box."""
        async with self.sandbox.open(self.spec, self.purpose) as box:
            yield box

    async def names(self) -> set[str]:
        """What this suite holds on the engine now."""
        return {h.name for h in await self.sandbox.held() if h.run == self.purpose.run}


async def _in_one_box(maker: Maker, checks: dict[str, Check]) -> list[Finding]:
    """Checks that leave a box as they found it."""
    try:
        async with maker.open() as box:
            return [Finding("a box opens", True), *[await _finding(n, c(box)) for n, c in checks.items()]]
    except (SandboxError, MissingRequirement) as e:
        return [Finding("a box opens", False, str(e))]


async def _in_own_box(maker: Maker, name: str, check: Check) -> list[Finding]:
    async def opened() -> str:
        async with maker.open() as box:
            return await check(box)

    return [await _finding(name, opened())]


async def _named(maker: Maker, name: str, check: Callable[[Maker], Awaitable[str]]) -> list[Finding]:
    """A check whose boxes carry a run of their own, so that it can count them."""
    own = replace(maker, purpose=replace(maker.purpose, run=f"{maker.purpose.run}-{token_hex(4)}"))
    return [await _finding(name, check(own))]


async def _finding(name: str, outcome: Awaitable[str]) -> Finding:
    try:
        why = await outcome
    except Exception as e:  # noqa: BLE001 - the plugin's code runs in here: whatever it raises is its finding
        why = f"{type(e).__name__}: {e}"
    return Finding(name, not why, why)


async def _boxes_apart(maker: Maker) -> str:
    async with maker.open() as one, maker.open() as other:
        await one.write("mine.txt", b"1")
        await one.exec(["sh", "-c", "sleep 40 >/dev/null 2>&1 &"])
        try:
            await other.read("mine.txt")
        except FileNotFoundError:
            pass
        else:
            return "a file of one box is in the other"
        mine, others = [(await box.exec(["sh", "-c", ALIVE])).stdout for box in (one, other)]
        if b"sleep 40" not in mine:
            return "a background process ended with its command"
        return "a process of one box is seen in the other" if b"sleep 40" in others else ""


async def _gone_after_exit(maker: Maker) -> str:
    async with maker.open():
        inside = await maker.names()
    return await _gone(maker) if inside else NOT_HELD


async def _gone_after_failure(maker: Maker) -> str:
    inside: set[str] = set()
    try:
        async with maker.open():
            inside = await maker.names()
            raise ZeroDivisionError
    except ZeroDivisionError:
        return await _gone(maker) if inside else NOT_HELD


async def _gone_after_cancel(maker: Maker) -> str:
    """Cancelled at many moments of opening and while a command runs."""

    async def live() -> None:
        async with maker.open() as box:
            await box.exec(["sleep", "30"])

    for delay in (0.0, 0.02, 0.1, 0.3, 0.8):
        task = asyncio.create_task(live())
        await asyncio.sleep(delay)
        task.cancel()
        done = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(done[0], asyncio.CancelledError):
            return f"cancelled after {delay} s it ended with {done[0]!r}"
        if left := await _gone(maker):
            return f"cancelled after {delay} s: {left}"
    return ""


async def _gone(maker: Maker) -> str:
    left = await maker.names()
    return f"still there: {', '.join(sorted(left))}" if left else ""


async def _ends_with_its_box(maker: Maker) -> str:
    async with maker.open() as box:
        pass
    try:
        done: Completed = await box.exec(["true"], timeout_s=5)
    except SandboxError:
        return ""
    return f"a closed box still runs commands: {done.exit_code}"


async def _same_image(maker: Maker) -> str:
    async with maker.open() as one, maker.open() as other:
        digest = one.image_digest
    if not DIGEST.fullmatch(digest):
        return f"the image's digest is {digest!r}, not sha256: and 64 hexadecimal digits"
    return "" if digest == other.image_digest else "two boxes of one spec have two images"


async def _faulty_spec(maker: Maker) -> str:
    try:
        async with maker.sandbox.open(SandboxSpec(image="no/such-image-here:0"), maker.purpose):
            return "a box of an image that is not there opens"
    except SandboxError as e:
        return "" if "no/such-image-here" in str(e) else f"the error does not name the image: {e}"


async def _switches_user(maker: Maker) -> str:
    """With `switch_user` root becomes another user, who cannot come back; without it root cannot."""
    become = "import os; os.setgroups([]); os.setgid(7); os.setuid(7); print(os.getuid())"
    back = f"{become[: become.index('; print')]}; os.setuid(0)"
    said: list[tuple[int, bytes]] = []
    for switch in (True, False):
        spec = msgspec.structs.replace(maker.spec, switch_user=switch)
        async with maker.sandbox.open(spec, maker.purpose) as box:
            for code in (become, back):
                done = await box.exec(["python3", "-c", code], user="0")
                said.append((min(done.exit_code, 1), done.stdout.strip()))
    wanted = [(0, b"7"), (1, b""), (1, b""), (1, b"")]
    return "" if said == wanted else f"root becomes another user, and comes back: {said}, not {wanted}"


WHOLE: dict[str, Callable[[Maker], Awaitable[str]]] = {
    "two boxes share nothing": _boxes_apart,
    "a box is gone after its end": _gone_after_exit,
    "a box is gone after a failure": _gone_after_failure,
    "a box is gone after a cancel at any moment": _gone_after_cancel,
    "a closed box runs nothing": _ends_with_its_box,
    "the image is named by its digest": _same_image,
    "root becomes another user only where the spec says so": _switches_user,
    "an image that is not there is a SandboxError with its name": _faulty_spec,
}
