"""What an open sandbox is: the contract of boxes, beside the plugin kinds in `contracts.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol, TypeVar

T = TypeVar("T")


class Completed(Protocol):
    """A finished command.

    `exit_code` is the command's own, also after a kill (137). `timed_out`, `oom_killed` and `disk_full` say that a
    limit of the box ended it or one of its processes; `truncated` that the middle of its output was left out.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool
    truncated: bool
    oom_killed: bool
    disk_full: bool


MAX_READ_BYTES = 256 * 1024**2


class Screen(Protocol):
    """Somebody's terminal."""

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        ...

    def show(self, data: bytes) -> None:
        """Show what a program wrote."""
        ...

    async def keys(self) -> bytes:
        """What was typed; nothing when there is no more."""
        ...

    async def resized(self) -> None:
        """Return when the size has changed."""
        ...


class Box(Protocol):
    """An open sandbox. Paths are absolute, or relative to the box's working folder."""

    image_digest: str

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
    ) -> Completed:
        """Run a command to its end; on timeout or cancel its whole process tree is killed. Raises SandboxError.

        `timeout_s` is at most the spec's `command_timeout_s`, which is also the default. `on_output` is called with
        each piece of output as it comes, also with those that are not kept.
        """
        ...

    async def terminal(
        self, argv: Sequence[str], screen: Screen, *, env: Mapping[str, str] | None = None, workdir: str = ""
    ) -> int:
        """Run a command at somebody's terminal to its end; its exit code. When cancelled its whole tree is killed.

        Raises SandboxError.
        """
        ...

    async def read(self, path: str, *, max_bytes: int = MAX_READ_BYTES) -> bytes:
        """A regular file's bytes; also from a stopped box. Raises FileNotFoundError, SandboxError.

        Anything else at that path (a link, a folder, a pipe, a device) is refused, not followed.
        """
        ...

    async def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file, making its folders, owned by the box's user; also into a stopped box. Raises SandboxError."""
        ...

    async def get_archive(
        self, path: str, *, max_bytes: int = MAX_READ_BYTES, keep: Callable[[str], bool] | None = None
    ) -> bytes:
        """A file or folder as an uncompressed tar, named by the last part of `path`; also from a stopped box.

        `keep` is asked for each member by its name in the tar; what it refuses is left out and counts for nothing.
        Links are in it as links: extract it with a filter. Raises FileNotFoundError, SandboxError.
        """
        ...

    async def export(self, read: Callable[[IO[bytes]], T]) -> T:
        """What `read`, in a thread, makes of the whole file system as a tar stream; also of a stopped box."""
        ...

    async def put_archive(self, path: str, archive: bytes) -> None:
        """Extract a tar into a folder that is there, owners and modes as in the tar.

        Raises FileNotFoundError, SandboxError.
        """
        ...

    async def changes(self) -> Sequence[tuple[Literal["modified", "added", "deleted"], str]]:
        """Every path that differs from the image, folders too; also of a stopped box. Raises SandboxError."""
        ...

    async def processes(self) -> Sequence[Mapping[str, str]]:
        """What runs in the box, by the engine's word: `pid`, `ppid`, `user`, `command`. Raises SandboxError."""
        ...

    async def beside(
        self, argv: Sequence[str], *, image: str, timeout_s: float, stdin: bytes = b"", inside: bool = False
    ) -> Completed:
        """Run a command in a clean container of `image` next to the box, while that runs. Raises SandboxError.

        It has an address of its own on the box's network, where the box is called `box`. With `inside`, or when the
        box has no network, it shares the box's network namespace instead: its loopback, and its file of host names.
        """
        ...

    async def stop(self) -> None:
        """Kill everything in the box. Files can still be read and written; nothing can run any more."""
        ...


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the host that a box has, read-only, at the absolute path `target`."""

    source: Path
    target: str


@dataclass(frozen=True, slots=True)
class Purpose:
    """For whom a box is opened, to be found on it, and the folder its spec's paths start from.

    `door` is a folder with the unix socket of a trial's gateway (`harness.plugins.gateway`): the box reaches it on
    `http://127.0.0.1:8089` through a sidecar that has the folder; the box itself does not.
    """

    run: str = ""
    trial: str = ""
    workspace: Path = Path()
    mounts: tuple[Mount, ...] = ()
    door: Path | None = None


NO_PURPOSE = Purpose()


@dataclass(frozen=True, slots=True)
class Held:
    """Something a sandbox holds outside this process. `created` is a Unix time; `alive` says that its owner runs.

    `what` is container, network, volume or image. Of an image: `used` is when a box was last made of it, as far as
    this machine knows, and `size` its own bytes, without what it shares with others.
    """

    what: str
    name: str
    run: str
    trial: str
    created: float
    alive: bool
    used: float = 0.0
    size: int = 0
