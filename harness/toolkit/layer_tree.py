"""A folder's content as one digest, and making it read-only."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PIECE = 1024**2


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder's digest (hexadecimal SHA-256 over path, kind, execute bit and content of everything) and its bytes."""

    digest: str
    size: int


def tree_of(root: Path) -> Tree:
    """Read everything below `root`. Links count by where they point and are not followed."""
    whole, size = hashlib.sha256(), 0
    for path in _walk(root):
        name = path.relative_to(root).as_posix()
        state = path.lstat()
        if stat.S_ISLNK(state.st_mode):
            line = f"link {name} {path.readlink()}"
        elif stat.S_ISDIR(state.st_mode):
            line = f"folder {name}"
        else:
            size += state.st_size
            line = f"{'program' if state.st_mode & 0o100 else 'file'} {name} {sha256_of(path)}"
        whole.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return Tree(whole.hexdigest(), size)


def sha256_of(path: Path) -> str:
    """A file's SHA-256, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_of(root: Path) -> str:
    """A digest of every file's size, mode and times: another one wherever something was written since."""
    whole = hashlib.sha256()
    for path in _walk(root):
        at = path.lstat()
        whole.update(
            f"{path} {at.st_mode} {at.st_size} {at.st_mtime_ns} {at.st_ctime_ns} {at.st_ino}\n".encode(
                "utf-8", "surrogateescape"
            )
        )
    return whole.hexdigest()


def close_tree(root: Path) -> None:
    """Take every right to write away: a layer is never changed. Everyone may read it, whoever the box's user is."""
    for path in _walk(root):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            continue
        path.chmod(0o555 if stat.S_ISDIR(mode) or mode & 0o100 else 0o444)
    root.chmod(0o555)


def remove_tree(root: Path) -> None:
    """Remove a folder, also one that was closed."""
    import shutil

    if not root.exists():
        return
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o755)
    shutil.rmtree(root)


def _walk(root: Path) -> Iterator[Path]:
    """Everything below, sorted by name within each folder."""
    for entry in sorted(root.iterdir(), key=lambda p: p.name):
        yield entry
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
