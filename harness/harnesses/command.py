"""Any agent's program, described in YAML: where it is, how it is called, which API it speaks, where its answer is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from harness.api import Dialect, Json, MissingRequirement, Mount, SolveContext
from harness.harnesses._cli import EXACT, AgentCli, Start, words_with_keys
from harness.harnesses._cli_box import SHORT_S, Invocation, Ran, words_of
from harness.toolkit.agent_layers import MOUNT, Layer, find_layer, root_of
from harness.toolkit.keys import literal_keys

NEEDS = ("bash", "git", "python3", "python3.11", "node", "rg", "glibc>=2.28", "libstdc++", "x64", "arm64")
_NEED = re.compile(r"bash|git|python3(\.\d+)?|node|rg|glibc(>=\d+(\.\d+)*)?|libstdc\+\+|x64|arm64")
_NAMED = re.compile(r"\{(prompt|model|effort|base_url|key|state|home|folder|agent)\}")


class Command(AgentCli):
    """A program of your own, or an agent that has no harness here yet.

    In `argv`, `env`, `files` and the path of `answer_from` these names in braces are filled in: `{prompt}`, `{model}`,
    `{effort}`, `{base_url}` (ends before `/v1`), `{key}` (a placeholder; the real one never enters the box), `{state}`
    (a folder for its own things), `{home}`, `{folder}` (the working folder) and `{agent}` (/opt/agent).
    """

    version: ClassVar[str] = "1"
    agent: ClassVar[str] = "command"
    dialects: ClassVar[Sequence[Dialect]] = ("chat",)
    example: ClassVar[Mapping[str, Json]] = {
        "folder": "tools/my-agent",
        "argv": ["{agent}/run.sh", "--model", "{model}"],
        "env": {"OPENAI_BASE_URL": "{base_url}/v1", "OPENAI_API_KEY": "{key}"},
        "speaks": ["chat"],
        "answer_from": "stdout",
    }
    example_files: ClassVar[Mapping[str, str]] = {"tools/my-agent/run.sh": "#!/bin/sh\ncat\n"}

    release: str = ""
    """Its version, as you call it: for the record."""
    layer: str = ""
    """An installed agent, `codex_cli@0.169.0`, to be mounted at /opt/agent."""
    folder: str = ""
    """Or a folder of the workspace to be mounted there. Its content is part of the digest."""
    argv: tuple[str, ...] = Field(min_length=1)
    """The command line, word by word."""
    stdin: Literal["prompt", "none"] = "prompt"
    """What it reads from standard input."""
    files: Mapping[str, str] = Field(default_factory=dict)
    """Files to lay down before it starts, by path: `{state}/config.json: "..."`."""
    speaks: tuple[Dialect, ...] = ("chat",)
    """The APIs it may speak: anthropic, responses, chat, gemini."""
    needs: tuple[str, ...] = ()
    """What an image must have: bash, git, python3 or python3.11, node, rg, glibc>=2.28, libstdc++, x64 or arm64."""
    answer_from: str = "model"
    """Where its final answer is: `model` (what its model said last), `stdout`, `json:KEY` (the last JSON line of its
    output that has KEY; dots go deeper), or `file:PATH` in the box. Where neither is there, it is what its model said
    last, and a note in the transcript says so."""

    @model_validator(mode="after")
    def _sound(self) -> Command:
        if self.layer and self.folder:
            raise ValueError("say `layer` or `folder`, not both")
        name, at, exact = self.layer.partition("@")
        if self.layer and not (name and at and EXACT.match(exact)):
            raise ValueError(f"layer '{self.layer}' is no NAME@VERSION: codex_cli@0.169.0 is one (harness agent list)")
        if unknown := [need for need in self.needs if not _NEED.fullmatch(need)]:
            raise ValueError(f"needs: {', '.join(unknown)} cannot be looked for; such can: {', '.join(NEEDS)}")
        word, colon, where = self.answer_from.partition(":")
        placed = word in ("json", "file")
        if word not in ("model", "stdout", "json", "file") or placed != bool(colon) or placed != bool(where.strip()):
            raise ValueError("answer_from is model, stdout, json:KEY or file:PATH")
        return self

    def _keys_elsewhere(self) -> Iterator[str]:
        yield from super()._keys_elsewhere()
        yield from words_with_keys("argv", self.argv)
        yield from (f"files: '{path}'" for path in literal_keys(self.files, named=False))

    def check(self, workspace: Path) -> Sequence[str]:
        """A folder that is not there, or that is not of this workspace."""
        faults = []
        if self.folder and not (workspace / self.folder).is_dir():
            faults.append(f"no such folder: {self.folder}")
        if self.folder and not (workspace / self.folder).resolve().is_relative_to(workspace.resolve()):
            faults.append(f"folder '{self.folder}' is outside the workspace")
        return faults

    def digest_files(self) -> Sequence[str]:
        """The folder with the program."""
        return (self.folder,) if self.folder else ()

    def mounts(self, workspace: Path) -> Sequence[Mount]:
        """The layer or the folder; nothing for a program that the image has."""
        if self.folder:
            return (Mount((workspace / self.folder).resolve(), MOUNT),)
        found = self._found()
        return (Mount(root_of(found[1]), MOUNT),) if found else ()

    def spoken(self, there: Sequence[Dialect]) -> Sequence[Dialect]:
        """As the YAML says."""
        return self.speaks

    def invoke(self, start: Start) -> Invocation:
        """The YAML's words, filled in."""
        fill = _filler(start)
        env = {name: fill(value) for name, value in self.env.items()}
        return Invocation(
            [fill(word) for word in self.argv], env, start.prompt.encode() if self.stdin == "prompt" else b""
        )

    def configuration(self, start: Start) -> Mapping[str, str | bytes]:
        """The YAML's files, filled in."""
        fill = _filler(start)
        return {fill(path): fill(text) for path, text in self.files.items()}

    def own_env(self) -> Mapping[str, str]:
        """None besides: they are filled in."""
        return {}

    def claims(self, ran: Ran) -> dict[str, Json]:
        """Nothing is known of its words; how much it wrote."""
        return {"output_bytes": ran.written}

    async def answer(self, ctx: SolveContext, ran: Ran, start: Start) -> str | None:
        """Where `answer_from` says."""
        how, _, where = self.answer_from.partition(":")
        text = ran.output.decode("utf-8", "replace")
        said: Json = None
        match how:
            case "model":
                return None
            case "stdout":
                return text.strip()
            case "json":
                found = (_dig(event, where.split(".")) for event in reversed(words_of(ran.output)))
                said = next((one for one in found if one is not None), None)
            case "file" if ctx.box is not None:
                where = _filler(start)(where)
                done = await ctx.box.exec(["/bin/sh", "-c", '# answer\ncat -- "$1"', "sh", where], timeout_s=SHORT_S)
                said = done.stdout.decode("utf-8", "replace") if done.exit_code == 0 else None
        if said is None:
            ctx.note("answer", f"no answer in {how}:{where}: what its model said last is taken")
        return said if said is None or isinstance(said, str) else json.dumps(said, ensure_ascii=False)

    def _found(self) -> tuple[Layer, Path] | None:
        if not self.layer:
            return None
        name, _, version = self.layer.partition("@")
        found = find_layer(name, version)
        if found is None:
            raise MissingRequirement("agent", f"{self.layer} is not installed: harness agent install {self.layer}")
        return found

    def _needs(self, layer: Layer | None) -> Sequence[str]:
        return (*super()._needs(layer), *self.needs)

    def _program(self, layer: Layer | None) -> list[str]:
        return []


def _filler(start: Start) -> Callable[[str], str]:
    """Fills the names in braces in; other braces stay."""
    values = {
        "prompt": start.prompt,
        "model": start.model,
        "effort": start.effort,
        "base_url": start.base_url,
        "key": start.key,
        "state": start.state,
        "home": start.home,
        "folder": start.around.folder,
        "agent": MOUNT,
    }
    return lambda text: _NAMED.sub(lambda found: values[found[1]], text)


def _dig(event: Json, keys: Sequence[str]) -> Json:
    for key in keys:
        event = event.get(key) if isinstance(event, dict) else None
    return event
