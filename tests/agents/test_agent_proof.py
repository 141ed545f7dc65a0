"""A run uses the layer that was installed and that the workspace has fixed, or says in one message why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agent_registry import ARCH, CODEX, Registry

from harness.cli.main import main
from harness.config.identity import plugin_digest
from harness.harnesses.codex_cli import CodexCli
from harness.harnesses.command import Command
from harness.harnesses.self_verify import SelfVerify
from harness.toolkit.agent_layers import MANIFEST, installed_layers, root_of

SUITE = """\
suite: s
tasks: [tasks/s/t.yaml]
systems:
  - name: codex
    harness: {use: codex_cli, release: 0.169.0}
    model: {use: scripted, name: gpt-5.5, prompted: true}
"""
TASK = "id: t\nprompt: hi\nsandbox: {image: 'debian:bookworm-slim'}\ngraders: [match]\nreference: hi\n"


@pytest.fixture
def codex(registry: Registry, workspace: Path) -> CodexCli:
    assert main(["agent", "install", "--no-smoke", "codex_cli@0.169.0"]) == 0
    return CodexCli(release="0.169.0")


def replace_program() -> None:
    program = root_of(installed_layers()[0][1]) / "bin/codex"
    size = program.stat().st_size
    program.chmod(0o755)
    program.write_bytes(b"#!/bin/sh\n".ljust(size, b"#"))
    program.chmod(0o555)


def say_otherwise(path: Path, word: str, value: str) -> None:
    told = json.loads(path.read_text())
    (told["agents"][0] if "agents" in told else told)[word] = value
    path.write_text(json.dumps(told))


def test_a_layer_as_it_was_is_not_missed(codex: CodexCli, workspace: Path) -> None:
    assert codex.missing(workspace) == ()
    (workspace / "agents.lock").unlink()
    assert codex.missing(workspace) == ()


def test_a_program_that_was_replaced_is_told_also_after_it_was_seen_whole(codex: CodexCli, workspace: Path) -> None:
    assert codex.missing(workspace) == ()
    replace_program()
    (said,) = codex.missing(workspace)
    assert "codex_cli@0.169.0 is not what it should be: its content changed" in said
    assert "harness agent remove codex_cli@0.169.0, then harness agent install codex_cli@0.169.0" in said
    (also,) = Command(layer="codex_cli@0.169.0", argv=("x",)).missing(workspace)
    assert also == said


def test_a_manifest_that_tells_another_program_is_told(codex: CodexCli, workspace: Path) -> None:
    """The record's fingerprint is from it."""
    say_otherwise(installed_layers()[0][1] / MANIFEST, "binary", "0" * 64)
    (said,) = codex.missing(workspace)
    assert "its manifest changed" in said


def test_a_layer_that_is_not_the_one_in_the_lock_is_told(codex: CodexCli, workspace: Path) -> None:
    say_otherwise(workspace / "agents.lock", "tree", "0" * 64)
    (said,) = codex.missing(workspace)
    assert "agents.lock has fixed 000000000000" in said


def test_a_run_stops_before_it_starts_with_one_message(
    codex: CodexCli, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "tasks/s").mkdir()
    (workspace / "tasks/s/suite.yaml").write_text(SUITE)
    (workspace / "tasks/s/t.yaml").write_text(TASK)
    replace_program()
    capsys.readouterr()
    assert main(["run", "--suite", "s"]) == 2
    said = capsys.readouterr().err
    assert said.count("error:") == 1 and "its content changed" in said, said
    assert list((workspace / "runs").iterdir()) == []


def test_the_program_is_part_of_the_harness_digest(
    codex: CodexCli, registry: Registry, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published again under the same version, it is another system; built twice from the same, it is not."""
    outer, command = SelfVerify(inner=codex), Command(layer="codex_cli@0.169.0", argv=("x",))
    before = [plugin_digest(one, workspace) for one in (codex, outer, command)]
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / "again"))
    (workspace / "agents.lock").unlink()
    assert main(["agent", "install", "--no-smoke", "codex_cli@0.169.0"]) == 0
    assert [plugin_digest(one, workspace) for one in (codex, outer, command)] == before
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / "another"))
    monkeypatch.setenv("npm_config_cache", str(workspace / "another-npm"))
    registry.add("@openai/codex", f"0.169.0-linux-{ARCH}", {f"{CODEX}/bin/codex": (b"#!/bin/sh\necho x\n", 0o755)})
    (workspace / "agents.lock").unlink()
    assert main(["agent", "install", "--no-smoke", "codex_cli@0.169.0"]) == 0
    after = [plugin_digest(one, workspace) for one in (codex, outer, command)]
    assert not set(after) & set(before)
