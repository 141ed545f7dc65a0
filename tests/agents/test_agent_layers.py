"""Layers: fetched by exact version, checked, laid down, named by content, fixed by the workspace, used offline."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest
from agent_registry import ARCH, CODEX, Registry

from harness.agents import build, locked, musl, npm
from harness.agents.faults import NoSuchVersion
from harness.agents.recipes import RECIPES
from harness.cli.main import main
from harness.errors import RunInvalid
from harness.toolkit.agent_layers import find_layer, installed_layers, root_of
from harness.toolkit.layer_lock import LockFile, read_lock

PACKAGE = "@openai/codex"


def run(*words: str) -> int:
    return int(main(["agent", *words]))


def install(*words: str) -> int:
    return run("install", "--no-smoke", *words)


def test_an_agent_is_installed_by_exact_version(registry: Registry, client: str, workspace: Path) -> None:
    assert install("codex_cli@0.168.0") == 0
    found = find_layer("codex_cli", "0.168.0")
    assert found is not None
    layer, folder = found
    assert sorted(p.relative_to(root_of(folder)).as_posix() for p in root_of(folder).rglob("*") if p.is_file()) == [
        "bin/codex",
        "bin/codex-code-mode-host",
        "notes.txt",
    ]
    assert [(s.package, s.version) for s in layer.sources] == [(PACKAGE, f"0.168.0-linux-{ARCH}")]
    assert layer.folder == folder.name
    assert find_layer("codex_cli", "0.169.0") is None


def test_nothing_in_a_layer_can_be_written(registry: Registry, workspace: Path) -> None:
    install("codex_cli")
    for path in root_of(installed_layers()[0][1]).rglob("*"):
        assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH), path


def test_the_same_version_is_the_same_layer_wherever_it_is_built(registry: Registry, tmp_path: Path) -> None:
    wanted = build.read_spec("codex_cli")
    one = build.install(wanted, print, tmp_path / "one")
    two = build.install(wanted, print, tmp_path / "two")
    assert one.tree == two.tree and one.folder == two.folder


def test_what_is_installed_needs_no_registry(
    registry: Registry, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install("codex_cli") == 0
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    assert install("codex_cli") == 0
    assert run("verify") == 0


def test_offline_and_absent_is_one_message(
    registry: Registry,
    client: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    assert install("codex_cli") == 3
    said = capsys.readouterr().err
    assert said.count("error:") == 1
    assert "cannot be fetched" in said and "installed agents need no network" in said
    assert installed_layers() == []


@pytest.mark.parametrize(
    ("agent", "code", "said"),
    [
        ("codex_cli", 3, "'@openai/codex' cannot be fetched: there is no npm on this machine"),
        ("gemini_cli", 2, "building its layer needs npm on this machine"),
    ],
)
def test_without_npm_and_without_an_address_is_told_how_to_go_on(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    agent: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv("PATH", str(workspace))
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / "cache"))
    monkeypatch.delenv("npm_config_registry", raising=False)
    assert install(agent) == code
    told = capsys.readouterr().err
    assert told.count("error:") == 1 and said in told
    assert "npm_config_registry=ADDRESS" in told or "copy its folder" in told
    assert installed_layers() == []


def test_an_unknown_version_says_what_there_is(
    registry: Registry, client: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install("codex_cli@0.196.0") == 2
    said = capsys.readouterr().err
    assert said.count("error:") == 1
    assert "has no version 0.196.0\n" in said
    assert "did you mean 0.169.0" in said


def test_an_unknown_agent_says_which_there_are(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install("codex_clj") == 2
    assert "did you mean 'codex_cli'?" in capsys.readouterr().err


def test_bytes_that_are_not_what_the_registry_says_are_not_installed(
    registry: Registry, client: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.spoilt.add(f"{PACKAGE}@0.169.0-linux-{ARCH}")
    assert install("codex_cli") == 3
    assert capsys.readouterr().err.count("error:") == 1
    assert installed_layers() == []
    assert not (workspace / "agents.lock").exists()


def test_a_package_republished_with_other_content_is_refused_by_the_lock(
    registry: Registry,
    client: str,
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert install("codex_cli") == 0
    registry.add(PACKAGE, f"0.169.0-linux-{ARCH}", {f"{CODEX}/bin/codex": (b"#!/bin/sh\necho other\n", 0o755)})
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / "another-machine"))
    monkeypatch.setenv("npm_config_cache", str(workspace / "another-npm"))
    capsys.readouterr()
    assert install("codex_cli") == 3
    assert "checksum mismatch: codex_cli@0.169.0" in capsys.readouterr().err
    assert installed_layers() == []


def test_a_layer_that_was_changed_on_disk_is_found(
    registry: Registry, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("codex_cli")
    program = root_of(installed_layers()[0][1]) / "bin/codex"
    program.chmod(0o755)
    program.write_text("#!/bin/sh\necho I was changed\n")
    assert run("verify") == 1
    assert "its content changed" in capsys.readouterr().out


def test_a_mode_alone_is_content_too(registry: Registry, workspace: Path) -> None:
    install("codex_cli")
    (root_of(installed_layers()[0][1]) / "bin/codex").chmod(0o444)
    assert run("verify") == 1


def test_a_layer_that_was_removed_is_gone_whole(registry: Registry, workspace: Path) -> None:
    install("codex_cli@0.168.0", "codex_cli@0.169.0")
    assert run("remove", "codex_cli@0.168.0") == 0
    assert [layer.version for layer, _ in installed_layers()] == ["0.169.0"]
    assert run("remove", "codex_cli@0.168.0") == 5


def test_the_lock_changes_only_when_something_changed(registry: Registry, workspace: Path) -> None:
    install("codex_cli@0.169.0")
    first = (workspace / "agents.lock").read_bytes()
    install("codex_cli@0.169.0")
    assert (workspace / "agents.lock").read_bytes() == first
    install("codex_cli@0.168.0")
    assert [one.agent for one in read_lock(workspace).agents] == ["codex_cli@0.168.0", "codex_cli@0.169.0"]


def test_a_broken_lock_is_told_with_its_name(
    workspace: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "agents.lock").write_text("{")
    assert install("codex_cli") == 2
    assert "agents.lock cannot be read" in capsys.readouterr().err


def test_no_lock_is_an_empty_one(tmp_path: Path) -> None:
    assert read_lock(tmp_path) == LockFile()


def test_a_package_laid_out_otherwise_is_refused(
    registry: Registry, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.add(PACKAGE, f"1.0.0-linux-{ARCH}", {"elsewhere/codex": (b"", 0o755)})
    assert install("codex_cli@1.0.0") == 3
    assert "it is laid out differently" in capsys.readouterr().err
    assert installed_layers() == []


def test_a_package_cannot_write_outside_its_layer(registry: Registry, tmp_path: Path) -> None:
    name = f"{CODEX}/../../../../../escaped"
    registry.add(PACKAGE, f"2.0.0-linux-{ARCH}", {name: (b"", 0o644), f"{CODEX}/bin/codex": (b"", 0o755)})
    fetched = npm.fetch(PACKAGE, f"2.0.0-linux-{ARCH}", tmp_path)
    into = tmp_path / "deep" / "into"
    into.mkdir(parents=True)
    with pytest.raises(Exception, match="outside"):
        npm.unpack(fetched.file, {CODEX: ""}, (), into)
    assert not list(tmp_path.rglob("escaped"))


def test_a_killed_build_leaves_no_layer(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", fails)
    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(KeyboardInterrupt):
        build.install(build.read_spec("codex_cli"), print, tmp_path / "store")
    monkeypatch.undo()
    assert installed_layers(tmp_path / "store") == []


def test_the_loader_is_named_inside_the_mount(tmp_path: Path) -> None:
    program = tmp_path / "program"
    named = b"/lib/ld-musl-x86_64.so.1\0"
    program.write_bytes(b"\x7fELF" + bytes(600) + named + b"rest")
    musl.use_loader(program, "/opt/agent/ld-musl.so.1")
    found = program.read_bytes()
    assert found == b"\x7fELF" + bytes(600) + b"/opt/agent/ld-musl.so.1\0\0" + b"rest"


def test_a_program_without_a_musl_loader_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF" + bytes(600) + b"/lib64/ld-linux-x86-64.so.2\0")
    with pytest.raises(RunInvalid, match="names no musl loader"):
        musl.use_loader(program, "/opt/agent/ld-musl.so.1")


def test_the_list_as_json_is_the_manifests(
    registry: Registry, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("codex_cli")
    capsys.readouterr()
    assert run("list", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["name"] == "codex_cli" and found["entry"] == ["bin/codex"]


def test_a_word_for_a_version_is_answered_with_versions(registry: Registry, workspace: Path, capsys) -> None:
    assert install("codex_cli@latest") == 2
    said = capsys.readouterr().err
    assert "has no version latest\n" in said
    assert "did you mean" not in said and "newest: 0.169.0" in said


@pytest.mark.parametrize("version", ["latest", "0", "0.169", "^0.169.0", "0.169.0;rm"])
def test_neither_a_tag_nor_a_range_is_a_version(registry: Registry, workspace: Path, client: str, version: str) -> None:
    """npm takes them, for the package that they mean on that day."""
    registry.add("tool", "0.169.0", {})
    with pytest.raises(NoSuchVersion, match="has no version"):
        npm.fetch("tool", version, workspace)


def test_a_set_of_wheels_does_not_tell_where_it_was_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip puts its interpreter's path into scripts, and their checksums into RECORD: two machines, two layers."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = wheels / "mini_swe_agent-9.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("minisweagent/__init__.py", "def run(): ...\n")
        made.writestr(
            "mini_swe_agent-9.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: mini-swe-agent\nVersion: 9.0\n"
        )
        made.writestr(
            "mini_swe_agent-9.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr("mini_swe_agent-9.0.dist-info/entry_points.txt", "[console_scripts]\nmini = minisweagent:run\n")
        made.writestr("mini_swe_agent-9.0.dist-info/RECORD", "")
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(wheels), "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    recipe = dataclasses.replace(RECIPES["mini_swe_agent"], extra=())
    root = tmp_path / "layer"
    root.mkdir()
    [source] = locked.install_python(recipe, "9.0", "x64", root)
    assert source.integrity == f"sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    told = "site/mini_swe_agent-9.0.dist-info"
    assert files == [
        "lock",
        f"{told}/METADATA",
        f"{told}/WHEEL",
        f"{told}/entry_points.txt",
        "site/minisweagent/__init__.py",
    ]
    with pytest.raises(NoSuchVersion, match=r"no version 9\.\*"):
        locked.install_python(recipe, "9.*", "x64", root)


def test_a_layer_that_was_changed_is_built_again(
    registry: Registry, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install("codex_cli") == 0
    (before, folder), *_ = installed_layers()
    program = root_of(folder) / "bin/codex"
    program.chmod(0o755)
    program.write_text("#!/bin/sh\necho mine\n")
    assert run("verify") == 1
    assert "to build anew: harness agent remove codex_cli@0.169.0, then harness" in capsys.readouterr().err
    assert install("codex_cli") == 0
    assert "codex_cli@0.169.0 is not as it was built, and is built again: its content" in capsys.readouterr().err
    (after, _), *more = installed_layers()
    assert (after.tree, more) == (before.tree, []) and run("verify") == 0


def test_a_lock_that_cannot_be_read_is_told_before_anything_is_fetched(
    registry: Registry, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "agents.lock").write_text("{")
    assert install("codex_cli") == 2
    said = capsys.readouterr().err
    assert "agents.lock cannot be read" in said and "fetching" not in said


def test_a_lock_of_another_content_says_both(
    registry: Registry, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install("codex_cli") == 0
    lock = workspace / "agents.lock"
    tree = installed_layers()[0][0].tree
    lock.write_text(lock.read_text().replace(tree, "f" * 64))
    assert install("codex_cli") == 3
    assert f"its content is {tree[:12]}, fixed is {'f' * 12}" in capsys.readouterr().err


def test_a_store_that_cannot_be_written_is_one_message(
    registry: Registry, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / "file"))
    assert install("codex_cli") == 3
    said = capsys.readouterr().err
    assert said.count("error:") == 1 and "Traceback" not in said
    assert "codex_cli@0.169.0 cannot be laid down in" in said and "XDG_CACHE_HOME" in said


def test_an_index_of_python_packages_that_is_silent_is_no_missing_version(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, value in {"INDEX_URL": "http://127.0.0.1:9/", "CONFIG_FILE": os.devnull, "RETRIES": "0"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    for name in ("EXTRA_INDEX_URL", "FIND_LINKS"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    assert install("aider") == 3
    said = capsys.readouterr().err
    assert said.count("error:") == 1 and "cannot be fetched: no version of it is to be had" in said


def test_a_name_that_begins_with_a_sign_is_repeated_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert install("@openai/codex@0.1") == 2
    assert "no agent named '@openai/codex@0.1'" in capsys.readouterr().err
