"""`kind: repo_patch | code_tests | script | state`: spelling that becomes the fields every task has.

A kind's task is a task whose grader's parameters are written beside its own keys, and whose sandbox, collection and
reference are said in short. Nothing below the configuration knows of kinds (docs/design/006).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config.bind import Binder
from harness.config.document import Loc
from harness.config.faults import Spot, checked, describe, unknown_key
from harness.config.files import Finder
from harness.config.kinds.keys import GRADERS, KEYS, BoxKind, CodeTests, RepoPatch, Script
from harness.config.kinds.moved import MovedSpot
from harness.config.schema import TaskSpec
from harness.errors import Fault
from harness.plugins.contracts import Plugin
from harness.plugins.loader import did_you_mean
from harness.records.content import Json

OWN_IMAGE, OWN_WORKDIR = "sandbox", "/work"
"""The image of a box that names none, which is the Dockerfile's stage of this name, and the folder it begins in."""
FILE_PARAMETERS = ("tests", "test_patch", "verifier")
"""Parameters of these graders that may name a file or folder: looked up beside the task file too."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What an expansion needs: who binds, who finds files, where faults go, where the task file stands."""

    binder: Binder
    finder: Finder
    faults: list[Fault]
    workspace: Path
    folder: Path


@dataclass(slots=True)
class Expansion:
    """A task in the making, and where each of its parts came from."""

    task: dict[str, Json]
    moves: dict[tuple[int | str, ...], tuple[int | str, ...]] = field(default_factory=dict)

    def put(self, made: Loc, value: Json, came: Loc) -> None:
        """Set a value at a path of at most two keys."""
        self.moves[tuple(made)] = tuple(came)
        target: Any = self.task
        for step in made[:-1]:
            target = target.setdefault(step, {})
        target[made[-1]] = value


def expand(data: Mapping[str, Json], spot: Spot, tools: Tools) -> tuple[dict[str, Json], Spot] | None:
    """The task that `kind:` stands for and the spot of its faults, or None after they were told."""
    kind = data["kind"]
    if not isinstance(kind, str) or kind not in KEYS:
        close = did_you_mean(kind, list(KEYS)) if isinstance(kind, str) else ""
        help = " — ".join(h for h in (close, f"kinds: {', '.join(KEYS)}") if h)
        tools.faults.append(spot.fault(f"no kind of task is {describe(kind)}", ("kind",), help))
        return None
    before = len(tools.faults)
    grader = tools.binder.load_class("grader", GRADERS[kind], spot.at("kind"))
    if grader is None:
        return None
    own = {key: value for key, value in data.items() if key in KEYS[kind].model_fields}
    keys = checked(KEYS[kind], own, spot, tools.faults, {})
    _unknown(data, kind, grader, spot, tools)
    if keys is None or len(tools.faults) > before:
        return None
    made = Expansion({k: _copied(v) for k, v in data.items() if k in TaskSpec.model_fields})
    _environment(keys, made, spot, tools)
    if not isinstance(keys, CodeTests) and _is_box(made) and "sandbox" not in made.task:
        made.put(("sandbox",), {}, ("kind",))  # work that is looked for in a box cannot be done without one
    if isinstance(keys, RepoPatch):
        _repo_patch(keys, made, spot, tools)
    else:
        _solution(kind, getattr(keys, "solution", None), made, spot, tools)
    if isinstance(keys, Script) and "collect" not in made.task and _is_box(made):
        _what_a_verifier_sees(made, spot, tools)
    _graders(data, kind, grader, made, tools)
    return made.task, MovedSpot(spot, tuple(made.moves.items()))


def parameters_of(kind: str, grader: type[Plugin]) -> list[str]:
    """The grader's parameters that may stand beside the keys of a task of this kind."""
    taken = {*TaskSpec.model_fields, *KEYS[kind].model_fields}
    return [name for name in grader.model_fields if name not in taken]


def _unknown(data: Mapping[str, Json], kind: str, grader: type[Plugin], spot: Spot, tools: Tools) -> None:
    known = [*TaskSpec.model_fields, *KEYS[kind].model_fields, *parameters_of(kind, grader)]
    for key in data:
        if key != "kind" and key not in known:
            what, help = unknown_key(str(key), known)
            tools.faults.append(spot.fault(what, (key,), help, key=True))


