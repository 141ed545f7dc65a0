"""Whether a repository in the image knows more than its base: later objects, other refs, remotes, logs, alternates.

Only object files are taken from the image, into a bare repository of our own, whose configuration is ours; git then
lists them and nothing of the image is run (reference/swe.md 4.2 and 4.3).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.qa.findings import Finding
from harness.qa.image import Repository

GIT_S = 120
NAMED = 3
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REMOTE = re.compile(r'^\s*\[remote "([^"]*)"\]', re.MULTILINE)


def history_checked(repository: Repository, *, other: bool) -> Iterator[Finding]:
    """Findings of one repository. `other` says that the task's work is done in another one."""
    where, heads = repository.path, repository.heads
    if "HEAD" not in heads:
        return
    if other:
        yield Finding("history", "warn", f"another repository with {repository.n_objects} objects", where)
    head = resolved("HEAD", heads)
    if "objects/info/alternates" in heads or "objects/info/http-alternates" in heads:
        yield Finding("history", "fail", "objects are borrowed from another place (alternates)", where)
    remotes = _REMOTE.findall(heads.get("config", ""))
    if remotes:
        yield Finding("history", "fail", f"it has remotes: {', '.join(remotes[:NAMED])}", where)
    if not head:
        if repository.n_objects:
            yield Finding("history", "fail", f"HEAD has no commit, and there are {repository.n_objects} objects", where)
        return
    try:
        reachable, everything, commits = _objects(repository, head)
    except (OSError, subprocess.SubprocessError) as e:
        yield Finding("history", "unchecked", f"git cannot list its objects: {str(e)[:200]}", where)
        return
    later = {sha: kind for sha, kind in everything.items() if sha not in reachable}
    if later:
        found = ", ".join(f"{kind} {sha[:12]}" for sha, kind in sorted(later.items(), key=_commits_first)[:NAMED])
        yield Finding("history", "fail", f"{len(later)} objects are not reachable from HEAD: {found}", where)
    yield from _pointers(heads, head, reachable, where)
    if commits > 1:
        yield Finding("history", "info", f"HEAD has a history of {commits} commits", where)


def resolved(name: str, heads: dict[str, str]) -> str:
    """The object a ref points to, or nothing. Refs that point to each other end after a few steps."""
    value = heads.get(name, "").strip()
    for _ in range(5):
        if not value.startswith("ref:"):
            break
        ref = value[4:].strip()
        value = heads.get(ref, "").strip() or packed(heads).get(ref, "")
    return value if _SHA.fullmatch(value) else ""


def packed(heads: dict[str, str]) -> dict[str, str]:
    """The refs of `packed-refs` by name."""
    lines = (line.split() for line in heads.get("packed-refs", "").splitlines() if not line.startswith(("#", "^")))
    return {words[1]: words[0] for words in lines if len(words) == 2}


def _pointers(heads: dict[str, str], head: str, reachable: set[str], where: str) -> Iterator[Finding]:
    """Refs, logs and leftovers of fetches that name something else than HEAD."""
    refs = {name: resolved(name, heads) for name in heads if name.startswith("refs/")} | packed(heads)
    other = sorted(name for name, sha in refs.items() if sha and sha != head)
    beyond = [name for name in other if refs[name] not in reachable]
    if beyond:
        yield Finding("history", "fail", f"refs outside of HEAD's history: {', '.join(beyond[:NAMED])}", where)
    elif other:
        yield Finding("history", "warn", f"more refs than HEAD's: {', '.join(other[:NAMED])}", where)
    for name in sorted(n for n in heads if n.endswith("_HEAD")):
        if any(sha not in reachable for sha in _SHA.findall(heads[name])):
            yield Finding("history", "fail", f"{name} names an object that is not in HEAD's history", where)
    logged = {sha for n, text in heads.items() if n.startswith("logs/") for sha in _logged(text)}
    unknown = sorted(sha for sha in logged - reachable if set(sha) != {"0"})
    if unknown:
        yield Finding("history", "fail", f"the reflog names {len(unknown)} objects that HEAD does not know", where)


def _logged(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from (word for word in line.split(" ")[:2] if _SHA.fullmatch(word))


def _commits_first(item: tuple[str, str]) -> tuple[bool, str]:
    return item[1] != "commit", item[0]


def _objects(repository: Repository, head: str) -> tuple[set[str], dict[str, str], int]:
    """What HEAD reaches, every object with its kind, and how many commits HEAD's history has."""
    bare = repository.objects.parent
    sha256 = len(head) == 64
    _git(bare, "init", "-q", "--bare", f"--object-format={'sha256' if sha256 else 'sha1'}", ".")
    shown = _git(bare, "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)")
    everything = dict(line.split(" ", 1) for line in shown.splitlines())
    shallow = repository.heads.get("shallow", "")
    if shallow:
        (bare / "shallow").write_text("\n".join(_SHA.findall(shallow)) + "\n")
    listed = _git(bare, "rev-list", "--objects", "--no-object-names", head)
    reachable = set(listed.split())
    commits = sum(everything.get(sha) == "commit" for sha in reachable)
    return reachable, everything, commits


def _git(folder: Path, *args: str) -> str:
    environment = {
        "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1", "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
    }  # fmt: skip
    done = _ran(["git", *args], folder, environment)
    if done.returncode:
        raise subprocess.SubprocessError(done.stderr.strip() or f"git {args[0]} failed")
    return done.stdout


def _ran(argv: Sequence[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=GIT_S)
