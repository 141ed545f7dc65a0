"""Comparing outputs and values, finding the program in an answer, and faults of the task itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.graders._cases import Compare, read_cases, returned, same_output, same_value
from harness.graders._script_box import read_reward
from harness.graders.code_tests import CodeTests
from harness.graders.script import Script
from harness.graders.test_report import TestReport
from harness.toolkit.code import code_of


@pytest.mark.parametrize(
    ("got", "wanted", "compare", "tolerance", "same"),
    [
        ("7\n", "7", "lines", 0, True), ("7 \r\n\n", "7", "lines", 0, True), ("7\n\n8", "7\n8", "lines", 0, False),
        (" 7", "7", "lines", 0, False), ("7\n", "7", "exact", 0, False), ("1  2\n3", "1 2 3", "tokens", 0, True),
        ("0.3333", "0.33333", "numbers", 1e-3, True), ("0.4", "0.33333", "numbers", 1e-3, False),
        ("a 1", "a 1.0", "numbers", 0, True), ("a", "b", "numbers", 1, False), ("1", "1 1", "numbers", 1, False),
        ("nan", "1", "numbers", 1e9, False),
    ],
)  # fmt: skip
def test_outputs(got: str, wanted: str, compare: Compare, tolerance: float, same: bool) -> None:
    assert same_output(got, wanted, compare, tolerance) is same


@pytest.mark.parametrize(("got", "wanted"), [("1_0", "10"), ("\uff11\uff10", "10"), ("1" * 5000, "1.5")])
def test_only_numbers_as_people_write_them_are_close(got: str, wanted: str) -> None:
    assert not same_output(got, wanted, "numbers", 0.1)


def test_values() -> None:
    assert same_value({"a": [1, 2.0000001]}, {"a": [1, 2]}, 1e-6)
    assert not same_value({"a": [1, 2.0000001]}, {"a": [1, 2]}, 0)
    assert not same_value([1], [True], 0.5) and not same_value({"a": 1}, {"b": 1}, 1)
    # Whole numbers beyond any float: the comparison raised, and the work was not graded.
    assert not same_value(10**400, 1.5, 0.1) and not same_value([1], [-(10**400)], 0.1)
    assert same_value(10**400, 10**400, 0.1)


@given(st.text())
def test_every_output_is_itself(text: str) -> None:
    for compare in ("lines", "exact", "tokens", "numbers"):
        assert same_output(text, text, compare, 0.0)  # type: ignore[arg-type]


def test_the_last_marked_line_is_the_result() -> None:
    assert returned(b"noise\nabc[1]\nabc[2]\n", "abc") == (True, [2])
    assert returned(b"abc{broken\n", "abc") == (False, None)
    assert returned(b"abc" + b"[" * 100_000, "abc") == (False, None)
    assert returned(b"", "abc") == (False, None)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("print(1)", "print(1)"),
        ("a\n```python\nx = 1\n```\nb\n```py\nx = 2\n```\nso\n```text\nout\n```", "x = 2\n"),
        ("```\nx\n```", "x\n"),
        ("~~~python\r\nx\r\n~~~", "x\n"),
        ("```python\nnot closed", "```python\nnot closed"),
        ("````python\n```\ninner\n```\n````", "```\ninner\n```\n"),
    ],
)
def test_the_program_in_an_answer(answer: str, code: str) -> None:
    assert code_of(answer, "python") == code


def test_cases_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"stdin": "1", "stdout": "2"}\n{"stdin": "2", "stdout": "3"}\n')
    (tmp_path / "c.json").write_text(json.dumps([{"stdin": "1", "stdout": "2"}]))
    assert len(read_cases("c.jsonl", tmp_path)) == 2
    assert CodeTests(tests="c.json").check(tmp_path) == []
    (tmp_path / "bad.json").write_text(json.dumps([{"stdn": "1"}]))
    (fault,) = CodeTests(tests="bad.json").check(tmp_path)
    assert "bad.json: case 1: stdn" in fault
    assert CodeTests(tests="absent.json").check(tmp_path) == ("no such file: absent.json",)


def test_faults_of_cases_are_told_together(tmp_path: Path) -> None:
    faults = CodeTests(tests=({"stdin": "1"}, {"name": "two"}), language="cobol").check(tmp_path)
    assert faults == [
        "case 1 does not say `stdout`", "case two does not say `stdout`", "language 'cobol' needs `run`",
    ]  # fmt: skip
    assert "does not say what `f` returns" in CodeTests(tests=({"args": [1]},), function="f").check(tmp_path)[0]
    assert CodeTests(tests=()).check(tmp_path) == ["there are no cases"]


@pytest.mark.parametrize(
    ("data", "reward"),
    [(b"1\n", 1.0), (b" 0.5 ", 0.5), (b'{"reward": 0.25, "x": 1}', 0.25), (b'{"score": 1}', 1.0), (b"0", 0.0)],
)
def test_rewards(data: bytes, reward: float) -> None:
    assert read_reward(data, "reward") == reward


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"yes",
        b"true",
        b"NaN",
        b"1e999",
        b"-1",
        b"2",
        b'{"a": 1, "b": 1}',
        b"[1]",
        b'{"reward": true}',
        b"[" * 99999,
    ],
)
def test_what_is_no_reward(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_reward(data, "reward")


def test_a_verifier_that_is_not_there_or_not_clear_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    assert Script(verifier="v").check(tmp_path) == ("no file in the folder v",)
    assert Script(verifier="w").check(tmp_path) == ("no such file or folder: w",)
    (tmp_path / "v" / "a.py").write_text("")
    assert Script(verifier="v").check(tmp_path) == ()
    (tmp_path / "v" / "b.py").write_text("")
    assert "say `command`" in Script(verifier="v").check(tmp_path)[0]
    assert Script(verifier="v", command=("python3", "{verifier}/a.py")).check(tmp_path) == ()
    assert "not a path of its own folder" in Script(verifier={"../x": "y"}).check(tmp_path)[0]


def test_faults_of_test_report_are_told_together(tmp_path: Path) -> None:
    said = TestReport(tests="absent", gold="gone.patch", fail_to_pass=("a",), pass_to_pass=("a",), runner="tap")
    faults = said.check(tmp_path)
    assert [f for f in faults if "absent" in f] and [f for f in faults if "gone.patch" in f]
    assert "runner 'tap' needs a command" in faults and "'a' is in fail_to_pass and in pass_to_pass" in faults
    assert TestReport(tests={"../x": ""}).check(tmp_path) == ["`tests`: ../x is not a path in the tree"]
    assert "no diff" in TestReport(test_patch="@@ -1 +1 @@\n-a\n").check(tmp_path)[0]
    assert TestReport().check(tmp_path) == []


def test_parameters_are_closed() -> None:
    with pytest.raises(ValidationError):
        TestReport(runner="pytset")  # type: ignore[arg-type]
