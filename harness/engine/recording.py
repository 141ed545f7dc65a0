"""The box as a harness is given it: every command goes into the transcript."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import IO, Literal, TypeVar

from harness.engine.attempt_state import AttemptState
from harness.plugins.boxes import MAX_READ_BYTES, Box, Completed, Screen
from harness.records.transcript import AT_A_TERMINAL, Command

T = TypeVar("T")
KEPT_CHARS = 16_000
"""Of each stream of a command, this much goes into the transcript: the first half and the last."""
KEPT_WORD = 4_000


class RecordingBox:
    """Passes everything on to the open box, and writes commands with their times into the transcript (contract `Box`).

    Stopping is the engine's: a harness that stops its box ends only its own commands.
    """

    __slots__ = ("_box", "_state", "image_digest")

    def __init__(self, box: Box, state: AttemptState) -> None:
        self._box = box
        self._state = state
        self.image_digest = box.image_digest

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
        """Run a command. One that was cut off by a limit or a failure is in the transcript too."""
        at, began = self._state.clock.now, perf_counter()
        done: Completed | None = None
        try:
            done = await self._box.exec(
                argv, timeout_s=timeout_s, stdin=stdin, env=env, user=user, workdir=workdir, on_output=on_output
            )
            return done
        finally:
            self._record(argv, done, at, perf_counter() - began)

    async def terminal(
        self, argv: Sequence[str], screen: Screen, *, env: Mapping[str, str] | None = None, workdir: str = ""
    ) -> int:
        """Run a command at somebody's terminal; what it shows is for who records the screen."""
        at, began = self._state.clock.now, perf_counter()
        code: int | None = None
        try:
            code = await self._box.terminal(argv, screen, env=env, workdir=workdir)
            return code
        finally:
            seconds = round(perf_counter() - began, 4)
            self._state.events.append(Command(round(at, 4), seconds, tuple(argv), code, note=AT_A_TERMINAL))

    async def read(self, path: str, *, max_bytes: int = MAX_READ_BYTES) -> bytes:
        """A file's bytes."""
        return await self._box.read(path, max_bytes=max_bytes)

    async def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file."""
        await self._box.write(path, data, mode=mode)

    async def get_archive(
        self, path: str, *, max_bytes: int = MAX_READ_BYTES, keep: Callable[[str], bool] | None = None
    ) -> bytes:
        """A file or folder as a tar."""
        return await self._box.get_archive(path, max_bytes=max_bytes, keep=keep)

    async def export(self, read: Callable[[IO[bytes]], T]) -> T:
        """What `read` makes of the whole file system."""
        return await self._box.export(read)

    async def put_archive(self, path: str, archive: bytes) -> None:
        """Extract a tar into a folder."""
        await self._box.put_archive(path, archive)

    async def changes(self) -> Sequence[tuple[Literal["modified", "added", "deleted"], str]]:
        """Every path that differs from the image."""
        return await self._box.changes()

    async def processes(self) -> Sequence[Mapping[str, str]]:
        """What runs in the box."""
        return await self._box.processes()

    async def beside(
        self, argv: Sequence[str], *, image: str, timeout_s: float, stdin: bytes = b"", inside: bool = False
    ) -> Completed:
        """Run a command in a clean container beside the box."""
        return await self._box.beside(argv, image=image, timeout_s=timeout_s, stdin=stdin, inside=inside)

    async def stop(self) -> None:
        """Kill everything in the box."""
        await self._box.stop()

    def _record(self, argv: Sequence[str], done: Completed | None, at: float, seconds: float) -> None:
        notes = ["cut off"] if done is None else [n for n in NOTES if getattr(done, n, False)]
        self._state.events.append(
            Command(
                at=round(at, 4),
                seconds=round(seconds, 4),
                argv=tuple(elided(word, KEPT_WORD) for word in argv),
                exit_code=None if done is None else done.exit_code,
                stdout="" if done is None else elided(done.stdout.decode("utf-8", "replace"), KEPT_CHARS),
                stderr="" if done is None else elided(done.stderr.decode("utf-8", "replace"), KEPT_CHARS),
                note=", ".join(n.replace("_", " ") for n in notes),
            )
        )


NOTES = ("timed_out", "truncated", "oom_killed", "disk_full", "pids_full")


def elided(text: str, most: int) -> str:
    """The text, or its two ends with the number of characters between them."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"
