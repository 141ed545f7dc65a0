"""SWE-bench rows as tasks: every way lists are written, every variant, and why a row is skipped."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.api import UsageFault
from harness.sources.swebench import SweBench, without_history
from harness.testing.check_source import check_source
from harness.testing.checks import failed

ROW = {
    "instance_id": "o__r-1",
    "repo": "o/r",
    "base_commit": "a" * 40,
    "version": "1.0",
    "problem_statement": "It breaks.",
    "hints_text": "look at x",
    "patch": "GOLD",
    "test_patch": "--- a/tests/t.py\n+++ b/tests/t.py\n",
    "FAIL_TO_PASS": '["t.py::a"]',
    "PASS_TO_PASS": "[]",
}
NEW = ROW | {"image": "x/y:1", "eval_script": "run", "log_parser": "parse_log_pytest", "eval_type": "pass_and_fail"}


def task(workspace: Path, row: dict[str, Any], **params: Any) -> dict[str, Any]:
    (workspace / "rows.jsonl").write_text(json.dumps(row) + "\n")
    [found] = SweBench(path="rows.jsonl", **params).rows(workspace)
    return dict(found.values)


def test_the_contract_of_sources_holds(tmp_path: Path) -> None:
    assert failed(check_source(SweBench, tmp_path)) == []


def test_a_row_of_version_5_is_a_whole_task(tmp_path: Path) -> None:
    found = task(tmp_path, NEW)
    assert found["sandbox"]["image"] == "x/y:1" and found["sandbox"]["workdir"] == "/testbed"
    assert found["collect"] == {"patch": {"patch": "/testbed"}}
    assert found["reference"] == {"patch": "GOLD"}
    assert found["graders"] == [
        {"use": "swebench", "repo": "/testbed", "timeout_s": 1800.0, "rules": "official", "script": "run",
         "parser": "parse_log_pytest", "fail_to_pass": ["t.py::a"], "pass_to_pass": []}
    ]  # fmt: skip
    assert found["family"] == "o__r" and "skip" not in found
    given = str({k: found[k] for k in ("prompt", "sandbox")})
    assert "GOLD" not in given and "look at x" not in given and "t.py" not in given


@pytest.mark.parametrize(
    "written", ['["a", "b"]', "['a', 'b']", ["a", "b"], "('a', 'b')", '[\n"a",\n"b"]'], ids=["json", "python", "list",
                                                                                            "tuple", "lines"]
)  # fmt: skip
def test_lists_are_read_however_they_are_written(tmp_path: Path, written: Any) -> None:
    assert task(tmp_path, NEW | {"FAIL_TO_PASS": written})["graders"][0]["fail_to_pass"] == ["a", "b"]


@pytest.mark.parametrize(
    "written", ["__import__('os').system('touch /tmp/pwned')", "[x for x in 'ab']", "a, b", "{'a': 1}", [1], "[" * 9999]
)
def test_nothing_but_a_literal_list_is_a_list(tmp_path: Path, written: Any) -> None:
    with pytest.raises(UsageFault, match="FAIL_TO_PASS") as e:
        task(tmp_path, NEW | {"FAIL_TO_PASS": written})
    assert str(e.value.fault.place) == "rows.jsonl:1:1"


def test_an_older_row_needs_a_test_command(tmp_path: Path) -> None:
    repo = ROW | {"repo": "pallets/flask"}
    assert "say `test_command:`" in task(tmp_path, repo)["skip"]
    found = task(tmp_path, repo, test_command="pytest -rA {test_files}")
    assert "skip" not in found
    assert found["sandbox"]["image"] == "swebench/sweb.eval.x86_64.o_1776_r-1:latest"
    script = found["graders"][0]["script"]
    assert "pytest -rA tests/t.py\nCODE=$?" in script and f"git checkout {'a' * 40} -- tests/t.py" in script
    assert found["graders"][0]["parser"] == "parse_log_flask"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"log_parser": "parse_log_karma"}, "the log parser 'parse_log_karma' is not known here"),
        ({"image_assets": '{"patch": []}'}, "the row brings images"),
        ({"eval_script": None, "log_parser": None}, "names no log parser"),
    ],
)
def test_what_cannot_be_run_is_skipped(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    assert reason in task(tmp_path, NEW | change)["skip"]


def test_fail_only_rows_have_their_own_rules(tmp_path: Path) -> None:
    assert task(tmp_path, NEW | {"eval_type": "fail_only"})["graders"][0]["rules"] == "fail_only"


def test_only_the_ids_that_were_asked_for(tmp_path: Path) -> None:
    rows = [NEW, NEW | {"instance_id": "o__r-2"}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    found = list(SweBench(path="rows.json", ids=("o__r-2",)).rows(tmp_path))
    assert [r.values["id"] for r in found] == ["o__r-2"] and found[0].place == "rows.json:2"
    with pytest.raises(UsageFault, match="o__r-3"):
        list(SweBench(path="rows.json", ids=("o__r-2", "o__r-3")).rows(tmp_path))


def test_an_image_of_ones_own(tmp_path: Path) -> None:
    found = task(tmp_path, NEW, image="mirror/{instance_id}:v1")
    assert found["sandbox"]["image"] == "mirror/o_1776_r-1:v1"
    with pytest.raises(UsageFault, match="`image` may have"):
        task(tmp_path, NEW, image="mirror/{id}")


@pytest.mark.parametrize("missing", ["instance_id", "problem_statement", "patch", "repo"])
def test_a_row_without_what_every_row_has_is_a_fault(tmp_path: Path, missing: str) -> None:
    with pytest.raises(UsageFault, match=missing):
        task(tmp_path, {k: v for k, v in NEW.items() if k != missing})


def test_no_later_history_is_left_in_a_repository(tmp_path: Path) -> None:
    """The command runs on a real repository with branches, tags, a remote, a stash and dangling commits."""
    repo = tmp_path / "repo"

    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *identity, "-C", str(repo), *words], check=True, capture_output=True, text=True, errors="replace"
        ).stdout

    repo.mkdir()
    git("init", "-q", "-b", "main")
    for number in range(4):
        (repo / "x").write_text(f"version {number}\n")
        git("add", "x")
        git("commit", "-qm", f"c{number}")
        if number == 1:
            base = git("rev-parse", "HEAD").strip()
    git("tag", "-am", "v2", "v2")
    git("branch", "later")
    git("remote", "add", "origin", str(tmp_path))
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    (repo / "x").write_text("stashed\n")
    git("stash")
    git("reset", "-q", "--hard", base)
    subprocess.run(["sh", "-c", without_history(str(repo))], check=True)
    objects = git("cat-file", "--batch-all-objects", "--batch-check").splitlines()
    commits = [line.split()[0] for line in objects if " commit " in line]
    assert set(commits) == set(git("rev-list", base).split())
    everything = git("cat-file", "--batch-all-objects", "--batch")
    assert "version 1" in everything and "version 2" not in everything and "stashed" not in everything
    assert git("rev-parse", "HEAD").strip() == base and git("status", "--porcelain") == ""
    subprocess.run(["sh", "-c", without_history(str(tmp_path / "none"))], check=True)
