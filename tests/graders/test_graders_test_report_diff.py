"""Taking a diff apart: what is judged is what is applied."""
# ruff: noqa: E501 - tables of cases and texts of programs

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.graders._diff import BadPatch, parse_diff
from harness.graders._protected import PYTHON, Guard, matches, sift

NASTY = [
    "plain.txt",
    "a b/c d.txt",
    "tab\there.txt",
    'quo"te.txt',
    "back\\slash.txt",
    "ünï/cödé.txt",
    "a/b/x.bin",
    "-dash",
]


def git(folder: Path, *argv: str, stdin: bytes = b"") -> bytes:
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *argv], cwd=folder, input=stdin, capture_output=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    git(tree, "init", "-q", "-b", "main")
    for name in NASTY:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"one\ntwo\nthree\n" if not name.endswith(".bin") else bytes(range(256)))
    (tree / "crlf.txt").write_bytes(b"a\r\nb\r\n")
    (tree / "no-newline").write_bytes(b"last line")
    git(tree, "add", "-A")
    git(tree, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "base")
    return tree


def test_what_is_written_anew_makes_the_same_tree(repository: Path) -> None:
    tree = repository
    for name in NASTY[:6]:
        (tree / name).write_bytes(b"one\n--- a/inside\n+++ b/inside\n@@ -1 +1 @@\nthree\n")
    (tree / "a/b/x.bin").write_bytes(bytes(reversed(range(256))) * 4)
    (tree / "crlf.txt").write_bytes(b"a\r\nB\r\n")
    (tree / "no-newline").write_bytes(b"another last line")
    (tree / "-dash").rename(tree / "moved to")
    (tree / "new.sh").write_bytes(b"#!/bin/sh\n")
    (tree / "new.sh").chmod(0o755)
    (tree / "empty").write_bytes(b"")
    (tree / "link").symlink_to("plain.txt")
    (tree / "plain.txt").chmod(0o755)
    git(tree, "add", "-A")
    diff = git(tree, "diff", "--cached", "--binary", "-M", "HEAD")
    wanted = git(tree, "write-tree")
    git(tree, "reset", "-q", "--hard", "HEAD")
    rendered = b"".join(f.render() for f in parse_diff(diff))
    git(tree, "apply", "--index", "-", stdin=rendered)
    assert git(tree, "write-tree") == wanted
    assert {p for f in parse_diff(diff) for p in f.paths} >= {
        "moved to",
        "-dash",
        "tab\there.txt",
        'quo"te.txt',
        "empty",
    }


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n/"), min_size=1, max_size=12),
        min_size=1,
        max_size=4,
    )
)
def test_any_path_survives(parts: list[str]) -> None:
    path = "/".join(parts)
    quoted = path.encode()
    special = any(b < 32 or b > 126 or b in b'"\\' for b in quoted)
    body = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03o}" for b in quoted)
    say = (lambda side: f'"{side}/{body}"') if special else (lambda side: f"{side}/{path}")
    text = f"diff --git {say('a')} {say('b')}\n--- {say('a')}\t\n+++ {say('b')}\t\n@@ -1 +1 @@\n-x\n+y\n"
    (file,) = parse_diff(text.encode())
    stripped = path if special else path.rstrip(" ")
    assert file.new == stripped
    (again,) = parse_diff(file.render())
    assert again.new == stripped and again.body == file.body


def test_headers_inside_a_hunk_are_lines() -> None:
    text = (
        b"--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,3 @@\n context\n--- a/tests/test_x.py\n+++ b/tests/test_x.py\n+more\n"
        b"--- a/y.py\n+++ b/y.py\n@@ -1 +1 @@\n-1\n+2\n"
    )
    assert [f.new for f in parse_diff(text)] == ["x.py", "y.py"]


@pytest.mark.parametrize(
    "text",
    [
        b"--- a/x\n+++ b/x\n@@ -1,5 +1,5 @@\n-1\n+2\n",
        b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n@@ -5,2 +5,2 @@\n-3\n",
        b"@@ -1 +1 @@\n-1\n+2\n",
        b'diff --git "a/x b/x\nnew file mode 100644\n',
        b"diff --git a/x b/y\nold mode 100644\nnew mode 100755\n",
    ],
)
def test_a_broken_diff_is_refused(text: bytes) -> None:
    with pytest.raises(BadPatch):
        parse_diff(text)


def test_prose_and_ed_scripts_around_a_diff_are_not_passed_on() -> None:
    text = b"Here you are:\nIndex: evil\nPrereq: 1\n1d\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\nDone.\n!sh\n"
    (file,) = parse_diff(text)
    assert file.render() == b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n"


def one(path: str, *lines: str) -> bytes:
    return "\n".join([f"diff --git a/{path} b/{path}", *lines, ""]).encode()


def test_renaming_a_protected_file_away_is_dropped() -> None:
    text = (
        b"diff --git a/tests/test_a.py b/old.py\nsimilarity index 100%\nrename from tests/test_a.py\nrename to old.py\n"
    )
    sifted = sift(parse_diff(text), Guard(PYTHON))
    assert not sifted.kept and sifted.flags == ["protected_path: tests/test_a.py"]


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        (one("sub", "new file mode 160000", "--- /dev/null", "+++ b/sub", "@@ -0,0 +1 @@", "+Subproject commit 1"), "unsupported_mode"),
        (one("x/.GIT/config", "new file mode 100644", "--- /dev/null", "+++ b/x/.GIT/config", "@@ -0,0 +1 @@", "+x"), "unsafe_path"),
        (one("a/../../x", "new file mode 100644", "--- /dev/null", "+++ b/a/../../x", "@@ -0,0 +1 @@", "+x"), "unsafe_path"),
        (one("x.bin", "new file mode 100644", "index 0000000..1111111", "Binary files /dev/null and b/x.bin differ"), "binary_without_data"),
        (one("tests", "new file mode 120000", "--- /dev/null", "+++ b/tests", "@@ -0,0 +1 @@", "+calc"), "protected_path"),
    ],
)  # fmt: skip
def test_what_cannot_count_is_dropped_and_told(text: bytes, flag: str) -> None:
    sifted = sift(parse_diff(text), Guard(PYTHON))
    assert not sifted.kept and sifted.flags[0].startswith(flag)


def test_a_folder_of_hidden_files_cannot_be_replaced() -> None:
    guard = Guard((), (), frozenset({"spec/deep/a.rb"}))
    assert guard.holds("spec") and guard.holds("spec/deep") and not guard.holds("spec/other.rb")


@pytest.mark.parametrize(
    ("path", "glob", "fits"),
    [
        ("a/b/c.py", "**/c.py", True), ("c.py", "**/c.py", True), ("a/c.py", "*.py", False), ("a/c.py", "a/*", True),
        ("tests/x/y", "tests/**", True), ("Tests/x", "tests/**", True), ("a.b", "a?b", True), ("a/b", "a?b", False),
        ("sub/tests/x.py", "**/tests/**", True), ("latest/x.py", "**/test/**", False), ("x[1].py", "x[1].py", True),
    ],
)  # fmt: skip
def test_globs(path: str, glob: str, fits: bool) -> None:
    assert matches(path, (glob,)) is fits
