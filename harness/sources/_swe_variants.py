"""What each family of SWE-bench rows says of its environment and its tests."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from harness.api import Json
from harness.sources._swe_rows import Missing, Said
from harness.toolkit.swebench import END, START
from harness.toolkit.swelogs import OF_REPO, PARSERS

LONGEST_TAG = 128
_NEW_FILE = re.compile(r"^--- (?:a/(.+)|/dev/null)\n\+\+\+ (?:b/(.+)|/dev/null)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parts:
    """The image a row names, where the repository is in it, what is asked, and the grader's parameters."""

    image: str
    folder: str
    prompt: str
    grader: dict[str, Json]


def classic(said: Said, missing: Missing, test_command: str) -> Parts:
    """SWE-bench, all of its sets. Rows from version 5 on bring image, script and parser; older ones do not."""
    parser = said.text("log_parser", needed=False) or f"parse_log_{OF_REPO.get(said.text('repo'), '')}"
    script = said.text("eval_script", needed=False)
    if not script and test_command:
        script = eval_script(said, test_command)
    if not script:
        missing.add("the row has no `eval_script` (sets from before version 5): say `test_command:`")
    if parser not in PARSERS:
        named = said.text("log_parser", needed=False)
        missing.add(f"the log parser '{named}' is not known here" if named else "the row names no log parser")
    if said.has("image_assets"):
        missing.add("the row brings images (`image_assets`), which are not supported")
    fail_only = said.text("eval_type", needed=False) == "fail_only"
    id = said.text("instance_id")
    image = said.text("image", needed=False) or said.text("image_name", needed=False)
    grader = _tests(said) | {"rules": "fail_only" if fail_only else "official", "script": script, "parser": parser}
    derived = f"swebench/sweb.eval.x86_64.{id.replace('__', '_1776_').lower()}:latest"
    return Parts(image or derived, "/testbed", said.text("problem_statement"), grader)


def live(said: Said, missing: Missing) -> Parts:
    """SWE-bench-Live: commands that build, test and print, and a parser that may be a program."""
    parser = said.text("log_parser", needed=False)
    grader = _tests(said) | {
        "rules": "live",
        "script": _steps(said),
        "parser": "parse_log_pytest" if parser in ("", "pytest") else "",
        "print_script": "\n".join(said.items("print_cmds")),
    }
    if parser not in ("", "pytest"):
        if "def parser" not in parser:
            missing.add(f"the log parser is neither `pytest` nor a Python function `parser`: '{parser[:40]}'")
        grader["parser_code"] = parser + LIVE_PARSER
    image = said.text("docker_image", needed=False) or said.text("image", needed=False)
    return Parts(image, "/testbed", said.text("problem_statement"), grader)


LIVE_PARSER = """

import json, sys
_words = {"pass": "PASSED", "fail": "FAILED", "skip": "SKIPPED"}
_found = parser(open(sys.argv[1], encoding="utf-8", errors="replace").read())
_tests = [{"name": k, "status": _words.get(v, str(v).upper())} for k, v in _found.items()]
json.dump({"tests": _tests}, open(sys.argv[3], "w"))
"""
"""Calls a row's own parser in a box that the work never had."""


def pro(said: Said, missing: Missing, workspace: Path, scripts: str) -> Parts:
    """SWE-bench Pro: scripts and a parser beside the rows; test files come from a later commit in the image."""
    id = said.text("instance_id")
    folder = workspace / scripts / id
    grader = _tests(said) | {"rules": "pro", "parser": ""}
    if not scripts or not (folder / "run_script.sh").is_file() or not (folder / "parser.py").is_file():
        missing.add("its run_script.sh and parser.py are not there: say `scripts:`")
    else:
        files = ",".join(said.items("selected_test_files_to_run"))
        before = said.text("before_repo_set_cmd", needed=False).strip().split("\n")[-1]
        run = (folder / "run_script.sh").read_text(encoding="utf-8", errors="replace")
        grader["script"] = "\n".join((
            "cat > /tmp/run_script.sh <<'END_OF_RUN_SCRIPT'", run.rstrip("\n"), "END_OF_RUN_SCRIPT",
            "cd /app", before, f"bash /tmp/run_script.sh {shlex.quote(files)}",
        ))  # fmt: skip
        grader["parser_code"] = (folder / "parser.py").read_text(encoding="utf-8", errors="replace")
    asked = [said.text("problem_statement")]
    for name, title in (("requirements", "Requirements"), ("interface", "New interfaces")):
        if said.has(name):
            asked.append(f"{title}:\n{said.text(name)}")
    tag = said.text("dockerhub_tag", needed=False) or ""
    image = f"jefzda/sweap-images:{tag[:LONGEST_TAG]}" if tag else said.text("image", needed=False)
    return Parts(image, "/app", "\n\n".join(asked), grader)


def eval_script(said: Said, test_command: str) -> str:
    """A script for a row that brings none: lay down the hidden tests, run the command, and print its exit code."""
    patch = said.text("test_patch")
    pairs = [(m[1], m[2]) for m in _NEW_FILE.finditer(patch)]
    old = shlex.join(sorted({a for a, _ in pairs if a}))
    files = shlex.join(sorted({b for _, b in pairs if b}))
    base = said.text("base_commit")
    reset = f"git checkout {shlex.quote(base)} -- {old} || echo '>>>>> Reset Failed'" if old else "true"
    return "\n".join((
        "cd /testbed", "git config --global --add safe.directory /testbed", reset,
        "git apply --verbose - <<'END_OF_TEST_PATCH' || echo '>>>>> Tests Errored'", patch.rstrip("\n"),
        "END_OF_TEST_PATCH", f"echo '{START}'", test_command.replace("{test_files}", files), "CODE=$?",
        f"echo '{END}'", 'echo ">>>>> Test Exit Code: $CODE"', "",
    ))  # fmt: skip


def _steps(said: Said) -> str:
    """Live's build and test commands between the marks, after the hidden tests were laid down."""
    patch = said.text("test_patch")
    lay = ["git apply --verbose - <<'END_OF_TEST_PATCH'", patch.rstrip("\n"), "END_OF_TEST_PATCH"] if patch else []
    return "\n".join(("cd /testbed", *lay, *said.items("rebuild_cmds"), *said.items("test_cmds"), ""))


def _tests(said: Said) -> dict[str, Json]:
    tests: dict[str, Json] = {
        "fail_to_pass": list(said.items("FAIL_TO_PASS")),
        "pass_to_pass": list(said.items("PASS_TO_PASS")),
    }
    return tests
