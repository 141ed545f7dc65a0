"""What a user may get wrong, or an image may lack: one message each, before any model call where that can be."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from cli_process import run_harness

from harness.plugins.contracts import Harness
from harness.plugins.loader import load
from harness.toolkit.agent_layers import this_platform

SUITE = """\
suite: edge
tasks: [tasks/edge/*.task.yaml]
systems:
  - name: it
    harness: HARNESS
    model: {use: scripted, name: scripted, prompted: true}
retries: {infra: 0}
"""
TASK = """\
id: edge
prompt: |
  @@say forty-two
reference: forty-two
sandbox: {}
graders: [match]
"""
AGENT = """\
#!/usr/bin/env python3
import json, os, sys, urllib.request
url, key = os.environ["URL"], os.environ["KEY"]
body = {"model": sys.argv[1], "messages": [{"role": "user", "content": sys.stdin.read()}]}
head = {"authorization": "Bearer " + key, "content-type": "application/json"}
asked = urllib.request.Request(url + "/chat/completions", json.dumps(body).encode(), head)
said = json.load(urllib.request.urlopen(asked))["choices"][0]["message"]["content"]
settings = open(os.path.expandvars("$STATE/settings.json")).read()
print(json.dumps({"event": "end", "result": {"text": said, "settings": settings}}))
"""
COMMAND = """\
{use: command, folder: tools/mine, argv: [python3, "{agent}/agent.py", "{model}"],
     env: {URL: "{base_url}/v1", KEY: "{key}", STATE: "{state}"}, files: {"{state}/settings.json": "model={model}"},
     answer_from: "json:result.text"}"""
OWN_IMAGES = ("MACHINE=foreign", "rm -f /bin/bash")


def run(place: Path, harness: str, task: str = TASK, program: str = AGENT) -> tuple[int, str, list[dict[str, Any]]]:
    for name in ("graders", "runs", "tasks/edge", "tools/mine"):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "tasks/edge/suite.yaml").write_text(SUITE.replace("HARNESS", harness))
    (place / "tasks/edge/edge.task.yaml").write_text(task)
    (place / "tools/mine/agent.py").write_text(program)
    done = run_harness(("run", "--suite", "edge"), place, os.environ, 300)
    lines = [line for run in (place / "runs").iterdir() for line in (run / "attempts.jsonl").read_text().splitlines()]
    found = [json.loads(line) for line in lines]
    return done.returncode, done.stderr, found


def test_a_release_that_is_not_installed_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    code, said, found = run(tmp_path, "{use: claude_code, release: 0.0.1}")
    assert (code, found) == (2, [])
    assert said.count("error:") == 1
    assert "system 'it': claude_code@0.0.1 is not installed" in said
    assert "harness agent install claude_code@0.0.1" in said


@pytest.mark.parametrize("release", ["latest", "^2.1.0", ">=2", "*", ""])
def test_a_release_that_is_no_exact_version_is_told_with_one_that_is(tmp_path: Path, release: str) -> None:
    """It was answered with `harness agent install claude_code@latest`, which refuses that."""
    code, said, found = run(tmp_path, f'{{use: claude_code, release: "{release}"}}')
    assert (code, found) == (2, [])
    assert said.count("error:") == 1
    version = load("harness", "claude_code", tmp_path).model_fields["release"].default
    assert f"'{release}' is no exact version: {version} is one (harness agent install claude_code@{version})" in said


def test_a_command_whose_layer_is_not_installed_stops_the_run_too(tmp_path: Path) -> None:
    code, said, _ = run(tmp_path, "{use: command, layer: codex_cli@0.0.1, argv: [x]}")
    assert code == 2 and "codex_cli@0.0.1 is not installed" in said


@pytest.mark.docker
def test_a_program_of_ones_own_is_described_in_yaml(tmp_path: Path) -> None:
    code, said, (attempt,) = run(tmp_path, COMMAND)
    assert code == 0, (said, attempt)
    assert (attempt["passed"], attempt["output"]["answer"]) == (True, "forty-two")
    metrics = attempt["output"]["metrics"]
    assert (metrics["requests"], metrics["ended"]) == (1, "done")
    assert "binary" not in metrics["fingerprint"] and metrics["fingerprint"]["flags"]


@pytest.mark.docker
@pytest.mark.parametrize("where", ["{state}/said/forty-two.txt", "{home}/said.txt", "said.txt", "{folder}/said.txt"])
def test_an_answer_is_read_from_a_file_whose_path_has_names_in_braces(tmp_path: Path, where: str) -> None:
    writes = (
        'os.makedirs(os.path.dirname(sys.argv[2]) or ".", exist_ok=True)\nopen(sys.argv[2], "w").write("written")\n'
    )
    command = COMMAND.replace('"{model}"]', f'"{{model}}", "{where}"]').replace("json:result.text", f"file:{where}")
    code, said, (attempt,) = run(tmp_path, command, program=AGENT + writes)
    assert (code, attempt["output"]["answer"]) == (0, "written"), (said, attempt)


@pytest.mark.docker
@pytest.mark.parametrize("where", ["file:{state}/none.txt", "json:result.other"])
def test_an_answer_that_is_not_where_it_should_be_is_the_models_last_word_and_told(tmp_path: Path, where: str) -> None:
    _, said, (attempt,) = run(tmp_path, COMMAND.replace("json:result.text", where))
    assert attempt["output"]["answer"] == "forty-two", said
    (folder,) = (tmp_path / "runs").iterdir()
    told = "/scratch/agent/none.txt" if where.startswith("file") else "result.other"
    assert (
        f"no answer in {where.partition(':')[0]}:{told}: what its model said last is taken"
        in (folder / "transcripts.jsonl").read_text()
    )


RESULT = {"type": "result", "subtype": "success", "is_error": True, "result": "Unknown skill: x", "uuid": "u-1"}
"""How Claude Code ends that took a prompt for a command of its own."""


@pytest.mark.docker
@pytest.mark.parametrize(
    ("script", "words"),
    [("echo I am broken >&2", "I am broken"), ('cat "$0/agent.py"; echo a warning >&2', "Unknown skill: x")],
    ids=["stderr", "event"],
)
def test_a_program_that_never_asks_a_model_says_how_it_ended(tmp_path: Path, script: str, words: str) -> None:
    argv = json.dumps(["sh", "-c", f"{script}; exit 7", "{agent}"])
    said = f"{{use: command, folder: tools/mine, argv: {argv}}}"
    code, told, (attempt,) = run(tmp_path, said, program=json.dumps(RESULT))
    assert code == 3 and attempt["status"] == "infra_error"
    (reason,) = (line for line in told.splitlines() if line.startswith("  NoModelCall: "))
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"its last words: {words})" in reason and reason.endswith(f"(harness show {folder.name} edge it)")
    assert attempt["trouble"]["cause"] == "NoModelCall"
    assert attempt["trouble"]["detail"].endswith(f"(exit code 7; its last words: {words})")


@pytest.mark.docker
def test_what_the_image_lacks_is_told_and_no_model_is_asked(tmp_path: Path) -> None:
    other = "arm64" if this_platform() == "linux-x64" else "x64"
    needs = f"needs: ['glibc>=99', python3.5, bash, {other}]"
    _, _, (attempt,) = run(tmp_path, f"{{use: command, folder: tools/mine, argv: [x], {needs}}}")
    assert attempt["status"] == "skipped"
    said = attempt["trouble"]["detail"]
    assert "lacks what command needs: glibc 99 (it has 2.36), Python 3.5 (it has 3.11)" in said
    assert f"a machine for {other} programs (it is {this_platform().removeprefix('linux-')})" in said
    assert not attempt.get("usage") and "turns" not in attempt


@pytest.mark.docker
def test_an_image_of_another_kind_of_processor_is_one_message(tmp_path: Path) -> None:
    """Its /bin/sh is for a machine that there is not: the engine starts the box, and it ends."""
    program = bytearray(Path("/bin/sh").resolve().read_bytes())
    program[18:20] = (0xF3).to_bytes(2, "little")  # e_machine: RISC-V
    foreign = "FROM scratch\nCOPY sh /bin/sh\nENV MACHINE=foreign\n"
    (tmp_path / "tasks/edge").mkdir(parents=True)
    (tmp_path / "tasks/edge/Dockerfile").write_text(foreign)
    (tmp_path / "tasks/edge/sh").write_bytes(program)
    (tmp_path / "tasks/edge/sh").chmod(0o755)
    task = TASK.replace("sandbox: {}", "sandbox: {dockerfile: Dockerfile}")
    code, said, (attempt,) = run(tmp_path, "{use: command, folder: tools/mine, argv: [x]}", task)
    assert code == 3 and attempt["status"] == "infra_error", said
    assert "another kind of processor" in attempt["trouble"]["detail"]
    assert not attempt.get("usage")


@pytest.mark.docker
@pytest.mark.parametrize(("limits", "limit"), [("{time: 5m}", None), ("{turns: 9}", "time")])
def test_the_time_of_a_trial_is_its_programs_and_not_that_of_a_command(
    tmp_path: Path, limits: str, limit: str | None
) -> None:
    """Without a limit of time the task's `command_timeout` ends it, and the record says so."""
    task = TASK.replace("sandbox: {}", f"sandbox: {{command_timeout: 12s}}\nlimits: {limits}")
    task = task.replace("  @@say", "  @@sleep 20\n  @@say")
    _, said, (attempt,) = run(tmp_path, COMMAND, task)
    assert (attempt["status"], attempt.get("limit")) == ("graded", limit), said
    assert attempt["passed"] is (limit is None) and attempt["output"]["metrics"]["ended"] == (
        "limit:time" if limit else "done"
    )


@pytest.mark.docker
def test_an_image_needs_no_more_than_the_program_does(tmp_path: Path) -> None:
    """No bash and no git in it: told to who needs them, and no hindrance to who does not."""
    (tmp_path / "tasks/edge").mkdir(parents=True)
    bare = "ARG BASE=debian:bookworm-slim\nFROM ${BASE}\nUSER root\nRUN rm -f /bin/bash /usr/bin/bash /usr/bin/git\n"
    (tmp_path / "tasks/edge/Dockerfile").write_text(bare)
    task = TASK.replace("sandbox: {}", "sandbox: {dockerfile: Dockerfile}")
    _, said, (attempt,) = run(tmp_path, COMMAND.replace("{use: command,", "{use: command, needs: [bash],"), task)
    assert attempt["status"] == "skipped", said
    assert attempt["trouble"]["detail"].endswith("lacks what command needs: bash")


def test_a_folder_outside_the_workspace_is_refused(tmp_path: Path) -> None:
    command = load("harness", "command", tmp_path).model_validate({"folder": "../elsewhere", "argv": ["x"]})
    assert isinstance(command, Harness)
    assert "folder '../elsewhere' is outside the workspace" in command.check(tmp_path)


@pytest.mark.parametrize("where", ["json", "json:", "model:x", "file", "file: ", "elsewhere"])
def test_an_answer_from_nowhere_is_refused(tmp_path: Path, where: str) -> None:
    with pytest.raises(ValueError, match="answer_from is model, stdout"):
        load("harness", "command", tmp_path).model_validate({"argv": ["x"], "answer_from": where})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"needs": ["bash", "bsh", "glibc>2"]}, "needs: bsh, glibc>2 cannot be looked for; such can: bash, git"),
        ({"layer": "codex_cli"}, "layer 'codex_cli' is no NAME@VERSION"),
        ({"layer": "codex_cli@"}, "layer 'codex_cli@' is no NAME@VERSION"),
        ({"layer": "codex_cli@latest"}, "layer 'codex_cli@latest' is no NAME@VERSION"),
    ],
)
def test_what_no_image_has_and_no_layer_is_called_is_refused(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    """Every trial would be skipped for it, or told to install what there is not."""
    with pytest.raises(ValueError, match=re.escape(said)):
        load("harness", "command", tmp_path).model_validate({"argv": ["x"], **more})


KEY = "sk-" + "Ab3dEf6hIj9kLm2nOp5qRs8t"  # in two pieces, so that nobody takes it for one


@pytest.mark.parametrize(
    ("harness", "more", "said"),
    [
        ("command", {"argv": ["x"], "env": {"SEARCH_API_KEY": "a1b2c3d4e5f6"}}, "env: 'SEARCH_API_KEY'"),
        ("command", {"argv": ["x"], "env": {"WHATEVER": KEY}}, "env: 'WHATEVER'"),
        ("command", {"argv": ["x", "--key", KEY]}, "argv: word 2"),
        ("command", {"argv": ["x"], "files": {"{state}/auth.json": f"key={KEY}"}}, "files: '{state}/auth.json'"),
        ("claude_code", {"env": {"GITHUB_TOKEN": "a1b2c3d4e5f6"}}, "env: 'GITHUB_TOKEN'"),
        ("claude_code", {"flags": [f"--key={KEY}"]}, "flags: word 0"),
    ],
)  # fmt: skip
def test_a_key_in_the_file_is_refused(tmp_path: Path, harness: str, more: dict[str, Any], said: str) -> None:
    """It would be in the record, in git and in the box, which the agent works in."""
    with pytest.raises(ValueError, match=re.escape(said)) as told:
        load("harness", harness, tmp_path).model_validate(more)
    assert KEY not in str(told.value).partition("[type=")[0], "nor is it told"


def test_a_placeholder_is_no_key(tmp_path: Path) -> None:
    env = {"OPENAI_API_KEY": "{key}", "AUTH_TOKEN": "Bearer {key}", "OTHER_KEY": "none", "MAX_TOKENS": "1234567890"}
    load("harness", "command", tmp_path).model_validate({"argv": ["x"], "env": env})
