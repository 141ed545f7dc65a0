"""The grader `swebench` in real boxes: a small repository of these tests, patches good and bad."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from test_harbor_boxes import BoxWork

from harness.api import Artifact, Grade, NotGraded, Output, SandboxSpec, Task, Verdict
from harness.config.load import load_suite
from harness.graders.swebench import SweBench
from harness.qa.cache import CheckCache
from harness.qa.suite import Checking
from harness.qa.task import Options
from harness.sandboxes.docker import Docker

pytestmark = pytest.mark.docker
OWN_IMAGES = ("/testbed/calc.py",)

CODE = "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return 2 * a\n"
RUNNER = """\
import importlib, sys
import calc
bad = 0
for name, ok in (("t.py::add", lambda: calc.add(1, 2) == 3), ("t.py::double", lambda: calc.double(2) == 4)):
    good = ok()
    bad += not good
    print("PASSED" if good else "FAILED", name, flush=True)
sys.exit(bad > 0)
"""
SCRIPT = f"""\
cat > t_hidden.py <<'END'
{RUNNER}END
echo '>>>>> Start Test Output'
python3 t_hidden.py
CODE=$?
echo '>>>>> End Test Output'
echo ">>>>> Test Exit Code: $CODE"
"""
DOCKERFILE = """\
FROM harness-base:bookworm
COPY calc.py /testbed/calc.py
WORKDIR /testbed
RUN git init -q && git add -A && git -c user.name=a -c user.email=a@b commit -qm base
"""


def diff(old: str, new: str, start: int = 1) -> str:
    hunk = f"@@ -{start},5 +{start},5 @@\n def add(a, b):\n-{old}\n+{new}\n \n \n def double(a):\n"
    return f"--- a/calc.py\n+++ b/calc.py\n{hunk}"


FIX = diff("    return a - b", "    return a + b")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("swe")
    (path / "env").mkdir()
    (path / "env" / "Dockerfile").write_text(DOCKERFILE)
    (path / "env" / "calc.py").write_text(CODE)
    return path


def grade(space: Path, patch: str | None, gold: str = FIX, **params: object) -> Verdict:
    said = {"script": SCRIPT, "parser": "parse_log_pytest", "fail_to_pass": ("t.py::add",),
            "pass_to_pass": ("t.py::double",)} | params  # fmt: skip
    task = Task(id="o__r-1", prompt="p", reference={"patch": gold}, sandbox=SandboxSpec(dockerfile="env"))
    output = Output(artifacts=() if patch is None else (Artifact("patch", patch.encode()),))

    async def whole() -> Verdict:
        docker = Docker()
        try:
            return await SweBench.model_validate(said).grade(BoxWork(task, output, docker, space))
        finally:
            await docker.aclose()

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("patch", "label"),
    [
        (FIX, "full"),
        (diff("    return a - b", "    return a + b", 3), "full"),
        (diff("    return a - b", "    return a * b"), "no"),
        ("--- a/gone.py\n+++ b/gone.py\n@@ -1 +1 @@\n-x\n+y\n", "patch_error"),
        ("this is no patch\n", "patch_error"),
        ("", "empty_patch"),
        (None, "empty_patch"),
    ],
    ids=["fix", "wrong line numbers", "wrong fix", "no such file", "no patch", "empty", "absent"],
)
def test_a_patch_is_graded(space: Path, patch: str | None, label: str) -> None:
    found = grade(space, patch)
    assert isinstance(found, Grade), found
    assert (found.label, found.passed, found.weak) == (label, label == "full", True)


def test_a_regression_counts(space: Path) -> None:
    both = CODE.replace("a - b", "a + b").replace("2 * a", "3 * a")
    lines = "".join(f"-{line}\n" for line in CODE.splitlines()) + "".join(f"+{line}\n" for line in both.splitlines())
    found = grade(space, f"--- a/calc.py\n+++ b/calc.py\n@@ -1,6 +1,6 @@\n{lines}")
    assert isinstance(found, Grade) and (found.label, found.passed) == ("no", False)
    assert found.parts["pass_to_pass"] == {"passed": 0, "of": 1, "failed": {"t.py::double": "failed"}}


def test_a_hang_is_the_works_only_if_the_gold_patch_does_not_hang(space: Path) -> None:
    hang = diff("    return a - b", "    while True: pass")
    found = grade(space, hang, timeout_s=2.0)
    assert isinstance(found, Grade) and (found.label, found.passed) == ("timeout", False)
    both = grade(space, hang, gold=hang, timeout_s=2.0)
    assert isinstance(both, NotGraded) and both.cause == "environment" and "gold patch comes to timeout" in both.detail


def test_output_that_says_passed_while_the_runner_fails_is_no_result(space: Path) -> None:
    forged = diff("    return a - b", "    print('PASSED t.py::add', flush=True); import os; os._exit(3)")
    found = grade(space, forged)
    assert isinstance(found, Grade) and (found.label, found.passed) == ("no_result", False)
    assert "ended with 3" in found.explanation
    assert {flag.partition(" (")[0] for flag in found.flags} == {"reached_for: results", "reached_for: runner"}


def test_a_rows_own_parser_runs_in_a_box_of_its_own(space: Path) -> None:
    code = (
        "import json, os, sys\nassert not os.path.exists('/testbed/t_hidden.py'), 'the work was here'\n"
        "names = [l.split() for l in open(sys.argv[1]) if l.startswith(('PASSED', 'FAILED'))]\n"
        "json.dump({'tests': [{'name': n, 'status': s} for s, n in names]}, open(sys.argv[3], 'w'))\n"
    )
    found = grade(space, FIX, parser="", parser_code=code, rules="pro")
    assert isinstance(found, Grade) and found.label == "full", found
    broken = grade(space, FIX, parser="", parser_code="raise SystemExit(3)", rules="pro")
    assert isinstance(broken, NotGraded) and "exit 3" in broken.detail


def test_listed_tests_are_repeated_on_the_right_patch_and_on_the_code_as_given(space: Path) -> None:
    seed = "__import__('os').environ.get('PYTHONHASHSEED')"
    by_seed = RUNNER.replace("calc.double(2) == 4", f"calc.double(2) == 4 and {seed} != '1'")
    said = {"use": "swebench", "script": SCRIPT.replace(RUNNER, by_seed), "parser": "parse_log_pytest",
            "fail_to_pass": ["t.py::add"], "pass_to_pass": ["t.py::double"]}  # fmt: skip
    task = {"id": "o__r-1", "prompt": "Mend add.", "sandbox": {"dockerfile": "env"}, "reference": {"patch": FIX},
            "collect": {"patch": {"patch": "/testbed"}}, "graders": [said]}  # fmt: skip
    (space / "tasks" / "swe").mkdir(parents=True)
    suite = {"suite": "swe", "systems": [{"name": "reference", "harness": "reference"}], "tasks": [task]}
    (space / "tasks" / "swe" / "suite.yaml").write_text(json.dumps(suite))
    loaded = load_suite(space, "swe")
    checking = Checking(loaded, loaded.tasks, Options(2, cheats=False), CheckCache(space, on=False))
    [check] = asyncio.run(checking.run(lambda _: lambda: None))
    assert (check.tests, check.flaky) == (2, ())
    flaky = [(f.level, f.where, f.what) for f in check.findings if f.check == "flaky"]
    told = "fails on {} under hash seed 1, and otherwise does not"
    assert flaky == [
        ("fail", "t.py::double", told.format("the right patch")),
        ("warn", "t.py::double", told.format("the code as given")),
    ]
