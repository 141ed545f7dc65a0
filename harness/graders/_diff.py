"""A diff taken apart by file, judged file by file, and written anew.

Only what is written here reaches `git apply` and `patch`: every header is our own, so both see the files that were
judged, and nothing that hides between them (preambles, ed scripts, `Index:` lines).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_INDEX = re.compile(rb"index ([0-9a-f]{4,64}\.\.[0-9a-f]{4,64})( [0-7]{6})?")
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
NOTHING = "/dev/null"
MODES = ("100644", "100755", "120000")
SYMLINK = "120000"


class BadPatch(ValueError):
    """A text that is no diff; the message says why."""


@dataclass(slots=True)
class FileDiff:
    """What a diff does to one file. `old` and `new` are paths from the tree's root, empty for a file that is not there.

    `body` are the hunks or the binary data, as they were. `old_mode` and `new_mode` are git's, empty where unsaid.
    """

    old: str = ""
    new: str = ""
    old_mode: str = ""
    new_mode: str = ""
    renamed: bool = False
    copied: bool = False
    binary: bool = False
    index: bytes = b""
    body: list[bytes] = field(default_factory=list)

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths it touches."""
        return tuple(dict.fromkeys(p for p in (self.old, self.new) if p))

    @property
    def link_target(self) -> str | None:
        """Where a symbolic link that it makes or changes leads, or None."""
        if self.new_mode != SYMLINK:
            return None
        added = [line[1:].rstrip(b"\n") for line in self.body if line.startswith(b"+")]
        return b"\n".join(added).decode("utf-8", "surrogateescape")

    def render(self) -> bytes:
        """The file's part of a diff, with headers of our own."""
        old, new = self.old or self.new, self.new or self.old
        lines = [b"diff --git " + _quoted("a/" + old) + b" " + _quoted("b/" + new)]
        if not self.old:
            lines.append(b"new file mode " + (self.new_mode or MODES[0]).encode())
        elif not self.new:
            lines.append(b"deleted file mode " + (self.old_mode or MODES[0]).encode())
        elif self.old_mode and self.new_mode and self.old_mode != self.new_mode:
            lines += [b"old mode " + self.old_mode.encode(), b"new mode " + self.new_mode.encode()]
        if self.renamed or self.copied:
            word = b"rename" if self.renamed else b"copy"
            lines += [word + b" from " + _quoted(self.old), word + b" to " + _quoted(self.new)]
        if self.binary:
            lines.append(b"index " + self.index)
        elif self.body:
            lines.append(b"--- " + (_quoted("a/" + self.old) if self.old else NOTHING.encode()))
            lines.append(b"+++ " + (_quoted("b/" + self.new) if self.new else NOTHING.encode()))
        return b"\n".join(lines) + b"\n" + b"".join(self.body)


def parse_diff(data: bytes) -> list[FileDiff]:
    """The files of a unified diff, git's or plain. Text between files is let pass. Raises BadPatch.

    A hunk is as long as its header says, so a line inside one can never be taken for a header.
    """
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    reader = _Lines([line + b"\n" for line in lines])
    files = list(_files(reader))
    for file in files:
        if not file.paths:
            raise BadPatch("a part of the diff names no file")
    return files


class _Lines:
    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        self.at = 0

    @property
    def now(self) -> bytes | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def take(self) -> bytes:
        self.at += 1
        return self.lines[self.at - 1]


def _files(reader: _Lines) -> Iterator[FileDiff]:
    while (line := reader.now) is not None:
        if line.startswith(b"diff --git "):
            yield _git_file(reader)
        elif line.startswith(b"--- ") and (reader.lines[reader.at + 1 : reader.at + 2] or [b""])[0].startswith(b"+++ "):
            file = FileDiff()
            _names(reader, file)
            _hunks(reader, file)
            yield file
        elif line.startswith(b"@@ -"):
            raise BadPatch(f"line {reader.at + 1}: a hunk without a file, or longer than its header says")
        else:
            reader.take()


def _git_file(reader: _Lines) -> FileDiff:
    """One file from its `diff --git` line on."""
    header = reader.take()[len(b"diff --git ") :].rstrip(b"\r\n")
    file, seen = FileDiff(), set[str]()
    while (line := reader.now) is not None and not line.startswith(b"diff --git "):
        text = line.rstrip(b"\r\n")
        if text == b"GIT binary patch":
            _binary(reader, file)
            break
        if line.startswith(b"--- "):
            _names(reader, file)
            _hunks(reader, file)
            seen.add("names")
            break
        word = _extended(file, text)
        if not word:
            break
        seen.add(word)
        reader.take()
    if "names" not in seen:
        file.old, file.new = _from_header(header)
    if "added" in seen:
        file.old = ""
    if "removed" in seen:
        file.new = ""
    return file


