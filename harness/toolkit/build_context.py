"""A Dockerfile and its folder: which files go to the engine, and a digest of them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path


def dockerfile_in(path: Path) -> Path:
    """The Dockerfile that is meant: a file, or the one in a folder. Its folder is the build context."""
    return path / "Dockerfile" if path.is_dir() else path


def context_names(root: Path, dockerfile: str) -> Sequence[str]:
    """Every path under a folder, sorted, less what its `.dockerignore` leaves out."""
    ignore = root / ".dockerignore"
    if not ignore.is_file():
        return sorted(p.relative_to(root).as_posix() for p in root.rglob("*"))
    from docker.utils.build import exclude_paths  # 0.1 s, and few contexts have the file

    lines = ignore.read_text("utf-8").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return sorted(exclude_paths(str(root), patterns, dockerfile))


def context_digest(path: Path) -> str:
    """A digest of a Dockerfile (or of the folder with one) and all that goes to the engine with it; empty without one.

    Names, contents, link targets, and whether a file can be run; neither times nor owners.
    """
    file = dockerfile_in(path)
    if not file.is_file():
        return ""
    whole = hashlib.sha256(file.name.encode())
    for name in context_names(file.parent, file.name):
        whole.update(f"\0{name}\0".encode("utf-8", "surrogateescape"))
        whole.update(_content(file.parent / name))
    return whole.hexdigest()[:16]


def _content(path: Path) -> bytes:
    about = path.lstat()
    if stat.S_ISLNK(about.st_mode):
        return b"link " + os.fsencode(path.readlink())
    if not stat.S_ISREG(about.st_mode):
        return b"folder" if stat.S_ISDIR(about.st_mode) else b"other"
    with path.open("rb") as data:
        found = hashlib.file_digest(data, "sha256").digest()
    return (b"run " if about.st_mode & 0o100 else b"file ") + found
