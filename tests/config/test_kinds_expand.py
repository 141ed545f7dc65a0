"""`kind:` is spelling: what each kind becomes, and that every fault is told where the user wrote it."""

from __future__ import annotations

import jsonschema
import pytest
import yaml
from config_space import Space

from harness.config.json_schema import file_schema
from harness.config.suite import Suite
from harness.plugins.loader import installed
from harness.records.task import Collect, Repo, SandboxSpec

pytestmark = pytest.mark.skipif("test_report" not in installed("grader"), reason="test_report is not installed")

REPO_PATCH = """\
id: slug-dots
kind: repo_patch
repo: {source: repos/slugs.bundle, base: 3f2c1aa, dest: /work/slugs}
environment: {image: "python:3.12", setup: [pip install pytest]}
problem_statement: issue.md
tests: hidden
fail_to_pass: ["tests/test_dots.py::test_dots"]
pass_to_pass: ["tests/test_slugs.py::test_plain"]
visible: ["tests/test_slugs.py::test_plain_dev"]
gold: gold.patch
protected: [Makefile]
runner: pytest
timeout_s: 120
"""


@pytest.fixture
def full(space: Space) -> Space:
    return space.write({
        "tasks/demo/t.yaml": REPO_PATCH,
        "repos/slugs.bundle": "x",
        "tasks/demo/issue.md": "Dots are lost.\n",
        "tasks/demo/gold.patch": "--- a/x\n+++ b/x\n",
        "tasks/demo/hidden/tests/test_dots.py": "def test_dots(): assert 1\n",
    })  # fmt: skip


def test_a_repo_patch_becomes_sandbox_collect_grader_and_reference(full: Space) -> None:
    suite = full.load()
    [task] = suite.tasks
    assert task.prompt == "Dots are lost.\n"
    assert task.sandbox == SandboxSpec(
        image="python:3.12",
        setup=("pip install pytest",),
        repo=Repo("repos/slugs.bundle", "3f2c1aa", "/work/slugs"),
        workdir="/work/slugs",
    )
    assert task.collect == (Collect("patch", "patch", "/work/slugs"),)
    assert task.reference == {"patch": "--- a/x\n+++ b/x\n"}
    assert task.graders == ("test_report",)
    config = suite.graders["test_report"].config
    assert config["tests"] == "tasks/demo/hidden", "found beside the task file"
    assert config["fail_to_pass"] == ["tests/test_dots.py::test_dots"]
    assert config["pass_to_pass"] == ["tests/test_slugs.py::test_plain"]
    assert config["visible"] == ["tests/test_slugs.py::test_plain_dev"]
    assert config["protected"] == ["Makefile"]
    assert config["timeout_s"] == 120


def test_a_hidden_test_that_changes_changes_the_graders_digest(full: Space) -> None:
    before = full.load().graders["test_report"].digest
    full.write({"tasks/demo/hidden/tests/test_dots.py": "def test_dots(): assert 2\n"})
    assert full.load().graders["test_report"].digest != before


def test_a_repository_in_the_image_needs_no_source(full: Space) -> None:
    text = REPO_PATCH.replace("{source: repos/slugs.bundle, base: 3f2c1aa, dest: /work/slugs}", "{dest: /testbed}")
    full.write({"tasks/demo/t.yaml": text})
    [task] = full.load().tasks
    assert task.sandbox and task.sandbox.repo is None and task.sandbox.workdir == "/testbed"
    assert task.collect[0].path == "/testbed"


def test_what_is_said_plainly_stays_and_more_graders_come_after(full: Space) -> None:
    more = """\
sandbox: {memory: 1g, workdir: /srv}
collect: {log: {file: /work/run.log}, patch: {patch: /work/slugs, exclude: ["*.lock"]}}
graders: [{use: test_report, name: again, tests: {t.py: x}, informative: true}]
"""
    full.write({"tasks/demo/t.yaml": REPO_PATCH + more})
    [task] = full.load().tasks
    assert task.sandbox and task.sandbox.memory == 1024**3 and task.sandbox.workdir == "/srv"
    assert [c.name for c in task.collect] == ["log", "patch"] and task.collect[1].exclude == ("*.lock",)
    assert task.graders == ("test_report",) and task.informative == ("again",)


