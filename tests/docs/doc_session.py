"""Runs what the docs show.

In a page, a comment right before a fenced block says what is done with it:

    <!-- test: run -->            a ```console block: each `$ command` is run, and what it prints must be what is shown
    <!-- test: engine -->         the same with this machine's container engine; left out where there is none
    <!-- test: file PATH -->      the block is written to PATH in the page's workspace, for later blocks
    <!-- test: skip REASON -->    the block is not even parsed

Commands of one page share one temporary workspace: a copy of this repository's `tasks/` and `graders/`, no keys, no
network needed, no container engine that answers, a terminal 100 columns wide. stdout and stderr come together, as in a
terminal. `...` stands for any
text in a line, or, alone on a line, for any lines. A command must succeed, unless the next one is `$ echo $?`, which
then shows the code. Every other ```yaml, ```json and ```python block must at least parse.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from cli_process import folder_of_harness

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)(`{3,})([a-z]*)[^\n]*\n(.*?)^\1\2 *$", re.M | re.S)
DIRECTIVE = re.compile(r"<!-- test: (\w+) ?(.*?) -->\s*\Z")
MARK = "=-=-= end of command "
TIMEOUT_S = 600
NO_ENGINE = "unix:///no/engine.sock"
ENGINE = os.environ.get("DOCKER_HOST", "")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, the line it starts on, and what its comment asks for."""

    language: str
    text: str
    line: int
    verb: str
    argument: str


@dataclass(frozen=True)
class Step:
    """A command and what the page shows under it."""

    command: str
    shown: str


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    blocks = []
    for match in FENCE.finditer(page):
        before = DIRECTIVE.search(page[: match.start()])
        verb, argument = before.groups() if before else ("", "")
        indent = match.group(1)
        text = re.sub(rf"^{indent}", "", match.group(4), flags=re.M)
        blocks.append(Block(match.group(3), text, page.count("\n", 0, match.start()) + 1, verb, argument))
    return blocks


def parse(block: Block) -> None:
    """Raise when a block is not what its language says."""
    if block.language == "yaml":
        list(yaml.safe_load_all(block.text))
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "python":
        ast.parse(block.text)


def steps_of(block: Block) -> list[Step]:
    """Commands, which may go on after a backslash, with the text under each."""
    steps: list[Step] = []
    going_on = False
    for line in block.text.splitlines():
        if going_on or line.startswith("$ "):
            command = line.removeprefix("$ ") if not going_on else steps.pop().command + "\n" + line
            steps.append(Step(command, ""))
            going_on = line.endswith("\\")
        elif steps:
            steps[-1] = Step(steps[-1].command, steps[-1].shown + line + "\n")
        else:
            raise AssertionError(f"line {block.line}: a console block must begin with `$ command`")
    return steps


def new_workspace(folder: Path) -> Path:
    """A copy of this repository's workspace, without its runs."""
    for name in ("tasks", "graders"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / name).mkdir(parents=True, exist_ok=True)
    return folder


def run_page(page: str, workspace: Path, *, engine: bool = False, installed: bool = False) -> list[str]:
    """Do what the blocks ask for, those that need an engine if there is one; what does not hold, one message each.

    `harness` is the program that is `installed`, or one that starts faster (`cli_process`).
    """
    wrong = []
    programs = [] if installed else [str(folder_of_harness())]
    for block in blocks_of(page):
        if block.verb == "skip":
            continue
        if block.verb == "file":
            path = workspace / block.argument
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.verb == "run":
            wrong += run_block(block, workspace, _environment(NO_ENGINE, programs))
        elif block.verb == "engine":
            wrong += run_block(block, workspace, _environment(ENGINE, programs)) if engine else []
        elif block.verb:
            wrong.append(f"line {block.line}: unknown directive 'test: {block.verb}'")
        try:
            parse(block)
        except (ValueError, SyntaxError, yaml.YAMLError) as e:
            wrong.append(f"line {block.line}: the {block.language} block does not parse: {e}")
    return wrong


def run_block(block: Block, workspace: Path, env: dict[str, str]) -> list[str]:
    """Run a console block as one shell session."""
    steps = steps_of(block)
    if not steps:
        return [f"line {block.line}: no command in a block that is to be run"]
    script = "code=0\n" + "".join(
        f'(exit $code)\n{s.command}\ncode=$?\nprintf "%s%s\\n" "{MARK}" $code\n' for s in steps
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=workspace, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    printed = re.split(rf"{MARK}(\d+)\n", done.stdout)
    if len(printed) != 2 * len(steps) + 1:
        return [f"line {block.line}: the shell ended early:\n{done.stdout}"]
    wrong = []
    for i, step in enumerate(steps):
        text, code = printed[2 * i], int(printed[2 * i + 1])
        code_is_shown = i + 1 < len(steps) and steps[i + 1].command.strip() == "echo $?"
        if code and not code_is_shown:
            wrong.append(f"line {block.line}: `{step.command}` ended with {code}:\n{text}")
        if not fits(step.shown, text):
            wrong.append(f"line {block.line}: `{step.command}` printed:\n{text}\nbut the page shows:\n{step.shown}")
    return wrong


def fits(shown: str, printed: str) -> bool:
    """Whether what was printed is what is shown; `...` is any text or any lines, and trailing space is nothing."""
    pattern = ""
    for line in _tidy(shown):
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
            continue
        body, dots, _ = line.rpartition(" ...") if line.endswith(" ...") else (line, "", "")
        pattern += r"[^\n]*?".join(re.escape(part) for part in body.split("..."))
        pattern += r"(?: [^\n]*)?\n" if dots else r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _tidy(printed))) is not None


def _tidy(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").split("\n")] if text.strip() else []


def _environment(engine: str, programs: list[str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and k != "HARNESS_WORKSPACE"}
    path = os.pathsep.join([*programs, str(Path(sys.executable).parent), kept.get("PATH", "")])
    return {
        **kept,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "DOCKER_HOST": engine,
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "LANG": "C.UTF-8",
    }
