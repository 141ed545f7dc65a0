"""Task files to tasks: one task, many tasks, rows with a template. Every task is told with its place."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.config.document import Document
from harness.config.faults import DataSpot, RowSpot, Spot, YamlSpot, checked, describe, unknown_key
from harness.config.fields import FieldMaker, Fields, merge
from harness.config.schema import RowsFile, TaskFields, TasksFile, TaskSpec
from harness.errors import ConfigError, Fault, HarnessError, Place
from harness.plugins.contracts import Grader, TaskSource
from harness.plugins.loader import did_you_mean
from harness.records.content import Json
from harness.records.task import Task, task_digest

ROW_FAULTS = 5
"""So many rows with a fault in the same field are told one by one; the rest is counted."""

_NO_META: dict[str, Json] = {}
"""One for all tasks without `meta`; 100,000 empty ones are 6 MB."""

_TEXT_FIELDS = ("id", "family", "prompt", "canary")
"""Fields in which a template may give a whole number: it becomes its digits."""


@dataclass(slots=True)
class TaskLoader:
    """Gathers the tasks of a suite in order. `tasks` holds the sound ones, `faults` what was said wrong."""

    workspace: Path
    maker: FieldMaker
    faults: list[Fault]
    tasks: list[Task] = field(default_factory=list)
    seen: int = 0
    _places: dict[str, str] = field(default_factory=dict)

    def add_file(self, document: Document, base: Fields) -> None:
        """All tasks of a task file, over the defaults of its suite."""
        data, spot = document.data, YamlSpot(document)
        if not isinstance(data, dict):
            if not document.faults:
                self.faults.append(document.fault(f"a task file is a mapping, found {describe(data)}"))
            return
        folder = self.workspace / Path(document.shown).parent
        if "rows" in data or "template" in data:
            self._rows_file(data, spot, folder, base)
        elif "tasks" in data:
            self._tasks_file(data, spot, folder, base)
        else:
            self.add_task(data, spot, folder, base)

    def add_task(self, data: Json, spot: YamlSpot, folder: Path, base: Fields) -> None:
        """One task as written in YAML."""
        self.seen += 1
        before = len(self.faults)
        full, there = self.expanded(data, spot, folder)
        spec = checked(TaskSpec, full, there, self.faults, {"id": "x"}) if full is not None else None
        if spec is None:
            return
        if isinstance(data, dict) and not isinstance(data.get("reference", ""), str):
            self.faults.extend(spot.document.unclear((*spot.base, "reference")))
        if spec.shuffle_choices and spec.choices is None:
            self.faults.append(spot.fault("there are no `choices` to shuffle", ("shuffle_choices",), key=True))
        own = self.maker.make(spec, there, folder)
        sound = len(self.faults) == before and not spot.document.faults
        if isinstance(data, dict) and isinstance(data.get("id"), str):
            sound = self._unique(data["id"], spot, str(spot.place())) and sound
        if sound:
            self._finish(merge(base, own), there, str(spot.place()))

    def expanded(self, data: Json, spot: Spot, folder: Path) -> tuple[Json, Spot]:
        """A task with its `kind` spelled out and the spot of its faults; None after a fault of the kind was told."""
        if not isinstance(data, dict) or "kind" not in data:
            return data, spot
        from harness.config.kinds.expand import Tools, expand

        tools = Tools(self.maker.binder, self.maker.finder, self.faults, self.workspace, folder)
        return expand(data, spot, tools) or (None, spot)

    def _tasks_file(self, data: Json, spot: YamlSpot, folder: Path, base: Fields) -> None:
        spec = checked(TasksFile, data, spot, self.faults, {"tasks": []})
        if spec is None:
            return
        if not spec.tasks and data.get("tasks") == []:
            self.faults.append(spot.fault("`tasks` is empty", ("tasks",)))
        base = merge(base, self.maker.make(spec.defaults, spot.at("defaults"), folder))
        for i, task in enumerate(spec.tasks):
            self.add_task(task, spot.at("tasks", i), folder, base)

    def _rows_file(self, data: Json, spot: YamlSpot, folder: Path, base: Fields) -> None:
        from harness.config.template import Template, TemplateFault

        before = len(self.faults)
        spec = checked(RowsFile, data, spot, self.faults, {"rows": {}})
        if spec is None or len(self.faults) > before:
            return
        if spec.template is None or "kind" in spec.template:
            self._whole_rows(spec, spot, folder, base)
            return
        here = spot.at("template")
        if "reference" in spec.template:
            self.faults.extend(spot.document.unclear((*here.base, "reference")))
        try:
            template = Template(spec.template)
        except TemplateFault as e:
            self.faults.append(here.fault(str(e), e.loc, e.help))
            return
        constant = checked(TaskFields, {"id": "x", **template.constant}, here, self.faults, {})
        for key in template.dynamic:
            if key not in TaskSpec.model_fields:
                what, help = unknown_key(key, list(TaskSpec.model_fields))
                self.faults.append(here.fault(what, (key,), help, key=True))
        if "id" not in spec.template:
            help = 'make it from the row: id: "{{ id }}" or id: "q-{{ row_number }}"'
            self.faults.append(here.fault("`id` is missing", (), help))
        source = self._source(spec.rows, spot.at("rows"), folder)
        if constant is None or len(self.faults) > before or source is None or spot.document.faults:
            return
        base = merge(base, self.maker.make(spec.defaults, spot.at("defaults"), folder))
        fixed = self.maker.make(constant, here, folder)
        if "id" not in template.constant:
            fixed.pop("id", None)
        if len(self.faults) == before:
            _Rows(self, template, here, folder, merge(base, fixed)).add(source, spot.at("rows"))

    def _whole_rows(self, spec: RowsFile, spot: YamlSpot, folder: Path, base: Fields) -> None:
        """Rows that are tasks themselves, or become tasks of a kind: each is checked as a whole."""
        from harness.config.template import Template, TemplateFault

        here = spot.at("template") if spec.template is not None else None
        try:
            template = Template(spec.template) if spec.template is not None else None
        except TemplateFault as e:
            self.faults.append(spot.at("template").fault(str(e), e.loc, e.help))
            return
        source = self._source(spec.rows, spot.at("rows"), folder)
        if source is None or spot.document.faults:
            return
        base = merge(base, self.maker.make(spec.defaults, spot.at("defaults"), folder))
        _Rows(self, template, here, folder, base, whole=True).add(source, spot.at("rows"))

    def _source(self, raw: Mapping[str, Json], spot: Spot, folder: Path) -> TaskSource | None:
        said = dict(raw)
        if "use" not in said:
            said["use"] = "rows"
            if isinstance(said.get("path"), str):
                said["path"] = self.maker.finder.find(said["path"], folder, spot.at("path"), folder=True)
                if said["path"] is None:
                    return None
        elif isinstance(path := said.get("path"), str) and not (self.workspace / path).exists():
            beside = (folder / path).resolve()
            if beside.exists() and beside.is_relative_to(self.workspace):
                said["path"] = beside.relative_to(self.workspace).as_posix()
        bound = self.maker.binder.bind("source", said, spot)
        return bound.plugin if bound is not None and isinstance(bound.plugin, TaskSource) else None

    def _unique(self, id: str, spot: Spot, place: str) -> bool:
        """Tells an id that is there already, also in another case: folders of some systems do not tell them apart."""
        key = id.casefold()
        first = self._places.setdefault(id if key == id else key, place)
        if first is place:
            return True
        self.faults.append(spot.fault(f"the id '{id}' is taken by the task at {first}", ("id",), "ids are unique"))
        return False

    def _finish(self, fields: Fields, spot: Spot, place: str) -> None:
        before = len(self.faults)
        if not fields.get("prompt"):
            self.faults.append(spot.fault("`prompt` is missing", (), "say what is asked: prompt, or prompt_file"))
        if not fields.get("graders") and not fields.get("skip"):
            help = "name at least one that decides: graders: [match]"
            what = "no grader decides this task" if fields.get("informative") else "`graders` is missing"
            self.faults.append(spot.fault(what, (), help))
        self._reference(fields, spot)
        self._artifacts(fields, spot)
        if len(self.faults) > before:
            return
        fields["family"] = sys.intern(fields.get("family") or fields["id"])
        fields.setdefault("meta", _NO_META)
        fields.pop("box", None)
        task = Task(**fields, place=place)
        for name in (*task.graders, *task.informative):
            if lack := _check_task(self.maker.graders[name].grader, task):
                self.faults.append(spot.fault(f"the grader '{name}' cannot judge this task: {lack}", ("meta",)))
        if len(self.faults) > before:
            return
        msgspec.structs.force_setattr(task, "digest", task_digest(task))
        self.tasks.append(task)

    def _artifacts(self, fields: Fields, spot: Spot) -> None:
        """A check that something is not there would hold for ever of what nobody takes out of the box."""
        if fields.get("sandbox") is None:
            if fields.get("collect"):
                what, help = "`collect` takes things out of a box, and this task has none", "add `sandbox: {}`"
                self.faults.append(spot.fault(what, ("collect",), help, key=True))
            return
        if fields.get("skip"):
            return
        there = [one.name for one in fields.get("collect", ())]
        for name in (*fields.get("graders", ()), *fields.get("informative", ())):
            for wanted in self.maker.graders[name].grader.reads():
                if wanted not in there:
                    help = did_you_mean(wanted, there) or f"collected: {', '.join(there) or 'nothing'}"
                    what = f"the grader '{name}' reads '{wanted}', which the task does not `collect`"
                    self.faults.append(spot.fault(what, ("collect",), help))

    def _reference(self, fields: Fields, spot: Spot) -> None:
        reference = fields.get("reference")
        for name in (*fields.get("graders", ()), *fields.get("informative", ())):
            grader = self.maker.graders[name].grader
            if reference is None:
                if grader.needs_reference:
                    self.faults.append(
                        spot.fault(f"the grader '{name}' needs a `reference`", help="reference: the right answer")
                    )
                continue
            wrong = _check_reference(grader, reference)
            if wrong:
                self.faults.append(
                    spot.fault(f"the grader '{name}' cannot use this `reference`: {wrong}", ("reference",))
                )


@dataclass(slots=True)
class _Rows:
    """Tasks from the rows of one source. Without a template each row is a task; `whole` rows have no constant part."""

    loader: TaskLoader
    template: Any
    spot: Spot | None
    folder: Path
    base: Fields
    told: Counter[str] = field(default_factory=Counter)
    whole: bool = False

    def add(self, source: TaskSource, source_spot: Spot) -> None:
        number, before = 0, len(self.loader.faults)
        try:
            for number, row in enumerate(source.rows(self.loader.workspace), start=1):
                self._row({"row": row.values, "row_number": number, **row.values}, row.place)
        except HarnessError as e:
            for fault in e.faults if isinstance(e, ConfigError) else [e.fault]:
                self.loader.faults.append(fault if fault.place else source_spot.fault(fault.what, (), fault.help))
        except Exception as e:  # noqa: BLE001 - a source plugin's own failure: told at its place
            self.loader.faults.append(source_spot.fault(f"the source failed: {type(e).__name__}: {e}"))
        if number == 0 and len(self.loader.faults) == before:
            self.loader.faults.append(source_spot.fault("the source has no row"))
        for where, n in self.told.items():
            if n > ROW_FAULTS:
                in_field = f" in `{where}`" if where else ""
                what = f"{n - ROW_FAULTS} more rows have a fault{in_field}"
                loc = (where,) if where and self.spot else ()
                self.loader.faults.append((self.spot or source_spot).fault(what, loc))

    def _row(self, values: Mapping[str, Json], place: str) -> None:
        from harness.config.template import TemplateFault

        loader = self.loader
        loader.seen += 1
        before = len(loader.faults)
        spot: Spot = RowSpot(parse_place(place), self.spot) if self.spot else DataSpot(parse_place(place))
        where = ""
        try:
            made = self._made(values)
        except TemplateFault as e:
            loader.faults.append(spot.fault(str(e), e.loc, e.help))
            where = str(e.loc[0])
        else:
            self._task(made, spot, place)
        if len(loader.faults) > before:
            self._count(before, where)

    def _made(self, values: Mapping[str, Json]) -> dict[str, Json]:
        """What the row says of its task, without what is the same in all rows unless they are `whole`."""
        if self.template is None:
            return dict(values["row"])
        made = {**self.template.constant} if self.whole else {}
        made.update(self.template.render(values))
        for key in _TEXT_FIELDS:
            if type(made.get(key)) is int:
                made[key] = str(made[key])
        return made

    def _task(self, made: dict[str, Json], spot: Spot, place: str) -> None:
        loader = self.loader
        before = len(loader.faults)
        full, there = loader.expanded(made, spot, self.folder)
        spec = checked(TaskFields, full, there, loader.faults, {}) if full is not None else None
        if spec is None or len(loader.faults) > before:
            return
        fields = merge(self.base, loader.maker.make(spec, there, self.folder))
        if "id" not in fields:
            loader.faults.append(there.fault("the row gives no `id`", ("id",)))
        elif len(loader.faults) == before and loader._unique(fields["id"], spot, place):
            loader._finish(fields, there, place)

    def _count(self, before: int, where: str) -> None:
        faults = self.loader.faults
        where = where or _field_of(faults[before].what)
        self.told[where] += 1
        if self.told[where] > ROW_FAULTS:
            del faults[before:]


def _field_of(what: str) -> str:
    """The field a fault speaks of, as it is written in the message."""
    named = re.search(r"`(\w+)`", what)
    return named[1] if named else ""


def _check_task(grader: Grader, task: Task) -> str:
    try:
        return grader.check_task(task)
    except Exception as e:  # noqa: BLE001 - a plugin's own check: its fault is told at the task
        return f"{type(grader).__name__}.check_task failed: {type(e).__name__}: {e}"


def _check_reference(grader: Grader, reference: Json) -> str:
    try:
        return grader.check_reference(reference)
    except Exception as e:  # noqa: BLE001 - a grader's own check: told at the task
        return f"{type(grader).__name__}.check_reference failed: {type(e).__name__}: {e}"


def parse_place(text: str) -> Place:
    """`file:line` or `file:line:column` as a Place."""
    head, _, last = text.rpartition(":")
    if not head or not last.isdigit():
        return Place(text)
    path, _, line = head.rpartition(":")
    return Place(path, int(line), int(last)) if path and line.isdigit() else Place(head, int(last), 1)