def test_each_fault_is_told_where_it_was_written(full: Space) -> None:
    text = (
        REPO_PATCH.replace("environment: {image", "environment: {dockerfile: d, image")
        .replace("base: 3f2c1aa, ", "")
        .replace("runner:", "runer:")
    )
    full.write({"tasks/demo/t.yaml": text})
    told = full.faults()
    assert any(f.startswith("tasks/demo/t.yaml:3:7 `repo`: say both `source` and `base`") for f in told)
    assert any(f.startswith("tasks/demo/t.yaml:4:14 `environment`: say `image` or `dockerfile`") for f in told)
    assert any(f.startswith("tasks/demo/t.yaml:12:1 unknown key `runer`") for f in told)
    assert "did you mean 'runner'?" in full.message()


@pytest.mark.parametrize(
    ("old", "new", "place", "what"),
    [
        ("runner: pytest", "runner: pytset", "12:9", "`runner`: expected"),
        ("timeout_s: 120", "timeout_s: -1", "13:12", "-1 is out of range"),
        ('fail_to_pass: ["', 'fail_to_pass: [3, "', "7:16", "expected text, found the number 3"),
        ("gold.patch", "gone.patch", "10:7", "no such file: gone.patch"),
        ("issue.md", "gone.md", "5:20", "no such file: gone.md"),
        ("repos/slugs.bundle", "repos/gone", "3:16", "no such file: repos/gone"),
        ("dest: /work/slugs", "dest: work", "3:57", "expected an absolute path in the box"),
        ("repo_patch", "repo_pach", "2:7", "no kind of task is the text 'repo_pach'"),
        ("visible:", "prompt: p\nreference: r\nvisible:", "9:1", "both `problem_statement` and `prompt` are given"),
        ("visible:", "reference: r\nvisible:", "9:1", "both `gold` and `reference` are given"),
        ("visible:", "sandbox: {image: x}\nvisible:", "4:15", "`image` is said in `environment` and in `sandbox`"),
    ],
)
def test_one_fault(full: Space, old: str, new: str, place: str, what: str) -> None:
    full.write({"tasks/demo/t.yaml": REPO_PATCH.replace(old, new)})
    told = full.faults()
    assert any(f.startswith(f"tasks/demo/t.yaml:{place} ") and what in f for f in told), told


def test_rows_become_tasks_of_a_kind_by_a_template(full: Space) -> None:
    full.write({
        "tasks/demo/t.yaml": """\
            rows: {path: bugs.jsonl}
            template:
              id: "{{ id }}"
              kind: repo_patch
              repo: {source: repos/slugs.bundle, base: "{{ base }}"}
              prompt: "{{ issue }}"
              tests: {"t.py": "{{ test }}"}
              fail_to_pass: "{{ f2p }}"
              gold: gold.patch
            """,
        "tasks/demo/bugs.jsonl": '{"id": "a", "base": "1", "issue": "A", "test": "x", "f2p": ["t.py::a"]}\n'
        '{"id": "b", "base": "2", "issue": "B", "test": "y", "f2p": ["t.py::b"]}\n',
    })  # fmt: skip
    suite: Suite = full.load()
    assert [t.sandbox.repo.base for t in suite.tasks if t.sandbox and t.sandbox.repo] == ["1", "2"]
    lists = [suite.graders[t.graders[0]].config["fail_to_pass"] for t in suite.tasks]
    assert lists == [["t.py::a"], ["t.py::b"]]
    full.write({"tasks/demo/bugs.jsonl": '{"id": "a", "base": "1", "issue": "A", "test": "x", "f2p": 3}\n'})
    [fault] = full.faults()
    assert fault.startswith("tasks/demo/bugs.jsonl:1:1 `fail_to_pass`: expected a list, found the number 3")


