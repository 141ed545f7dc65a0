"""A box that is a temporary folder of this machine, and agents at work in it by a script. Only for our own commands."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from harness.api import NO_PURPOSE, Box, Harness, Output, Purpose, Sandbox, SandboxSpec, TaskView
from harness.models.scripted import Scripted
from harness.testing.fakes import FakeBox, FakeContext, Finished, a_task


class FolderBox(FakeBox):
    """Real commands, without a container: the logic of the loop in milliseconds."""

    def __init__(self, root: Path, shells: Sequence[str] = ("bash", "sh")) -> None:
        super().__init__()
        self.root = root
        self.shells = shells

    async def exec(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        user: str = "",
        workdir: str = "",
        on_output: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """Run it in the folder."""
        self.commands.append(tuple(argv))
        if argv[0] not in self.shells:
            return Finished(127)
        try:
            done = await asyncio.to_thread(self._run_here, argv, timeout_s, stdin, env or {})
        except subprocess.TimeoutExpired as e:
            return Finished(137, e.stdout or b"", timed_out=True)
        except OSError as e:
            return Finished(126, str(e).encode())
        return Finished(done.returncode, done.stdout, done.stderr)

    def _run_here(
        self, argv: Sequence[str], timeout_s: float | None, stdin: bytes, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            argv, cwd=self.root, input=stdin, capture_output=True, timeout=timeout_s,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **env}, check=False,
        )  # fmt: skip

    async def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write below the folder, or at an absolute path."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(mode)


class Folders(Sandbox):
    """Boxes that are folders."""

    root: str

    def open(self, spec: SandboxSpec, purpose: Purpose = NO_PURPOSE) -> AbstractAsyncContextManager[Box]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Box]:
        yield FolderBox(Path(self.root))


def bash(*commands: str, text: str = "") -> dict[str, Any]:
    """A scripted reply that calls `bash`, once for each command."""
    return {"text": text, "tools": [{"name": "bash", "arguments": {"command": c}} for c in commands]}


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """A scripted reply with one call."""
    return {"tools": [{"name": tool, "arguments": arguments}]}


def work(
    harness: Harness, answers: object, root: Path, task: TaskView | None = None, box: Box | None = None
) -> tuple[Output, FakeContext]:
    """The harness at work by a script, in a folder (or `box`)."""
    folder = root / "box"
    folder.mkdir(exist_ok=True)
    client = Scripted.model_validate({"answers": answers}).open(root)
    ctx = FakeContext(root, client, box=box or FolderBox(folder))
    return asyncio.run(harness.solve(task or a_task("Do it."), ctx)), ctx


def told(ctx: FakeContext, call: int = -1) -> list[str]:
    """What the model was told in the last message of a call, part by part."""
    return [getattr(p, "content", "") or getattr(p, "text", "") for p in ctx.calls[call].request.messages[-1].parts]
