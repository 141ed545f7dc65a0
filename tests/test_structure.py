"""Rules of CONTRIBUTING.md that a tool can hold. An exception stands here, in one place, with its reason."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.plugins.contracts import GROUPS

ROOT = Path(__file__).resolve().parents[1]
CORE = sorted((ROOT / "harness").rglob("*.py"))
OURS = sorted(
    p for folder in ("harness", "graders", "scripts", "benchmarks", "tests") for p in (ROOT / folder).rglob("*.py")
)
MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS, MAX_README = 400, 60, 7, 150

BANNED = {
    "sample",
    "samples",
    "instance",
    "instances",
    "scorer",
    "scorers",
    "solver",
    "solvers",
    "evaluator",
    "evaluators",
}
ALLOWED: dict[str, str] = {
    "sample": "the verb: `harness run --sample N` draws some of the tasks (issue 2)",
}
"""Words of other programs that are right in one sense here."""

FOREIGN = {("harness/graders/similarity.py", "scorer"): "rouge-score and sacrebleu call their objects so"}
"""(file, name) pairs that are another library's own words."""

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.AST) -> int:
    return (getattr(node, "end_lineno", 0) or 0) - getattr(node, "lineno", 0) + 1


def words_of(name: str) -> set[str]:
    return {w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def names_of(path: Path) -> Iterator[tuple[str, int]]:
    """Names that a file makes: of classes, functions, parameters, variables and attributes; and the file's own."""
    yield path.stem, 0
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr, node.lineno


def test_there_is_something_to_hold() -> None:
    assert len(CORE) > 30


def test_files_are_short() -> None:
    counts = {shown(p): len(p.read_text(encoding="utf-8").splitlines()) for p in CORE}
    assert {f: n for f, n in counts.items() if n > MAX_FILE} == {}


def test_functions_are_short() -> None:
    long = [
        f"{shown(p)}:{f.lineno} {f.name}: {length(f)}"
        for p in CORE
        for f in functions_of(p)
        if length(f) > MAX_FUNCTION
    ]
    assert long == []


def test_functions_have_few_parameters() -> None:
    wide = []
    for path in CORE:
        for f in functions_of(path):
            names = [a.arg for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs)]
            n = len([name for name in names if name not in ("self", "cls")])
            if n > MAX_PARAMETERS:
                wide.append(f"{shown(path)}:{f.lineno} {f.name}: {n}")
    assert wide == []


def test_readme_is_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README


def test_one_word_per_thing() -> None:
    wrong = []
    for path in CORE:
        for name, line in names_of(path):
            if words_of(name) & (BANNED - ALLOWED.keys()) and (shown(path), name) not in FOREIGN:
                wrong.append(f"{shown(path)}:{line} {name}")
    assert wrong == []


def test_allowed_words_are_still_used() -> None:
    used = {word for path in CORE for name, _ in names_of(path) for word in words_of(name)}
    assert ALLOWED.keys() - used == set()


def test_broad_handlers_raise_again_or_give_their_reason() -> None:
    wrong = []
    for path in CORE:
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if not isinstance(node, ast.ExceptHandler) or not _is_broad(node):
                continue
            raises = any(isinstance(n, ast.Raise) for n in ast.walk(node))
            near = " ".join(lines[max(0, node.lineno - 2) : node.body[0].lineno])
            reason = re.sub(r"noqa: ?BLE001", "", near.partition("#")[2])
            if not raises and len(re.findall(r"\w+", reason)) < 3:
                wrong.append(f"{shown(path)}:{node.lineno}")
    assert wrong == []


def _is_broad(handler: ast.ExceptHandler) -> bool:
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(t is None or (isinstance(t, ast.Name) and t.id in ("Exception", "BaseException")) for t in types)


def test_test_files_have_names_of_their_own_and_no_packages() -> None:
    names = Counter(p.name for p in (ROOT / "tests").rglob("test_*.py"))
    assert [n for n, times in names.items() if times > 1] == []
    assert [shown(p) for p in (ROOT / "tests").rglob("__init__.py")] == []


