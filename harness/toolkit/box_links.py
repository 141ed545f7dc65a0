"""Links that the work left: where they lead in a clean box, asked there before anything of a verifier is in it.

A link to a place that is empty now is read when the verifier's files are there: `answer.txt -> /tests/expected.txt` is
right whatever the task was. One folder by two names is a start-up file by one of them: `/root/.config -> /app/c`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.api import Box
from harness.toolkit.protected import VERIFIER_PLACES

AT_ONCE = 100
DANGLING = "?"
"""What the box says of a link that cannot be followed there."""
THERE, ABSENT = "+", "-"
"""What comes before where a link leads: whether anything is there now."""
DOORS = ("/proc", "/dev")
OPEN_FILES = ("fd", "stdin")
"""Below a door: each program that opens it comes to files of its own, its working folder or what it has open."""
_FOLLOW = """\
for p in "$@"; do
  if [ -e "$p" ]; then printf +; else printf -- -; fi
  readlink -m -- "$p" 2>/dev/null || readlink -f -- "$p" 2>/dev/null || echo '?'
  printf '\\0'
done
"""
"""The second is of images whose `readlink` has no `-m`: it says nothing of a link into a folder that is not there."""


async def links_astray(
    box: Box, links: Mapping[str, str], files: Iterable[str], held: Callable[[str], bool]
) -> dict[str, str]:
    """Links, of these by path with their targets, that may not stay, each with where it leads.

    They lie in the box already, as do `files`, which are paths too. `held` says which paths the work may not bring.
    """
    if not links:
        return {}
    asked = [*links, *(entry for path, target in links.items() for entry, _ in _doors(path, target))]
    leads = dict(zip(asked, await _follow(box, asked), strict=True))
    names = sorted(files)
    return {path: leads[path][1:] for path, target in links.items() if _is_astray(path, target, leads, names, held)}


def _is_astray(
    path: str, target: str, leads: Mapping[str, str], names: Sequence[str], held: Callable[[str], bool]
) -> bool:
    end, is_there = leads[path][1:], leads[path].startswith(THERE)
    if end in (DANGLING, "/dev") or (held(end) and not is_there):
        return True
    if any(_within(end, place) for place in (*VERIFIER_PLACES, "/proc")):
        return True
    for door, after in _doors(path, target):
        where = leads[door][1:]
        if where == "/proc" or (where == "/dev" and after in OPEN_FILES):
            return True
    return any(held(path + name[len(end) :]) for name in names if name.startswith(f"{end.rstrip('/')}/"))


def _within(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


def _doors(path: str, target: str) -> list[tuple[str, str]]:
    """What of a target may be a door, with the part after it: `x/proc` and `self` of `x/proc/self/cwd/y`."""
    parts = [*target.split("/"), ""]
    heads = [("/".join(parts[: i + 1]), parts[i + 1]) for i, part in enumerate(parts[:-1]) if f"/{part}" in DOORS]
    return [(posixpath.join(posixpath.dirname(path), head), after) for head, after in heads]


async def _follow(box: Box, paths: Sequence[str]) -> list[str]:
    """Where each leads, through the links of the image and of the work; its last name may be absent. After a sign."""
    found: list[str] = []
    for start in range(0, len(paths), AT_ONCE):
        some = paths[start : start + AT_ONCE]
        said = await box.exec(["sh", "-c", _FOLLOW, "sh", *some], user="0", workdir="/", timeout_s=60.0)
        ends = [end.removesuffix("\n") for end in said.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]]
        found += [*ends[: len(some)], *[f"{ABSENT}{DANGLING}"] * (len(some) - len(ends))]
    return found
