"""New files that run at once: the templates in `scaffold_files/`, with names filled in. Nothing is overwritten."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from harness.config.schema import ID_RULE
from harness.config.workspace import MARK, find_suite
from harness.errors import UsageFault

KINDS = ("suite", "task", "grader", "harness")


def scaffold(kind: str, name: str, workspace: Path, suite: str) -> list[Path]:
    """Write the files of a new suite, task, grader or harness, and give back their paths, the main one first.

    `suite` is where a task goes. Raises UsageFault when the name is no id or a file is there already.
    """
    if not re.fullmatch(ID_RULE, name) or name.endswith("."):
        raise UsageFault(f"'{name}' is not a name", help="use letters, digits, dots, dashes and underscores")
    made = {
        "suite": lambda: _suite(name, workspace),
        "task": lambda: _task(name, workspace, suite),
        "grader": lambda: _python("grader", name, workspace / "graders"),
        "harness": lambda: _python("harness", name, workspace / "harnesses"),
    }[kind]()
    there = [path for path in made if path.exists()]
    if there:
        shown = there[0].relative_to(workspace)
        raise UsageFault(f"{shown} is there already", help="take another name; nothing was written")
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as f:
            f.write(text)
    return list(made)


def class_name(name: str) -> str:
    """`house-tone` as HouseTone."""
    words = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))
    return words if words[:1].isalpha() else f"X{words}"


def _suite(name: str, workspace: Path) -> dict[Path, str]:
    folder = workspace / MARK / name
    return {
        folder / "suite.yaml": _filled("suite.yaml", name, up="../../"),
        folder / "first.yaml": _filled("task.yaml", "first", up="../../"),
    }


def _task(name: str, workspace: Path, suite: str) -> dict[Path, str]:
    folder = find_suite(workspace, suite).parent
    up = "../" * len(folder.relative_to(workspace.resolve()).parts)
    return {folder / f"{name}.yaml": _filled("task.yaml", name, up=up)}


def _python(kind: str, name: str, folder: Path) -> dict[Path, str]:
    return {folder / f"{re.sub('[.-]', '_', name)}.py": _filled(f"{kind}.txt", name)}


def _filled(template: str, name: str, *, up: str = "") -> str:
    text = (files("harness.config") / "scaffold_files" / template).read_text(encoding="utf-8")
    return text.replace("__name__", name).replace("__class__", class_name(name)).replace("__up__", up)
