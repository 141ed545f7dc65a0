"""A repository laid down in an image as it was at one commit: its files, then one fresh commit, and no history.

The files are read object by object (`ls-tree`, `cat-file`), so no hook, filter, attribute or work tree of the source
has a part in it: unlike `git archive`, nothing that is marked `export-ignore` is lost, and `export-subst` writes no
names of later refs into files. Git runs on the host only here, and only on the source that the task's author names.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import shlex
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.api import SandboxError
from harness.records.task import Repo

CACHE = Path(".harness") / "cache" / "repos"
RECIPE = "1"
"""Raised when the same commit is laid down in another way."""
DATE = "2000-01-01T00:00:00Z"
MTIME = 946684800
FETCH_S = 1800
READ_S = 600
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/@:]+@[^/:]+:")
FULL_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
TREE = "repo/"

SAFE = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never",
    "-c", "safe.directory=*", "-c", "gc.auto=0", "-c", "transfer.fsckObjects=true",
)  # fmt: skip

COMMIT = (
    "command -v git >/dev/null || exit 0; "
    "export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null "
    f"GIT_AUTHOR_NAME=base GIT_AUTHOR_EMAIL=base@example.invalid GIT_AUTHOR_DATE={DATE} "
    f"GIT_COMMITTER_NAME=base GIT_COMMITTER_EMAIL=base@example.invalid GIT_COMMITTER_DATE={DATE}; "
    "git -c init.defaultBranch=main init -q --template=; "
    "git -c core.autocrlf=false -c gc.auto=0 add -A -f .; "
    "git -c gc.auto=0 -c commit.gpgSign=false commit -q --no-verify --allow-empty -m base; "
    "git config user.name agent; git config user.email agent@example.invalid"
)
"""One commit with a fixed author and date, and a name for commits the work may make. An image without git gets the
files alone."""


@dataclass(frozen=True, slots=True)
class Laid:
    """The files of a repository as a tar on disk; `tree` is git's own content address of them."""

    tar: Path
    tree: str


def fetch_repo(repo: Repo, workspace: Path) -> Laid:
    """The repository's files at its base, from the cache or its source. Raises SandboxError("image") with the cause."""
    if repo.base.startswith("-") or repo.source.startswith("-"):
        raise SandboxError("image", f"'{repo.source}' at '{repo.base}' is not a repository and a commit")
    cache = workspace / CACHE
    cache.mkdir(parents=True, exist_ok=True)
    git_dir = _git_dir(repo, workspace, cache)
    commit = _commit(git_dir, repo)
    tree = _git(git_dir, "rev-parse", f"{commit}^{{tree}}").decode().strip()
    path = cache / f"{tree}-{RECIPE}.tar"
    if not path.is_file():
        with _lock(cache / f"{tree}.lock"):
            if not path.is_file():
                _write_tar(git_dir, commit, path, repo)
    return Laid(path, tree)


def layer_lines(repo: Repo, user: str) -> list[str]:
    """Dockerfile lines that lay the files of `TREE` in the context down and commit them; run as root before."""
    name, _, group = user.partition(":")
    owner = f"{name}:{group}" if group else name
    dest = shlex.quote(repo.dest)
    there = f"mkdir -p {dest} && chown {shlex.quote(owner)} {dest}"
    trust = f"if command -v git >/dev/null; then git config --system --add safe.directory {dest}; fi"
    return [
        _run(f"{there}; {trust}"),
        f'COPY --chown={owner} ["{TREE}", {_quoted(repo.dest.rstrip("/") + "/")}]',
        f"USER {user}",
        _run(f"cd {dest}; {COMMIT}"),
        "USER 0",
    ]


def add_tree(context: bytes, laid: Laid) -> bytes:
    """A build context with the repository's files under `TREE`."""
    out = io.BytesIO(context)
    with tarfile.open(fileobj=out, mode="a") as tar, tarfile.open(laid.tar) as files:
        top = tarfile.TarInfo(TREE.rstrip("/"))
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(top)
        for member in files:
            member.name = TREE + member.name
            tar.addfile(member, files.extractfile(member) if member.isreg() else None)
    return out.getvalue()


def _run(script: str) -> str:
    return f'RUN ["/bin/sh", "-ec", {_quoted(script)}]'


def _quoted(text: str) -> str:
    import json

    return json.dumps(text)


def _git_dir(repo: Repo, workspace: Path, cache: Path) -> Path:
    """A git directory that has the base: the source's own, or one of ours that it is fetched into."""
    if ADDRESS.match(repo.source):
        return _fetched(repo, repo.source, cache)
    path = (workspace / repo.source).resolve()
    if path.is_file():
        return _fetched(repo, str(path), cache)
    if not path.is_dir():
        raise SandboxError("image", f"no such repository: {repo.source}")
    for folder in (path / ".git", path):
        if (folder / "objects").is_dir() or folder.is_file():
            return folder
    raise SandboxError("image", f"{repo.source} is not a git repository")