def _extended(file: FileDiff, text: bytes) -> str:
    """One of git's extended header lines: what it told, or nothing when it is none."""
    if text.startswith((b"similarity index", b"dissimilarity index")):
        return "score"
    if text.startswith((b"new file mode ", b"new mode ")):
        file.new_mode = _mode(text)
        return "added" if text.startswith(b"new file") else "mode"
    if text.startswith((b"deleted file mode ", b"old mode ")):
        file.old_mode = _mode(text)
        return "removed" if text.startswith(b"deleted") else "mode"
    if text.startswith((b"rename from ", b"copy from ")):
        file.old = _path(text.split(b" ", 2)[2], 0)
        return "names"
    if text.startswith((b"rename to ", b"copy to ")):
        file.new = _path(text.split(b" ", 2)[2], 0)
        file.renamed, file.copied = text.startswith(b"rename"), text.startswith(b"copy")
        return "names"
    if index := _INDEX.fullmatch(text):
        file.index = index[1]
        if index[2]:
            file.old_mode, file.new_mode = file.old_mode or _mode(text), file.new_mode or _mode(text)
        return "index"
    if text.startswith(b"Binary files "):
        file.binary = True
        return "binary"
    return ""


def _names(reader: _Lines, file: FileDiff) -> None:
    """The `---` and `+++` lines."""
    old = reader.take()[4:]
    if not (reader.now or b"").startswith(b"+++ "):
        raise BadPatch(f"line {reader.at}: `---` without `+++`")
    file.old, file.new = _path(old, 1), _path(reader.take()[4:], 1)


def _hunks(reader: _Lines, file: FileDiff) -> None:
    while (line := reader.now) is not None and (found := _HUNK.match(line)):
        place = reader.at + 1
        file.body.append(reader.take())
        old = 1 if found[2] is None else int(found[2])
        new = 1 if found[4] is None else int(found[4])
        while old > 0 or new > 0:
            inner = reader.now
            mark = (inner or b"")[:1]
            if inner is None or mark not in (b" ", b"+", b"-", b"\\", b"\n"):
                raise BadPatch(f"line {place}: a hunk that is shorter than its header says")
            file.body.append(reader.take() if mark != b"\n" else b" " + reader.take())
            old -= mark in (b" ", b"-", b"\n")
            new -= mark in (b" ", b"+", b"\n")
        if old or new:
            raise BadPatch(f"line {place}: a hunk that does not fit its header")
        if (reader.now or b"").startswith(b"\\"):
            file.body.append(reader.take())


def _binary(reader: _Lines, file: FileDiff) -> None:
    """`GIT binary patch` and its one or two blocks, each ended by an empty line."""
    file.binary = True
    file.body.append(reader.take())
    for _ in range(2):
        head = reader.now
        if head is None or not re.match(rb"^(literal|delta) \d+\r?\n$", head):
            break
        while (line := reader.now) is not None:
            file.body.append(reader.take())
            if not line.strip():
                break
        else:
            file.body.append(b"\n")


def _mode(text: bytes) -> str:
    return text.rsplit(b" ", 1)[-1].decode("ascii", "replace")


def _path(said: bytes, strip: int) -> str:
    """A path as a header says it, without the first `strip` parts; empty for /dev/null."""
    said = said.rstrip(b"\r\n")
    if said[:1] == b'"':
        said = _unquoted(said)[0]
    elif strip:
        said = said.split(b"\t", 1)[0].rstrip(b" ")
    path = said.decode("utf-8", "surrogateescape")
    if path == NOTHING:
        return ""
    parts = path.split("/", strip)
    return parts[-1] if len(parts) > strip else path


def _from_header(header: bytes) -> tuple[str, str]:
    """The two paths of `a/X b/X`, for files that no other line names."""
    if header[:1] == b'"':
        old, rest = _unquoted(header)
        new = _unquoted(rest.lstrip())[0] if rest.lstrip()[:1] == b'"' else rest.lstrip()
    else:
        middle = len(header) // 2
        old, new = header[:middle], header[middle + 1 :]
        if header[middle : middle + 1] != b" " or old[2:] != new[2:]:
            raise BadPatch("a `diff --git` line whose two names differ, and nothing else names the file")
    return _path(old, 0).split("/", 1)[-1], _path(new, 0).split("/", 1)[-1]


def _unquoted(said: bytes) -> tuple[bytes, bytes]:
    """A C-quoted name at the start, and what follows it."""
    end = 1
    while end < len(said) and said[end : end + 1] != b'"':
        end += 2 if said[end : end + 1] == b"\\" else 1
    if end >= len(said):
        raise BadPatch("a quoted file name without an end")
    name = _ESCAPE.sub(
        lambda m: bytes([int(m[1], 8) & 255]) if len(m[1]) == 3 else _ESCAPED.get(m[1], m[1]), said[1:end]
    )
    return name, said[end + 1 :]


def _quoted(path: str) -> bytes:
    raw = path.encode("utf-8", "surrogateescape")
    if all(32 <= byte < 127 and byte not in b'"\\' for byte in raw):
        return raw
    return b'"' + b"".join(_quoted_byte(byte) for byte in raw) + b'"'


def _quoted_byte(byte: int) -> bytes:
    if byte in b'"\\':
        return b"\\" + bytes([byte])
    return bytes([byte]) if 32 <= byte < 127 else b"\\%03o" % byte
