"""The patch of work in a box, on a real engine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from box_bench import REPO, BoxBench, Shell, Took, box_task, git

from harness.records.task import Collect, SandboxSpec

pytestmark = pytest.mark.docker
OWN_IMAGES = ("mkdir -p /work/repo && chown", "mkdir -p app")
PATCH = Collect("patch", "patch", REPO)

WORK = r"""
set -e
echo 'def add(a, b):
    return a + b' > src/calc.py
printf 'new\n' > 'new file é.txt'
head -c 3000 /dev/urandom > new.bin
printf 'x' >> pic.bin
git mv src/other.py src/renamed.py
git commit -qam wip
rm old.txt
chmod -x run.sh
printf '#!/bin/sh\n' > tool.sh && chmod +x tool.sh
rm link && ln -s src/renamed.py link
printf 'three\r\n' >> dos.txt
printf 'more\n' >> tracked.log
mkdir -p build && echo junk > build/out.o && echo noise > noise.log
rm -r docs && echo 'a file now' > docs
rm run.sh.orig 2>/dev/null || true
mkdir -p deep/er && touch deep/er/empty
"""


def applied(bench: BoxBench, patch: bytes) -> Path:
    folder = bench.checkout()
    (bench.root / "p.diff").write_bytes(patch)
    subprocess.run(["git", "-C", str(folder), "apply", str(bench.root / "p.diff")], check=True, capture_output=True)
    return folder


def test_the_patch_holds_new_changed_binary_renamed_deleted_and_mode(boxes: BoxBench) -> None:
    (attempt,) = boxes.play([box_task("t", PATCH, spec=boxes.repo_spec())], {"s": Shell(script=WORK)})
    patch = boxes.artifact(attempt)
    assert attempt.passed and patch is not None, (attempt.trouble, attempt.output.answer, attempt.flags)
    assert boxes.commands(attempt)[0].exit_code == 0, attempt.output.answer
    tree = applied(boxes, patch)
    assert "a + b" in (tree / "src/calc.py").read_text()
    assert (tree / "new file é.txt").read_text() == "new\n"
    assert len((tree / "new.bin").read_bytes()) == 3000
    assert (tree / "pic.bin").read_bytes() == bytes(range(256)) * 4 + b"x"
    assert (tree / "src/renamed.py").read_text() == "x = 1\n" * 50
    assert not (tree / "src/other.py").exists() and not (tree / "old.txt").exists()
    assert not (tree / "run.sh").stat().st_mode & 0o111 and (tree / "tool.sh").stat().st_mode & 0o100
    assert (tree / "link").readlink() == Path("src/renamed.py")
    assert (tree / "dos.txt").read_bytes() == b"one\r\ntwo\r\nthree\r\n"
    assert (tree / "tracked.log").read_text().endswith("more\n")
    assert not (tree / "build").exists() and not (tree / "noise.log").exists()
    assert (tree / "docs").read_text() == "a file now\n"
    assert (tree / "deep/er/empty").read_bytes() == b""
    assert attempt.flags == ()
    assert boxes.held() == []


def test_no_change_is_an_empty_patch_and_not_an_absent_one(boxes: BoxBench) -> None:
    grader = Took(text="diff")
    (attempt,) = boxes.play([box_task("t", PATCH, spec=boxes.repo_spec())], {"s": Shell(script="touch .")}, grader)
    assert boxes.artifact(attempt) == b"" and attempt.passed is False and attempt.label == ""


HOSTILE = r"""
set -e
ln -s /etc/passwd out1
ln -s ../../etc/passwd out2
mkdir d && ln -s . d/here && ln -s d/here/../../x out3
ln -s src/calc.py fine
ln /etc/hostname hard 2>/dev/null || cp /etc/hostname hard
echo colon > ':(top)odd'
mkdir nested && cd nested && git init -q && echo inner > inner.txt && cd ..
mkfifo pipe
printf '*\n' > .gitignore
printf '* filter=evil diff=evil text=auto eol=lf working-tree-encoding=UTF-16\n' > .gitattributes
git config filter.evil.clean 'touch /tmp/pwned; cat'
git config diff.evil.textconv 'touch /tmp/pwned; cat'
git config core.fsmonitor 'touch /tmp/pwned'
printf '#!/bin/sh\ntouch /tmp/pwned\n' > .git/hooks/post-index-change && chmod +x .git/hooks/post-index-change
printf 'added\r\n' > added.txt
(while :; do date > racing.txt; sleep 0.01; done) >/dev/null 2>&1 &
"""


def test_links_out_nested_git_and_rules_of_the_work_do_not_count(boxes: BoxBench) -> None:
    (attempt,) = boxes.play([box_task("t", PATCH, spec=boxes.repo_spec())], {"s": Shell(script=HOSTILE)})
    patch = boxes.artifact(attempt)
    assert patch is not None, attempt.trouble
    flags = sorted(f for f in attempt.flags if not f.startswith("left_running"))
    assert [f.split(":")[0] for f in flags] == ["link_leaves_tree"] * 3 + ["nested_git"]
    assert "nested_git: nested/.git" in flags
    tree = applied(boxes, patch)
    assert (tree / "added.txt").read_bytes() == b"added\r\n"
    assert (tree / "fine").readlink() == Path("src/calc.py")
    assert not any((tree / name).is_symlink() for name in ("out1", "out2", "out3"))
    assert (tree / "nested/inner.txt").read_text() == "inner\n" and not (tree / "nested/.git").exists()
    assert (tree / ":(top)odd").read_text() == "colon\n"
    assert not (tree / "pipe").exists()
    assert (tree / "racing.txt").exists()


def test_a_patch_over_its_size_is_flagged_and_absent(boxes: BoxBench) -> None:
    small = Collect("patch", "patch", REPO, max_bytes=2000)
    work = Shell(script="head -c 100000 /dev/urandom > big.bin")
    (attempt,) = boxes.play([box_task("t", small, spec=boxes.repo_spec())], {"s": work})
    assert boxes.artifact(attempt) is None and attempt.label == "absent"
    assert attempt.flags[0].startswith("too_big: patch")


def test_ignored_products_are_left_out_before_anything_is_read(boxes: BoxBench) -> None:
    script = "mkdir build; for i in $(seq 300); do head -c 1000000 /dev/zero > build/$i.o; done; echo ok >> old.txt"
    spec = boxes.repo_spec()
    (attempt,) = boxes.play([box_task("t", PATCH, spec=spec)], {"s": Shell(script=script)})
    patch = boxes.artifact(attempt)
    assert patch is not None and patch.count(b"diff --git") == 1 and attempt.flags == ()


def test_excluded_paths_are_not_in_the_patch(boxes: BoxBench) -> None:
    some = Collect("patch", "patch", REPO, exclude=("src", "*.md"))
    script = "echo 1 >> src/calc.py; echo 1 >> docs/a.md; echo 1 > kept.txt"
    (attempt,) = boxes.play([box_task("t", some, spec=boxes.repo_spec())], {"s": Shell(script=script)})
    patch = boxes.artifact(attempt)
    assert patch is not None and patch.count(b"diff --git") == 1 and b"kept.txt" in patch


def test_a_folder_emptied_and_filled_again_and_one_that_takes_a_files_place(boxes: BoxBench) -> None:
    script = "rm -rf src && mkdir src && echo 1 > src/x.py && rm old.txt && mkdir old.txt && echo 2 > old.txt/in"
    (attempt,) = boxes.play([box_task("t", PATCH, spec=boxes.repo_spec())], {"s": Shell(script=script)})
    patch = boxes.artifact(attempt)
    assert patch is not None
    tree = applied(boxes, patch)
    assert sorted(p.name for p in (tree / "src").iterdir()) == ["x.py"] and (tree / "old.txt/in").exists()


@pytest.mark.parametrize("script", ["cd /; mv /work/repo /work/gone", "cd /work; mv repo gone; ln -s gone repo"])
def test_a_folder_that_is_gone_gives_no_patch(boxes: BoxBench, script: str) -> None:
    (attempt,) = boxes.play([box_task("t", PATCH, spec=boxes.repo_spec())], {"s": Shell(script=script)})
    assert boxes.artifact(attempt) is None and attempt.label == "absent"
    assert attempt.flags == (f"no_folder: patch: {REPO} is gone",)


def test_a_folder_without_git_of_its_own_is_compared_too(boxes: BoxBench) -> None:
    spec = SandboxSpec(
        setup=("mkdir -p app/build; echo one > app/a; echo keep > app/build/old; echo build > app/.gitignore",)
    )
    script = "cd app; echo two >> a; echo more >> build/old; echo new > build/new"
    (attempt,) = boxes.play(
        [box_task("t", Collect("patch", "patch", "/work/app"), spec=spec)], {"s": Shell(script=script)}
    )
    patch = boxes.artifact(attempt)
    assert patch is not None and patch.count(b"diff --git") == 2 and b"build/new" not in patch


def test_an_image_without_git_is_compared_in_the_default_one(boxes: BoxBench) -> None:
    spec = SandboxSpec(setup=("mkdir -p app; echo one > app/a; rm -f /usr/bin/git",))
    collect = Collect("patch", "patch", "/work/app")
    (attempt,) = boxes.play([box_task("t", collect, spec=spec)], {"s": Shell(script="echo two >> app/a")})
    patch = boxes.artifact(attempt)
    assert patch is not None and b"+two" in patch, attempt.trouble


def test_no_object_newer_than_the_base_is_in_the_box(boxes: BoxBench) -> None:
    script = r"""
        git log --all --format=%H%n%an%n%ad%n%cd | sort | uniq -c
        echo "objects $(git cat-file --batch-all-objects --batch-check | wc -l)"
        echo "unreachable $(git fsck --unreachable --no-reflogs 2>&1 | grep -c unreachable)"
        echo "refs $(git for-each-ref | wc -l)"
        echo "reflog $(git reflog | wc -l)"
        echo "packs $(find .git -name '*.pack' | wc -l)"
        echo "remotes $(git remote | wc -l)"
        echo "heads $(find .git -name ORIG_HEAD -o -name FETCH_HEAD -o -name packed-refs -o -name alternates | wc -l)"
        echo "status $(git status --porcelain | wc -l)"
        git cat-file --batch-all-objects --batch | grep -ac 'THE FUTURE' | sed 's/^/found /'
        stat -c '%U' src/calc.py .git
        cat docs/a.md; pwd
    """
    spec = boxes.repo_spec()
    (attempt,) = boxes.play([box_task("t", spec=spec)], {"s": Shell(script=script)})
    said = attempt.output.answer or ""
    files = int(git(boxes.root / "source", "ls-tree", "-r", "--name-only", "v1").count("\n") + 1)
    trees = 3  # the root, src, docs
    assert f"objects {files + trees + 1}\n" in said, said
    for word in ("unreachable 0", "refs 1", "reflog 1", "packs 0", "remotes 0", "heads 0", "status 0", "found 0"):
        assert f"{word}\n" in said, said
    assert "agent\nagent\n" in said and "$Format:%H$" in said and said.endswith(f"{REPO}\n")
