"""What users copy: the workflow files are sound, and the scripts beside them do what they say on a real repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github" / "workflows" / "nightly.yml"
GITLAB = ROOT / "docs" / "examples" / "gitlab-nightly.yml"


def sh(command, cwd, **env):
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=60
    )


def test_the_workflow_runs_off_the_hour_with_least_rights_and_one_at_a_time():
    said = yaml.safe_load(GITHUB.read_text())
    schedule = said[True]["schedule"][0]["cron"]  # YAML reads the key `on` as true
    assert not schedule.startswith("0 ")
    assert said["permissions"] == {"contents": "write", "issues": "write"}
    assert said["concurrency"] == {"group": "nightly", "cancel-in-progress": False}
    assert said["jobs"]["nightly"]["timeout-minutes"] <= 360


def test_secrets_are_in_the_environment_of_the_step_that_needs_them_only():
    steps = yaml.safe_load(GITHUB.read_text())["jobs"]["nightly"]["steps"]
    for step in steps:
        assert "secrets." not in str(step.get("run", "")) + str(step.get("with", ""))
    assert [s["name"] for s in steps if "secrets." in str(s.get("env"))] == ["The night"]
    assert "${{ inputs" not in " ".join(str(s.get("run", "")) for s in steps)  # no text of others in a shell line


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=lambda p: p.name)
def test_every_command_and_option_in_the_files_exists(path):
    text = path.read_text()
    commands = re.findall(r"harness (nightly|trend|gate|run)((?: --[a-z-]+(?: [a-z0-9]+)?)*)", text)
    assert commands
    for name, words in commands:
        helps = sh(f"{ROOT}/.venv/bin/harness {name} --help", ROOT).stdout
        for option in re.findall(r"--[a-z-]+", words):
            assert option in helps
    for script in re.findall(r"scripts/([a-z-]+)", text):
        assert os.access(ROOT / "scripts" / script, os.X_OK)


@pytest.mark.parametrize("night", ["", "runs/nightly/mine-2026-03-01"])
def test_the_gitlab_job_ends_with_the_nights_code_also_when_no_summary_was_written(tmp_path, night):
    words = yaml.safe_load(GITLAB.read_text())["nightly"]["script"]
    last = words[next(i for i, w in enumerate(words) if "summary.md" in w) :]
    if night:
        (tmp_path / night).mkdir(parents=True)
        (tmp_path / night / "summary.md").write_text("told")
    done = sh("\n".join(["set -eo pipefail; code=3", *last]), tmp_path)
    assert done.returncode == 3, done.stderr
    assert (tmp_path / "night.md").exists() == bool(night)


@pytest.fixture
def repository(tmp_path):
    """A clone with the script, and the bare repository it pushes to."""
    bare, work = tmp_path / "bare.git", tmp_path / "work"
    identity = "-c user.name=t -c user.email=t@t"
    made = sh(
        f"git init -q --bare -b main {bare} && git init -q -b main {work} && cd {work} && mkdir scripts runs && "
        f"cp {ROOT}/scripts/history-branch scripts/ && git remote add origin {bare} && git add -A && "
        f"git {identity} commit -qm first && git push -q origin main",
        tmp_path,
    )
    assert made.returncode == 0, made.stderr
    return work


def test_the_history_branch_begins_grows_and_comes_back(repository, tmp_path):
    assert "begins it" in sh("scripts/history-branch pull", repository).stdout
    history = repository / "runs" / "history" / "mine.jsonl"
    history.write_text('{"night": 1}\n')
    assert sh("scripts/history-branch push", repository).returncode == 0
    assert "nothing new" in sh("scripts/history-branch push", repository).stdout
    history.write_text('{"night": 1}\n{"night": 2}\n')
    assert sh("scripts/history-branch push", repository).returncode == 0
    assert sh("git status --porcelain --untracked-files=no", repository).stdout == ""  # index and tree untouched
    fresh = tmp_path / "fresh"
    shutil.copytree(repository, fresh, ignore=shutil.ignore_patterns("history"))
    assert "2 lines" in sh("scripts/history-branch pull", fresh).stdout
    assert (fresh / "runs" / "history" / "mine.jsonl").read_text() == history.read_text()
    log = sh("git log --format=%s harness-history", tmp_path / "bare.git").stdout.splitlines()
    assert len(log) == 2


def test_what_another_night_kept_meanwhile_is_not_lost(repository, tmp_path):
    history = repository / "runs" / "history"
    history.mkdir()
    (history / "mine.jsonl").write_text("1\n")
    sh("scripts/history-branch push", repository)
    other = tmp_path / "other"
    shutil.copytree(repository, other)
    (other / "runs" / "history" / "mine.jsonl").write_text("1\n2\n")
    (other / "runs" / "history" / "boxes.jsonl").write_text("b\n")
    assert sh("scripts/history-branch push", other).returncode == 0
    (history / "mine.jsonl").write_text("1\n3\n")  # this night never saw 2
    assert sh("scripts/history-branch push", repository).returncode == 0
    bare = tmp_path / "bare.git"
    assert sh("git show harness-history:mine.jsonl", bare).stdout == "1\n2\n3\n"
    assert sh("git show harness-history:boxes.jsonl", bare).stdout == "b\n"


GH = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$GH_LOG"
for ((i = 1; i <= $#; i++)); do [[ ${!i} == --body-file ]] && { j=$((i + 1)); cat "${!j}" >>"$GH_LOG"; }; done
[[ $1 $2 == 'issue list' ]] && printf '%s' "$GH_OPEN"
true
"""


@pytest.fixture
def gh(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(GH.replace("[[ $1 $2 ==", '[[ "$1 $2" =='))
    (tmp_path / "bin" / "gh").chmod(0o755)
    night = tmp_path / "mine-2026-03-01"
    night.mkdir()

    def run(open_issue):
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        found = sh(
            f"{ROOT}/scripts/nightly-issue mine {night}", tmp_path, GH_LOG=str(log), GH_OPEN=open_issue,
            PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        )  # fmt: skip
        assert found.returncode == 0, found.stderr
        return log.read_text()

    return night, run


def test_one_issue_is_opened_then_updated_then_closed(gh):
    night, run = gh
    (night / "issue.md").write_text("# Nightly of mine: failed\n\n<!-- harness-nightly:mine -->\n\ntrend: alarm\n")
    said = run("")
    assert "issue create --label harness-nightly --title Nightly of mine: failed" in said
    assert "<!-- harness-nightly:mine -->" in said
    said = run("17")
    assert "issue edit 17 --title Nightly of mine: failed" in said
    assert "issue create" not in said
    (night / "issue.md").unlink()
    assert "issue close 17" in run("17")
    assert "issue close" not in run("")


def test_the_dockerfile_has_a_runner_stage_after_the_sandbox_and_takes_only_the_program():
    text = (ROOT / "Dockerfile").read_text()
    assert text.index("AS sandbox") < text.index("AS runner")
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert not {"!runs", "!tasks", "!.git"} & set(lines)
    assert "--mount" not in text  # BuildKit only


@pytest.mark.docker
def test_the_runner_image_says_its_version_and_runs_a_suite_without_network():
    if sh("docker image inspect harness-runner", ROOT).returncode:
        built = subprocess.run([ROOT / "scripts" / "runner-image"], capture_output=True, text=True, timeout=1800)
        assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    said = sh("docker run --rm --network none harness-runner harness --version", ROOT)
    assert said.stdout.startswith("harness ")
