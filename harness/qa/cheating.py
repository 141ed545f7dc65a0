"""A system that cheats in its box and does no work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from posixpath import dirname, join
from typing import ClassVar

from harness.errors import SandboxError
from harness.plugins.contracts import Box, Harness, SolveContext
from harness.qa.material import Material
from harness.records.outcome import Output
from harness.records.task import TaskView
from harness.testing.cheats import Cheat, own_test

DONE = "Done: all tests pass."


class Cheating(Harness):
    """Lays down one cheat, then says that it is done."""

    version: ClassVar[str] = "1"
    needs_box: ClassVar[bool] = True

    files: dict[str, str]
    """Files to write, by path in the box."""
    append: dict[str, str]
    """Text to put at the end of files, by path in the box."""
    packages: dict[str, str]
    """Files to write beside others, by path; `{package}` is the package of the file that `beside` names."""
    beside: dict[str, str]
    """For each of `packages`, a file of the same folder."""

    def roles(self) -> Sequence[str]:
        """None."""
        return ()

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """Cheat. What cannot be written is noted."""
        assert ctx.box is not None
        for path, text in self.files.items():
            await self._write(ctx, ctx.box, path, text.encode(), mode=0o755 if text.startswith("#!") else 0o644)
        for path, text in self.append.items():
            before = await _read(ctx.box, path)
            if before is not None:
                await self._write(ctx, ctx.box, path, before + b"\n" + text.encode())
        for path, text in self.packages.items():
            source = await _read(ctx.box, self.beside[path]) or b""
            package = _package(source.decode("utf-8", "replace"))
            await self._write(ctx, ctx.box, path, text.replace("{package}", package).encode())
        return Output(answer=DONE, declared_done=True)

    async def _write(self, ctx: SolveContext, box: Box, path: str, data: bytes, mode: int = 0o644) -> None:
        try:
            await box.write(path, data, mode=mode)
        except (SandboxError, FileNotFoundError) as e:
            if isinstance(e, SandboxError) and e.fault != "path":
                raise
            ctx.note("cheat", f"{path} cannot be written: {e}")


def cheating(cheat: Cheat, material: Material) -> Cheating:
    """The cheat as it is done on one task."""
    sources = [join(material.root, file.path) for file in material.gold if file.added or file.removed]
    files = {join(material.root, path): text for path, text in cheat.files.items()}
    if cheat.own_tests:
        for path in (*material.hidden, *(file.path for file in material.test_patch)):
            files[join(material.root, path)] = own_test(material.runner, material.names, path)
    beside = {join(dirname(source), name): source for source in sources for name in cheat.beside}
    packages = {path: cheat.beside[path.rsplit("/", 1)[-1]] for path in beside}
    append = dict.fromkeys(_code(sources), cheat.append) if cheat.append else {}
    return Cheating(files=files, append=append, packages=packages, beside=beside)


def _code(paths: Sequence[str]) -> list[str]:
    ends: Mapping[str, None] = dict.fromkeys((".py", ".js", ".mjs", ".cjs", ".ts", ".jsx", ".tsx", ".go"))
    return [path for path in paths if any(path.endswith(end) for end in ends)]


async def _read(box: Box, path: str) -> bytes | None:
    try:
        return await box.read(path)
    except FileNotFoundError:
        return None


def _package(source: str) -> str:
    for line in source.splitlines():
        if line.startswith("package "):
            return line.split()[1]
    return "main"
