from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_registry import ARCH, CODEX, Registry, serving


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    made = Registry()
    for version in ("0.168.0", "0.169.0"):
        files = {
            f"{CODEX}/bin/codex": (f"#!/bin/sh\necho codex {version}\n".encode(), 0o755),
            f"{CODEX}/bin/codex-code-mode-host": (b"#!/bin/sh\n", 0o755),
            f"{CODEX}/codex-resources/voice/big": (b"0" * 1000, 0o644),
            f"{CODEX}/notes.txt": (b"hello", 0o644),
            "README.md": (b"not taken", 0o644),
        }
        made.add("@openai/codex", f"{version}-linux-{ARCH}", files)
    with serving(made):
        monkeypatch.setenv("npm_config_registry", made.url)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm-cache"))
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield made


@pytest.fixture(params=["npm", "without npm"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Each way to reach a registry: npm where it is, and the registry's HTTP where it is not."""
    if request.param == "npm":
        if shutil.which("npm") is None:
            pytest.skip("npm is not on this machine")
    else:
        (tmp_path / "bin").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return str(request.param)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "work"
    for name in ("tasks", "graders", "runs"):
        (place / name).mkdir(parents=True)
    monkeypatch.chdir(place)
    return place
