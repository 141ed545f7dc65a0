"""`harbor`: tasks in the format of Harbor and Terminal-Bench 2, each a folder, taken as they are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from harness.api import Json, Row, TaskSource, UsageFault
from harness.errors import ConfigError, Place
from harness.sources._harbor_limits import unsupported
from harness.sources._harbor_parts import canary_of, environment, plain_env, solution_script

EXAMPLE = "harbor/hello"


class Harbor(TaskSource):
    """Every row is a whole task: prompt, box, what is collected, the grader `harbor`, and the solution as reference.

    The folder is one task (it has a `task.toml`) or holds tasks. What the format has and this importer has not
    (steps, compose files, GPUs, Windows, MCP servers, ...) makes a task `skipped`, with all reasons; it is never half
    run. Nothing of `tests/` and `solution/` is in the box that the work is done in.
    """

    version: ClassVar[str] = "1"
    example: ClassVar[Mapping[str, Json]] = {"path": "harbor"}
    example_files: ClassVar[Mapping[str, str]] = {
        f"{EXAMPLE}/task.toml": 'schema_version = "1.4"\n[metadata]\ndifficulty = "easy"\n[environment]\ncpus = 1\n',
        f"{EXAMPLE}/instruction.md": "Write the word hello into /work/hello.txt.\n",
        f"{EXAMPLE}/environment/Dockerfile": "FROM debian:bookworm-slim\nWORKDIR /work\n",
        f"{EXAMPLE}/tests/test.sh": "#!/bin/sh\nif grep -qsx hello /work/hello.txt; then r=1; else r=0; fi\n"
        "echo $r > /logs/verifier/reward.txt\n",
        f"{EXAMPLE}/solution/solve.sh": "#!/bin/sh\necho hello > /work/hello.txt\n",
    }

    path: str
    """The folder of a task, or a folder of such folders, from the workspace."""
    network: Literal["task", "none", "open"] = "task"
    """The box's network while the work is done: what `task.toml` says in words and otherwise none; or always this."""
    verifier_network: Literal["none", "open"] = "none"
    """The verifier's network. With `none`, tasks whose verifier fetches things are skipped."""
    run_anyway: tuple[str, ...] = ()
    """Names of tasks that are not skipped for a guess (a verifier that seems to fetch things or to look at running
    processes); what is surely unsupported is still skipped."""
    allow: tuple[str, ...] = ()
    """Globs of protected paths that the work may change (see the grader `harbor`)."""
    max_changes: str = "256m"
    """The most that a work's changes may amount to."""

    def check(self, workspace: Path) -> Sequence[str]:
        """Whether there is a task."""
        if not (workspace / self.path).is_dir():
            return (f"no such folder: {self.path}",)
        if not _folders(workspace / self.path):
            return (f"{self.path} holds no task: neither it nor a folder in it has a task.toml",)
        return ()

    def rows(self, workspace: Path) -> Iterable[Row]:
        """A task for each folder, sorted by name. Raises UsageFault with the place when one cannot be read.

        It is raised after all others were read; ConfigError when there are several.
        """
        return self._rows(workspace)

    def _rows(self, workspace: Path) -> Iterator[Row]:
        faulty: list[UsageFault] = []
        for folder in _folders(workspace / self.path):
            shown = folder.relative_to(workspace).as_posix()
            try:
                task = self._task(folder, shown)
            except UsageFault as e:
                faulty.append(e)
            else:
                yield Row(task, f"{shown}/task.toml:1")
        if faulty:
            raise faulty[0] if len(faulty) == 1 else ConfigError([e.fault for e in faulty])

    def _task(self, folder: Path, shown: str) -> dict[str, Json]:
        toml = read_toml(folder / "task.toml", f"{shown}/task.toml")
        said = {name: table(toml, name, shown) for name in ("task", "metadata", "agent", "verifier", "environment")}
        instruction = _instruction(folder, shown, steps="steps" in toml)
        canary, prompt = canary_of(instruction)
        notes: list[str] = []
        skip = unsupported(folder, toml, self.verifier_network == "open", folder.name in self.run_anyway, notes)
        sandbox = environment(said["environment"], said["agent"], folder, shown)
        if self.network != "task":
            sandbox["network"] = self.network
        verifier = said["verifier"]
        row: dict[str, Json] = {
            "id": _id(folder.name),
            "prompt": prompt or "(no instruction)",
            "sandbox": sandbox,
            "collect": {"changes": {"changes": ["/"], "exclude": list(LEFT_OUT), "max_size": self.max_changes}},
            "graders": [self._grader(verifier, shown)],
            "tags": _tags(said["metadata"], said["task"]),
            "meta": {"harbor": {"folder": shown, "metadata": said["metadata"], "notes": notes}},
        }
        optional: dict[str, Json] = {
            "canary": canary,
            "limits": _limits(said["agent"]),
            "reference": solution_script(folder / "solution", table(toml, "solution", shown)),
            "skip": "; ".join(skip),
        }
        if skip:
            del row["graders"]
        return row | {key: value for key, value in optional.items() if value}

    def _grader(self, verifier: Mapping[str, Any], shown: str) -> dict[str, Json]:
        grader: dict[str, Json] = {"use": "harbor", "tests": f"{shown}/tests"}
        if "timeout_sec" in verifier:
            grader["timeout_s"] = float(verifier["timeout_sec"])
        if env := plain_env(verifier.get("env", {})):
            grader["env"] = env
        if verifier.get("user"):
            grader["user"] = str(verifier["user"])
        if self.verifier_network != "none":
            grader["network"] = self.verifier_network
        if self.allow:
            grader["allow"] = list(self.allow)
        return grader


