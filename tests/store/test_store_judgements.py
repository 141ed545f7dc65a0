"""`judgements.jsonl`: the same promises as the attempts it belongs to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter

import msgspec
import pytest

from harness.errors import StoreError
from harness.records.judgement import Judgement, Reply
from harness.store.folder import RunFolder
from harness.store.judgements import iter_judgements
from harness.store.read import iter_attempts


def said(task: str = "t1", attempt: int = 1, **more: object) -> Judgement:
    fields = {"status": "ok", "verdict": "A", "outcome": "win"} | more
    own = {"task": task, "system": "alpha", "epoch": 1, "attempt": attempt} if attempt else {"task": task}
    return Judgement(grader="better", protocol="pairwise", judge="main", model="scripted/x", **own, **fields)  # type: ignore[arg-type]


def test_judgements_come_back_in_order_with_their_attempts(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("a"), judgements=[said("a", order=0), said("a", order=1)])
        folder.add_judgements([said("s1", 0, role="sentinel")])
        folder.flush()
        found = list(iter_judgements(folder.path))
    assert [(j.task, j.order, j.role) for j in found] == [
        ("a", 0, "score"), ("a", 1, "score"), ("s1", 0, "sentinel"),
    ]  # fmt: skip
    assert found[0] == said("a", order=0)


def test_a_run_without_judges_has_no_file_of_judgements(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("a"))
    assert not (folder.path / "judgements.jsonl").exists()
    assert list(iter_judgements(folder.path)) == []


def test_secrets_in_what_a_judge_said_are_redacted_and_identities_stay(tmp_path, manifest, make):
    secret = "sk-" + "a" * 40
    judgement = said("a", reason=f"the key is {secret}", replies=(Reply("ok", f'{{"x": "{secret}"}}'),), verdict="win")
    with RunFolder.create(tmp_path, manifest, (secret, "alpha-secret")) as folder:
        folder.add(*make("a"), judgements=[judgement])
    data = (folder.path / "judgements.jsonl").read_bytes()
    assert secret.encode() not in data
    assert next(iter_judgements(folder.path)).outcome == "win"


def test_a_torn_last_line_is_left_out_by_readers_and_cut_on_resume(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("a"), judgements=[said("a")])
    path = folder.path / "judgements.jsonl"
    path.write_bytes(path.read_bytes() + b'{"grader":"bet')
    assert len(list(iter_judgements(folder.path))) == 1
    with RunFolder.open(folder.path) as again:
        assert any("judgements.jsonl: cut a torn last line" in w for w in again.repaired)
    assert path.read_bytes().endswith(b"}\n")


def test_a_damaged_line_is_an_error_with_its_number(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("a"), judgements=[said("a")])
    path = folder.path / "judgements.jsonl"
    path.write_bytes(b"nonsense\n" + path.read_bytes())
    with pytest.raises(StoreError, match="line 1 is damaged"):
        list(iter_judgements(folder.path))


def test_judgements_of_an_attempt_that_was_not_recorded_are_forgotten_and_others_stay(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("a"), judgements=[said("a")])
    path = folder.path / "judgements.jsonl"
    lost = [said("b", order=0), said("b", order=1)]
    lines = [*lost[:1], said("s1", 0, role="sentinel"), *lost[1:], said("a", order=1)]
    path.write_bytes(path.read_bytes() + b"".join(msgspec.json.encode(j) + b"\n" for j in lines))
    with RunFolder.open(folder.path) as again:
        assert "judgements.jsonl: left out 2 judgements of attempts that were not recorded" in again.repaired
        again.add(*make("b"), judgements=lost)
    found = [(j.task, j.order) for j in iter_judgements(folder.path)]
    assert found == [("a", 0), ("s1", 0), ("a", 1), ("b", 0), ("b", 1)]


def test_a_judgement_that_could_not_be_read_back_is_refused_before_it_is_written(tmp_path, manifest):
    with RunFolder.create(tmp_path, manifest) as folder:
        with pytest.raises(TypeError, match="cannot be read back"):
            folder.add_judgements([said("a", order="first")])
        folder.add_judgements([said("a", 0)])
    assert len(list(iter_judgements(folder.path))) == 1


def test_half_surrogates_and_odd_values_do_not_lose_a_judgement(tmp_path, manifest):
    odd = said("a", 0, reason="half \ud83d", data={"n": float("nan"), "o": object()})
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add_judgements([odd])
    assert next(iter_judgements(folder.path)).reason == "half ?"


_WRITER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from harness.records.judgement import Judgement, Reply
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
            raw = "x" * (i * 977 % 200000)
            folder.add(
                Attempt(task=f"t{i}", system="alpha", epoch=1, attempt=1, status="graded", passed=True),
                Transcript(f"t{i}", "alpha", 1, 1, Output()),
                judgements=[
                    Judgement(
                        grader="g", protocol="pairwise", judge="m", model="x", task=f"t{i}", system="alpha", epoch=1,
                        attempt=1, order=order, status="ok", replies=(Reply("ok", raw),),
                    )
                    for order in (0, 1)
                ],
            )
            folder.flush()
            print(i, flush=True)
""")


def test_kill_9_leaves_every_recorded_attempt_with_exactly_its_judgements(tmp_path, manifest):
    RunFolder.create(tmp_path, manifest).close()
    path = tmp_path / manifest.run
    for round_ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(0.01 + 0.013 * round_)
        os.kill(writer.pid, signal.SIGKILL)
        writer.stdout.read()
        writer.wait()
        writer.stdout.close()
    with RunFolder.open(path) as folder:
        tasks = [a.task for a in iter_attempts(folder.path)]
        counts = Counter(j.task for j in iter_judgements(folder.path))
    assert len(tasks) == len(set(tasks)) >= 6
    assert counts == dict.fromkeys(tasks, 2)


def test_lines_are_plain_json(tmp_path, manifest):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add_judgements([said("a", 0, slots=("alpha", "beta"), labels=("A", "B"))])
    line = json.loads((folder.path / "judgements.jsonl").read_text())
    assert (line["slots"], line["status"]) == (["alpha", "beta"], "ok")
