from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from harness.errors import DiskFull, Exit, StoreError
from harness.records.outcome import Artifact, Output
from harness.store.folder import RunFolder
from harness.store.manifest import FORMAT
from harness.store.read import iter_attempts, read_manifest, read_transcript, settled


def test_what_is_added_can_be_read_again(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        for i in range(5):
            folder.add(*make(f"t{i}"))
        folder.flush()
    attempts = list(iter_attempts(folder.path))
    assert [a.task for a in attempts] == [f"t{i}" for i in range(5)]
    assert read_manifest(folder.path) == manifest
    for i, a in enumerate(attempts):
        assert read_transcript(folder.path, a) == make(f"t{i}")[1]


def test_a_flushed_attempt_is_on_disk_before_close(tmp_path, manifest, make):
    folder = RunFolder.create(tmp_path, manifest)
    folder.add(*make())
    assert list(iter_attempts(folder.path)) == []
    folder.flush()
    assert len(list(iter_attempts(folder.path))) == 1
    folder.close()


def test_a_long_answer_is_clipped_in_the_attempt_and_whole_in_the_transcript(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make(answer="x" * 5000))
        folder.add(*make(answer="y" * 2000))
    first, second = iter_attempts(folder.path)
    assert (first.output.answer, first.output.clipped) == ("x" * 2000, True)
    assert read_transcript(folder.path, first).output.answer == "x" * 5000
    assert (second.output.answer, second.output.clipped) == ("y" * 2000, False)


def test_pandas_and_json_lines_read_the_attempts(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("a", answer="Grüße ☃\u2028 end"))
        folder.add(*make("b"))
    path = folder.path / "attempts.jsonl"
    assert list(pd.read_json(path, lines=True)["task"]) == ["a", "b"]
    assert json.loads(path.read_text().split("\n")[0])["output"]["answer"] == "Grüße ☃\u2028 end"


@pytest.mark.parametrize(
    "output",
    [
        Output(answer="half a pair \ud83d here"),
        Output(answer="ok", metrics={"thing": object(), "big": 2**80, ("a", 1): float("nan")}),
        Output(answer="\x00\x1b[31m"),
    ],
)
def test_what_a_plugin_or_model_says_cannot_lose_the_measurement(tmp_path, manifest, make, output):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make(output=output, answer=None))
    (attempt,) = iter_attempts(folder.path)
    assert attempt.passed
    assert read_transcript(folder.path, attempt).output.answer


# Artifacts


def test_artifacts_are_stored_below_the_trial_and_found_again(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make(), [Artifact("src/fix.patch", b"diff"), Artifact("b.bin", b"\x00\xff")])
    (attempt,) = iter_attempts(folder.path)
    assert [(folder.path / a.path).read_bytes() for a in attempt.artifacts] == [b"diff", b"\x00\xff"]
    assert all(a.path.startswith("artifacts/t1@alpha@1@1/") for a in attempt.artifacts)


def test_artifacts_in_the_output_are_stored_and_not_in_the_lines(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make(output=Output(answer="x", artifacts=(Artifact("a", b"BYTES" * 100),))))
    (attempt,) = iter_attempts(folder.path)
    assert attempt.artifacts[0].size == 500
    assert not read_transcript(folder.path, attempt).output.artifacts
    assert (folder.path / "transcripts.jsonl").stat().st_size < 500


@pytest.mark.parametrize(
    "name", ["../../escaped", "/tmp/escaped", "a/../../../escaped", "..", "", ".", "a//b", "x\x00y", "n" * 300, "a\\b"]
)
def test_no_artifact_name_leaves_the_trial(tmp_path, manifest, make, name):
    with RunFolder.create(tmp_path / "runs", manifest) as folder:
        folder.add(*make(), [Artifact(name, b"evil")])
    (attempt,) = iter_attempts(folder.path)
    assert (folder.path / attempt.artifacts[0].path).read_bytes() == b"evil"
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and folder.path / "artifacts" not in p.parents]
    assert not [p for p in outside if p.read_bytes() == b"evil"]
    assert not (tmp_path / "escaped").exists()
    assert attempt.artifacts[0].name == name


def test_artifacts_do_not_follow_symlinks(tmp_path, manifest, make):
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "victim").write_text("safe")
    with RunFolder.create(tmp_path / "runs", manifest) as folder:
        trial = folder.path / "artifacts" / "t1@alpha@1@1"
        trial.mkdir(parents=True)
        (trial / "link").symlink_to(target)
        (trial / "file").symlink_to(tmp_path / "victim")
        folder.add(*make(), [Artifact("link/x", b"evil"), Artifact("file", b"evil")])
    assert list(target.iterdir()) == []
    assert (tmp_path / "victim").read_text() == "safe"


def test_a_name_that_is_file_and_folder_loses_neither(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make(), [Artifact("a", b"1"), Artifact("a/b", b"2")])
    (attempt,) = iter_attempts(folder.path)
    assert [(folder.path / a.path).read_bytes() for a in attempt.artifacts] == [b"1", b"2"]