LEFT_OUT = ("/solution", "/var/cache/apt", "/var/lib/apt/lists", "*/__pycache__", "/root/.cache", "/home/*/.cache")
"""Not collected: where the solution was laid down, and caches, which are made anew and in part compiled code."""
_AT = re.compile(r"at line (\d+), column (\d+)")


def read_toml(path: Path, shown: str) -> dict[str, Any]:
    """A TOML file. Raises UsageFault with the place of what is wrong."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as e:
        at = _AT.search(str(e))
        place = Place(shown, int(at[1]), int(at[2])) if at else Place(shown)
        raise UsageFault(f"not TOML: {_AT.sub('', str(e)).rstrip(' ()')}", place=place) from e
    except (OSError, UnicodeDecodeError) as e:
        raise UsageFault(f"cannot read {shown}: {e}") from e


def table(toml: Mapping[str, Any], name: str, shown: str) -> dict[str, Any]:
    """A table of a task.toml, empty if it is not there. Raises UsageFault."""
    found = toml.get(name, {})
    if not isinstance(found, dict):
        raise UsageFault(f"`{name}` must be a table", place=Place(f"{shown}/task.toml"), help=f"write [{name}]")
    return found


def _folders(path: Path) -> list[Path]:
    if (path / "task.toml").is_file():
        return [path]
    return sorted(child for child in path.iterdir() if (child / "task.toml").is_file()) if path.is_dir() else []


def _instruction(folder: Path, shown: str, *, steps: bool) -> str:
    path = folder / "instruction.md"
    if steps and not path.is_file():
        return ""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageFault("the task has no instruction.md", place=Place(f"{shown}/task.toml")) from None
    except UnicodeDecodeError as e:
        raise UsageFault(f"instruction.md is not UTF-8: byte {e.start}", place=Place(f"{shown}/instruction.md")) from e
    if not canary_of(text)[1]:
        raise UsageFault("instruction.md says nothing", place=Place(f"{shown}/instruction.md"))
    return text


def _limits(agent: Mapping[str, Any]) -> dict[str, Json]:
    return {"time": float(agent["timeout_sec"])} if agent.get("timeout_sec") else {}


def _tags(metadata: Mapping[str, Any], task: Mapping[str, Any]) -> list[Json]:
    words = [*metadata.get("tags", []), metadata.get("category"), metadata.get("difficulty"), *task.get("keywords", [])]
    return list(dict.fromkeys(str(word) for word in words if word))


def _id(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:128] or "task"
