"""Files that are strange, too deep or too many: what leaves the box stays bounded, and the work is graded."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from box_bench import REPO, BoxBench, Shell, box_task

from harness.api import Purpose, SandboxSpec
from harness.records.task import Collect
from harness.sandboxes.docker import Docker
from harness.toolkit.taken import take_changes

pytestmark = pytest.mark.docker
PATCH = Collect("patch", "patch", REPO)
TREE = Collect("tree", "tree", REPO)
CHANGES = Collect("changes", "changes", "", options={"roots": ["/work"]})
DEEP = """python3 -c "
import os
for i in range(600):
    os.mkdir('d' * 20)
    os.chdir('d' * 20)
"
"""
STRANGE = {
    "one file by thirty names": ("head -c 9000000 /dev/zero > x; for i in $(seq 30); do ln x l$i; done", "too_big"),
    "folders deeper than a path can be": (DEEP, "path"),
}


@pytest.mark.parametrize("how", STRANGE)
def test_work_cannot_make_itself_ungradable_by_what_it_leaves(boxes: BoxBench, how: str) -> None:
    script, fault = STRANGE[how]
    task = box_task("t", PATCH, CHANGES, spec=boxes.repo_spec())
    (attempt,) = boxes.play([task], {"s": Shell(script=script)})
    assert (attempt.status, attempt.passed, attempt.label) == ("graded", False, "absent"), attempt.trouble
    assert {f.split(": ")[0] for f in attempt.flags if "changes" in f or "patch" in f} == {fault}, attempt.flags


def test_second_names_of_a_file_do_not_make_a_tree_of_any_size(boxes: BoxBench) -> None:
    script = "head -c 9000000 /dev/zero > x; for i in $(seq 300); do ln x l$i; done"
    (attempt,) = boxes.play([box_task("t", TREE, spec=boxes.repo_spec())], {"s": Shell(script=script)})
    assert attempt.status == "graded", attempt.trouble
    # 2.7 GB were made before it was seen that 16 MB are taken; the flag told them all.
    assert attempt.flags == (f"too_big: tree: {REPO} is more than 16,777,216 bytes",)


LATIN = r"printf x > $'caf\xe9.txt'; mkdir $'d\xe9'; printf y > $'d\xe9/\xff'; printf z >> old.txt; printf '' > plain"


def test_names_that_are_no_utf8_are_collected(boxes: BoxBench) -> None:
    task = box_task("t", PATCH, CHANGES, spec=boxes.repo_spec())
    (attempt,) = boxes.play([task], {"s": Shell(script=f"bash -c {_quoted(LATIN)}")})
    patch, changes = boxes.artifact(attempt), boxes.artifact(attempt, "changes")
    assert patch is not None and changes is not None, attempt.trouble
    assert b'"b/caf\\351.txt"' in patch and b'"b/d\\351/\\377"' in patch and attempt.flags == ()
    with tarfile.open(fileobj=io.BytesIO(changes)) as tar:
        names = {m.name.removeprefix(f"root{REPO}/").encode("utf-8", "surrogateescape") for m in tar}
    assert {b"caf\xe9.txt", b"d\xe9", b"d\xe9/\xff", b"old.txt", b"plain"} <= names


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


class Counting:
    """A box that counts its archive calls."""

    def __init__(self, box: Any) -> None:
        self.box, self.calls = box, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.box, name)

    async def get_archive(self, path: str, *, max_bytes: int, keep: Callable[[str], bool] | None = None) -> bytes:
        self.calls += 1
        data: bytes = await self.box.get_archive(path, max_bytes=max_bytes, keep=keep)
        return data


def test_new_files_in_a_folder_that_was_there_are_taken_by_one_call(tmp_path: Path) -> None:
    """One for each was an hour for 100,000 of them, outside every time limit."""
    spec = SandboxSpec(setup=("install -d -m 777 /work/there /srv/there && echo x > /work/there/old",))

    async def whole() -> tuple[bytes, int]:
        docker = Docker()
        try:
            async with docker.open(spec, Purpose("t", "t", tmp_path)) as box:
                script = "cd /work/there; for i in $(seq 300); do echo $i > f$i; done; mkdir new; echo 1 > new/in\n" \
                         "ln -s f1 link; ln f2 second; rm old; echo 1 > /srv/there/other"  # fmt: skip
                done = await box.exec(["bash", "-c", script], timeout_s=60)
                assert done.exit_code == 0, done.stderr
                await box.stop()
                counting: Any = Counting(box)
                return await take_changes(counting, ["/work", "/srv"], ["*/f3"], 16 * 1024**2), counting.calls
        finally:
            await docker.aclose()

    archive, calls = asyncio.run(whole())
    assert calls == 2
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {m.name: m for m in tar}
        bodies = {n: (tar.extractfile(m) or io.BytesIO()).read().decode() for n, m in found.items() if m.isreg()}
    inside = {name.removeprefix("root/work/there/") for name in found if name.startswith("root/work/there/")}
    assert inside == {f"f{i}" for i in range(1, 301) if i != 3} | {"new", "new/in", "link", "second"}
    assert bodies["root/work/there/second"] == bodies["root/work/there/f2"] == "2\n"
    assert bodies["root/srv/there/other"] == "1\n" and found["root/work/there"].isdir()
    assert '"/work/there/old"' in bodies["changes.json"]
