"""A unified diff as added, removed and unchanged lines by file: enough to look for a patch's lines elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_GIT = re.compile(r"diff --git a/(.*) b/(.*)")


@dataclass(slots=True)
class FileChange:
    """What a diff does to one file; `path` is its new name, or the old one of a deleted file."""

    path: str
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    context: list[str] = field(default_factory=list)


def read_diff(text: str) -> list[FileChange]:
    """The files of a diff, in order. Lines that are not of a diff are passed over; never raises."""
    files: list[FileChange] = []
    old_left = new_left = 0
    for line in text.split("\n"):
        if old_left > 0 or new_left > 0:
            kind, rest = line[:1], line[1:]
            target = {"+": files[-1].added, "-": files[-1].removed}.get(kind, files[-1].context)
            if kind != "\\":
                target.append(rest)
            old_left -= kind in ("-", " ", "")
            new_left -= kind in ("+", " ", "")
        elif hunk := _HUNK.match(line):
            if files:
                old_left, new_left = (int(n) if n is not None else 1 for n in hunk.groups())
        elif named := _GIT.match(line):
            files.append(FileChange(named[2]))
        elif line.startswith(("+++ ", "--- ")):
            _name(files, line)
    return files


def _name(files: list[FileChange], line: str) -> None:
    """Names from the lines before the hunks, for diffs without git's own header too."""
    path = line[4:].split("\t")[0].strip()
    path = path[2:] if path.startswith(("a/", "b/")) else path
    if line.startswith("---"):
        if not files or files[-1].added or files[-1].removed or files[-1].context:
            files.append(FileChange(path))
    elif path != "/dev/null" and files:
        files[-1].path = path
