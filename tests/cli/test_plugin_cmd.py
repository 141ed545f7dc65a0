"""`harness plugin list|check`, with plugins in files of a workspace and an installed one."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.cli.main import main

SOURCE = '''
from collections.abc import Iterable
from pathlib import Path

from harness.api import Row, TaskSource


class Three(TaskSource):
    """Counts to three."""

    first: int = 1
    """The first number."""

    def rows(self, workspace: Path) -> Iterable[Row]:
        """Three rows."""
        for n in range(self.first, self.first + 3):
            yield Row({"n": n}, f"three:{n}")
'''
BOX = """
from harness.api import Sandbox, SandboxSpec


class Bare(Sandbox):
    image: str = "none"

    def open(self, spec: SandboxSpec):
        raise NotImplementedError
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HARNESS_WORKSPACE", raising=False)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "three.py").write_text(SOURCE)
    (tmp_path / "plugins" / "box.py").write_text(BOX)
    (tmp_path / "plugins" / "broken.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "plugins" / "both.py").write_text(SOURCE + BOX)
    return tmp_path


def check(workspace: Path, *words: str) -> int:
    return main(["plugin", "check", *words, "--workspace", str(workspace)])


def test_list_names_every_kind_with_owner_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "list"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["kind", "name"]
    assert any(line.startswith("harness  empty ") and "Answers nothing" in line for line in lines)
    assert all("eval-harness" in line for line in lines)


def test_list_of_one_kind_as_json_and_long(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "list", "--kind", "harness", "--long", "--json"]) == 0
    rows = {r["name"]: r for r in json.loads(capsys.readouterr().out)}
    assert {r["kind"] for r in rows.values()} == {"harness"}
    assert all(f["doc"] for f in rows["single_turn"]["fields"])
    assert all(f["required"] or f["default"] for f in rows["single_turn"]["fields"])


def test_class_that_breaks_its_contract_exits_1_and_names_the_finding(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(workspace, "plugins/box.py") == 1
    said = capsys.readouterr().out
    assert "FAIL  has a docstring: Bare has no docstring" in said
    assert "FAIL  every field has a docstring: image" in said
    assert said.splitlines()[-1].endswith("2 of 6 checks failed")


def test_findings_as_json(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(workspace, "plugins/box.py:Bare", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "sandbox"
    assert [f["check"] for f in found["findings"] if not f["ok"]] == ["has a docstring", "every field has a docstring"]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["nobody"], "no plugin named 'nobody'"),
        (["emptyy"], "did you mean 'empty'?"),
        (["match", "--kind", "harness"], "no harness named 'match'"),
        (["replay"], "say which: --kind harness or --kind model"),
        (["plugins/none.py"], "no such file: plugins/none.py"),
        (["plugins/broken.py"], "plugins/broken.py:1 failed to load: ModuleNotFoundError"),
        (["plugins/three.py:Four"], "plugins/three.py has no 'Four'"),
        (["plugins/both.py"], "name one: plugins/both.py:Three"),
    ],
)
def test_plugin_that_cannot_be_loaded_exits_2_with_its_cause(
    workspace: Path, capsys: pytest.CaptureFixture[str], words: list[str], what: str
) -> None:
    assert check(workspace, *words) == 2
    assert what in capsys.readouterr().err


def test_suite_that_breaks_down_is_a_failed_finding(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.cli import _contracts

    (workspace / "boom.py").write_text("def nothing(cls, workspace): raise RuntimeError('boom')\n")
    monkeypatch.syspath_prepend(str(workspace))
    monkeypatch.setattr(_contracts, "suite_of", lambda kind: __import__("boom").nothing)
    assert check(workspace, "plugins/three.py") == 1
    assert "FAIL  its contract suite runs to the end: RuntimeError: boom" in capsys.readouterr().out


def test_check_with_no_findings_is_not_green(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.cli import _contracts

    monkeypatch.setattr(_contracts, "suite_of", lambda kind: lambda cls, workspace: [])
    assert check(workspace, "plugins/three.py") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["match"],
        ["empty"],
        pytest.param(
            ["rows"], marks=pytest.mark.skipif(not find_spec("harness.testing.check_source"), reason="no suite")
        ),
        ["scripted"],
        ["openai"],
        ["anthropic"],
    ],
    ids=lambda words: words[0],
)
def test_shipped_plugins_of_each_kind_keep_their_contract(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert check(workspace, *words) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("checks passed")
