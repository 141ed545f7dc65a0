"""Rows of SWE-bench-Live and SWE-bench Pro graded in real boxes: a small repository in an image without Python."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from test_harbor_boxes import BoxWork

from harness.api import Artifact, Grade, Output, SandboxSpec, Task
from harness.graders.swebench import SweBench
from harness.sandboxes.docker import Docker
from harness.sources.swebench import SweBench as Source

pytestmark = pytest.mark.docker
OWN_IMAGES = ("/testbed/calc.sh",)

CODE = "add() { echo $(($1 - $2)); }\n\n\ndouble() { echo $((3 * $1)); }\n\n\nsame() { echo $1; }\n"
HIDDEN = """\
. "$ROOT/calc.sh"
say() { if [ "$2" = "$3" ]; then printf '\\033[32mPASS\\033[0m %s\\r\\n' "$1"; else echo "FAIL $1"; fi; }
say add "$(add 1 2)" 3
say double "$(double 2)" 4
say same "$(same 5)" 5
"""
DOCKERFILE = """\
FROM harness-base:bookworm
COPY calc.sh /testbed/calc.sh
COPY calc.sh /app/calc.sh
COPY hidden.sh /tmp/hidden.sh
RUN git config --global user.name a && git config --global user.email a@b \\
 && mkdir /testbed/sub && touch /testbed/sub/x \\
 && cd /testbed && git init -q && git add -A && git commit -qm base \\
 && cd /app && git init -q && git add -A && git commit -qm base && git tag base \\
 && mkdir t && mv /tmp/hidden.sh t/ && git add -A && git commit -qm solution && git tag solution \\
 && git reset -q --hard base && echo '# left by the build' >> calc.sh \\
 && echo 'case $- in *i*) export ROOT=/testbed;; esac' > /root/.bashrc \\
 && rm -f /usr/bin/python3* /usr/bin/python
ENV ROOT=/app
"""
PARSER = """\
import re

def parser(log: str) -> dict[str, str]:
    words = {"PASS": "passed", "FAIL": "Failed"}
    return {m[2]: words[m[1]] for m in re.finditer(r"^(PASS|FAIL) (\\w+)$", log, re.MULTILINE)}

if __name__ == "__main__":
    raise SystemExit("the official program does not run this part")
"""
PRO_PARSER = """\
import json, sys
from pathlib import Path

