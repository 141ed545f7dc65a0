"""A verifier's reward, heard through a pipe: what was said there cannot be unsaid, so every word is counted.

The pipe and its folder belong to a user of their own. Who runs the verifier can write into the pipe, and can neither
read it, nor take it away, nor signal the program that reads it: no box has a capability, not even for root.
"""

from __future__ import annotations

import asyncio
import io
import posixpath
import re
import tarfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex

from harness.api import Box, Completed
from harness.graders._verifier import Trouble, killed
from harness.toolkit.attempts import running_in, still_running

EARS = 54320
"""A user that no image has and that runs no verifier."""
USER = f"{EARS}:{EARS}"
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
BLOCK, MOST = 65536, 64
READY = b"ready\n"
STEP_S = 20.0
LISTENS_S = 60.0
"""Listening at pipes begins before the verifier does, and ends after it."""
LISTEN = f"""pipe=$1; shift
cat /proc/1/stat && stat / >/dev/null && {{ stat -c '%n %i %z' "$@" 2>/dev/null; exec <>"$pipe"; }} && echo ready \\
  && dd bs={BLOCK} count={MOST} conv=sync 2>/dev/null
exec cat >/dev/null"""
"""Each read of the pipe is a block of its own, filled up with zeros: words that come apart stay apart, also where they
would make one number or one JSON object. After too many, what comes is thrown away, so that no writer waits."""
CLOSE = """cat 1<>"$1"; shift; cat /proc/1/stat; stat -c '%n %i %z' "$@" 2>/dev/null; true"""
"""Says a last word that nobody knows, and then what process 1 has seen and how the folders above the pipe are."""
FAULTS_OF_THE_DEAD = 8
"""The place in a process's `stat`, after its name, of the page faults of the children that it waited for. Process 1 of
a box waits for none but the orphans that it is given: where it rises, one of them has ended."""
WORD = re.compile(rb"\s*(?:[01](?:\.\d*)?|\.\d+|\{.*\})\s*", re.DOTALL)
"""A number without an exponent or a zero before it, or an object: two in one read do not make `1e-0` or `01`."""
CAME_AND_WENT = "came_and_went: a process outlived its parent while the verifier ran"


@dataclass(frozen=True, slots=True)
class Heard:
    """The verifier's run, and what was written to each reward, in order. `trouble`: not all may have been heard.

    `moved`: somebody who owns a folder above may have moved the pipe away and back, or rewritten a file of the verifier
    and put it back as it was, and this is how it shows.
    `flags` are of processes that were there beside the verifier's own: any of them may have written.
    """

    words: Mapping[str, Sequence[bytes]]
    done: Completed | None = None
    trouble: Trouble | None = None
    moved: str = ""
    flags: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many words were said."""
        return sum(len(said) for said in self.words.values())

    def doubt(self, timeout_s: float) -> Trouble | None:
        """Why what was heard is not the verifier's last word, if so."""
        if self.done is not None and self.done.timed_out:
            return Trouble("timeout", f"heard through a pipe, the verifier ran longer than {timeout_s:g} s")
        return self.trouble or (killed(self.done) if self.done else None)

    def last(self, path: str) -> bytes | None:
        """The last word written to a reward; None without one. Raises ValueError for what is none."""
        said = self.words.get(path)
        if not said:
            return None
        if not WORD.fullmatch(said[-1]):
            raise ValueError("what was written is neither a plain number nor an object")
        return said[-1]


async def hear(
    box: Box, rewards: Sequence[str], run: Callable[[], Awaitable[Completed]], files: Iterable[str] = ()
) -> Heard:
    """Put pipes where rewards are written, run the verifier, and return what came. Raises SandboxError.

    `files` are the verifier's: of those that everybody can see, a change is told though they were put back.
    """
    await box.put_archive("/", _pipes(rewards))
    ears = [_Ear(box, path, (*_above(path), *files)) for path in rewards]
    try:
        if not all([await ear.open() for ear in ears]):
            return Heard({}, None, Trouble("environment", "the box has no programs to hear a reward with"))
        ours = {process.get("user", "") for process in await running_in(box)}
        done = await run()
        left = await still_running(box, ours)  # before orphans are counted: what ends in between is in one of the two
        heard = [await ear.close() for ear in ears]
    finally:
        for ear in ears:
            await ear.end()
    words = {ear.path: ear.words for ear in ears}
    why = next((trouble for trouble in heard if trouble), None)
    moved = next(
        (f"files of the verifier were changed, or folders above {ear.path}, while it ran" for ear in ears if ear.moved),
        "",
    )
    gone = (CAME_AND_WENT,) if any(ear.orphans for ear in ears) else ()
    return Heard(words, done, why, moved, (*left, *gone))


