"""What a verifier that shares a box with the work must show before its reward is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from harness.api import Box, Completed, SandboxError
from harness.toolkit.attempts import still_running

ENDS_S = 0.5
"""What a verifier started has this long to end by itself."""
LEFT = "a process goes on beside the reward, and none does with the solution"

SIGNALLED = range(129, 193)
"""Exit codes of a command that a signal ended, as shells and engines say them: 128 and the signal's number."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a verifier's run cannot be taken at its word. `forged`: only a work that meddles brings it about."""

    cause: str
    detail: str
    forged: bool = False


def killed(done: Completed) -> Trouble | None:
    """A verifier that a signal ended did not write its last word itself: a program of the work may have."""
    if done.exit_code not in SIGNALLED:
        return None
    signal = done.exit_code - 128
    return Trouble("tampered", f"the verifier was ended by signal {signal} and there is a reward", forged=True)


async def goes_on(box: Box) -> tuple[str, ...]:
    """The flag of processes that go on after a verifier: of its user, so any of them may write the reward again."""
    if not await still_running(box):
        return ()
    await asyncio.sleep(ENDS_S)
    return await still_running(box)


async def rewritten(box: Box, files: Mapping[str, bytes]) -> Trouble | None:
    """Files of the verifier, by their paths in a stopped box, that are not what was laid down. Raises SandboxError."""
    for path, data in files.items():
        if not await _is_still(box, path, data):
            return Trouble("tampered", f"the verifier's file {path} is not what was laid down", forged=True)
    return None


async def _is_still(box: Box, path: str, data: bytes) -> bool:
    try:
        return await box.read(path, max_bytes=len(data) + 1) == data
    except FileNotFoundError:
        return False
    except SandboxError as e:
        if e.fault not in ("path", "too_big"):
            raise
        return False