def test_the_schema_knows_kinds(full: Space) -> None:
    validator = jsonschema.Draft202012Validator(file_schema("task", full.path))
    data = yaml.safe_load(REPO_PATCH)
    assert validator.is_valid(data)
    for wrong in (
        {"runner": "pytset"},
        {"repo": {"dest": "work"}},
        {"kind": "repo_pach"},
        {"runer": "pytest"},
        {"environment": {"img": "x"}},
    ):
        assert not validator.is_valid(data | wrong), wrong
    for missing in ("repo", "id", "problem_statement"):
        assert not validator.is_valid({k: v for k, v in data.items() if k != missing}), missing
    plain = {"id": "a", "prompt": "p", "graders": ["match"], "reference": "r"}
    assert validator.is_valid(plain) and not validator.is_valid(plain | {"fail_to_pass": ["x"]})
    rows = {"rows": {"use": "harbor", "path": "tb"}}
    assert validator.is_valid(rows) or "harbor" not in installed("source")


OTHER_KINDS = {
    "script": """\
        id: total
        kind: script
        prompt: Write the total.
        environment: {image: sandbox}
        verifier: check.sh
        reward: /reward.txt
        solution: solve.sh
        collect: {work: {tree: /work}}
        """,
    "state": """\
        id: total
        kind: state
        prompt: Write the total.
        environment: {image: sandbox}
        checks: [{name: there, of: work, exists: true}]
        solution: solve.sh
        collect: {work: {file: /work/total}}
        """,
    "code_tests": """\
        id: total
        kind: code_tests
        prompt: Print the total.
        environment: {image: sandbox}
        tests: [{stdin: "1 2", stdout: "3"}]
        solution: solve.sh
        """,
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_the_other_kinds(space: Space, kind: str) -> None:
    if kind not in installed("grader"):
        pytest.skip(f"{kind} is not installed")
    space.write({"tasks/demo/t.yaml": OTHER_KINDS[kind], "tasks/demo/solve.sh": "S\n", "tasks/demo/check.sh": "C\n"})
    suite = space.load()
    [task] = suite.tasks
    assert task.graders == (kind,) and task.sandbox == SandboxSpec()
    assert task.reference == ("S\n" if kind == "code_tests" else {"script": "S\n"})
    if kind == "script":
        assert suite.graders["script"].config["verifier"] == "tasks/demo/check.sh"
        assert suite.graders["script"].config["reward"] == "/reward.txt"
    validator = jsonschema.Draft202012Validator(file_schema("task", space.path))
    assert validator.is_valid(yaml.safe_load(OTHER_KINDS[kind]))
    assert not validator.is_valid(yaml.safe_load(OTHER_KINDS[kind]) | {"fail_to_pass": []})


@pytest.mark.parametrize("kind", ["script", "state"])
def test_work_that_is_looked_for_in_a_box_is_done_in_one(space: Space, kind: str) -> None:
    """Without a box every work would fail, right work too."""
    text = OTHER_KINDS[kind].replace("        environment: {image: sandbox}\n", "")
    space.write({"tasks/demo/t.yaml": text, "tasks/demo/solve.sh": "S\n", "tasks/demo/check.sh": "C\n"})
    [task] = space.load().tasks
    assert task.sandbox == SandboxSpec()


def test_what_is_taken_out_of_a_box_needs_one(space: Space) -> None:
    text = "id: a\nprompt: p\nreference: r\ngraders: [match]\ncollect: {work: {file: /work/x}}\n"
    space.write({"tasks/demo/t.yaml": text})
    [fault] = space.faults()
    assert fault.startswith("tasks/demo/t.yaml:5:1 `collect` takes things out of a box, and this task has none")


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_solution_may_stand_in_the_task_itself(space: Space, kind: str) -> None:
    text = OTHER_KINDS[kind].replace("solution: solve.sh", "solution: |\n          one\n")
    space.write({"tasks/demo/t.yaml": text, "tasks/demo/check.sh": "C\n"})
    [task] = space.load().tasks
    assert task.reference == ("one\n" if kind == "code_tests" else {"script": "one\n"})


def test_a_right_patch_may_stand_in_the_task_itself(full: Space) -> None:
    full.write({"tasks/demo/t.yaml": REPO_PATCH.replace("gold: gold.patch", "gold: |\n  --- a/x\n  +++ b/x\n")})
    [task] = full.load().tasks
    assert task.reference == {"patch": "--- a/x\n+++ b/x\n"}


@pytest.mark.parametrize(
    ("kind", "old", "new", "told"),
    [
        ("state", "of: work, exists: true", "of: wrok, exists: false", "reads 'wrok'"),
        ("script", "verifier: check.sh", "verifier: check.sh\n        artifacts: [wrok]", "reads 'wrok'"),
        ("code_tests", "solution: solve.sh", "solution: solve.sh\n        artifact: wrok", "reads 'wrok'"),
        (
            "state",
            "collect: {",
            "graders: [{use: all_of, graders: [test_report]}]\n        collect: {",
            "reads 'patch'",
        ),
    ],
)
def test_an_artifact_that_nobody_collects_is_told(space: Space, kind: str, old: str, new: str, told: str) -> None:
    """`exists: false` of a name that was mistyped would hold whatever the work did."""
    text = OTHER_KINDS[kind].replace(old, new)
    space.write({"tasks/demo/t.yaml": text, "tasks/demo/solve.sh": "S\n", "tasks/demo/check.sh": "C\n"})
    [fault] = space.faults()
    assert told in fault and "which the task does not `collect`" in fault
    if told == "reads 'wrok'" and kind != "code_tests":
        assert "did you mean 'work'?" in space.message()


def test_a_script_of_one_line_is_told_how_it_is_written(space: Space) -> None:
    text = OTHER_KINDS["state"].replace("solution: solve.sh", "solution: wc -l < a > b")
    space.write({"tasks/demo/t.yaml": text})
    assert "a text instead of a file begins with `|`" in space.message()


def test_a_text_where_only_a_file_can_be_named_is_told_without_repeating_it(full: Space) -> None:
    full.write({"tasks/demo/t.yaml": REPO_PATCH.replace("issue.md", "|\n  Dots are lost.\n  All of them.\n")})
    [fault] = full.faults()
    assert fault.startswith("tasks/demo/t.yaml:5:20 expected the name of a file, found its text"), fault
    assert "Dots" not in fault


@pytest.mark.parametrize(
    ("box", "roots"),
    [
        ("environment: {image: sandbox}", ["/work"]),
        ("sandbox: {workdir: /srv/app, dockerfile: env}", ["/srv/app"]),
        ("environment: {image: mine}", None),
        ("sandbox: {dockerfile: env}", None),
    ],
)
def test_a_verifier_sees_the_work_in_its_folder(space: Space, box: str, roots: list[str] | None) -> None:
    """Without anything taken out every work would fail, right work too."""
    text = OTHER_KINDS["script"].replace("environment: {image: sandbox}", box)
    text = "".join(line for line in text.splitlines(keepends=True) if "collect" not in line)
    files = {"tasks/demo/t.yaml": text, "tasks/demo/solve.sh": "S\n", "tasks/demo/check.sh": "C\n"}
    space.write(files | {"env/Dockerfile": "FROM mine\n"})
    if roots is None:
        assert any("t.yaml:2:7 " in f and "nothing of the work would reach the verifier" in f for f in space.faults())
        return
    [task] = space.load().tasks
    [one] = task.collect
    assert (one.name, one.what, one.options["roots"]) == ("work", "changes", roots)
