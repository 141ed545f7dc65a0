"""One writer per run folder: an advisory lock that dies with its process."""

from __future__ import annotations

import fcntl
import os
import socket
import weakref
from pathlib import Path

from harness.errors import StoreError

LOCK = ".lock"


class Lock:
    """Holds `<run>/.lock` by `flock` until `release` or the end of the process, however it ends.

    The file's text (pid and host) is for the message only; a file left behind by kill -9 locks nothing. Over NFS the
    lock works between hosts where the server supports it (Linux maps flock to byte-range locks since 2.6.12).
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock. Raises StoreError naming the process that has it, or saying why it cannot be taken."""
        try:
            self._fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as e:
            raise StoreError(
                f"cannot lock {folder.name}: {e.strerror}", help=f"{LOCK} must be a file that you may write"
            ) from e
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            owner = os.pread(self._fd, 200, 0).decode("utf-8", "replace").strip() or "unknown process"
            os.close(self._fd)
            raise StoreError(
                f"{folder.name} is being written by {owner}",
                help="wait for it to end, or stop it; two writers on one run are refused",
            ) from e
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        # A forked worker that outlives a killed writer would keep the lock: it closes its copy at once.
        here = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _close(here()))

    def release(self) -> None:
        """Give the lock back; harmless when done twice."""
        if self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        _close(self)


def _close(lock: Lock | None) -> None:
    if lock is not None and lock._fd >= 0:
        os.close(lock._fd)
        lock._fd = -1