def _environment(keys: BoxKind, made: Expansion, spot: Spot, tools: Tools) -> None:
    said = keys.environment
    if said is None or not _is_box(made):
        return
    for name in sorted(said.model_fields_set):
        if name in made.task.get("sandbox", {}):
            what = f"`{name}` is said in `environment` and in `sandbox`"
            tools.faults.append(spot.fault(what, ("environment", name), "keep one of them", key=True))
        elif getattr(said, name) is not None:
            made.put(("sandbox", name), getattr(said, name), ("environment", name))


def _repo_patch(keys: RepoPatch, made: Expansion, spot: Spot, tools: Tools) -> None:
    if _is_box(made):
        box = made.task.get("sandbox", {})
        if "repo" in box:
            what = "the repository is said in `repo` and in `sandbox`"
            tools.faults.append(spot.fault(what, ("sandbox", "repo"), "leave it out here", key=True))
        elif keys.repo.source is not None:
            made.put(("sandbox", "repo"), keys.repo.model_dump(), ("repo",))
        if "workdir" not in box:
            made.put(("sandbox", "workdir"), keys.repo.dest, ("repo", "dest"))
    collect = made.task.get("collect")
    if collect is None or (isinstance(collect, dict) and "patch" not in collect):
        made.put(("collect", "patch"), {"patch": keys.repo.dest}, ("repo", "dest"))
    if keys.problem_statement is not None:
        _instead(
            made, "prompt_file", keys.problem_statement, ("prompt", "prompt_file"), "problem_statement", spot, tools
        )
    if keys.gold is not None:
        text = tools.finder.written(keys.gold, tools.folder, spot.at("gold"))
        _instead(made, "reference", {"patch": text}, ("reference", "reference_file"), "gold", spot, tools)


def _what_a_verifier_sees(made: Expansion, spot: Spot, tools: Tools) -> None:
    """What the work changed in its folder, if nothing else is said. Where that is only an image knows, it has to be."""
    box = made.task.get("sandbox", {})
    folder = box.get("workdir")
    if folder is None and ("dockerfile" in box or box.get("image", OWN_IMAGE) != OWN_IMAGE):
        help = "add `collect: {work: {changes: [/app]}}` with the folder the work is in, or `collect: {}` for nothing"
        tools.faults.append(spot.fault("nothing of the work would reach the verifier", ("kind",), help))
        return
    made.put(("collect", "work"), {"changes": [folder or OWN_WORKDIR]}, ("kind",))


def _solution(kind: str, said: str | None, made: Expansion, spot: Spot, tools: Tools) -> None:
    if said is None:
        return
    text: Json = tools.finder.written(said, tools.folder, spot.at("solution"))
    value = text if KEYS[kind] is CodeTests else {"script": text}
    _instead(made, "reference", value, ("reference", "reference_file"), "solution", spot, tools)


def _instead(
    made: Expansion, key: str, value: Json, others: tuple[str, ...], came: str, spot: Spot, tools: Tools
) -> None:
    for other in others:
        if other in made.task:
            tools.faults.append(spot.fault(f"both `{came}` and `{other}` are given", (other,), "keep one", key=True))
            return
    made.put((key,), value, (came,))


def _graders(data: Mapping[str, Json], kind: str, grader: type[Plugin], made: Expansion, tools: Tools) -> None:
    """The kind's grader first, with the parameters that stand beside the task's keys; then those that are listed."""
    said: dict[str, Json] = {"use": GRADERS[kind]}
    made.moves["graders", 0] = ("kind",)
    for name in parameters_of(kind, grader):
        if name in data:
            said[name] = _beside(name, data[name], tools)
            made.moves["graders", 0, name] = (name,)
    own = data.get("graders", [])
    if not isinstance(own, list):
        return
    for i in range(len(own)):
        made.moves["graders", i + 1] = ("graders", i)
    made.task["graders"] = [said, *own]


def _beside(name: str, value: Json, tools: Tools) -> Json:
    """A file named beside the task file, as a path from the workspace; anything else as it is."""
    if name not in FILE_PARAMETERS or not isinstance(value, str) or "\n" in value:
        return value
    here = (tools.folder / value).resolve()
    if here.exists() and here.is_relative_to(tools.workspace):
        return here.relative_to(tools.workspace).as_posix()
    return value


def _is_box(made: Expansion) -> bool:
    """Whether `sandbox` can be added to: if it is no mapping, its own check tells it."""
    if made.task.get("sandbox") is None:
        made.task.pop("sandbox", None)
        return True
    return isinstance(made.task["sandbox"], dict)


def _copied(value: Json) -> Json:
    return dict(value) if isinstance(value, dict) else value
