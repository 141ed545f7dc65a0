"""From what a task file says to the fields of a Task; how defaults and a task's own words are put together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config.bind import Binder
from harness.config.box_fields import collects, merged_boxes, said_in, sandbox_of
from harness.config.faults import Spot, describe
from harness.config.files import Finder
from harness.config.schema import Defaults, LimitsSpec, ShapeSpec, TaskSpec
from harness.config.suite import BoundGrader
from harness.errors import Fault
from harness.records.content import File, Json, Text
from harness.records.task import Limits, Shape

Fields = dict[str, Any]
"""Keyword arguments of a Task, as far as they are known; `box` holds the sandbox's own keys for merging."""

_PLAIN = ("id", "family", "shuffle_choices", "canary", "reference", "meta", "skip")


@dataclass(slots=True)
class FieldMaker:
    """Makes fields for one workspace; bound graders are gathered in `graders` by their unique names."""

    binder: Binder
    finder: Finder
    faults: list[Fault]
    graders: dict[str, BoundGrader]

    def make(self, spec: Defaults, spot: Spot, folder: Path) -> Fields:
        """The fields that were said. `folder` is where the file stands that says them."""
        said = spec.model_fields_set
        fields: Fields = {name: getattr(spec, name) for name in _PLAIN if name in said and _has(spec, name)}
        if spec.tags is not None:
            fields["tags"] = tuple(spec.tags)
        if spec.limits is not None:
            fields["limits"] = limits_of(spec.limits)
        if spec.shape is not None:
            fields["shape"] = _shape(spec.shape)
        if "sandbox" in said:
            fields["box"] = (
                said_in(spec.sandbox, spot.at("sandbox"), folder, self) if spec.sandbox is not None else None
            )
        if spec.collect is not None:
            fields["collect"] = collects(spec.collect)
        if spec.allow is not None:
            fields["allow"] = tuple(spec.allow)
        if spec.graders is not None:
            fields["graders"], fields["informative"] = self._graders(spec.graders, spot.at("graders"))
        if isinstance(spec, TaskSpec):
            self._task_only(spec, spot, folder, fields)
        return fields

    def _task_only(self, spec: TaskSpec, spot: Spot, folder: Path, fields: Fields) -> None:
        if spec.choices is not None:
            fields["choices"] = tuple(spec.choices)
        if spec.prompt is not None and spec.prompt_file is not None:
            self.faults.append(spot.fault("both `prompt` and `prompt_file` are given", ("prompt_file",), key=True))
        elif isinstance(spec.prompt, str):
            fields["prompt"] = spec.prompt
        elif spec.prompt is not None:
            fields["prompt"] = self._parts(spec.prompt, spot.at("prompt"), folder)
        elif spec.prompt_file is not None:
            fields["prompt"] = self.finder.text(spec.prompt_file, folder, spot.at("prompt_file"))
        if spec.files is not None:
            fields["files"] = self.files(spec.files, spot.at("files"), folder)
        if spec.reference_file is not None:
            if spec.reference is not None:
                fault = spot.fault("both `reference` and `reference_file` are given", ("reference_file",), key=True)
                self.faults.append(fault)
            fields["reference"] = self._reference(spec.reference_file, spot.at("reference_file"), folder)

    def _reference(self, name: str, spot: Spot, folder: Path) -> Json:
        text = self.finder.text(name, folder, spot)
        if text is None or not name.endswith(".json"):
            return text
        try:
            return json.loads(text)
        except ValueError as e:
            self.faults.append(spot.fault(f"{name} is not JSON: {e}"))
            return None

    def _parts(self, parts: list[Any], spot: Spot, folder: Path) -> tuple[Text | File, ...]:
        made: list[Text | File | None] = []
        for i, part in enumerate(parts):
            if isinstance(part, str) or part.text is not None:
                made.append(Text(part if isinstance(part, str) else part.text))
                continue
            key = "image" if part.image is not None else "file"
            file = self.finder.record(part.image or part.file, folder, spot.at(i, key))
            if file and key == "image" and not file.media_type.startswith("image/"):
                what = f"'{file.name}' is {file.media_type}, not an image"
                self.faults.append(spot.at(i, key).fault(what, (), "give it as `file`"))
            made.append(file)
        return tuple(p for p in made if p is not None)

    def files(self, entries: list[Any], spot: Spot, folder: Path) -> tuple[File, ...]:
        """The records of files that are named, with those left out that are not there."""
        found: dict[str, File] = {}
        for i, entry in enumerate(entries):
            path, shown = (entry, "") if isinstance(entry, str) else (entry.path, entry.name)
            if shown and (shown.startswith("/") or ".." in Path(shown).parts):
                self.faults.append(spot.fault(f"'{shown}' is not a name inside the task's folder", (i, "name")))
                continue
            file = self.finder.record(path, folder, spot.at(i), shown)
            if file is None:
                continue
            if file.name in found:
                what = f"two files are named '{file.name}'"
                self.faults.append(spot.fault(what, (i,), "give one another name: {path: ..., name: ...}"))
            found[file.name] = file
        return tuple(found.values())

    def _graders(self, entries: list[Any], spot: Spot) -> tuple[tuple[str, ...], tuple[str, ...]]:
        deciding: list[str] = []
        informative: list[str] = []
        for i, entry in enumerate(entries):
            here = spot.at(i)
            raw, name, informs = self._own_words(entry, here)
            bound = self.binder.bind("grader", raw, here)
            if bound is None:
                continue
            key = self._register(name or _shown(bound.use), bound)
            if key in deciding or key in informative:
                self.faults.append(here.fault(f"the grader '{key}' is listed twice", (), "keep one of them"))
                continue
            (informative if informs else deciding).append(key)
        return tuple(deciding), tuple(informative)

    def _own_words(self, entry: Json, spot: Spot) -> tuple[Json, str, bool]:
        """What belongs to the binding of a grader (`name`, `informative`) and not to its parameters."""
        if not isinstance(entry, dict):
            return entry, "", False
        raw = dict(entry)
        name, informs = raw.pop("name", ""), raw.pop("informative", False)
        if not isinstance(name, str) or "@" in name:
            self.faults.append(spot.fault(f"`name`: expected text without @, found {describe(name)}", ("name",)))
            name = ""
        if not isinstance(informs, bool):
            what = f"`informative`: expected true or false, found {describe(informs)}"
            self.faults.append(spot.fault(what, ("informative",)))
        return raw, name, informs is True

    def _register(self, name: str, bound: Any) -> str:
        known = self.graders.get(name)
        if known is not None and known.digest != bound.digest:
            name = f"{name}@{bound.digest[:6]}"
        if name not in self.graders:
            self.graders[name] = BoundGrader(name, bound.plugin, bound.digest, bound.config)
        return name


