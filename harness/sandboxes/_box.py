"""An open box."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import IO, Literal, TypeVar

from harness.api import SandboxError, SandboxSpec
from harness.plugins.boxes import MAX_READ_BYTES, Screen
from harness.sandboxes import _files as files
from harness.sandboxes._engine import Engine
from harness.sandboxes._exec import Command, Finished, run
from harness.sandboxes._terminal import at_terminal
from harness.sandboxes._watch import Watch

T = TypeVar("T")
KINDS: Sequence[Literal["modified", "added", "deleted"]] = ("modified", "added", "deleted")
"""What the engine's numbers 0, 1 and 2 of a change mean."""

PS = "-eo pid,ppid,user,args"
PS_FIELDS = ("pid", "ppid", "user", "command")
STAYS = "sleep 1000000"
"""What process 1 of a box waits for."""
STAY = ("/bin/sh", "-c", f"while :; do {STAYS} & wait; done")
"""Process 1 of a box. The kernel shields it from every signal sent inside the box, so `kill -9 -1` does not end the
box, and a waiting shell reaps the orphans it is given. docker-init would end with its child, which can be killed."""


class DockerBox:
    """One running container of a trial (the contract `Box`). `owner` is the uid and gid of written files."""

    __slots__ = (
        "_engine", "_owner", "_spec", "_stopped", "_user", "_watch", "_workdir", "container", "image_digest",
        "neighbours", "network", "service_images",
    )  # fmt: skip

    def __init__(
        self, engine: Engine, container_id: str, image_digest: str, spec: SandboxSpec, user: str, owner: tuple[int, int]
    ) -> None:
        """`spec.workdir` is resolved; `user` is who commands run as."""
        self.neighbours: Callable[..., Awaitable[Finished]] | None = None
        self.network = ""
        self.image_digest = image_digest
        self.service_images: dict[str, str] = {}
        self._engine = engine
        self.container = container_id
        self._spec = spec
        self._user = user
        self._owner = owner
        self._workdir = spec.workdir
        self._watch = Watch(engine, container_id, spec.disk)
        self._stopped = False

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
        """Run a command to its end."""
        if self._stopped:
            raise SandboxError("stopped", "the box was stopped: nothing runs in it any more")
        if not argv or isinstance(argv, str):
            raise ValueError("argv is a sequence of words, the program first")
        most = self._spec.command_timeout_s
        command = Command(
            argv=argv,
            timeout_s=most if timeout_s is None else min(timeout_s, most),
            output_bytes=self._spec.output_bytes,
            user=user or self._user,
            workdir=self._absolute(workdir),
            env=env,
            stdin=stdin,
            on_output=on_output,
        )
        return await run(self._engine, self.container, command, self._watch)

    async def terminal(
        self, argv: Sequence[str], screen: Screen, *, env: Mapping[str, str] | None = None, workdir: str = ""
    ) -> int:
        """Run a command at somebody's terminal."""
        if self._stopped:
            raise SandboxError("stopped", "the box was stopped: nothing runs in it any more")
        folder = self._absolute(workdir)
        return await at_terminal(
            self._engine, self.container, argv, screen, env=env or {}, user=self._user, workdir=folder
        )

    async def read(self, path: str, *, max_bytes: int = MAX_READ_BYTES) -> bytes:
        """A regular file's bytes."""
        return await self._engine.thread(
            lambda: files.read_file(self._engine, self.container, self._absolute(path), max_bytes)
        )

    async def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file as the box's user."""
        member = files.regular(mode, self._owner, time.time())
        await self._engine.thread(
            lambda: files.write_file(self._engine, self.container, self._absolute(path), member, data)
        )

    async def get_archive(
        self, path: str, *, max_bytes: int = MAX_READ_BYTES, keep: Callable[[str], bool] | None = None
    ) -> bytes:
        """A file or folder as a tar."""
        return await self._engine.thread(
            lambda: files.get_archive(self._engine, self.container, self._absolute(path), max_bytes, keep)
        )

    async def export(self, read: Callable[[IO[bytes]], T]) -> T:
        """What `read` makes of the whole file system as a tar stream."""
        return await self._engine.thread(lambda: files.export(self._engine, self.container, read))

    async def put_archive(self, path: str, archive: bytes) -> None:
        """Extract a tar into a folder."""
        await self._engine.thread(
            lambda: files.put_archive(self._engine, self.container, self._absolute(path), archive)
        )

    async def changes(self) -> Sequence[tuple[Literal["modified", "added", "deleted"], str]]:
        """Every path that differs from the image."""
        try:
            found = await self._engine.call(self._engine.api.diff, self.container)
        except SandboxError as e:
            if "file name too long" in str(e):
                raise SandboxError("path", "a path is longer than the engine can read") from e
            raise
        return [(KINDS[change["Kind"]], change["Path"]) for change in found or ()]

    async def processes(self) -> Sequence[Mapping[str, str]]:
        """What runs in the box, by the engine's word: pid, ppid, user, command. Pids are the host's."""
        if self._watch.alone():
            return []
        api = self._engine.api
        about = await self._engine.call(api.inspect_container, self.container)
        if not about["State"]["Running"]:
            return []
        own = str(about["State"]["Pid"])
        try:
            found = await self._engine.call(api.top, self.container, ps_args=PS)
        except SandboxError as e:  # Podman runs the image's own `ps`, and answers nothing where there is none
            raise SandboxError("engine", f"the engine does not say what runs in the box: {e}") from e
        rows = [dict(zip(PS_FIELDS, row, strict=False)) for row in found["Processes"] or ()]
        return [r for r in rows if r["pid"] != own and not (r["ppid"] == own and r["command"] == STAYS)]

    async def beside(
        self, argv: Sequence[str], *, image: str, timeout_s: float, stdin: bytes = b"", inside: bool = False
    ) -> Finished:
        """Run a command in a clean container next to the box."""
        if self.neighbours is None:
            raise SandboxError("engine", "this box has no neighbours")
        return await self.neighbours(argv, image=image, timeout_s=timeout_s, stdin=stdin, inside=inside)

    async def stop(self) -> None:
        """Kill everything in the box; its files stay."""
        self._stopped = True
        await self._engine.call(self._engine.api.stop, self.container, timeout=0)

    def _absolute(self, path: str) -> str:
        return str(PurePosixPath(self._workdir, path))
