"""What commands import. Time is measured by benchmarks/startup.py; here only the cause of time is held."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("pydantic", "yaml", "msgspec", "rich", "tqdm", "docker", "asyncio", "jinja2", "jsonschema", "requests")
SDKS = ("anthropic", "openai", "numpy", "pandas", "scipy", "pyarrow", "datasets", "docker", "genai_prices", "sympy",
        "httpx", "aiohttp", "jinja2", "jsonschema", "rich", "tqdm", "pydantic")  # fmt: skip
RUN = """
import sys
from harness.cli.main import main
try:
    main({words!r})
except SystemExit:
    pass
loaded = sorted({{name.partition(".")[0] for name in sys.modules}} & set({watched!r}))
print("LOADED", *loaded, *(m for m in sys.modules if m.startswith({plugins!r})))
"""
PLUGINS = tuple(f"harness.{kind}." for kind in ("graders", "harnesses", "models", "sandboxes", "sources"))


def loaded_by(words: list[str], watched: tuple[str, ...], cwd: Path) -> list[str]:
    code = RUN.format(words=words, watched=watched, plugins=PLUGINS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, timeout=60, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks" / "mine"
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text(
        "suite: mine\ntasks: [tasks/mine/*.yaml]\nsystems: [{name: a, harness: empty}]\n"
    )
    (folder / "one.yaml").write_text("id: one\nprompt: hi\n")
    return tmp_path


@pytest.mark.parametrize("words", [["--help"], ["--version"], []])
def test_help_imports_nothing_heavy(words: list[str], workspace: Path) -> None:
    assert loaded_by(words, HEAVY + SDKS, workspace) == []


@pytest.mark.parametrize("what", ["suites", "tasks", "systems", "runs", "graders"])
def test_list_imports_no_sdk_no_numbers_and_no_plugin(what: str, workspace: Path) -> None:
    assert loaded_by(["list", what], SDKS, workspace) == []


def test_plugin_list_imports_no_plugin(workspace: Path) -> None:
    assert loaded_by(["plugin", "list"], SDKS, workspace) == []


def test_importing_the_api_loads_no_sdk(workspace: Path) -> None:
    code = "import sys, harness.api; print('LOADED', *({m.partition('.')[0] for m in sys.modules} & set(%r)))"
    watched = tuple(set(SDKS) - {"pydantic"})
    done = subprocess.run([sys.executable, "-c", code % (watched,)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["LOADED"]
