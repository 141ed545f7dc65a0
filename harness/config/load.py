"""From a suite's name to a resolved Suite, or to every fault at once.

suite.yaml -> sections checked one by one -> task files, rows, included suites -> systems -> Suite. Nothing stops at
the first fault: what is sound is still checked, so that one reading mends all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from harness.config.bind import Binder, Bound
from harness.config.boxes import SandboxFields
from harness.config.document import Document, read_document
from harness.config.faults import YamlSpot, checked, describe
from harness.config.fields import FieldMaker, Fields, limits_of, merge
from harness.config.files import Finder
from harness.config.quarantine import marked, quarantine_path, read_quarantine
from harness.config.schema import DEFAULT_SANDBOX, RowsFile, SuiteFile, SystemsFile, TasksFile, TaskSpec
from harness.config.suite import BoundGrader, Suite
from harness.config.systems import SystemLoader
from harness.config.tasks import TaskLoader
from harness.config.workspace import QUARANTINE, find_suite
from harness.errors import ConfigError, Fault, NothingToRun
from harness.plugins.contracts import Sandbox
from harness.plugins.loader import did_you_mean, installed
from harness.records.task import Task, digest_of
from harness.toolkit.judging.judge import Judge


def load_suite(workspace: Path, name: str) -> Suite:
    """The suite `name` (see `find_suite`), resolved. Keys and engines are not looked for here.

    Raises ConfigError with every fault, UsageFault when there is no such suite, NothingToRun when it has no task.
    """
    workspace = workspace.resolve()
    path = find_suite(workspace, name)
    return _SuiteLoader(workspace, path).load()


def load_with_judge(workspace: Path, name: str, judge: str) -> tuple[Suite, Judge]:
    """The same, and a judge by its name under `judges:`, whether or not a grader asks it. Raises ConfigError too."""
    workspace = workspace.resolve()
    loader = _SuiteLoader(workspace, find_suite(workspace, name))
    suite = loader.load()
    return suite, loader.judge(judge)


def tasks_digest(tasks: Sequence[Task]) -> str:
    """Digest of a list of tasks with their references and graders, in order."""
    whole = ""
    for start in range(0, len(tasks), _CHUNK):
        part = [[t.id, t.digest, t.reference, t.graders, t.informative] for t in tasks[start : start + _CHUNK]]
        whole = digest_of(whole, part)
    return whole


_CHUNK = 1000
_TASK_KEYS = {*TaskSpec.model_fields, *TasksFile.model_fields, *RowsFile.model_fields}


@dataclass(slots=True)
class _SuiteLoader:
    workspace: Path
    path: Path
    faults: list[Fault] = field(default_factory=list)
    graders: dict[str, BoundGrader] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _documents: dict[Path, Document] = field(default_factory=dict)
    _loaded: set[Path] = field(default_factory=set)
    _not_tasks: set[Path] = field(default_factory=set)
    _finder: Finder = field(init=False)
    _binder: Binder = field(init=False)
    _tasks: TaskLoader = field(init=False)
    _systems: SystemLoader = field(init=False)
    _sandbox: Bound | None = None

    def __post_init__(self) -> None:
        self._finder = Finder(self.workspace, self.faults)
        self._binder = Binder(self.workspace, self.faults)
        maker = FieldMaker(self._binder, self._finder, self.faults, self.graders)
        self._tasks = TaskLoader(self.workspace, maker, self.faults)
        self._systems = SystemLoader(self.workspace, self._binder, self.faults)

    def load(self) -> Suite:
        document = self._document(self.path)
        spec = self._suite_file(document)
        if spec is None:
            raise ConfigError(self._told())
        spot = YamlSpot(document)
        prices = self._beside(spec.prices, spot.at("prices"))
        if isinstance(spec.gate, str):
            self._beside(spec.gate, spot.at("gate"))
        self._sandbox = self._sandbox_of(spec, spot.at("sandbox"))
        self._all_systems(spec, spot)
        self._all_tasks(spec, spot, {}, (self.path,))
        told = self._told()
        if told:
            raise ConfigError(told)
        if not self._tasks.tasks:
            raise NothingToRun(
                f"the suite '{spec.suite}' has no task",
                place=spot.place(),
                help="name task files: tasks: [tasks/mine/*.yaml]",
            )
        overlay = self.workspace / (prices or "prices.yaml")
        return self._resolved(spec, overlay if overlay.is_file() else None)

    def judge(self, name: str) -> Judge:
        """A judge named in the suite or in graders/judges.yaml. Raises ConfigError."""
        found = self._binder.part(Judge, name, YamlSpot(self._document(self.path)))
        if not isinstance(found, Judge):
            raise ConfigError(self._told())
        return found

    def _resolved(self, spec: SuiteFile, prices: Path | None) -> Suite:
        entries = read_quarantine(quarantine_path(self.path), self._shown(quarantine_path(self.path)))
        tasks, notes = marked(self._tasks.tasks, entries, datetime.now(UTC).date())
        systems, limits, made = self._systems.systems, limits_of(spec.limits), self._sandbox
        return Suite(
            name=spec.suite,
            workspace=self.workspace,
            path=self.path,
            tasks=tasks,
            systems=systems,
            graders=self.graders,
            epochs=spec.epochs,
            limits=limits,
            budget_usd=spec.budget.cost_usd if spec.budget else None,
            coverage_floor=spec.coverage.floor,
            may_lack=tuple(spec.coverage.may_lack),
            infra_retries=spec.retries.infra,
            concurrency=spec.concurrency,
            boxes=spec.boxes,
            sandbox=made.plugin if made is not None and isinstance(made.plugin, Sandbox) else None,
            sandbox_config=made.config if made is not None else {},
            seed=spec.seed,
            cache=spec.cache,
            prices=prices,
            description=spec.description,
            digest=digest_of(
                spec.suite,
                spec.epochs,
                spec.seed,
                limits,
                tasks_digest(tasks),
                {n: g.digest for n, g in self.graders.items()},
                {n: [s.harness_digest, s.model_digest, s.limits] for n, s in systems.items()},
            ),
            notes=(*self.notes, *notes),
            gate=spec.gate,
            judge_gate=spec.judge_gate,
            calibration=spec.calibration,
            nightly=spec.nightly,
        )

    def _sandbox_of(self, spec: SuiteFile, spot: YamlSpot) -> Bound | None:
        """How boxes are made. Without a word of the suite it is the shipped one, if that is installed."""
        if spec.sandbox is None and DEFAULT_SANDBOX not in installed("sandbox"):
            return None
        said = DEFAULT_SANDBOX if spec.sandbox is None else spec.sandbox
        if isinstance(said, dict) and "use" not in said and said.keys() <= SandboxFields.model_fields.keys():
            what = "this says what is in a box, and here stands how boxes are made"
            self.faults.append(spot.fault(what, (), "write it under `defaults`: {sandbox: ...}"))
            return None
        return self._binder.bind("sandbox", said, spot)

    def _suite_file(self, document: Document) -> SuiteFile | None:
        if not isinstance(document.data, dict):
            if not document.faults:
                self.faults.append(document.fault(f"a suite is a mapping, found {describe(document.data)}"))
            return None
        return checked(SuiteFile, document.data, YamlSpot(document), self.faults, {"suite": "x"})

    def _all_systems(self, spec: SuiteFile, spot: YamlSpot) -> None:
        for i, system in enumerate(spec.systems):
            self._systems.add(system, spot.at("systems", i))
        if spec.systems_file:
            found = self._beside(spec.systems_file, spot.at("systems_file"))
            if found:
                document = self._document(self.workspace / found)
                there = YamlSpot(document)
                if not document.faults or document.data is not None:
                    file = checked(SystemsFile, document.data, there, self.faults, {"systems": []})
                    for i, system in enumerate(file.systems if file else ()):
                        self._systems.add(system, there.at("systems", i))
        elif not spec.systems and "systems" not in (spot.document.data or {}):
            self.faults.append(
                spot.fault("`systems` is missing", (), "name at least one: systems: [{name: floor, harness: empty}]")
            )
        elif not spec.systems and spot.document.data["systems"] == []:
            self.faults.append(spot.fault("`systems` is empty", ("systems",)))
        self._systems.finish()

    def _all_tasks(self, spec: SuiteFile, spot: YamlSpot, base: Fields, chain: tuple[Path, ...]) -> None:
        """The tasks of a suite and of what it includes. `chain` is how this suite was reached."""
        path = chain[-1]
        self._loaded.add(path)
        self._keep_out(spec, path)
        self._binder.name("judges", spec.judges, YamlSpot(self._document(path)).at("judges"))
        base = merge(base, self._tasks.maker.make(spec.defaults, spot.at("defaults"), path.parent))
        for i, entry in enumerate(spec.tasks):
            here = spot.at("tasks", i)
            if not isinstance(entry, str):
                self._tasks.add_task(entry, here, path.parent, base)
                continue
            for found in self._matches(entry, here):
                self._task_file(found, base, here, literal=not _is_glob(entry))
        for i, pattern in enumerate(spec.include):
            here = spot.at("include", i)
            for found in self._matches(pattern, here):
                if not (_is_glob(pattern) and found == path):
                    self._include(found, base, here, chain)

    def _task_file(self, path: Path, base: Fields, spot: YamlSpot, *, literal: bool) -> None:
        if path in self._loaded or (path in self._not_tasks and not literal):
            return
        document = self._document(path)
        if isinstance(document.data, dict) and "suite" in document.data:
            if literal:
                self.faults.append(spot.fault(f"{document.shown} is a suite", (), "bring its tasks in by `include`"))
            else:
                self.notes.append(f"{document.shown} is a suite and was passed over; `include` brings its tasks in")
            return
        if not literal and isinstance(document.data, dict) and not (_TASK_KEYS & document.data.keys()):
            self.notes.append(f"{document.shown} has no key of a task file and was passed over")
            return
        self._loaded.add(path)
        self._tasks.add_file(document, base)

    def _include(self, path: Path, base: Fields, spot: YamlSpot, chain: tuple[Path, ...]) -> None:
        if path in chain:
            circle = " -> ".join(self._shown(p) for p in (*chain[chain.index(path) :], path))
            self.faults.append(spot.fault(f"suites that include each other: {circle}"))
            return
        document = self._document(path)
        if not (isinstance(document.data, dict) and "suite" in document.data):
            self._task_file(path, base, spot, literal=True)
            return
        if path in self._loaded:
            return
        spec = self._suite_file(document)
        if spec is not None:
            self._all_tasks(spec, YamlSpot(document), base, (*chain, path))

    def _keep_out(self, spec: SuiteFile, path: Path) -> None:
        """Files this suite names for other ends; a glob of task files passes over them."""
        names = (
            QUARANTINE,
            spec.systems_file,
            spec.prices or "prices.yaml",
            spec.gate if isinstance(spec.gate, str) else "gates.yaml",
        )
        self._not_tasks |= {(base / n).resolve() for n in names if n for base in (path.parent, self.workspace)}

    def _matches(self, pattern: str, spot: YamlSpot) -> Sequence[Path]:
        if pattern.startswith(("/", "~")) or ".." in Path(pattern).parts or not pattern:
            self.faults.append(
                spot.fault(f"'{pattern}' is outside the workspace", (), "write it from the workspace: tasks/...")
            )
            return []
        if not _is_glob(pattern):
            path = self.workspace / pattern
            if path.is_file():
                return [path.resolve()]
            there = [self._shown(p) for p in _yaml_files(self.workspace / "tasks")]
            help = did_you_mean(pattern, there) or (f"write {pattern}/*.yaml for a folder" if path.is_dir() else "")
            self.faults.append(spot.fault(f"no such file: {pattern}", (), help or "paths are from the workspace"))
            return []
        found = [p.resolve() for p in sorted(self.workspace.glob(pattern)) if p.is_file()]
        if not found:
            help = "globs are from the workspace, as in tasks/mine/*.yaml"
            self.faults.append(spot.fault(f"no file matches '{pattern}'", (), help))
        return found

    def _beside(self, name: str | None, spot: YamlSpot) -> str | None:
        return self._finder.find(name, self.path.parent, spot) if name else None

    def _document(self, path: Path) -> Document:
        if path not in self._documents:
            document = read_document(path, self._shown(path))
            self._documents[path] = document
        return self._documents[path]

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.workspace).as_posix() if path.is_relative_to(self.workspace) else str(path)

    def _told(self) -> list[Fault]:
        """Every fault once. What a document itself says at a place goes before what followed from it."""
        own = [
            fault for document in (*self._documents.values(), *self._binder.documents()) for fault in document.faults
        ]
        taken = {fault.place for fault in own}
        rest = [fault for fault in self.faults if fault.place not in taken]
        return list(dict.fromkeys([*own, *rest]))


def _is_glob(pattern: str) -> bool:
    return re.search(r"[*?\[]", pattern) is not None


def _yaml_files(folder: Path) -> Iterable[Path]:
    return sorted(folder.rglob("*.yaml"))
