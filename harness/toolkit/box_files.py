"""Files of a box for an agent: view, create, replace, insert, search. As the box's own user and by its own tools.

A path is absolute, or starts from the working folder. What the box's user may not read or write, these cannot either,
and links are followed as any program in the box would follow them. Only text (UTF-8) is edited; line ends stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.api import Completed
from harness.toolkit.shell import Shell, clip, readable, sendable

READ = """# read
[ ! -d "$1" ] || { ls -Ap -- "$1"; exit 21; }; [ ! -e "$1" ] || [ -f "$1" ] || exit 22; cat -- "$1\""""
WRITE = """# write
[ ! -d "$1" ] || exit 21; [ ! -e "$1" ] || [ -f "$1" ] || exit 22; d=$(dirname -- "$1"); \
mkdir -p -- "$d" && cat > "$1\""""
SEARCH = """# search
grep -rnIE -e "$1" ${3:+--include="$3"} --exclude-dir=.git -- "$2" | LC_ALL=C sort -t: -k1,1 -k2,2n"""
FOLDER, SPECIAL = 21, 22
"""Exit codes of our own scripts: a folder, and neither file nor folder (a pipe, a device). A script's first line
is its name for people (`shell.helper_of`)."""

NEWLINE = "\n"
AROUND = 4
"""Lines shown before and after a change."""
HITS = 200
LINE_CHARS = 500


class FileFault(Exception):
    """Why a file operation was not done, in words for the model."""


@dataclass(frozen=True, slots=True)
class BoxFiles:
    """File operations in the box of a shell. Each raises FileFault, SandboxError."""

    shell: Shell

    async def view(self, path: str, first: int = 1, last: int = 0) -> str:
        """Numbered lines from `first` to `last` (0: to the end), or what is in a folder."""
        done = await self._script(READ, path)
        if done.exit_code == FOLDER:
            return clip(readable(done.stdout).rstrip("\n") or "(an empty folder)", self.shell.output_chars)
        text = _text_of(path, done)
        lines = [line.removesuffix("\n") for line in _lines(text)]
        if not lines:
            return "(an empty file)"
        if first < 1 or first > len(lines):
            raise FileFault(f"line {first} is not in {path}: it has {len(lines)} lines")
        if last and last < first:
            raise FileFault(f"line {last} comes before line {first}")
        last = min(last or len(lines), len(lines))
        head = f"lines {first} to {last} of {len(lines)}\n"
        return head + clip(_numbered(lines[first - 1 : last], first), self.shell.output_chars)

    async def create(self, path: str, text: str) -> str:
        """Write a whole file, making its folders and replacing what was there."""
        await self._write(path, text)
        return f"wrote {path}: {_count(text)} lines"

    async def replace(self, path: str, old: str, new: str) -> str:
        """Replace the one place where `old` stands."""
        if not old:
            raise FileFault("old is empty: say the text to replace, or use insert")
        text = await self._read(path)
        found = text.count(old)
        if found == 0:
            raise FileFault(f"old does not stand in {path}{_near(text, old)}")
        if found > 1:
            where = _places(text, old)
            raise FileFault(f"old stands {found} times in {path} (lines {where}): say more of what is around it")
        at = text.index(old)
        after = text[:at] + new + text[at + len(old) :]
        await self._write(path, after)
        return f"changed {path}\n{_excerpt(after, text.count(NEWLINE, 0, at) + 1, _count(new))}"

    async def insert(self, path: str, line: int, text: str) -> str:
        """Insert whole lines after a line; 0 is the beginning."""
        before = await self._read(path)
        lines = _lines(before)
        if not 0 <= line <= len(lines):
            raise FileFault(f"line {line} is not in {path}: it has {len(lines)} lines")
        if line and not lines[line - 1].endswith("\n"):
            lines[line - 1] += "\n"
        added = text if text.endswith("\n") or line == len(lines) else text + "\n"
        after = "".join([*lines[:line], added, *lines[line:]])
        await self._write(path, after)
        return f"changed {path}\n{_excerpt(after, line + 1, _count(added))}"

    async def search(self, pattern: str, path: str = ".", files: str = "") -> str:
        """Lines that match an extended regular expression, as `file:line:text`, sorted; binary files are left out."""
        done = await self._script(SEARCH, pattern, _path(path), files)
        lines = readable(done.stdout).splitlines()
        said = readable(done.stderr).strip()
        if not lines:
            if said:
                raise FileFault(said)
            return "no line matches"
        more = f"\n[{len(lines) - HITS:,} more; search more narrowly]" if len(lines) > HITS else ""
        found = "\n".join(x if len(x) <= LINE_CHARS else x[:LINE_CHARS] + " [...]" for x in lines[:HITS])
        return clip(found, self.shell.output_chars) + more + (f"\n{said}" if said else "")

    async def _read(self, path: str) -> str:
        done = await self._script(READ, path)
        if done.exit_code == FOLDER:
            raise FileFault(f"{path} is a folder")
        return _text_of(path, done)

    async def _write(self, path: str, text: str) -> None:
        done = await self._script(WRITE, path, stdin=sendable(text).encode())
        if done.exit_code == FOLDER:
            raise FileFault(f"{path} is a folder")
        if done.exit_code == SPECIAL:
            raise FileFault(f"{path} is not a regular file")
        if done.exit_code:
            raise FileFault(f"{path} was not written: {readable(done.stderr).strip() or f'exit code {done.exit_code}'}")

    async def _script(self, script: str, path: str, *more: str, stdin: bytes = b"") -> Completed:
        """Run one of the scripts above. Raises FileFault when it does not end in time."""
        words = [_path(path) if script is not SEARCH else path, *more]
        if any("\0" in w for w in words):
            raise FileFault("a path or pattern cannot hold a NUL character")
        done = await self.shell.plain(("sh", "-c", script, "sh", *(sendable(w) for w in words)), stdin)
        if done.timed_out:
            raise FileFault(f"not done within {self.shell.timeout_s:g} s")
        return done