def test_packages_import_nothing() -> None:
    """`harness/__init__.py` and those below it are empty or one docstring; `prices` alone shows its face there."""
    for path in (ROOT / "harness").rglob("__init__.py"):
        if path.parent.name == "prices":
            continue
        body = ast.parse(path.read_bytes()).body
        assert all(isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) for n in body), shown(path)


SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("scripts/*"), ROOT / ".ci" / "run")
    if path.is_file() and not path.suffix
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_can_be_run_and_parse(script: str) -> None:
    path = ROOT / script
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    assert "set -euo pipefail" in text
    builds = [line for line in text.splitlines() if re.match(r"[^#]*\bdocker build ", line)]
    every = "export DOCKER_BUILDKIT=0" in text
    assert all(every or "DOCKER_BUILDKIT=0 docker build" in line for line in builds), "Podman has no BuildKit"


@pytest.mark.parametrize("workflow", sorted(p.name for p in (ROOT / ".github" / "workflows").glob("*.yml")))
def test_what_a_workflow_calls_is_there(workflow: str) -> None:
    """Workflows run once a week, elsewhere: a target or a script that was renamed would be seen too late."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    steps = [
        step["run"]
        for job in yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text(encoding="utf-8"))[
            "jobs"
        ].values()
        for step in job["steps"]
        if "run" in step
    ]
    assert steps
    for step in steps:
        for target in re.findall(r"\bmake ([a-z-]+)", step):
            assert target in targets, step
        for script in re.findall(r"(?<![/\w])(?:scripts|\.ci)/[\w-]+", step):
            assert script in SCRIPTS, step


def test_what_a_target_calls_is_there() -> None:
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8")
    called = re.findall(r"(?:scripts|benchmarks|tests)/[\w./-]+", recipes)
    assert called and [name for name in called if not (ROOT / name).exists()] == []


def catalogue() -> list[tuple[str, str, str]]:
    """(kind, name, `module:Class`) of every plugin that pyproject.toml lists."""
    groups = PYPROJECT["entry-points"]
    return [(kind, name, value) for kind, group in GROUPS.items() for name, value in groups.get(group, {}).items()]


@pytest.mark.parametrize(("kind", "name", "value"), catalogue(), ids=lambda v: v if ":" not in v else "")
def test_every_plugin_of_the_catalogue_is_there_and_has_its_page(kind: str, name: str, value: str) -> None:
    module, _, cls = value.partition(":")
    assert hasattr(__import__(module, fromlist=[cls]), cls)
    page = (ROOT / "docs" / "reference" / "plugins.md").read_text(encoding="utf-8")
    assert f"### {kind} `{name}`\n" in page


def test_every_command_of_the_table_is_there() -> None:
    from harness.cli.main import COMMANDS

    absent = [name for name in COMMANDS if importlib.util.find_spec(f"harness.cli.{name}_cmd") is None]
    assert absent == []


def test_every_word_of_the_glossary_is_in_order_and_said_once() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([a-z][a-z ]*) \|", page, re.M)[1:]
    assert words == sorted(set(words))
    for word in (
        "suite",
        "task",
        "family",
        "trial",
        "attempt",
        "artifact",
        "lane",
        "place",
        "digest",
        "baseline",
        "gate",
    ):
        assert word in words


def test_no_host_or_home_folder_of_ours_is_in_the_tree() -> None:
    """No path of the machine it was built on. (Assembled here, so that this file is not found by itself.)"""
    inside = ("main", "wt", "shared", ".library", ".mirror")  # /work itself is the folder of a box
    needles = ["/work" + "/" + name for name in inside]  # homes such as the box user's are the boxes' own
    wrong = []
    for path in [*OURS, *(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "Makefile", ROOT / "pyproject.toml"]:
        text = path.read_text(encoding="utf-8")
        wrong += [f"{shown(path)}: {n}" for n in needles if re.search(rf"(?<![\w.]){re.escape(n)}", text)]
    assert wrong == []
