"""JSON Schemas: valid, accept what the loader accepts, refuse planted errors; scaffolds that run; the two commands."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cli_process import run_harness
from config_space import Space

from harness.config.json_schema import KINDS, file_schema
from harness.config.load import load_suite
from harness.config.scaffold import class_name, scaffold
from harness.errors import UsageFault
from harness.plugins.contracts import Grader, Harness
from harness.plugins.loader import installed, load
from harness.testing.check_grader import check_grader
from harness.testing.check_harness import check_harness
from harness.testing.checks import failed

ROOT = Path(__file__).parents[2]
SHIPPED = [
    path
    for path in sorted([*ROOT.glob("tasks/mine/*.yaml"), *ROOT.glob("graders/*.yaml")])
    if "$schema=" in path.read_text().splitlines()[0]
]


@cache
def validator(kind: str, workspace: Path = ROOT) -> Any:
    return jsonschema.Draft202012Validator(file_schema(kind, workspace))


def accepts(kind: str, data: Any, workspace: Path = ROOT) -> bool:
    return bool(validator(kind, workspace).is_valid(data))


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_valid_and_leave_no_plugin_out(kind: str) -> None:
    schema = file_schema(kind, ROOT)
    jsonschema.Draft202012Validator.check_schema(schema)
    if kind != "gates":  # no plugin is named in a policy
        assert {f"grader:{name}" for name in installed("grader")} <= schema["$defs"].keys()
        assert "$comment" not in schema["$defs"]["grader"]


def test_schemas_carry_the_docstrings() -> None:
    schema = file_schema("suite", ROOT)
    assert schema["properties"]["epochs"]["description"] == "How often every task is run under every system."
    match = schema["$defs"]["grader:match"]["properties"]
    assert "equals, contains or fits" in match["use"]["description"]
    assert match["ignore"]["description"].startswith("What is overlooked")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_files_fit_the_schema_that_their_first_line_names(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    kind = first.rpartition("/")[2].removesuffix(".schema.json")
    errors = list(validator(kind).iter_errors(yaml.safe_load(path.read_text())))
    assert [error.message for error in errors] == []
    assert (path.parent / first.partition("$schema=")[2]).resolve().parent == ROOT / ".harness" / "schema"


TASK = {"id": "a", "prompt": "p", "reference": "r", "graders": ["match"]}
SYSTEM = {"name": "s", "harness": "single_turn", "model": "scripted/m"}


@pytest.mark.parametrize(
    ("kind", "sound", "planted"),
    [
        ("task", TASK, {"promt": "x"}),
        ("task", TASK, {"id": 12}),
        ("task", TASK, {"id": "a/b"}),
        ("task", TASK, {"prompt": 3.1}),
        ("task", TASK, {"graders": "match"}),
        ("task", TASK, {"graders": ["exat"]}),
        ("task", TASK, {"graders": [{"use": "match", "moed": "exact"}]}),
        ("task", TASK, {"graders": [{"use": "match", "mode": "exat"}]}),
        ("task", TASK, {"graders": [{"use": "all_of", "graders": [{"use": "match", "mode": "exat"}]}]}),
        ("task", TASK, {"shape": {"stakes": "medium"}}),
        ("task", TASK, {"limits": {"turns": 0}}),
        ("task", TASK, {"limits": {"time": True}}),
        ("task", {"tasks": [TASK]}, {"tasks": [{**TASK, "id": 3}]}),
        ("task", {"rows": {"path": "q.jsonl"}, "template": TASK}, {"rows": {"pth": "q.jsonl"}}),
        ("task", {"rows": {"path": "q.jsonl"}, "template": TASK}, {"template": {**TASK, "tags": "x"}}),
        ("suite", {"suite": "s", "tasks": ["a.yaml", TASK], "systems": [SYSTEM]}, {"epochs": 0}),
        (
            "suite",
            {"suite": "s", "tasks": ["a.yaml", TASK], "systems": [SYSTEM]},
            {"systems": [{**SYSTEM, "harness": "x"}]},
        ),
        (
            "suite",
            {"suite": "s", "tasks": ["a.yaml", TASK], "systems": [SYSTEM]},
            {"systems": [{**SYSTEM, "model": "m"}]},
        ),
        ("suite", {"suite": "s", "tasks": ["a.yaml", TASK], "systems": [SYSTEM]}, {"coverage": {"flor": 1}}),
        ("systems", {"systems": [SYSTEM]}, {"systems": []}),
        ("grader", {"use": "match", "description": "d", "mode": "exact"}, {"mode": "exat"}),
    ],
)
def test_planted_errors_are_refused(kind: str, sound: dict[str, Any], planted: dict[str, Any]) -> None:
    assert accepts(kind, sound)
    assert not accepts(kind, {**sound, **planted})


def test_templates_may_hold_expressions_anywhere() -> None:
    template = {**TASK, "id": "{{ id }}", "choices": "{{ options }}", "tags": "{{ tags }}"}
    assert accepts("task", {"rows": {"path": "q.jsonl"}, "template": template})


def test_definitions_of_the_workspace_are_names(space: Space) -> None:
    space.write({"graders/tone.yaml": "use: match\n"})
    assert accepts("task", {**TASK, "graders": ["tone", {"use": "tone", "name": "t"}]}, space.path)
    assert not accepts("task", {**TASK, "graders": ["tune"]}, space.path)


def test_a_new_suite_and_task_load_and_fit_their_schemas(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    made = [*scaffold("suite", "new", tmp_path, ""), *scaffold("task", "second", tmp_path, "new")]
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "tasks/new/suite.yaml",
        "tasks/new/first.yaml",
        "tasks/new/second.yaml",
    ]
    suite = load_suite(tmp_path, "new")
    assert sorted(task.id for task in suite.tasks) == ["first", "second"]
    assert set(suite.systems) == {"reference", "empty"}
    for path in made:
        kind = "suite" if path.name == "suite.yaml" else "task"
        assert accepts(kind, yaml.safe_load(path.read_text()), tmp_path)
        assert f"$schema=../../.harness/schema/{kind}.schema.json" in path.read_text().splitlines()[0]


@pytest.mark.parametrize("name", ["house-tone", "x", "2nd.try"])
def test_a_new_grader_and_harness_keep_their_contracts(name: str, tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    grader, harness = scaffold("grader", name, tmp_path, "")[0], scaffold("harness", name, tmp_path, "")[0]
    grader_class = load("grader", f"{grader.relative_to(tmp_path)}:{class_name(name)}", tmp_path)
    harness_class = load("harness", str(harness.relative_to(tmp_path)), tmp_path)
    assert issubclass(grader_class, Grader)
    assert issubclass(harness_class, Harness)
    assert failed(check_grader(grader_class, tmp_path)) == []
    assert failed(check_harness(harness_class, tmp_path)) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "tasks" / "new").mkdir(parents=True)
    first = tmp_path / "tasks" / "new" / "first.yaml"
    first.write_text("mine\n")
    with pytest.raises(UsageFault, match=r"first\.yaml is there already"):
        scaffold("suite", "new", tmp_path, "")
    assert first.read_text() == "mine\n"
    assert not (tmp_path / "tasks" / "new" / "suite.yaml").exists()


@pytest.mark.parametrize("name", ["a/b", "../x", "", "a b", ".x"])
def test_a_name_that_is_no_id_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="is not a name"):
        scaffold("suite", name, tmp_path, "")


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_harness(words, folder, {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)}, 60)


def test_new_then_run_works_in_an_empty_folder_without_a_key(tmp_path: Path) -> None:
    made = command(tmp_path, "new", "suite", "first-suite")
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1] == "next: harness run --suite first-suite"
    run = command(tmp_path, *made.stdout.splitlines()[-1].split()[2:])
    assert run.returncode == 0, run.stderr
    assert (tmp_path / ".harness" / "schema" / "suite.schema.json").is_file()
    again = command(tmp_path, "new", "suite", "first-suite")
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_new_task_without_a_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    done = command(tmp_path, "new", "task", "x")
    assert done.returncode == 2
    assert "harness new suite" in done.stderr


def test_schema_prints_one_or_writes_all(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    one = command(tmp_path, "schema", "--kind", "task")
    assert json.loads(one.stdout)["title"] == "harness task file"
    written = command(tmp_path, "schema", "--out", str(tmp_path / "out"))
    assert [Path(line).name for line in written.stdout.splitlines()] == [f"{kind}.schema.json" for kind in KINDS]
    for line in written.stdout.splitlines():
        jsonschema.Draft202012Validator.check_schema(json.loads(Path(line).read_text()))