def test_tasks_whose_names_clean_to_the_same_do_not_share_a_folder(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("a/b"), [Artifact("x", b"1")])
        folder.add(*make("a b"), [Artifact("x", b"2")])
    assert [(folder.path / a.artifacts[0].path).read_bytes() for a in iter_attempts(folder.path)] == [b"1", b"2"]


# Torn tails, damage, versions


def test_a_tail_torn_at_any_byte_is_mended_and_nothing_else_is_lost(tmp_path, manifest, make, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # only for speed: this opens and closes a run 700 times
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("whole", answer="ü"))
        folder.flush()
        sizes = {n: (folder.path / n).stat().st_size for n in ("attempts.jsonl", "transcripts.jsonl")}
        folder.add(*make("torn", answer="ü☃"))
    whole = {n: (folder.path / n).read_bytes() for n in sizes}
    for name, kept in sizes.items():
        for cut in range(kept, len(whole[name])):
            for n in sizes:
                (folder.path / n).write_bytes(whole[n][:cut] if n == name else whole[n])
            with RunFolder.open(folder.path) as again:
                assert bool(again.repaired) == (cut > kept)
                again.add(*make("after"))
            tasks = [a.task for a in iter_attempts(folder.path)]
            torn = [] if name == "attempts.jsonl" and cut < len(whole[name]) - 1 else ["torn"]
            assert tasks == ["whole", *torn, "after"]
            assert read_transcript(folder.path, list(iter_attempts(folder.path))[-1]).task == "after"


def test_readers_leave_out_a_line_still_being_written(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("a"))
    with (folder.path / "attempts.jsonl").open("ab") as file:
        file.write(b'{"task":"b","sys')
    assert [a.task for a in iter_attempts(folder.path)] == ["a"]
    assert len(settled(folder.path).done) == 1


@pytest.mark.parametrize("junk", [b"{}\n", b"\n", b"\x00\x00\n", b'{"task":1}\n', b"\xff\xfe\n"])
def test_a_damaged_line_is_told_with_its_number(tmp_path, manifest, make, junk):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("a"))
        folder.flush()
        with (folder.path / "attempts.jsonl").open("ab") as file:
            file.write(junk)
        folder.add(*make("b"))
    with pytest.raises(StoreError, match="line 2 is damaged"):
        list(iter_attempts(folder.path))
    with pytest.raises(StoreError, match="line 2"):
        settled(folder.path)


def test_a_transcript_that_is_not_there_is_told_and_never_anothers(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("a"))
        folder.add(*make("b"))
    a, b = iter_attempts(folder.path)
    with pytest.raises(StoreError, match="its place holds b"):
        read_transcript(folder.path, msgspec.structs.replace(a, transcript=b.transcript))
    (folder.path / "transcripts.jsonl").write_bytes(b"")
    with pytest.raises(StoreError, match="damaged"):
        read_transcript(folder.path, a)


def test_a_newer_format_is_refused_without_a_change(tmp_path, manifest):
    RunFolder.create(tmp_path, manifest).close()
    path = tmp_path / manifest.run
    said = json.loads((path / "manifest.json").read_text())
    assert said["format"] == FORMAT
    (path / "manifest.json").write_text(json.dumps({"format": FORMAT + 1, "layout": "new"}))
    (path / "attempts.jsonl").write_bytes(b"torn")
    with pytest.raises(StoreError, match="newer version"):
        RunFolder.open(path)
    assert (path / "attempts.jsonl").read_bytes() == b"torn"


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}', "[]"])
def test_a_half_manifest_is_an_error_not_a_crash(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match="damaged"):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_no_run(tmp_path):
    with pytest.raises(StoreError, match="not a run folder"):
        RunFolder.open(tmp_path)


def test_a_run_is_never_created_twice(tmp_path, manifest):
    RunFolder.create(tmp_path, manifest).close()
    with pytest.raises(StoreError, match="exists already"):
        RunFolder.create(tmp_path, manifest)


# Locks and processes


def test_two_processes_on_one_run_are_refused_with_the_pid(tmp_path, manifest):
    with RunFolder.create(tmp_path, manifest) as folder:
        code = (
            "import sys; from pathlib import Path; from harness.store.folder import RunFolder\n"
            "RunFolder.open(Path(sys.argv[1]))"
        )
        words = [sys.executable, "-c", code, str(folder.path)]
        other = subprocess.run(words, capture_output=True, text=True, check=False)
        assert other.returncode != 0
        assert f"process {os.getpid()} on" in other.stderr
        with pytest.raises(StoreError, match=str(os.getpid())):
            RunFolder.open(folder.path)
    RunFolder.open(folder.path).close()


