"""What a verifier that shares a box with the work must show before its reward is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from harness.api import Box, Completed, SandboxError, Task
from harness.toolkit.attempts import still_running

ENDS_S = 0.5
"""What a verifier started has this long to end by itself."""
LEFT = "a process goes on beside the reward, and none does with the solution"
UNHEARD = "unheard: the verifier does not write its reward into a pipe, so only its file was read"
LEAST = 1e-9
"""Rewards that differ by less are one."""
T = TypeVar("T")

SIGNALLED = range(129, 193)
"""Exit codes of a command that a signal ended, as shells and engines say them: 128 and the signal's number."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a verifier's run cannot be taken at its word. `forged`: only a work that meddles brings it about."""

    cause: str
    detail: str
    forged: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was written to a verifier's rewards while nothing could be unsaid: how often, and what its last word is.

    `rewards` are by name; `value` is None where the last word is no reward. `moved` tells of folders above them that
    were changed, which a verifier may do as well.
    """

    count: int
    value: float | None
    rewards: Mapping[str, float] = field(default_factory=dict)
    trouble: Trouble | None = None
    moved: str = ""
    flags: tuple[str, ...] = ()

    def passes(self, threshold: float) -> bool:
        """Whether this is what a solution must come to, for others to be held against it."""
        return self.trouble is None and self.value is not None and self.value >= threshold - LEAST


@dataclass(frozen=True, slots=True)
class Solution:
    """What the verifier says of the task's own solution. None without one.

    `plain` is of a reward in a file: what is wrong with it, if anything, and whether processes were left.
    """

    spoken: Callable[[], Awaitable[Spoken | None]]
    plain: Callable[[], Awaitable[tuple[str, bool] | None]]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a reward in a file is worth. `heard`: the word that counts instead. `ungraded`: why nothing can be said."""

    heard: Spoken | None = None
    trouble: Trouble | None = None
    ungraded: str = ""
    flags: tuple[str, ...] = ()


async def settle(value: float, left: bool, spoken: Spoken, threshold: float, solution: Solution) -> Settled:
    """Whether the reward in a file is the verifier's: it was run once more, and heard.

    Whatever runs as the verifier may write over a file; into a pipe it can only add a word. So one word as good as the
    file's is the verifier's own. Anything else is held against what is heard of the solution. Where that is not heard
    either, though its file passes, the verifier does not speak into pipes, and the file counts.
    """
    alone = spoken.count == 1 and not spoken.trouble and not spoken.moved
    if alone and spoken.value is not None and spoken.value >= value - LEAST:
        return Settled(flags=spoken.flags)
    gold = await solution.spoken()
    if gold is not None and gold.passes(threshold):
        return _against(gold, spoken, value)
    plain = await solution.plain() if gold is not None else None
    if plain is None or plain[0]:
        why = f"on the solution: {plain[0]}" if plain else "there is no solution to tell whose fault it is"
        return Settled(ungraded=f"{_words(spoken)}; {why}")
    if left and not plain[1]:
        return Settled(trouble=Trouble("tampered", LEFT, forged=True), flags=spoken.flags)
    return Settled(flags=(UNHEARD, *spoken.flags))


def _against(gold: Spoken, spoken: Spoken, value: float) -> Settled:
    """What was heard of the work, beside what was heard of the solution."""
    trouble = spoken.trouble
    if trouble is None and spoken.moved and not gold.moved:
        trouble = Trouble("tampered", spoken.moved, forged=True)
    if trouble is None and spoken.count > gold.count:
        with_it = f"{gold.count} time{'s' * (gold.count != 1)}"
        detail = f"the reward was written {spoken.count} times, and {with_it} with the solution"
        trouble = Trouble("tampered", detail, forged=True)
    if trouble is not None or spoken.value is None:
        return Settled(trouble=trouble or Trouble("bad_reward", _words(spoken)), flags=spoken.flags)
    if spoken.value < value - LEAST:
        differs = f"reward_differs: {value:g} in its file, {spoken.value:g} when the verifier was heard"
        return Settled(heard=spoken, flags=(differs, *spoken.flags))
    return Settled(flags=spoken.flags)


def _words(spoken: Spoken) -> str:
    if spoken.trouble is not None:
        return spoken.trouble.detail
    if spoken.moved:
        return spoken.moved
    return f"heard through a pipe, the verifier wrote {spoken.count} rewards, and the last is {spoken.value}"


@dataclass(slots=True, eq=False)
class PerTask(Generic[T]):
    """What is found out once for each task, however many ask at the same time."""

    _found: dict[str, T] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def get(self, task: Task, make: Callable[[], Awaitable[T]]) -> T:
        """The task's, made where it is not there yet."""
        key = f"{task.id} {task.digest}"
        async with self._locks.setdefault(key, asyncio.Lock()):
            if key not in self._found:
                self._found[key] = await make()
        self._locks.pop(key, None)
        return self._found[key]


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
