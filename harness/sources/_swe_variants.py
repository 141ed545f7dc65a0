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
    grader = _tests(said, missing) | {
        "rules": "fail_only" if fail_only else "official",
        "script": script,
        "parser": parser,
    }
    derived = f"swebench/sweb.eval.x86_64.{id.replace('__', '_1776_').lower()}:latest"
    return Parts(image or derived, "/testbed", said.text("problem_statement"), grader)


def live(said: Said, missing: Missing) -> Parts:
    """SWE-bench-Live: commands that build, test and print, and a parser that may be a program.

    Sets of many languages name their image and bring all three; the Python sets bring the tests' command alone.
    """
    parser = (said.text("log_parser", needed=False) or said.text("parser", needed=False)).strip()
    grader = _tests(said, missing) | {
        "rules": "live",
        "script": live_script(said),
        "test_patch": said.text("test_patch", needed=False),
    }
    if parser.lower() in ("", "pytest"):
        grader["parser"] = "pytest"
    else:
        if "def parser" not in parser:
            missing.add(f"the log parser is neither `pytest` nor a Python function `parser`: '{parser[:40]}'")
        grader["parser_code"] = LIVE_PARSER.format(source=parser)
    image = said.text("docker_image", needed=False) or said.text("image", needed=False)
    if _WINDOWS.search(image):
        missing.add(f"its image '{image}' needs Windows")
    plain = said.text("instance_id").replace("__", "_1776_").lower()
    image = image or f"starryzhang/sweb.eval.x86_64.{plain}"
    return Parts(image, "/testbed", said.text("problem_statement"), grader)


_WINDOWS = re.compile(r"sweb\.eval\.win\.|_windows(?::|$)", re.IGNORECASE)
LIVE_PARSER = """\
import json, sys
words = {{}}
exec({source!r}, words)
found = words["parser"](open(sys.argv[1], encoding="utf-8", errors="replace").read()) or {{}}
json.dump({{"tests": [{{"name": str(k), "status": str(v)}} for k, v in found.items()]}}, open(sys.argv[3], "w"))
"""
"""Calls a row's own parser as the official program does, but in a box that the work never had."""


def live_script(said: Said) -> str:
    """Live's commands in one session, as the official program gives them: what `cd` and `export` do lasts.

    Only what is printed last is the log; the end of all before it goes to the errors.
    """
    build, test, print_ = (" ; ".join(said.items(name)) for name in ("rebuild_cmds", "test_cmds", "print_cmds"))
    lines = ["exec 3>&1 4>&2 >/tmp/steps.log 2>&1", "trap 'tail -c 2000 /tmp/steps.log >&4' EXIT", "cd /testbed"]
    if build.strip():
        lines.append(build)
    if print_.strip():
        lines += [test, "exec >&3 2>&3", print_]
    else:
        lines += ["cat > /tmp/run_test.sh <<'END_OF_TESTS'", test, "END_OF_TESTS", "exec >&3 2>&3"]
        lines.append("bash /tmp/run_test.sh")
    return "\n".join((*lines, ""))


def pro(said: Said, missing: Missing, workspace: Path, scripts: str) -> Parts:
    """SWE-bench Pro: scripts and a parser beside the rows; test files come from a later commit in the image."""
    id = said.text("instance_id")
    folder = workspace / scripts / id
    base = shlex.quote(said.text("base_commit"))
    grader = _tests(said, missing) | {
        "rules": "pro",
        "prepare": f"git reset --hard {base}\ngit checkout {base}",
    }
    if not scripts or not (folder / "run_script.sh").is_file() or not (folder / "parser.py").is_file():
        missing.add("its run_script.sh and parser.py are not there: say `scripts:`")
    else:
        run = (folder / "run_script.sh").read_text(encoding="utf-8", errors="replace")
        grader["script"] = pro_script(said, run)
        grader["parser_code"] = (folder / "parser.py").read_text(encoding="utf-8", errors="replace")
    asked = [said.text("problem_statement")]
    for name, title in (("requirements", "Requirements"), ("interface", "New interfaces introduced")):
        if said.has(name):
            asked.append(f"{title}:\n{said.text(name)}")
    tag = said.text("dockerhub_tag", needed=False) or pro_tag(id, said.text("repo"))
    return Parts(f"jefzda/sweap-images:{tag[:LONGEST_TAG]}", "/app", "\n\n".join(asked), grader)


def pro_script(said: Said, run_script: str) -> str:
    """The last line of `before_repo_set_cmd`, then the run script; names are words of the shell, as officially."""
    files = ",".join(said.items("selected_test_files_to_run"))
    before = said.text("before_repo_set_cmd", needed=False).strip().split("\n")[-1]
    return "\n".join((
        "cat > /tmp/run_script.sh <<'END_OF_RUN_SCRIPT'", run_script.rstrip("\n"), "END_OF_RUN_SCRIPT",
        "exec 3>&1 4>&2 >/dev/null 2>&1", "cd /app", before, "exec >&3 2>&4", f"bash /tmp/run_script.sh {files}", "",
    ))  # fmt: skip


def pro_tag(id: str, repo: str) -> str:
    """The tag of an instance's image, with the two exceptions that its publisher made."""
    owner, _, name = repo.lower().partition("/")
    rest = id.replace("instance_", "")
    if owner == "element-hq" and name == "element-web":
        if id == _KEEPS_ITS_NAME:
            return f"{owner}.{name}-{rest}"
        name = "element"
    return f"{owner}.{name}-{rest.removesuffix('-vnan')}"


_KEEPS_ITS_NAME = "instance_element-hq__element-web-ec0f940ef0e8e3b61078f145f34dc40d1938e6c5-vnan"


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


def _tests(said: Said, missing: Missing) -> dict[str, Json]:
    """The two lists. A row without tests would be passed by every patch."""
    mended, kept = said.items("FAIL_TO_PASS"), said.items("PASS_TO_PASS")
    if said.get("FAIL_TO_PASS") is None:
        missing.add("the row has no FAIL_TO_PASS")
    elif not mended and not kept:
        missing.add("the row names no tests: FAIL_TO_PASS and PASS_TO_PASS are empty")
    tests: dict[str, Json] = {"fail_to_pass": list(mended), "pass_to_pass": list(kept)}
    return tests