def merge(base: Fields, over: Fields) -> Fields:
    """`base` with `over` on top: limits, shape, sandbox and meta key by key; tags added; everything else replaced."""
    fields = {**base, **over}
    if "limits" in over and "limits" in base:
        fields["limits"] = base["limits"].merged(over["limits"])
    if "shape" in over and "shape" in base:
        old, new = base["shape"], over["shape"]
        fields["shape"] = Shape(*(getattr(old if getattr(new, f) is None else new, f) for f in Shape.__struct_fields__))
    if "tags" in over and "tags" in base:
        fields["tags"] = tuple(dict.fromkeys(base["tags"] + over["tags"]))
    if "meta" in over and "meta" in base:
        fields["meta"] = {**base["meta"], **over["meta"]}
    if "box" in over:
        if over["box"] is not None and base.get("box"):
            fields["box"] = merged_boxes(base["box"], over["box"])
        fields["sandbox"] = sandbox_of(fields["box"])
    elif "box" in base and "sandbox" not in base:
        fields["sandbox"] = sandbox_of(base["box"])
    return fields


def limits_of(spec: LimitsSpec) -> Limits:
    """The record of what a YAML says about limits."""
    return Limits(spec.time, spec.turns, spec.tokens, spec.cost_usd)


def _shape(spec: ShapeSpec) -> Shape:
    return Shape(spec.horizon, spec.stakes, spec.surface, spec.tools, spec.context)


def _has(spec: Defaults, name: str) -> bool:
    return getattr(spec, name) is not None


def _shown(use: str) -> str:
    """`match` for match, `tone` for graders/tone.py:Tone."""
    return Path(use.partition(":")[0]).stem if ".py" in use else use
