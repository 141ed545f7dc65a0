"""Work in a clean box before anything of the work runs in it: lay files down, apply patches, fetch results."""

from __future__ import annotations

import io
import posixpath
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from harness.api import Box, Grade, Output, SandboxError, Task
from harness.graders._protected import matches
from harness.toolkit.said import plain

ROOT_OWNER = (0, 0)
TAIL = 2000
APPLY_S = 300.0
SECRET_BYTES = 16

APPLY = r"""
cd "$1" || exit 97
patch=$2
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_CEILING_DIRECTORIES="${1%/*}" GIT_TERMINAL_PROMPT=0
g() { git -c safe.directory='*' -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.autocrlf=false "$@"; }
found=0
if command -v git >/dev/null 2>&1; then
  found=1
  g apply --whitespace=nowarn "$patch" && { echo "applied: git apply"; exit 0; }
  if [ -e .git ]; then
    g apply --3way --whitespace=nowarn "$patch" && { echo "applied: git apply --3way"; exit 0; }
    g checkout -q HEAD -- . && g clean -fdq
  fi
fi
if command -v patch >/dev/null 2>&1; then
  found=1
  fuzzy="patch --batch --forward --fuzz=5 -p1 --no-backup-if-mismatch"
  if $fuzzy --dry-run -i "$patch" >/dev/null; then
    $fuzzy -r - -i "$patch" && { echo "applied: patch --fuzz=5"; exit 0; }
  fi
fi
[ $found = 1 ] || { echo "neither git nor patch is in the image" >&2; exit 98; }
if command -v git >/dev/null 2>&1 && g apply --reverse --check "$patch" 2>/dev/null; then
  echo "applied: it was there already"; exit 0
fi
exit 1
"""
"""SWE-bench 5's order of attempts (reference/swe.md 2.2), each from the base state again. Its `--reject` step is left
out: it succeeds only where the first one does."""


@dataclass(frozen=True, slots=True)
class Applied:
    """Whether a patch went in, by which way, and what was said if not."""

    ok: bool
    how: str = ""
    said: str = ""


def private_folder() -> str:
    """A folder's name that nobody can know before the box is opened."""
    return f"/grade-{token_hex(SECRET_BYTES)}"


def archive_of(
    files: Mapping[str, bytes],
    *,
    owner: tuple[int, int] = ROOT_OWNER,
    mode: int = 0o644,
    folders: Mapping[str, int] | None = None,
) -> bytes:
    """A tar of files by relative path, and of folders by path with their modes."""
    buffer, now = io.BytesIO(), time.time()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, folder_mode in (folders or {}).items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, folder_mode, int(now)
            entry.uid, entry.gid = owner
            tar.addfile(entry)
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(data), mode, int(now)
            entry.uid, entry.gid = owner
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


async def apply_patch(box: Box, root: str, private: str, name: str, patch: bytes) -> Applied:
    """Apply a patch of ours, as the box's user, from a file the box's user cannot change. Raises SandboxError."""
    await box.put_archive(private, archive_of({name: patch}))
    done = await box.exec(["sh", "-c", APPLY, "sh", root, f"{private}/{name}"], timeout_s=APPLY_S, workdir="/")
    said = (done.stderr + done.stdout).decode("utf-8", "replace").strip()
    if done.exit_code in (97, 98) or done.timed_out:
        raise SandboxError("image", f"a patch cannot be applied in {root}: {said[-500:] or 'it took too long'}")
    how = done.stdout.decode("utf-8", "replace").rpartition("applied: ")[2].strip()
    return Applied(done.exit_code == 0, how if done.exit_code == 0 else "", "" if done.exit_code == 0 else said[-TAIL:])


async def kill_all(box: Box) -> None:
    """End everything that the box's user left running."""
    await box.exec(["sh", "-c", "kill -9 -1"], timeout_s=30, workdir="/")


async def fetch(box: Box, root: str, path: str, max_bytes: int) -> dict[str, bytes]:
    """Regular files at a path or glob, by path from the root of the box. Links are not followed.

    Raises SandboxError when there is more than `max_bytes`, or something that is no regular file at a plain path.
    """
    full = posixpath.normpath(posixpath.join(root, path))
    if not any(c in full for c in "*?"):
        try:
            return {full: await box.read(full, max_bytes=max_bytes)}
        except FileNotFoundError:
            return {}
    fixed = full[: min(full.index(c) for c in "*?" if c in full)].rpartition("/")[0] or "/"
    try:
        archive = await box.get_archive(fixed, max_bytes=max_bytes)
    except FileNotFoundError:
        return {}
    above = posixpath.dirname(fixed.rstrip("/"))
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            name = posixpath.normpath(posixpath.join(above, member.name))
            if member.isreg() and matches(name, (full,)) and (data := tar.extractfile(member)):
                found[name] = data.read()
    return dict(sorted(found.items()))


def tree_root(task: Task, artifact: str, said: str) -> str:
    """The folder a patch is applied in: as said, else where it is collected, else the box's working folder."""
    collected = next((c.path for c in task.collect if c.name == artifact and c.path), "")
    return (said or collected or (task.sandbox.workdir if task.sandbox else "") or "/work").rstrip("/") or "/"


def read_files(workspace: Path, said: str) -> dict[str, bytes]:
    """A workspace file by its name, or every file of a folder by its path in it. Raises ValueError."""
    place = workspace / said
    if place.is_dir():
        files = sorted(p for p in place.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        if not files:
            raise ValueError(f"no file in the folder {said}")
        return {p.relative_to(place).as_posix(): p.read_bytes() for p in files}
    if place.is_file():
        return {place.name: place.read_bytes()}
    raise ValueError(f"no such file or folder: {said}")


def tail_of(stdout: bytes, stderr: bytes) -> str:
    """The end of what a command said, for an explanation."""
    said = "\n".join(s.decode("utf-8", "replace").strip() for s in (stdout, stderr) if s.strip())
    return plain(said)[-TAIL:]


def nothing_done(output: Output) -> Grade | None:
    """The failed grade of a system that would not do the work. Else None."""
    if output.refused:
        return Grade(0.0, False, "refused", "the system refused to do the work")
    if output.abstained:
        return Grade(0.0, False, "abstained", "the system said that it cannot do the work")
    return None
