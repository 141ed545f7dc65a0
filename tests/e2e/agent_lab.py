"""A workspace with real agent CLIs in real boxes, the gateway in front of a scripted provider, and `harness run`."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_process import run_harness

from harness.agents.recipes import RECIPES
from harness.testing.wire import WireServer
from harness.toolkit.agent_layers import find_layer

ROOT = Path(__file__).parents[2]
KEY = "sk-real-key-of-the-host-3141592653"
CLAUDE, CODEX = "claude-opus-4-7", "gpt-5.5"
RUN_S = 1500
"""The longest a run of these tests may take; agents start slowly on a machine that is used by others."""


def absent(*agents: str) -> list[str]:
    """Those of them that are not installed."""
    return [name for name in agents if find_layer(name, RECIPES[name].version) is None]


def needs_agents(*agents: str) -> list[pytest.MarkDecorator]:
    """Marks of tests that run these agents: left out where they are not installed, unless they are required."""
    marks = [pytest.mark.docker, pytest.mark.slow, pytest.mark.xdist_group("agents")]
    if not os.environ.get("HARNESS_REQUIRE_AGENTS"):
        missing = absent(*agents)
        marks.append(pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"))
    return marks


@dataclass(slots=True)
class AgentLab:
    """`systems` are in the suite's words. Each run is a process of its own."""

    place: Path
    wire: WireServer
    tasks: list[dict[str, Any]] = field(default_factory=list)
    systems: list[dict[str, Any]] = field(default_factory=list)
    mark: str = "mark"
    suite: dict[str, Any] = field(default_factory=dict)
    said: str = ""
    code: int = -1

    def claude(self, name: str = "claude", **harness: Any) -> None:
        """Claude Code in front of the scripted provider."""
        model = {"use": "anthropic", "name": CLAUDE, "base_url": self.wire.url, "api_key_env": "LAB_KEY"}
        self.systems.append({"name": name, "harness": {"use": "claude_code", **harness}, "model": model})

    def codex(self, name: str = "codex", **harness: Any) -> None:
        """Codex in front of it."""
        model = {"use": "openai", "name": CODEX, "base_url": self.wire.url + "/v1", "api": "responses"}
        model["api_key_env"] = "LAB_KEY"
        self.systems.append({"name": name, "harness": {"use": "codex_cli", **harness}, "model": model})

    def both(self) -> None:
        """The two."""
        self.claude()
        self.codex()

    def task(self, id: str, *lines: str, answer: str = "", **more: Any) -> None:
        """A task whose prompt says what the model does. It leaves /work/out.txt."""
        prompt = "\n".join(("Do what the lines below say, one after another.", *lines))
        task = {"id": id, "prompt": prompt, "sandbox": {"memory": "3g"}, "collect": {"out": {"file": "/work/out.txt"}}}
        graders = [{"use": "match", "mode": "contains"}]
        self.tasks.append({**task, "reference": answer or "never said", "graders": graders, **more})

    def apart(self, n: int) -> None:
        """Tasks that each leave and say a mark of their own."""
        for i in range(n):
            mark = f"{self.mark}-{i:02}-x"
            self.task(f"apart-{i:02}", f"@@sh echo {mark} > /work/out.txt", f"@@say {mark}", answer=mark)

    def told_apart(self, attempts: Sequence[Mapping[str, Any]]) -> None:
        """Each attempt has its own mark and nobody else's: in its answer, its work and all of its transcript."""
        assert len(attempts) == len(self.tasks), self.said
        for i, attempt in enumerate(attempts):
            mark = f"{self.mark}-{i:02}-x"
            assert attempt["passed"] is True, attempt
            assert set(re.findall(r"\w+-\d\d-x", str(self.transcript(attempt)))) == {mark}
            assert len(self.exchanges(attempt)) == 2
            assert self.artifact(attempt, "out") == f"{mark}\n".encode()

    def priced(self, rate: float = 1.0) -> None:
        """Dollars for a million tokens, of either model."""
        host = self.wire.url.removeprefix("http://")
        rates = f"input: {rate}, output: {rate}, cache_read: {rate}"
        lines = [f'  - {{provider: "{host}", model: {m}, {rates}}}' for m in (CLAUDE, CODEX)]
        self.place.mkdir(parents=True, exist_ok=True)
        (self.place / "prices.yaml").write_text("\n".join(("prices:", *lines, "")))

    def write(self) -> None:
        """The workspace as it is now."""
        suite = {"suite": "lab", "tasks": ["tasks/lab/*.task.yaml"], "systems": self.systems}
        suite |= {"limits": {"time": "20m", "turns": 30}, "retries": {"infra": 0}, "boxes": 2, **self.suite}
        for name in ("graders", "runs", "tasks/lab"):
            (self.place / name).mkdir(parents=True, exist_ok=True)
        (self.place / "tasks/lab/suite.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
        for task in self.tasks:
            (self.place / f"tasks/lab/{task['id']}.task.yaml").write_text(yaml.safe_dump(task, sort_keys=False))

    def words(self, *more: str) -> tuple[str, ...]:
        """The command of a run."""
        return "run", "--suite", "lab", "--allow-unpriced", *more

    def argv(self, *more: str) -> list[str]:
        """Its command line."""
        return [sys.executable, "-m", "harness.cli.main", *self.words(*more)]

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Its environment, with the key."""
        return {**os.environ, "PYTHONPATH": str(ROOT), "LAB_KEY": KEY, **(more or {})}

    def run(self, *words: str, check: bool = True, env: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """`harness run`; the attempts in order of task, system and epoch."""
        self.write()
        done = run_harness(self.words(*words), self.place, self.env(env), RUN_S)
        self.said, self.code = done.stdout + done.stderr, done.returncode
        if check:
            assert self.folder is not None, self.said
        return self.attempts()

    @property
    def folder(self) -> Path | None:
        """The newest run."""
        return max((self.place / "runs").glob("*-lab-*"), default=None, key=lambda p: p.name)

    def attempts(self) -> list[dict[str, Any]]:
        """What was recorded."""
        if self.folder is None:
            return []
        lines = (self.folder / "attempts.jsonl").read_text().splitlines()
        return sorted((json.loads(line) for line in lines), key=lambda a: (a["task"], a["system"], a["epoch"]))

    def transcript(self, attempt: Mapping[str, Any]) -> dict[str, Any]:
        """The transcript of an attempt."""
        assert self.folder is not None
        at, length = attempt["transcript"]
        with (self.folder / "transcripts.jsonl").open("rb") as file:
            file.seek(at)
            found: dict[str, Any] = json.loads(file.read(length))
            return found

    def exchanges(self, attempt: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What passed through the gateway."""
        return [e for e in self.transcript(attempt)["events"] if e["event"] == "exchange"]

    def artifact(self, attempt: Mapping[str, Any], name: str) -> bytes | None:
        """An artifact's bytes."""
        assert self.folder is not None
        paths = [a["path"] for a in attempt.get("artifacts", ()) if a["name"] == name]
        return (self.folder / paths[0]).read_bytes() if paths else None

    def everything(self) -> bytes:
        """Every byte that the run left on disk."""
        assert self.folder is not None
        return b"\n".join(p.read_bytes() for p in sorted(self.folder.rglob("*")) if p.is_file())


def metrics(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """What the harness reports of its own work."""
    found: dict[str, Any] = attempt["output"]["metrics"]
    return found


def ledger(lab: AgentLab, *, mended: bool) -> None:
    """The task `box-ledger-split` of the suite `mine`; its prompt also says what the scripted model does."""
    mine = ROOT / "tasks/mine"
    shutil.copytree(mine / "data/ledger", lab.place / "tasks/lab/data/ledger")
    task = yaml.safe_load((mine / "box-ledger.yaml").read_text())
    gold = base64.b64encode((mine / "data/ledger/gold.patch").read_bytes()).decode()
    lines = ["@@sh cd /repo && git status --short && python3 -m unittest 2>&1 | tail -3"]
    if mended:
        lines.append(f"@@sh cd /repo && echo {gold} | base64 -d | git apply && git diff --stat")
    lines += ["@@sh cd /repo && python3 -m unittest 2>&1 | tail -3", "@@say I looked at split and split_by_weight."]
    task["prompt"] += "\n".join(("", *lines, ""))
    task["limits"] = {"time": "20m", "turns": 40}
    lab.tasks.append(task)


def words(found: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    """One field of each."""
    return [one.get(key) for one in found]
