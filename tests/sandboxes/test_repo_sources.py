"""Where a repository of a task may come from: any bundle, folder or bare repository that has its base."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from harness.api import SandboxError
from harness.records.task import Repo
from harness.sandboxes._repo import fetch_repo


def git(where: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(
        ["git", "-C", str(where), *who, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def source(tmp_path: Path) -> tuple[Path, str]:
    """A repository of two commits on no branch's tip but `main`, and the first of them."""
    made = tmp_path / "made"
    made.mkdir()
    git(made, "init", "-q", "-b", "main")
    (made / "a.txt").write_text("one\n")
    git(made, "add", ".")
    git(made, "commit", "-qm", "one")
    first = git(made, "rev-parse", "HEAD")
    git(made, "tag", "v1")
    (made / "a.txt").write_text("two\n")
    git(made, "commit", "-qam", "two")
    return made, first


@pytest.mark.parametrize("held", [["HEAD"], ["main"], ["--all"], ["v1"]])
def test_a_bundle_of_any_refs_has_its_commits(source: tuple[Path, str], tmp_path: Path, held: list[str]) -> None:
    made, first = source
    git(made, "bundle", "create", "-q", str(tmp_path / "b.bundle"), *held)
    for base in (first, first[:9]):
        laid = fetch_repo(Repo("b.bundle", base, "/work/repo"), tmp_path)
        with tarfile.open(laid.tar) as tar:
            assert [(m.name, tar.extractfile(m).read()) for m in tar] == [("a.txt", b"one\n")]  # type: ignore[union-attr]


def test_a_commit_that_is_not_there_is_told_by_its_name(source: tuple[Path, str], tmp_path: Path) -> None:
    git(source[0], "bundle", "create", "-q", str(tmp_path / "b.bundle"), "main")
    for repo in (Repo("b.bundle", "f" * 40, "/r"), Repo("made", "nowhere", "/r")):
        with pytest.raises(SandboxError, match=f"{repo.source} has no commit '{repo.base}'"):
            fetch_repo(repo, tmp_path)