out, err = (Path(p).read_text() for p in sys.argv[1:3])
assert err.split() == ["on", "stderr"], err
assert out.startswith("args: "), out
tests = [line.replace("\\x1b[32m", "").replace("\\x1b[0m", "").split() for line in out.splitlines()[1:]]
words = {"PASS": "PASSED", "FAIL": "FAILED"}
Path(sys.argv[3]).write_text(json.dumps({"tests": [{"name": n, "status": words[w]} for w, n in tests]}))
"""
RUN_SCRIPT = "echo args: $#\nbash t/hidden.sh\nbash t/hidden.sh | sed s/PASS/FAIL/\necho on stderr >&2\n"


def added(path: str, text: str) -> str:
    lines = text.splitlines(keepends=True)
    body = "".join(f"+{line}" for line in lines)
    head = f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n"
    return f"{head}@@ -0,0 +1,{len(lines)} @@\n{body}"


def hunk(old: str, new: str, start: int, before: str = "", after: str = "\n") -> str:
    context = [f" {line}\n" for line in before.splitlines()], [f" {line}\n" for line in after.splitlines()]
    size = 1 + len(context[0]) + len(context[1])
    return f"@@ -{start},{size} +{start},{size} @@\n{''.join(context[0])}-{old}\n+{new}\n{''.join(context[1])}"


HEAD = "diff --git a/calc.sh b/calc.sh\n--- a/calc.sh\n+++ b/calc.sh\n"
ADD = hunk("add() { echo $(($1 - $2)); }", "add() { echo $(($1 + $2)); }", 1)
DOUBLE = hunk("double() { echo $((3 * $1)); }", "double() { echo $((2 * $1)); }", 4)
FIX = HEAD + ADD + DOUBLE
BREAKS = HEAD + ADD + DOUBLE + hunk("same() { echo $1; }", "same() { echo no; }", 7, after="")
BINARY = "diff --git a/x.png b/x.png\nindex 1111111..2222222 100644\nBinary files a/x.png and b/x.png differ\n"
ROW = {
    "instance_id": "o__r-1", "repo": "o/r", "base_commit": "base", "problem_statement": "It breaks.", "patch": FIX,
    "test_patch": added("t/hidden.sh", HIDDEN), "FAIL_TO_PASS": ["add", "double"], "PASS_TO_PASS": ["same", "gone"],
}  # fmt: skip
LIVE = ROW | {
    "docker_image": "x", "rebuild_cmds": ["cd sub", "echo PASS add"], "log_parser": PARSER,
    "test_cmds": ["mkdir -p out && bash ../t/hidden.sh > out/log"], "print_cmds": ["cat out/log"],
}  # fmt: skip
PRO = ROW | {
    "before_repo_set_cmd": "exit 1\ngit checkout solution -- t", "selected_test_files_to_run": ["t/hidden.sh", "t b"],
    "dockerhub_tag": "x", "PASS_TO_PASS": ["same"],
}  # fmt: skip


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kin")
    for name, text in {"Dockerfile": DOCKERFILE, "calc.sh": CODE, "hidden.sh": HIDDEN}.items():
        (path / "env").mkdir(exist_ok=True)
        (path / "env" / name).write_text(text)
    for name, text in {"run_script.sh": RUN_SCRIPT, "parser.py": PRO_PARSER}.items():
        (path / "scripts" / "o__r-1").mkdir(parents=True, exist_ok=True)
        (path / "scripts" / "o__r-1" / name).write_text(text)
    return path


def grade(space: Path, row: dict[str, Any], patch: str) -> Grade:
    """The grade of a patch, the row taken through the source as it is, with an image of these tests."""
    (space / "rows.jsonl").write_text(json.dumps(row) + "\n")
    [found] = Source(path="rows.jsonl", scripts="scripts", timeout_s=60).rows(space)
    assert "skip" not in found.values, found.values["skip"]
    [said] = found.values["graders"]
    grader = SweBench.model_validate({k: v for k, v in said.items() if k != "use"})
    task = Task(id="o__r-1", prompt="p", reference=found.values["reference"], sandbox=SandboxSpec(dockerfile="env"))
    output = Output(artifacts=(Artifact("patch", patch.encode()),))

    async def whole() -> Any:
        docker = Docker()
        try:
            return await grader.grade(BoxWork(task, output, docker, space))
        finally:
            await docker.aclose()

    verdict = asyncio.run(whole())
    assert isinstance(verdict, Grade), verdict
    return verdict


@pytest.mark.parametrize(
    ("patch", "label"),
    [
        (FIX, "full"),
        (HEAD + ADD, "partial"),
        (HEAD + hunk("add() { echo $(($1 - $2)); }", "add() { echo $(($1 * $2)); }", 1), "no"),
        (BREAKS, "no"),
        ("", "empty_patch"),
    ],
    ids=["fix", "half", "wrong", "regression", "empty"],
)
@pytest.mark.parametrize("row", [LIVE, PRO], ids=["live", "pro"])
def test_a_patch_is_graded(space: Path, row: dict[str, Any], patch: str, label: str) -> None:
    found = grade(space, row, patch)
    assert (found.label, found.passed, found.weak) == (label, label == "full", True), found


@pytest.mark.parametrize(
    "extra",
    [added("t/hidden.sh", "echo my own test\n"), HEAD.replace("calc.sh", "gone.sh") + ADD],
    ids=["the hidden test's own file", "a file that is not there"],
)
def test_live_takes_what_of_a_patch_applies_after_the_hidden_tests(space: Path, extra: str) -> None:
    found = grade(space, LIVE, FIX + extra)
    assert found.label == "full" and "not all of the patch applies" in found.explanation, found
    assert grade(space, LIVE, extra).label == "no"


def test_pro_applies_a_patch_whole_or_not_at_all(space: Path) -> None:
    moved = FIX.replace(" \n", " other context\n", 1)
    assert grade(space, PRO, moved).label == "patch_error"
    assert grade(space, PRO, FIX + HEAD.replace("calc.sh", "gone.sh") + ADD).label == "patch_error"
    assert grade(space, PRO, BINARY + FIX).label == "full", "parts that are binary are left out"


def test_pro_counts_a_name_that_passed_once(space: Path) -> None:
    """The run script reports every test twice, the second time as failed; the official program looks for a PASSED."""
    assert re.search("sed s/PASS/FAIL/", RUN_SCRIPT)
    assert grade(space, PRO, FIX).parts["fail_to_pass"] == {"passed": 2, "of": 2}


def test_a_live_row_without_print_commands_is_read_from_its_tests(space: Path) -> None:
    lines = "echo PASSED add ; bash ../t/hidden.sh | sed 's/.*PASS.*m //;t;d' | tr -d '\\r' | sed 's/^/PASSED /'"
    row = LIVE | {"print_cmds": [], "test_cmds": [f"false ; {lines}"], "log_parser": "pytest",
                  "rebuild_cmds": ["cd sub", "echo PASSED double"]}  # fmt: skip
    assert grade(space, row, HEAD + ADD).label == "partial", "what the build prints is no result"
    assert grade(space, row, FIX).label == "full"


def test_a_pytest_row_of_live_calls_an_error_and_an_expected_failure_a_failure(space: Path) -> None:
    for word in ("ERROR", "XFAIL"):
        tests = f"printf 'PASSED add\\nPASSED double\\n{word} same\\n'"
        row = LIVE | {"print_cmds": [], "test_cmds": [tests], "log_parser": "pytest"}
        assert grade(space, row, FIX).label == "no", word
