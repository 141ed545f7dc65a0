"""Paths of what the work left behind: links that lead out of their tree, and globs of what is left out."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from pathlib import PurePosixPath


def leaves_tree(name: str, target: str, root: str) -> bool:
    """Whether a link may lead out of `root`. `name` is the link's path from there, through no other link.

    A target may climb first and then go down; one that climbs after going down is refused, since what it goes down
    through may be a link itself. Every link that passes stays inside, so a chain of them does too.
    """
    parts = PurePosixPath(target).parts
    above = len(PurePosixPath(name).parts) - 1
    if target.startswith("/"):
        top = PurePosixPath(root).parts
        if parts[: len(top)] != top:
            return True
        parts, above = parts[len(top) :], 0
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    return climbs > above or ".." in parts[climbs:]


def left_out(name: str, exclude: Iterable[str]) -> bool:
    """Whether a path or a folder above it matches a glob; `*` crosses folders, as in fnmatch."""
    return any(
        fnmatch.fnmatchcase(name, glob) or fnmatch.fnmatchcase(name, f"{glob.rstrip('/')}/*") for glob in exclude
    )