def _pipes(rewards: Sequence[str]) -> bytes:
    """Pipes that all may write to, in folders in which all may make files and nobody may move another's.

    Nor list them: who could would be woken by the kernel when the verifier opens one.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folders = dict.fromkeys(posixpath.dirname(path) for path in rewards)
        for path, kind, mode in (
            *((folder, tarfile.DIRTYPE, 0o1733) for folder in folders),
            *((path, tarfile.FIFOTYPE, 0o622) for path in rewards),
        ):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.type, entry.mode, entry.uid, entry.gid = kind, mode, EARS, EARS
            tar.addfile(entry)
    return buffer.getvalue()


@dataclass(eq=False)
class _Ear:
    """What listens at one pipe."""

    box: Box
    path: str
    watched: Sequence[str]
    words: Sequence[bytes] = ()
    orphans: bool = False
    moved: bool = False
    _came: bytearray = field(default_factory=bytearray)
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    _listening: asyncio.Task[Completed] | None = None
    _before: bytes = b""

    async def open(self) -> bool:
        """Begin to listen; whether the box can."""
        argv = ["sh", "-c", LISTEN, "sh", self.path, *self.watched]
        self._listening = asyncio.ensure_future(
            self.box.exec(argv, user=USER, workdir="/", env=PATH, on_output=self._hear)
        )
        if not await self._until(lambda: READY in self._came):
            return False
        self._before, _, rest = bytes(self._came).partition(READY)
        self._came = bytearray(rest)
        return True

    async def close(self) -> Trouble | None:
        """Take what was said until now; why that may not be all."""
        last = token_hex(16).encode()
        argv = ["sh", "-c", CLOSE, "sh", self.path, *self.watched]
        done = await self.box.exec(argv, stdin=last, user=USER, workdir="/", env=PATH, timeout_s=STEP_S)
        whole = await self._until(lambda: last in self._came) and len(self._came) < BLOCK * MOST
        said = [bytes(self._came[at : at + BLOCK]).rstrip(b"\0") for at in range(0, len(self._came), BLOCK)]
        until = next((at for at, word in enumerate(said) if last in word), len(said))
        said[until:] = [said[until].partition(last)[0]] if until < len(said) else []
        self.words = [word for piece in said for word in _apart(piece)]
        if not whole:
            return Trouble("tampered", f"{self.path} was written to without end, or is no longer what it was", True)
        first, _, above = self._before.partition(b"\n")
        now, _, above_now = done.stdout.partition(b"\n")
        self.orphans = _faults(now) > _faults(first)
        self.moved = above_now != above
        return None

    async def end(self) -> None:
        """Listen no longer."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    def _hear(self, data: bytes) -> None:
        if len(self._came) <= BLOCK * MOST:
            self._came += data
        self._more.set()

    async def _until(self, came: Callable[[], bool]) -> bool:
        """Wait until it came, not longer than it may take nor than somebody listens."""
        assert self._listening is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(STEP_S):
                while not came() and not self._listening.done():
                    self._more.clear()
                    more = asyncio.ensure_future(self._more.wait())
                    await asyncio.wait({more, self._listening}, return_when=asyncio.FIRST_COMPLETED)
                    more.cancel()
        return came()


def _apart(piece: bytes) -> Sequence[bytes]:
    """The words of one read: each line that is one, where all are; else the whole."""
    lines = [line for line in piece.split(b"\n") if line.strip()]
    return lines if all(WORD.fullmatch(line) for line in lines) else [piece]


def _faults(stat: bytes) -> int:
    fields = stat.rpartition(b") ")[2].split()
    return int(fields[FAULTS_OF_THE_DEAD]) if len(fields) > FAULTS_OF_THE_DEAD else 0


def _above(path: str) -> Sequence[str]:
    """The folders above the one that a reward is in: to move that one is to change the one above, and itself.

    Not the root: nobody can move it, and a layered file system changes it when a folder in it is first written to.
    """
    folder = posixpath.dirname(path)
    found = [folder]
    while (folder := posixpath.dirname(folder)) != "/":
        found.append(folder)
    return found[1:] or found