def _fetched(repo: Repo, source: str, cache: Path) -> Path:
    """A bare repository of ours that holds the base. A full commit id is fetched alone where the server allows it."""
    key = hashlib.sha256(repo.source.encode()).hexdigest()[:20]
    git_dir = cache / f"{key}.git"
    with _lock(cache / f"{key}.lock"):
        if not (git_dir / "HEAD").is_file():
            _git(None, "init", "-q", "--bare", "--template=", str(git_dir))
        if FULL_ID.fullmatch(repo.base) and _has(git_dir, repo.base):
            return git_dir
        alone = ("fetch", "-q", "--no-tags", "--depth=1", "--", source, f"+{repo.base}:refs/bases/{_safe(repo.base)}")
        try:
            if not Path(source).is_file():
                _git(git_dir, *alone, timeout_s=FETCH_S)
                return git_dir
        except SandboxError:
            pass  # a short id, or a server that gives refs only: everything is fetched
        fetch = ("fetch", "-q", "--no-tags", "--", source)
        with suppress(SandboxError):  # a bundle made of HEAD has no branches, one made of branches may have no HEAD
            _git(git_dir, *fetch, "+HEAD:refs/sources/head", timeout_s=FETCH_S)
        try:
            _git(git_dir, *fetch, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", timeout_s=FETCH_S)
        except SandboxError as e:
            raise SandboxError("image", f"{repo.source} cannot be fetched: {e}") from e
    return git_dir


def _safe(base: str) -> str:
    return hashlib.sha256(base.encode()).hexdigest()[:20]


def _commit(git_dir: Path, repo: Repo) -> str:
    for name in (f"refs/bases/{_safe(repo.base)}", repo.base):
        try:
            return _git(git_dir, "rev-parse", "--verify", "-q", f"{name}^{{commit}}").decode().strip()
        except SandboxError:
            continue
    raise SandboxError("image", f"{repo.source} has no commit '{repo.base}'")


def _has(git_dir: Path, commit: str) -> bool:
    try:
        _git(git_dir, "cat-file", "-e", f"{commit}^{{commit}}")
    except SandboxError:
        return False
    return True


def _git(git_dir: Path | None, *words: str, timeout_s: float = READ_S, stdin: bytes = b"") -> bytes:
    """Git's output. Raises SandboxError with its last words. Fetching may use the user's own keys and helpers."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    env |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    if words[0] != "fetch":
        env["GIT_CONFIG_GLOBAL"] = "/dev/null"
    at = (f"--git-dir={git_dir}",) if git_dir else ()
    try:
        done = subprocess.run(
            ["git", *SAFE, *at, *words], input=stdin, capture_output=True, timeout=timeout_s, env=env, check=False
        )
    except FileNotFoundError as e:
        raise SandboxError("image", "git is not installed on this machine") from e
    except subprocess.TimeoutExpired as e:
        raise SandboxError("image", f"git {words[0]} took more than {timeout_s:g} s") from e
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SandboxError("image", said[-1] if said else f"git {words[0]} ended with {done.returncode}")
    return done.stdout


def _write_tar(git_dir: Path, commit: str, path: Path, repo: Repo) -> None:
    """All files of a commit, the same bytes each time; put in place whole."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
            for mode, name, data in _files(git_dir, commit, repo):
                tar.addfile(*_member(mode, name, data))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _member(mode: str, name: str, data: bytes) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    member = tarfile.TarInfo(name)
    member.mtime, member.mode = MTIME, 0o755 if mode in ("100755", "160000") else 0o644
    if mode == "160000":  # a submodule is an empty folder, as in a clone that did not ask for it
        member.type = tarfile.DIRTYPE
    elif mode == "120000":
        member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(data)
    else:
        member.size = len(data)
        return member, io.BytesIO(data)
    return member, None


def _files(git_dir: Path, commit: str, repo: Repo) -> Iterator[tuple[str, str, bytes]]:
    """Mode, name and content of every entry. Raises SandboxError for a name that would leave the folder."""
    entries = []
    for line in _git(git_dir, "ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0"):
        if line:
            about, _, raw = line.partition(b"\t")
            mode, _, object_id = about.decode().split()
            name = os.fsdecode(raw)
            if any(part in ("", ".", "..") or part.casefold() == ".git" for part in name.split("/")):
                raise SandboxError("image", f"{repo.source} holds a file named {name!r}")
            entries.append((mode, name, object_id))
    wanted = [object_id for mode, _, object_id in entries if mode != "160000"]
    blobs = _blobs(git_dir, wanted)
    for mode, name, _ in entries:
        yield mode, name, b"" if mode == "160000" else next(blobs)


def _blobs(git_dir: Path, ids: list[str]) -> Iterator[bytes]:
    """The contents of objects, in order, some hundred at a time."""
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        out = io.BytesIO(_git(git_dir, "cat-file", "--batch", stdin="\n".join(some).encode() + b"\n"))
        for _ in some:
            head = out.readline().split()
            if len(head) != 3:
                raise SandboxError("image", f"object {head[0].decode()} is missing from the repository")
            yield out.read(int(head[2]))
            out.read(1)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
