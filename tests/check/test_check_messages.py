"""What `harness check` says of an image that does not build, or that lacks the runner: the end, plain, in few words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from check_lab import CheckLab, found, repo_task

from harness.cli._check_text import render_checks
from harness.cli.check_cmd import quarantined
from harness.config.quarantine import render_quarantine
from harness.qa.findings import TaskCheck
from harness.qa.task import Options

pytestmark = pytest.mark.docker
OWN_IMAGES = ("LAB=bare",)
NOISE = "; ".join(f"echo line {n} of a long build" for n in range(40))
SETUP = f"{NOISE}; printf '\\033[31mred \\033[0mwords\\n'; exit 7"
NO_PYTEST = """FROM harness-base:bookworm
ENV LAB=bare
RUN useradd --uid 1000 --user-group --create-home agent && install -d -o agent -g agent /work
COPY --chown=agent:agent repo /work/repo
USER agent
WORKDIR /work/repo
RUN git init -q -b main && git add -A && git -c user.name=a -c user.email=a@b commit -qm base
"""


def script_task(script: str) -> dict[str, object]:
    checks = [{"name": "there", "of": "out", "exists": True}]
    collect = {"out": {"file": "/work/out"}}
    return {"kind": "state", "prompt": "Write it.", "checks": checks, "collect": collect, "solution": f"{script}\n"}


@pytest.fixture(scope="module")
def checks(boxed: CheckLab) -> dict[str, TaskCheck]:
    Path(boxed.root, "lab", "Dockerfile.bare").write_text(NO_PYTEST)
    tasks = {
        "bad-setup": repo_task(sandbox={"setup": [SETUP]}),
        "no-pytest": repo_task(environment={"dockerfile": "lab/Dockerfile.bare"}),
        "bad-script": script_task("echo no such table >&2; exit 4"),
        "odd-script": script_task("echo x > /work/out; echo no such table >&2; exit 4"),
    }
    return boxed.check(tasks, Options(1, cheats=False), name="messages")


def test_a_build_that_fails_shows_how_it_ended(checks: dict[str, TaskCheck]) -> None:
    [finding] = found(checks["bad-setup"], "image", "fail")
    assert "the image with the task's files and setup does not build" in finding.what
    assert "red words" in finding.what and "exit 7" in finding.what
    shown = render_checks([checks["bad-setup"]])
    assert "red words" in shown and "exit 7" in shown and "\x1b" not in shown


def test_a_quarantine_names_the_reason_in_one_plain_line(checks: dict[str, TaskCheck]) -> None:
    entries = quarantined({}, [checks["bad-setup"]], "me", 7, datetime(2026, 1, 1, tzinfo=UTC))
    text, reason = render_quarantine(entries), entries["bad-setup"].reason
    assert "u001b" not in text and "\x1b" not in text
    assert "\n" not in reason and len(reason) <= 300
    assert "does not build" in reason and "code: 7" in reason


def test_an_image_without_pytest_is_told_with_help(checks: dict[str, TaskCheck]) -> None:
    said = [f.what for f in found(checks["no-pytest"], "reference", "fail")]
    assert said == [
        "it cannot be graded: environment: pytest is not in the image: install it there "
        "(`RUN python3 -m pip install pytest` in its Dockerfile)"
    ], checks["no-pytest"].findings


def test_a_solution_that_fails_is_told_with_its_own_words(checks: dict[str, TaskCheck]) -> None:
    [finding] = found(checks["bad-script"], "reference", "fail")
    assert finding.what.endswith("it is absent; the script ended with 4: no such table")
    [finding] = found(checks["odd-script"], "reference", "warn")
    assert finding.what == "it passes, and yet the script ended with 4: no such table"
