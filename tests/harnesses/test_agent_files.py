"""File operations of agents, with real shells in a temporary folder: exact, bounded, and never on what is no text."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from agent_boxes import FolderBox
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.toolkit.box_files import BoxFiles, FileFault
from harness.toolkit.shell import Shell

_T = TypeVar("_T")
LINE = st.text(st.characters(codec="utf-8", exclude_characters="\n", exclude_categories=["Cs"]), max_size=8)
TEXTS = st.builds("\n".join, st.lists(LINE, max_size=6))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def files(root: Path, chars: int = 10_000) -> BoxFiles:
    return BoxFiles(Shell(FolderBox(root), 5.0, chars))


def do(what: Awaitable[_T]) -> _T:
    async def wait() -> _T:
        return await what

    return asyncio.run(wait())


@settings(deadline=None, max_examples=30)
@given(text=TEXTS, old=LINE.filter(bool), new=TEXTS)
def test_replace_changes_exactly_one_place_or_nothing(text: str, old: str, new: str) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        (root / "f").write_bytes(text.encode())
        try:
            do(files(root).replace("f", old, new))
            assert text.count(old) == 1
            assert (root / "f").read_bytes() == text.replace(old, new).encode()
        except FileFault:
            assert text.count(old) != 1 and (root / "f").read_bytes() == text.encode()
    finally:
        shutil.rmtree(root)


@settings(deadline=None, max_examples=30)
@given(text=TEXTS, line=st.integers(-1, 8), added=LINE.filter(bool))
def test_insert_adds_lines_and_keeps_all_others(text: str, line: int, added: str) -> None:
    root = Path(tempfile.mkdtemp())
    lines = text.split("\n")[:-1] if text.endswith("\n") or not text else text.split("\n")
    try:
        (root / "f").write_bytes(text.encode())
        try:
            do(files(root).insert("f", line, added))
            after = (root / "f").read_bytes().decode()
            assert after.removesuffix("\n").split("\n") == [*lines[:line], added, *lines[line:]]
        except FileFault:
            assert not 0 <= line <= len(lines) and (root / "f").read_bytes() == text.encode()
    finally:
        shutil.rmtree(root)


@settings(deadline=None, max_examples=20)
@given(text=TEXTS)
def test_create_writes_the_very_text(text: str) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        do(files(root).create("new/deep/f", text))
        assert (root / "new/deep/f").read_bytes() == text.encode()
    finally:
        shutil.rmtree(root)


def test_a_file_keeps_its_mode_its_line_ends_and_its_link(root: Path) -> None:
    (root / "run.sh").write_bytes(b"#!/bin/sh\r\necho a\r\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("run.sh")
    do(files(root).replace("link", "echo a", "echo b"))
    assert (root / "run.sh").read_bytes() == b"#!/bin/sh\r\necho b\r\n"
    assert (root / "run.sh").stat().st_mode & 0o777 == 0o755 and (root / "link").is_symlink()


@pytest.mark.parametrize("name", ["-rf", "a b", "$(touch x)", "'q'", "é\n", "*"])
def test_odd_names_are_names(name: str, root: Path) -> None:
    do(files(root).create(name, "1"))
    assert "1\t1" in do(files(root).view(name))
    assert [p.name for p in root.iterdir()] == [name]


def test_faults_say_what_would_help(root: Path) -> None:
    box = files(root)
    (root / "f").write_text("def f():\n    return 1\n\ndef g():\n    return 1\n")
    (root / "d").mkdir()
    (root / "bin").write_bytes(b"\x00\xff")
    os.mkfifo(root / "pipe")
    for what, said in (
        (box.replace("f", "return 1", "x"), "stands 2 times in f (lines 2, 5)"),
        (box.replace("f", "def f():\n  return 1", "x"), "line 1 differs from it only in white space"),
        (box.replace("f", "def h()", "x"), "same character for character"),
        (box.replace("f", "", "x"), "old is empty"),
        (box.insert("f", 9, "x"), "line 9 is not in f: it has 5 lines"),
        (box.view("f", 7), "line 7 is not in f"),
        (box.view("f", 3, 2), "comes before"),
        (box.view("bin"), "not UTF-8 text: byte 1 is 0xff"),
        (box.view("pipe"), "not a regular file"),
        (box.create("pipe", "x"), "not a regular file"),
        (box.create("d", "x"), "is a folder"),
        (box.replace("d", "a", "b"), "is a folder"),
        (box.view("none"), "No such file"),
        (box.view(""), "path is empty"),
        (box.view("a\0b"), "NUL"),
        (box.create("f/x", "x"), "was not written"),
        (box.search("(", "."), "nmatched"),
        (box.search("x", "none"), "No such file"),
    ):
        with pytest.raises(FileFault) as caught:
            do(what)
        assert said in str(caught.value)


def test_views_and_searches_are_bounded(root: Path) -> None:
    (root / "big").write_text("".join(f"line {i}\n" for i in range(5000)))
    (root / "wide").write_text("line " + "w" * 3000)
    said = do(files(root, 1000).view("big"))
    assert said.startswith("lines 1 to 5000 of 5000\n     1\tline 0\n") and said.endswith("line 4999")
    assert len(said) < 1300 and "characters left out" in said
    assert do(files(root).view("big", 4999)) == "lines 4999 to 5000 of 5000\n  4999\tline 4998\n  5000\tline 4999"
    found = do(files(root).search("line"))
    assert "[4,801 more; search more narrowly]" in found
    assert " [...]" in do(files(root).search("line", "wide"))


def test_search_is_sorted_and_leaves_out_binary_files_and_git(root: Path) -> None:
    for name in ("b.py", "a.py", "a.txt", ".git/x.py"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("one\nneedle\n" * 6)
    (root / "bin.py").write_bytes(b"\0needle")
    found = do(files(root).search("needl[e]", files="*.py")).splitlines()
    assert found == [f"./{n}.py:{i}:needle" for n in "ab" for i in range(2, 13, 2)]
    assert do(files(root).search("absent")) == "no line matches"


def test_empty_places_are_said_to_be(root: Path) -> None:
    (root / "e").write_text("")
    (root / "d").mkdir()
    assert do(files(root).view("e")) == "(an empty file)"
    assert do(files(root).view("d")) == "(an empty folder)"
    do(files(root).insert("e", 0, "x"))
    assert (root / "e").read_text() == "x"
