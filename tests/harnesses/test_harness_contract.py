"""Every installed harness keeps the contract, and the suite finds each way to break it."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from harness.api import Harness, LimitReached, ModelError, Output, Request, SolveContext, TaskView, user
from harness.plugins.loader import installed, load
from harness.testing.check_harness import check_harness
from harness.testing.checks import failed


@pytest.mark.parametrize("name", installed("harness"))
def test_every_installed_harness_keeps_the_contract(name: str, tmp_path: Path) -> None:
    cls = cast("type[Harness]", load("harness", name, tmp_path))
    findings = check_harness(cls, tmp_path)
    assert failed(findings) == []
    assert len(findings) >= (7 if cls.attended else 14)


class Good(Harness):
    """Asks once."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        return Output(answer=(await self._ask(task, ctx)))

    async def _ask(self, task: TaskView, ctx: SolveContext) -> str:
        parts = (task.prompt,) if isinstance(task.prompt, str) else task.prompt
        return (await ctx.models["main"].generate(Request((user(*parts),), label="solve"))).text


class Swallows(Good):
    """Makes up an answer when the model fails."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        try:
            return Output(answer=await self._ask(task, ctx))
        except ModelError:
            return Output(answer="sorry")


class IgnoresLimits(Good):
    """Goes on when a limit is reached."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        try:
            return Output(answer=await self._ask(task, ctx))
        except LimitReached:
            return Output()


class IgnoresCancel(Good):
    """Cannot be stopped."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        try:
            return Output(answer=await self._ask(task, ctx))
        except asyncio.CancelledError:
            return Output()


class Peeks(Good):
    """Answers with the reference."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        return Output(answer=str(ctx.reference))


class Looks(Good):
    """Only looks at the reference."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        return Output(answer=str(len(str(ctx.reference)) > 0))


class Shares(Good):
    """Keeps the task in hand on the class."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        _SHARED["task"] = task
        await asyncio.sleep(0)
        return Output(answer=await self._ask(_SHARED["task"], ctx))


_SHARED: dict[str, TaskView] = {}
_COUNTER = count()


class Varies(Good):
    """Never says the same twice."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        return Output(answer=str(next(_COUNTER)))


class Varies2(Good):
    """Says the same by other calls."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        await ctx.models["main"].generate(Request((user(str(next(_COUNTER))),)))
        return Output(answer="x")


class OtherRole(Good):
    """Asks a role it does not name."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        await ctx.models["critic"].generate(Request((user("x"),)))
        return Output()


class Writes(Good):
    """Leaves a file in the workspace."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        (ctx.workspace / "notes.txt").write_text(f"{next(_COUNTER)}")
        return Output()


_LEFT: set[Any] = set()


class Leaves(Good):
    """Leaves a task running."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        _LEFT.add(asyncio.create_task(asyncio.sleep(60), name="left behind"))
        return Output()


class ReturnsText(Good):
    """Returns text."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        return cast("Output", "14 days")


class Overconfident(Good):
    """Says 80 for 80 %."""

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        return Output(answer="x", confidence=80.0)


class Undocumented(Good):
    """Has a field without a word about it."""

    depth: int = 3


def test_a_good_harness_passes(tmp_path: Path) -> None:
    assert failed(check_harness(Good, tmp_path)) == []


@pytest.mark.parametrize(
    ("cls", "check"),
    [
        (Swallows, "lets a failed model call through"),
        (IgnoresLimits, "lets a limit through"),
        (IgnoresCancel, "lets cancellation through"),
        (Peeks, "does not see the reference"),
        (Looks, "does not see the reference"),
        (Shares, "concurrent solves keep apart"),
        (Varies, "a scripted model gives the same twice"),
        (Varies2, "a scripted model gives the same twice"),
        (OtherRole, "returns an output"),
        (Writes, "touches no file of the workspace"),
        (Leaves, "leaves nothing running"),
        (ReturnsText, "returns an output"),
        (Overconfident, "returns an output"),
        (Undocumented, "every field has a docstring"),
    ],
)
def test_each_breach_is_found(cls: type[Harness], check: str, tmp_path: Path) -> None:
    assert check in [f.check for f in failed(check_harness(cls, tmp_path))]
