"""Which files of the work do not count, because they decide how it is graded."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from harness.graders._diff import MODES, SYMLINK, FileDiff

CI = (
    ".github/**", ".gitlab-ci.yml", ".gitlab/**", ".circleci/**", ".travis.yml", "azure-pipelines.yml", "Jenkinsfile",
    ".gitattributes", ".gitmodules",
)  # fmt: skip
PYTHON = (
    "test/**", "tests/**", "**/tests/**", "**/test_*.py", "**/*_test.py", "**/conftest.py", "**/pytest.ini",
    "**/.pytest.ini", "**/pytest.toml", "**/.pytest.toml", "pyproject.toml", "setup.cfg", "tox.ini", "noxfile.py",
    "**/sitecustomize.py", "**/usercustomize.py", "**/sitecustomize/**", "**/usercustomize/**", "**/*.pth",
    "**/*.egg-info/**", "**/*.dist-info/**", "**/__pycache__/**", "**/*.pyc", "**/*.pyo", "**/.coveragerc",
    "**/pytest.py", "**/pytest/__init__.py", "**/_pytest/**", "**/pluggy/**", "**/iniconfig/**", "**/py.py",
    "**/unittest.py", "**/unittest/__init__.py", "poetry.lock", "uv.lock", "Pipfile.lock", "requirements*.txt",
)  # fmt: skip
JAVASCRIPT = (
    "test/**", "tests/**", "**/__tests__/**", "**/__mocks__/**", "**/*.test.*", "**/*.spec.*", "**/jest.config.*",
    "**/jest.setup.*", "**/vitest.config.*", "**/vitest.workspace.*", "**/vite.config.*", "**/.mocharc*",
    "**/babel.config.*", "**/.babelrc*", "**/node_modules/**", "package.json", "package-lock.json", "yarn.lock",
    "pnpm-lock.yaml", "**/.npmrc", "**/.yarnrc*", "**/*.snap",
)  # fmt: skip
GO = ("**/*_test.go", "**/testdata/**", "go.mod", "go.sum", "go.work", "go.work.sum", "vendor/**")
RUST = (
    "tests/**", "**/tests/**", "**/Cargo.toml", "Cargo.lock", ".cargo/**", ".config/nextest.toml", "**/build.rs",
    "rust-toolchain*",
)  # fmt: skip
"""A manifest names build scripts, by whatever name, and macros: they run where the hidden tests are, before these."""
ANY = (
    "test/**", "tests/**", "**/tests/**", "**/__tests__/**", "**/*.test.*", "**/*.spec.*", "**/*_test.*",
    "**/test_*.*", "**/src/test/**", "CTestTestfile.cmake", "**/.mvn/**",
)  # fmt: skip
MAX_FLAGS = 20


@lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` stay inside one part of a path, `**/` is any number of parts, `/**` everything below."""
    out, i = "", 0
    while i < len(glob):
        if glob.startswith("**/", i):
            out, i = out + "(?:[^/]+/)*", i + 3
        elif glob.startswith("**", i):
            out, i = out + ".*", i + 2
        elif glob[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif glob[i] == "?":
            out, i = out + "[^/]", i + 1
        else:
            out, i = out + re.escape(glob[i]), i + 1
    return re.compile(out, re.DOTALL)


def matches(path: str, globs: Iterable[str]) -> bool:
    """Whether a path from the tree's root fits one of the globs, in whatever case."""
    return any(_pattern(glob.lower()).fullmatch(path.lower()) for glob in globs)


@dataclass(frozen=True, slots=True)
class Guard:
    """What is protected in one task. `files` are single paths: hidden tests, gold's own versions, reports."""

    globs: Sequence[str] = ()
    allow: Sequence[str] = ()
    files: frozenset[str] = frozenset()

    def holds(self, path: str) -> bool:
        """Whether the work may not touch this path, nor put something else where its folder is."""
        if path in self.files or any(file.startswith(path + "/") for file in self.files):
            return True
        held = matches(path, self.globs) or matches(path + "/", self.globs)
        return held and not matches(path, self.allow)


@dataclass(slots=True)
class Sifted:
    """The files of a diff that count, and what was said about the others, as flags."""

    kept: list[FileDiff] = field(default_factory=list)
    dropped: list[FileDiff] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)

    def patch(self) -> bytes:
        """The diff of what counts."""
        return b"".join(file.render() for file in self.kept)


def sift(files: Sequence[FileDiff], guard: Guard) -> Sifted:
    """Drop what is protected, unsafe, or cannot be applied; each with a flag `word: path`."""
    sifted = Sifted()
    for file in files:
        why = _why_not(file, guard)
        if why:
            sifted.dropped.append(file)
            guilty = [path for path in file.paths if why == "protected_path" and guard.holds(path)]
            sifted.flags.append(f"{why}: {shown((guilty or file.paths)[-1])}")
        else:
            sifted.kept.append(file)
    return sifted


def limited(flags: Sequence[str]) -> tuple[str, ...]:
    """Each flag once, and not more than a record should hold."""
    once = list(dict.fromkeys(flags))
    return tuple(once if len(once) <= MAX_FLAGS else [*once[:MAX_FLAGS], f"and {len(once) - MAX_FLAGS} more flags"])


def shown(path: str) -> str:
    """A path that can be stored and printed."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in path)[:200]


def _why_not(file: FileDiff, guard: Guard) -> str:
    if any(_unsafe(path) for path in file.paths):
        return "unsafe_path"
    modes = {mode for mode in (file.old_mode, file.new_mode) if mode}
    if modes - set(MODES):
        return "unsupported_mode"
    if any(guard.holds(path) for path in file.paths):
        return "protected_path"
    if SYMLINK in modes and file.new and _leads_out(file):
        return "symlink"
    if file.binary and not (file.body and file.index):
        return "binary_without_data"
    return ""


def _unsafe(path: str) -> bool:
    parts = path.split("/")
    return (
        path.startswith("/")
        or "\0" in path
        or any(p in ("", ".", "..") or p.lower().rstrip(". ") == ".git" or p.lower().startswith("git~") for p in parts)
    )


def _leads_out(file: FileDiff) -> bool:
    """Whether a link may leave the tree, or where it leads cannot be seen."""
    target = file.link_target
    if file.binary or target is None or not target or climbs_out(file.new, target):
        return True
    end = posixpath.normpath(posixpath.join(posixpath.dirname(file.new), target))
    return end == ".git" or end.startswith(".git/")


def climbs_out(name: str, target: str, root: str = "") -> bool:
    """Whether a link at `name` below `root` may leave it.

    One that climbs after going down is taken to: what it goes down through may be a link to a place further up. A path
    from the top stays only where it is below `root`.
    """
    if target.startswith("/"):
        if not root or not f"{target}/".startswith(f"/{root.strip('/')}/"):
            return True
        name, target = "x", target[len(root.strip("/")) + 1 :].lstrip("/")
    parts = [part for part in target.split("/") if part not in ("", ".")]
    climbs = next((i for i, part in enumerate(parts) if part != ".."), len(parts))
    return climbs > posixpath.normpath(name).count("/") or ".." in parts[climbs:]