def _path(path: str) -> str:
    if not path.strip():
        raise FileFault("the path is empty")
    return path


def _text_of(path: str, done: Completed) -> str:
    """What was read, if it is text. Raises FileFault."""
    if done.exit_code == SPECIAL:
        raise FileFault(f"{path} is not a regular file")
    if done.exit_code:
        raise FileFault(f"{path} cannot be read: {readable(done.stderr).strip() or f'exit code {done.exit_code}'}")
    if done.truncated:
        raise FileFault(f"{path} is too large for this tool: use sed -n or grep in a shell")
    try:
        return done.stdout.decode()
    except UnicodeDecodeError as e:
        raise FileFault(f"{path} is not UTF-8 text: byte {e.start} is 0x{e.object[e.start]:02x}") from None


def _lines(text: str) -> list[str]:
    """Lines with their ends. Only a line feed ends a line, as in every tool of the box."""
    *whole, last = text.split(NEWLINE)
    return [f"{line}\n" for line in whole] + ([last] if last else [])


def _count(text: str) -> int:
    return len(_lines(text))


def _numbered(lines: Sequence[str], first: int) -> str:
    return NEWLINE.join(f"{i:>6}\t{line}" for i, line in enumerate(lines, first))


def _excerpt(text: str, line: int, count: int) -> str:
    """The changed lines and a few around them."""
    lines = [x.removesuffix("\n") for x in _lines(text)]
    first = max(1, line - AROUND)
    last = min(len(lines), line + max(count, 1) - 1 + AROUND)
    return clip(_numbered(lines[first - 1 : last], first), 4000)


def _places(text: str, old: str) -> str:
    found: list[str] = []
    at = text.find(old)
    while at >= 0 and len(found) < 10:
        found.append(str(text.count(NEWLINE, 0, at) + 1))
        at = text.find(old, at + len(old))
    return ", ".join(found)


def _near(text: str, old: str) -> str:
    """A hint when only white space differs, which is the commonest reason."""
    wanted = [" ".join(x.split()) for x in old.strip().split(NEWLINE)]
    lines = [" ".join(x.split()) for x in text.split(NEWLINE)]
    for i in range(len(lines) - len(wanted) + 1):
        if lines[i : i + len(wanted)] == wanted:
            return f": line {i + 1} differs from it only in white space"
    return ": it must be the same character for character"
