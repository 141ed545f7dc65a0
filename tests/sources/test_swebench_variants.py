"""Rows of SWE-bench-Live and SWE-bench Pro as tasks, in the forms in which real rows are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.sources.swebench import SweBench

BASE = {
    "instance_id": "o__r-1",
    "repo": "o/r",
    "base_commit": "a" * 40,
    "problem_statement": "It breaks.",
    "patch": "GOLD",
    "test_patch": "--- a/tests/t.py\n+++ b/tests/t.py\n",
}
LIVE = BASE | {
    "pull_number": "1",
    "docker_image": "live/x",
    "rebuild_cmds": ["make -C sub", "cd sub"],
    "test_cmds": ["mkdir -p out ; run > out/log"],
    "print_cmds": ["cat out/log"],
    "log_parser": "def parser(log):\n    return {}\n",
    "FAIL_TO_PASS": ["t.py::a"],
    "PASS_TO_PASS": ["t.py::b", "t.py::c"],
}
PYTHON_LIVE = {k: v for k, v in LIVE.items() if k not in ("docker_image", "rebuild_cmds", "print_cmds")} | {
    "test_cmds": ["pytest -rA"],
    "log_parser": "pytest",
}
PRO = BASE | {
    "instance_id": "instance_O-rg__Re.po-ab12-vcd34",
    "repo": "O-rg/Re.po",
    "requirements": "Be kind.",
    "interface": "def f()",
    "before_repo_set_cmd": "git reset --hard abc\ngit clean -fd \ngit checkout abc \ngit checkout def -- tests/t.py",
    "selected_test_files_to_run": '["tests/t.py", "Fuzz/seed#5"]',
    "fail_to_pass": "['a | b', \"it's\"]",
    "pass_to_pass": '["c"]',
}


def task(workspace: Path, row: dict[str, Any], **params: Any) -> dict[str, Any]:
    (workspace / "rows.jsonl").write_text(json.dumps(row) + "\n")
    [found] = SweBench(path="rows.jsonl", **params).rows(workspace)
    return dict(found.values)


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in names}


def scripts(workspace: Path, id: str = PRO["instance_id"]) -> str:
    folder = workspace / "scripts" / id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run_script.sh").write_text("echo $1\n")
    (folder / "parser.py").write_text("PARSE\n")
    return "scripts"


def test_a_live_row_of_many_languages(tmp_path: Path) -> None:
    found = task(tmp_path, LIVE)
    [grader] = found["graders"]
    assert "skip" not in found
    assert found["sandbox"]["image"] == "live/x" and grader["rules"] == "live"
    assert grader["test_patch"] == LIVE["test_patch"] and "git apply" not in grader["script"]
    assert (grader["fail_to_pass"], grader["pass_to_pass"]) == (["t.py::a"], ["t.py::b", "t.py::c"])
    assert "parser" not in grader and "def parser(log)" in grader["parser_code"]
    assert grader["timeout_s"] == 9000.0, "the official limit is 150 minutes"


def test_the_steps_of_a_live_row_are_one_session_and_only_the_last_is_the_log(tmp_path: Path) -> None:
    script = task(tmp_path, LIVE)["graders"][0]["script"].splitlines()
    steps = [line for line in script if line in ("make -C sub ; cd sub", *LIVE["test_cmds"], *LIVE["print_cmds"])]
    assert steps == ["make -C sub ; cd sub", "mkdir -p out ; run > out/log", "cat out/log"]
    assert script.index("exec >&3 2>&3") == script.index("cat out/log") - 1


def test_a_live_row_of_python_has_no_image_and_prints_what_its_tests_print(tmp_path: Path) -> None:
    found = task(tmp_path, PYTHON_LIVE)
    [grader] = found["graders"]
    assert "skip" not in found
    assert found["sandbox"]["image"] == "starryzhang/sweb.eval.x86_64.o_1776_r-1"
    assert grader["parser"] == "pytest" and "parser_code" not in grader
    assert grader["script"].splitlines()[-2:] == ["exec >&3 2>&3", "bash /tmp/run_test.sh"]


@pytest.mark.parametrize(
    "image", ["starryzhang/sweb.eval.win.o_1776_r-1", "repolaunch/dev:o__r-1_windows", "x/Sweb.Eval.Win.o_1776_r-1"]
)
def test_a_row_for_windows_is_skipped(tmp_path: Path, image: str) -> None:
    assert "needs Windows" in task(tmp_path, LIVE | {"docker_image": image})["skip"]


@pytest.mark.parametrize("row", [without(LIVE, "FAIL_TO_PASS", "PASS_TO_PASS"), without(LIVE, "FAIL_TO_PASS"),
                                 LIVE | {"FAIL_TO_PASS": [], "PASS_TO_PASS": "[]"}])  # fmt: skip
def test_a_row_that_names_no_tests_is_skipped_and_not_passed_by_everything(tmp_path: Path, row: dict[str, Any]) -> None:
    assert "FAIL_TO_PASS" in task(tmp_path, row)["skip"]


def test_lists_of_live_may_be_json_text_and_its_parser_be_called_parser(tmp_path: Path) -> None:
    row = without(LIVE, "log_parser") | {
        "parser": "pytest", "FAIL_TO_PASS": '["t.py::a"]', "test_cmds": '["a", "b"]',
    }  # fmt: skip
    [grader] = task(tmp_path, row)["graders"]
    assert grader["fail_to_pass"] == ["t.py::a"] and grader["parser"] == "pytest"
    assert "a ; b" in grader["script"].splitlines()


def test_a_live_parser_that_is_nothing_of_the_sort(tmp_path: Path) -> None:
    assert "neither `pytest` nor a Python function" in task(tmp_path, LIVE | {"log_parser": "junit"})["skip"]


def test_a_pro_row_is_a_whole_task(tmp_path: Path) -> None:
    assert "say `scripts:`" in task(tmp_path, PRO)["skip"]
    found = task(tmp_path, PRO, scripts=scripts(tmp_path))
    [grader] = found["graders"]
    assert "skip" not in found and found["sandbox"]["workdir"] == "/app"
    assert found["prompt"] == "It breaks.\n\nRequirements:\nBe kind.\n\nNew interfaces introduced:\ndef f()"
    assert grader["fail_to_pass"] == ["a | b", "it's"] and grader["rules"] == "pro"
    assert grader["parser_code"] == "PARSE\n" and grader["timeout_s"] == 3600.0
    assert grader["prepare"] == f"git reset --hard {'a' * 40}\ngit checkout {'a' * 40}"
    assert "git reset" not in grader["script"], "only the last line of before_repo_set_cmd is run"


def test_a_pro_run_script_is_called_as_the_official_program_calls_it(tmp_path: Path) -> None:
    """Word by word: names with spaces were listed with the arguments that the shell made of them."""
    found = task(tmp_path, PRO | {"selected_test_files_to_run": "['a b', 'c']"}, scripts=scripts(tmp_path))
    lines = found["graders"][0]["script"].splitlines()
    assert lines[-1] == "bash /tmp/run_script.sh a b,c"
    assert lines[lines.index("git checkout def -- tests/t.py") + 1].startswith("exec >&3 2>&4"), "is no test output"


@pytest.mark.parametrize(
    ("id", "repo", "tag"),
    [
        ("instance_O-rg__Re.po-ab12-vcd34", "O-rg/Re.po", "o-rg.re.po-O-rg__Re.po-ab12-vcd34"),
        ("instance_o__r-ab12-vnan", "o/r", "o.r-o__r-ab12"),
        ("instance_o__r-" + "a" * 140, "o/r", "o.r-o__r-" + "a" * 119),
        ("instance_element-hq__element-web-ab12-vnan", "element-hq/element-web",
         "element-hq.element-element-hq__element-web-ab12"),
        ("instance_element-hq__element-web-ec0f940ef0e8e3b61078f145f34dc40d1938e6c5-vnan", "element-hq/element-web",
         "element-hq.element-web-element-hq__element-web-ec0f940ef0e8e3b61078f145f34dc40d1938e6c5-vnan"),
    ],
)  # fmt: skip
def test_the_image_of_a_pro_row_without_a_tag(tmp_path: Path, id: str, repo: str, tag: str) -> None:
    row = PRO | {"instance_id": id, "repo": repo}
    assert task(tmp_path, row)["sandbox"]["image"] == f"jefzda/sweap-images:{tag}"


def test_a_pro_row_with_a_tag_is_taken_at_its_word(tmp_path: Path) -> None:
    assert task(tmp_path, PRO | {"dockerhub_tag": "o.r-1"})["sandbox"]["image"] == "jefzda/sweap-images:o.r-1"


def test_limits_and_network_can_be_said_for_all_rows(tmp_path: Path) -> None:
    [grader] = task(tmp_path, LIVE, timeout_s=7, tests_network="open")["graders"]
    assert grader["timeout_s"] == 7.0 and grader["network"] == "open"
    assert "network" not in task(tmp_path, LIVE)["graders"][0]
