"""Real test runners in boxes: right work passes, wrong work fails and forged work never passes.

The runners are in images of `scripts/runners-image`. Every CI run has node; `make runners` has all of them.
"""

from __future__ import annotations

import asyncio
import os
from functools import cache
from pathlib import Path

import docker
import pytest
import runners_built
import runners_js
from grading_lab import EngineWork, Lab, change
from runners_lab import Project, lay

from harness.api import Artifact, Grade, Output, Verdict
from harness.graders.test_report import TestReport
from harness.sandboxes.docker import Docker

pytestmark = pytest.mark.docker
PROJECTS = {p.name: p for p in (*runners_js.PROJECTS, *runners_built.PROJECTS)}
REQUIRED = frozenset(os.environ.get("HARNESS_REQUIRE_RUNNERS", "").split())
AT_ONCE = 2


@cache
def there() -> frozenset[str]:
    """Kinds of runners whose image is here."""
    engine = docker.APIClient(version="1.41")
    try:
        tags = [tag for image in engine.images(name="harness-runners-*") for tag in image["RepoTags"] or ()]
    finally:
        engine.close()
    return frozenset(tag.partition(":")[0].removeprefix("harness-runners-") for tag in tags)


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runners")


def lab_of(project: Project, labs: Path) -> Lab:
    if project.kind not in there():
        if project.kind in REQUIRED:
            pytest.fail(
                f"HARNESS_REQUIRE_RUNNERS names {project.kind}: make it by `scripts/runners-image {project.kind}`"
            )
        pytest.skip(f"no image harness-runners-{project.kind}: `scripts/runners-image {project.kind}` makes it")
    return lay(project, labs)


def graded(project: Project, labs: Path, works: dict[str, bytes], grader: TestReport | None = None) -> dict[str, Grade]:
    """Grade several works by one grader, as a run does."""
    lab, grader = lab_of(project, labs), grader or project.test_report()

    async def all_of_them(sandbox: Docker) -> list[Verdict]:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(patch: bytes) -> Verdict:
            output = Output(artifacts=(Artifact("patch", patch),))
            async with places:
                return await grader.grade(EngineWork(project.task(), output, sandbox, lab.workspace))

        return list(await asyncio.gather(*map(one, works.values())))

    verdicts = dict(zip(works, lab.run(all_of_them), strict=True))
    assert all(isinstance(v, Grade) for v in verdicts.values()), verdicts
    return {name: v for name, v in verdicts.items() if isinstance(v, Grade)}


@pytest.mark.parametrize("name", PROJECTS)
def test_honest_work_is_graded_as_what_it_is(name: str, labs: Path) -> None:
    project = PROJECTS[name]
    wrong = {"unchanged": project.tree[project.source] + "\n", **project.honest}
    works = {"gold": project.gold, **{n: project.patch(text) for n, text in wrong.items()}, "empty": b""}
    grades = graded(project, labs, works)
    assert grades["empty"].label == "empty_patch"
    assert (grades["gold"].label, grades["gold"].passed, grades["gold"].flags) == ("resolved", True, ()), grades["gold"]
    assert {n: (grades[n].label, grades[n].passed) for n in wrong} == {n: ("failed", False) for n in wrong}, grades
    assert {g.weak for n, g in grades.items() if n != "empty"} <= {project.name == "ctest", False}
    assert grades["gold"].weak == (project.name == "ctest")


@pytest.mark.parametrize("name", PROJECTS)
def test_forged_work_does_not_pass(name: str, labs: Path) -> None:
    project = PROJECTS[name]
    grades = graded(project, labs, {n: project.patch(text) for n, text in project.forged.items()})
    told = {n: project.told.get(n, "tampered") for n in project.forged}
    assert {n: g.label for n, g in grades.items()} == told, grades
    assert not any(g.passed and not g.weak for g in grades.values())


@pytest.mark.parametrize("name", [n for n, p in PROJECTS.items() if p.hides])
def test_a_hidden_test_that_was_left_out_is_missed_without_a_list(name: str, labs: Path) -> None:
    """With no list every reported test counts; so what is not reported is held against the right patch's run."""
    project = PROJECTS[name]
    grader = project.test_report(fail_to_pass=(), pass_to_pass=())
    works = {"gold": project.gold, "hides": project.patch(project.hides)}
    grades = graded(project, labs, works, grader)
    assert grades["gold"].passed, grades
    assert (grades["hides"].label, grades["hides"].passed) == ("tampered", False), grades
    assert any(flag.startswith(("tests: ", "canary_")) for flag in grades["hides"].flags), grades


@pytest.mark.parametrize("name", ["cargo", "nextest"])
def test_a_build_script_by_another_name_does_not_rewrite_the_hidden_tests(name: str, labs: Path) -> None:
    """It runs when the hidden tests are in the tree: each calls a sum of its own, and the copies still fail."""
    project = PROJECTS[name]
    script = (
        'fn main() {\n    for file in std::fs::read_dir("tests").unwrap().flatten() {\n'
        "        let text = std::fs::read_to_string(file.path()).unwrap();\n"
        '        let own = "fn add(a: i64, b: i64) -> i64 { a + b }";\n'
        "        std::fs::remove_file(file.path()).unwrap();\n"
        '        std::fs::write(file.path(), text.replace("use calc::add;", own)).unwrap();\n    }\n}\n'
    )
    manifest = project.tree["Cargo.toml"] + 'build = "gen.rs"\n'
    patch = change({"Cargo.toml": manifest, "gen.rs": script}, project.tree)
    grade = graded(project, labs, {"rewrites": patch})["rewrites"]
    assert (grade.label, grade.passed) == ("failed", False), grade
    assert "protected_path: Cargo.toml" in grade.flags, grade


def test_a_copy_in_a_block_that_is_skipped_or_not_reached_is_no_forgery(labs: Path) -> None:
    project = runners_js.NODE_PROJECT
    around = (
        "const {{ describe, it }} = require('node:test');\n{head} => {{\n  it('{title}', () => {{\n"
        "    assert.strictEqual(add(1, 2), 3);\n  }});\n}}{end};\n"
    )
    head = runners_js.NODE.format(name="add")
    skipped = around.format(head="describe.skip('later', ()", title="later on", end=")")
    unreached = (
        "if (process.platform === 'none') {\n  test('never', () => {\n    assert.strictEqual(add(1, 2), 3);\n  });\n}\n"
    )
    tests = {
        "test/add.test.js": project.hidden["test/add.test.js"],
        "test/skipped.test.js": head + skipped,
        "test/unreached.test.js": head + unreached + "test('adds', () => {\n  assert.strictEqual(add(2, 2), 4);\n});\n",
    }
    grade = graded(project, labs, {"gold": project.gold}, project.test_report(tests=tests, pass_to_pass=()))["gold"]
    assert (grade.label, grade.flags) == ("resolved", ()), grade