def test_a_worker_that_outlives_its_killed_writer_does_not_keep_the_lock(tmp_path, manifest):
    RunFolder.create(tmp_path, manifest).close()
    path = tmp_path / manifest.run
    code = (
        "import os, sys, time; from pathlib import Path; from harness.store.folder import RunFolder\n"
        "folder = RunFolder.open(Path(sys.argv[1]))\n"
        "pid = os.fork()\n"
        "if pid == 0:\n print(os.getpid(), flush=True)\n"
        "time.sleep(20)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    worker = int(writer.stdout.readline())
    with pytest.raises(StoreError, match=str(writer.pid)):
        RunFolder.open(path)
    writer.kill()
    writer.wait()
    try:
        RunFolder.open(path).close()
    finally:
        os.kill(worker, signal.SIGKILL)
        writer.stdout.close()


_WRITER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from harness.records.outcome import Attempt, Output
    from harness.records.transcript import Transcript
    from harness.store.folder import RunFolder
    from harness.store.read import settled

    path = Path(sys.argv[1])
    done = settled(path).done
    with RunFolder.open(path) as folder:
        for i in range(100000):
            if (f"t{i}", "alpha", 1) in done:
                continue
            output = Output(answer="x" * (i * 37 % 3000))
            folder.add(
                Attempt(task=f"t{i}", system="alpha", epoch=1, attempt=1, status="graded", passed=True, output=output),
                Transcript(f"t{i}", "alpha", 1, 1, output),
            )
            folder.flush()
            print(i, flush=True)
""")


def test_kill_9_loses_and_doubles_nothing_that_was_flushed(tmp_path, manifest):
    RunFolder.create(tmp_path, manifest).close()
    path = tmp_path / manifest.run
    said: set[str] = set()
    for round_ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert writer.stdout
        said.add(writer.stdout.readline().strip())
        time.sleep(0.01 + 0.013 * round_)
        os.kill(writer.pid, signal.SIGKILL)
        said |= {line.strip() for line in writer.stdout.read().split("\n") if line.strip()}
        writer.wait()
        writer.stdout.close()
    with RunFolder.open(path) as folder:
        tasks = [a.task for a in iter_attempts(folder.path)]
        for attempt in iter_attempts(folder.path):
            assert read_transcript(folder.path, attempt).task == attempt.task
    assert len(tasks) == len(set(tasks))
    assert {f"t{i}" for i in said} <= set(tasks)
    assert len(tasks) - len(said) <= 6, "at most one per kill was written and not told"


# A full disk


def _fill(path: str, limit: int, queue: multiprocessing.Queue) -> None:
    from harness.records.outcome import Attempt, Output
    from harness.records.transcript import Transcript

    folder = RunFolder.open(Path(path))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    added = 0
    try:
        for i in range(10_000):
            output = Output(answer="x" * 300)
            folder.add(
                Attempt(task=f"t{i}", system="alpha", epoch=1, attempt=1, status="graded", passed=True, output=output),
                Transcript(f"t{i}", "alpha", 1, 1, output),
            )
            added += 1
            if i % 7 == 6:
                folder.flush()
        queue.put(("no error", added))
    except DiskFull as e:
        queue.put((e.render(), added))


@pytest.mark.parametrize("limit", [10_000, 10_001, 30_303])
def test_a_full_disk_keeps_whole_lines_and_says_how_to_go_on(tmp_path, manifest, limit):
    RunFolder.create(tmp_path, manifest).close()
    path = tmp_path / manifest.run
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_fill, args=(str(path), limit, queue))
    process.start()
    message, added = queue.get(timeout=20)
    process.join()
    assert "no space left" in message
    assert f"harness resume {manifest.run}" in message
    attempts = list(iter_attempts(path))
    assert 0 < len(attempts) <= added
    assert (path / "transcripts.jsonl").read_bytes().endswith(b"\n")
    assert (path / "attempts.jsonl").read_bytes().endswith(b"\n")
    assert [read_transcript(path, a).task for a in attempts] == [f"t{i}" for i in range(len(attempts))]
    # Everything that fitted was kept: the next line would not have.
    sizes = [(path / name).stat().st_size for name in ("transcripts.jsonl", "attempts.jsonl")]
    assert limit - max(sizes) < 500
    with RunFolder.open(path) as folder:
        assert folder.repaired == ()


def test_after_space_is_freed_a_later_flush_saves_the_rest(tmp_path, manifest, make, monkeypatch):
    real = os.write
    room = [700]

    def write(fd: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(28, "No space left on device")
        n = real(fd, data[: room[0]])
        room[0] -= n
        return n

    folder = RunFolder.create(tmp_path, manifest)
    for i in range(4):
        folder.add(*make(f"t{i}"))
    monkeypatch.setattr(os, "write", write)
    with pytest.raises(DiskFull) as full:
        folder.flush()
    assert full.value.exit_code == Exit.INVALID
    room[0] = 1 << 30
    folder.flush()
    folder.close()
    assert [a.task for a in iter_attempts(folder.path)] == ["t0", "t1", "t2", "t3"]
    assert [read_transcript(folder.path, a).task for a in iter_attempts(folder.path)] == ["t0", "t1", "t2", "t3"]


def test_write_file_is_whole_or_absent(tmp_path, manifest, monkeypatch):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.write_file("report.md", "old")

        def refuse(fd: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(DiskFull):
            folder.write_file("report.md", "new" * 1000)
        monkeypatch.undo()
        assert (folder.path / "report.md").read_text() == "old"
        assert not list(folder.path.glob(".*tmp"))
        with pytest.raises(StoreError):
            folder.write_file("../x", "y")
