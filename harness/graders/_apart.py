"""Keep a verifier and the work apart in one box: the work's files and programs belong to another user than root."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from harness.api import Box, Json, SandboxError, Task
from harness.graders._clean import archive_of

WORK_USER = 54322
"""Who the work is: a user that no image has, so nothing of an image is its own, the box's user's files neither."""
STEP_S = 300.0
KEPT = ("patch", "tree", "file")
"""What has a place of its own, which can be closed. `changes` have the folders they are of; of probes nothing runs."""
SYSTEM = ("/bin", "/sbin", "/lib", "/lib64", "/etc", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local")
"""Where the verifier's own programs are."""

ENTER = """for path; do
  while path=${path%/*} && [ -n "$path" ]; do chmod o+x "$path" 2>/dev/null; done
done
pwd"""
"""Who owns the folders above lets others pass through them; whose they are not, cannot."""
GIVE = """owner=$1 folder=$2; shift 2
[ "$folder" = / ] || chown "$owner" "$folder" || exit 1
for path; do
  [ -e "$path" ] || continue
  path=$(readlink -f "$path") && chown 0:0 "$path" && chmod go= "$path" && chown -R "$owner" "$path" || exit 1
done"""
"""What was collected belongs to the work's user and nobody else gets in: root has no capability that would let it read
what is another's, so a verifier cannot run a program of the work as itself, not even by mistake."""
PATHS = """keeps() {
  folder=$1; [ -d "$folder" ] || return 1
  while [ -n "$folder" ]; do [ ! -w "$folder" ] || return 1; folder=${folder%/*}; done
  [ ! -w / ]
}
printf '%s\\n' "$PATH"; IFS=:
for place in $PATH; do
  case $place in /*) keeps "$place" && keeps "$(readlink -f "$place")" && printf '%s:' "$place" ;; esac
done
true"""
"""Where programs are found; and those of the places in which the work can put none, nor move one that is there."""
AS_WORK = """#!/bin/sh
# as-work COMMAND ...: run a command as the work's own user, in the work's folder.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ $# -gt 0 ] || { echo "as-work: say a command: as-work python3 app.py" >&2; exit 2; }
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
unset REWARD_FILE PROBES TMPDIR BASH_ENV ENV
set -- /bin/sh -c 'cd "$0" || exit 126
PATH=$1 HOME=$2; export PATH HOME; shift 2
exec "$@"' @folder@ @path@ @home@ "$@"
for program in /usr/bin/setpriv /bin/setpriv; do
  if [ -x "$program" ] && "$program" --help 2>&1 | grep -q -e --reuid; then
    exec "$program" --reuid=@user@ --regid=@user@ --clear-groups -- "$@"
  fi
done
for program in /usr/bin/python3 /usr/local/bin/python3; do
  [ -x "$program" ] && exec "$program" -I -S -c 'import os, sys
os.closerange(3, 65536)
os.setgroups([])
os.setresgid(@user@, @user@, @user@)
os.setresuid(@user@, @user@, @user@)
os.execv(sys.argv[1], sys.argv[1:])' "$@"
done
[ -x /usr/bin/perl ] && exec /usr/bin/perl -e 'use POSIX;
$) = "@user@ @user@"; POSIX::setgid(@user@); POSIX::setuid(@user@);
die "as-work: still root" if $< != @user@ || $> != @user@ || $( !~ /^@user@( @user@)*$/;
exec { $ARGV[0] } @ARGV' "$@"
echo "as-work: the image has none of setpriv, python3 and perl" >&2
exit 126
"""
"""The work's `PATH` is set when root was left behind: before that, its programs would be root's."""


@dataclass(frozen=True, slots=True)
class Apart:
    """The work's folder, what was laid down to run its programs by paths in the box, and the verifier's `PATH`."""

    folder: str
    files: Mapping[str, bytes]
    path: str


async def set_apart(box: Box, task: Task, private: str) -> Apart:
    """Give what was collected to the work's user, and lay down `as-work`. Raises SandboxError."""
    paths = _places(task)
    folder = (await _said(box, ENTER, "", *paths)).rstrip("\n")
    owner = f"{WORK_USER}:{WORK_USER}"
    await _said(box, GIVE, "0", owner, "/" if is_system(folder) else folder, *paths)
    work_path, _, path = (await _said(box, PATHS, owner)).partition("\n")
    home = f"{private}/work-home"
    await box.put_archive("/", archive_of({}, owner=(WORK_USER, WORK_USER), folders={home[1:]: 0o700}))
    text = AS_WORK.replace("@user@", str(WORK_USER))
    for name, value in (("path", work_path), ("home", home), ("folder", folder)):
        text = text.replace(f"@{name}@", shlex.quote(value))
    place = f"{private}/bin"
    program = {f"{place}/as-work": text.encode()}
    laid = archive_of({path[1:]: data for path, data in program.items()}, mode=0o755, folders={place[1:]: 0o755})
    await box.put_archive("/", laid)
    return Apart(folder, program, f"{place}:{path.rstrip(':')}")


async def _said(box: Box, script: str, user: str, *words: str) -> str:
    """What a script of ours prints. Raises SandboxError."""
    argv = ["/bin/sh", "-c", script, "sh", *words]
    done = await box.exec(argv, timeout_s=STEP_S, user=user, workdir="/" if user else "")
    if done.exit_code or done.timed_out:
        said = done.stderr.decode("utf-8", "replace").strip()[-300:] or f"exit code {done.exit_code}"
        raise SandboxError("setup", f"the verifier and the work cannot be kept apart in this box: {said}")
    return done.stdout.decode("utf-8", "surrogateescape")


def is_system(path: str) -> bool:
    """Whether a folder holds programs of the system, or lies in one that does."""
    return path in ("/", "/usr") or any(path == one or path.startswith(one + "/") for one in SYSTEM)


def _places(task: Task) -> list[str]:
    """The files and folders that the work's artifacts are laid down in."""
    found: list[str] = []
    for one in task.collect:
        if one.what == "changes":
            found += [str(root) for root in cast(list[Json], one.options.get("roots") or ["/"])]
        elif one.what in KEPT:
            found.append(one.path)
    return found


def not_apart(task: Task, ours: Sequence[str] = ()) -> str:
    """Why a task's work cannot be kept apart from its verifier, if so. `ours` are paths of the verifier in the box."""
    for place in _places(task):
        folder = "/" + posixpath.normpath(place).strip("/")
        if is_system(folder):
            return (
                f"`as_work` cannot close {place}, where the verifier's own programs are: collect a folder of the work"
            )
        for path in ours:
            if f"{posixpath.normpath(path)}/".startswith(f"{folder}/"):
                return f"`as_work` gives {place} to the work, and {path} of the verifier lies in it: put it elsewhere"
    return ""
