"""`harness doctor`: every line is about this machine; only what `run` needs makes it fail."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound

from harness.cli import _doctor
from harness.cli.main import main


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "tasks" / "mine").mkdir(parents=True)
    (tmp_path / "tasks" / "mine" / "suite.yaml").write_text("suite: mine\n")
    return tmp_path


def checks(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, dict[str, Any]]:
    assert main(["doctor", "--json", *words]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is (code == 0)
    return {line["name"]: line for line in found["checks"]}


def test_every_line_has_a_status_and_a_detail(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = checks(capsys, "--workspace", str(workspace))
    wanted = {"python", "packages", "workspace", "runs", "disk", "docker", "keys", "clock", "cpu", "text", "prices"}
    assert wanted <= lines.keys()
    assert all(line["status"] in ("ok", "warn", "fail") and line["detail"] for line in lines.values())
    assert all(line["help"] for line in lines.values() if line["status"] != "ok")
    assert lines["workspace"]["detail"].endswith("suites: mine")


def test_no_workspace_fails_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_WORKSPACE", raising=False)
    assert main(["doctor", "--workspace", str(tmp_path)]) == 3
    said = capsys.readouterr().out
    assert "fail  workspace" in said
    assert "= help: go into one" in said
    assert said.splitlines()[-1].startswith("1 failed")


def test_keys_are_named_and_never_shown(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-ant-nobody-may-see-this"
    monkeypatch.setenv("ANTHROPIC_API_KEY", secret)
    monkeypatch.setenv("OTHER_API_KEY", secret)
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    assert main(["doctor", "--workspace", str(workspace)]) == 0
    said = capsys.readouterr().out
    assert "ANTHROPIC_API_KEY, OTHER_API_KEY; not set: OPENAI_API_KEY" in said
    assert secret not in said
    assert str(len(secret)) not in next(line for line in said.splitlines() if "API_KEY" in line)


def test_absent_engine_is_a_warning_that_names_the_consequence(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{workspace}/no.sock")
    docker = checks(capsys, "--workspace", str(workspace))["docker"]
    assert docker["status"] == "warn"
    assert "tasks with a sandbox will be skipped" in docker["detail"]


@pytest.mark.parametrize("host", ["rubbish", "tcp://here:no", "ssh://somebody@nowhere"])
def test_an_engine_that_cannot_be_asked_is_a_warning(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    docker = checks(capsys, "--workspace", str(workspace))["docker"]
    assert docker["status"] == "warn" and "tasks with a sandbox will be skipped" in docker["detail"]
    assert "DOCKER_HOST" in docker["help"]


def test_engine_that_answers_nonsense_is_a_warning(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return  # the test is over
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

        threading.Thread(target=answer, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        assert checks(capsys, "--workspace", str(workspace))["docker"]["status"] == "warn"


@pytest.mark.docker
def test_a_missing_base_image_is_pulled_and_skips_nothing(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: object, name: str) -> None:
        raise ImageNotFound(name)

    monkeypatch.setattr("docker.models.images.ImageCollection.get", missing)
    line = checks(capsys, "--workspace", str(workspace))["base image"]
    assert line["status"] == "warn" and "skipped" not in line["detail"] and "pulled" in line["detail"]
    assert "scripts/base-image" in line["help"]


@pytest.mark.docker
def test_engine_that_answers_shows_its_version_and_drivers(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = checks(capsys, "--workspace", str(workspace))["docker"]
    if line["status"] != "ok" and not os.environ.get("CI"):
        pytest.skip("no engine answers here; CI starts one")
    detail = line["detail"]
    assert detail.startswith("engine ")
    assert "storage" in detail and "cgroup v" in detail


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder where even root cannot make a file")
def test_runs_that_cannot_be_written_fail(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "runs").symlink_to("/proc/self")
    line = checks(capsys, "--workspace", str(workspace), code=3)["runs"]
    assert line["status"] == "fail"
    assert line["detail"].startswith("cannot write and lock a file in")


@pytest.mark.parametrize(("free", "status"), [(10, "fail"), (10**9, "warn"), (10**12, "ok")])
def test_disk_status_goes_by_what_is_free(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(_doctor.shutil, "disk_usage", lambda _: usage)
    assert [line.status for line in _doctor._disk(workspace)] == [status]


@pytest.mark.parametrize("year", [1970, 2099])
def test_implausible_year_is_a_warning(monkeypatch: pytest.MonkeyPatch, year: int) -> None:
    monkeypatch.setattr(_doctor, "YEARS", (year, year))
    (line,) = _doctor._clock()
    assert line.status == "warn" and "not plausible" in line.detail


def test_missing_and_old_packages_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = ["not-a-package-of-anyone>=1", "pydantic>=99.1", "msgspec>=0.1", 'pytest>=99; extra == "dev"']
    monkeypatch.setattr(_doctor, "requires", lambda _: declared)
    (line,) = _doctor._packages()
    assert line.status == "fail"
    assert "not-a-package-of-anyone is missing; pydantic" in line.detail
    assert "is older than 99.1" in line.detail
    assert "pytest" not in line.detail


def test_other_encoding_than_utf8_is_a_warning(workspace: Path) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    argv = [sys.executable, "-m", "harness.cli.main", "doctor", "--workspace", str(workspace)]
    done = subprocess.run(argv, env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert b"warn  text" in done.stdout and b"not UTF-8: terminal" in done.stdout
