"""What suite and task files may say: pydantic models, whose docstrings are the manual and the JSON Schema.

Names of plugins stay as written here (`str` or a mapping with `use`); `bind.py` makes plugins of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic.json_schema import WithJsonSchema

from harness.config.boxes import CLOSED, CollectMap, Count, FileEntry, SandboxFields, Time
from harness.config.judge_gate import Calibration, JudgePolicy
from harness.records.content import Json
from harness.records.exchange import Outside
from harness.records.task import Horizon, Level

ID_RULE = r"[A-Za-z0-9][A-Za-z0-9._-]*"


def _id(value: str) -> str:
    if not re.fullmatch(ID_RULE, value) or len(value) > 128 or value.endswith("."):
        raise ValueError(
            "an id is 1 to 128 of the characters a-z A-Z 0-9 . _ -, begins with a letter or a digit and does not end "
            "with a dot: it becomes a folder name and a part of an address"
        )
    return value


Name = Annotated[str, AfterValidator(_id), WithJsonSchema({"type": "string", "pattern": f"^{ID_RULE}$"})]
Use = Annotated[Any, Field()]
"""A plugin: its name, or a mapping with `use` and its parameters."""


class Spec(BaseModel):
    """Closed to unknown keys; nothing is converted in silence."""

    model_config = CLOSED


class LimitsSpec(Spec):
    """Limits of one trial. A limit that is reached ends the work; what is there by then is graded."""

    time: Time | None = None
    """Working time: `90s`, `20m`, `1h30m`; waiting for rate limits is not counted."""
    turns: Annotated[int, Field(ge=1)] | None = None
    """Model calls."""
    tokens: Count | None = None
    """Tokens of all kinds: `500k`, `2m` (millions)."""
    cost_usd: Annotated[float, Field(gt=0)] | None = None
    """Cost of the model calls in US dollars."""


class ShapeSpec(Spec):
    """What a task is like, for slices, advice and routing."""

    horizon: Horizon | None = None
    """How long the work is: short, medium or long."""
    stakes: Level | None = None
    """What a mistake costs: low or high."""
    surface: str | None = None
    """What the work is on: document, code, browser, ..."""
    tools: Annotated[int, Field(ge=0)] | None = None
    """How many tools the work needs."""
    context: Count | None = None
    """How much must be read, in tokens: `40k`."""


class PartSpec(Spec):
    """One part of a prompt: exactly one of text, image and file."""

    text: str | None = None
    """Text."""
    image: str | None = None
    """An image file, looked up beside this file, then from the workspace."""
    file: str | None = None
    """Any other file, looked up in the same way."""

    @model_validator(mode="after")
    def _one(self) -> PartSpec:
        if len(self.model_fields_set) != 1 or getattr(self, next(iter(self.model_fields_set))) is None:
            raise ValueError("a part is exactly one of text, image and file")
        return self


def _list_or_text(value: object) -> str:
    return "list" if isinstance(value, list) else "text"


def _mapping_or_text(value: object) -> str:
    return "mapping" if isinstance(value, dict) else "text"


PromptPart = Annotated[
    Annotated[str, Tag("text")] | Annotated[PartSpec, Tag("mapping")], Discriminator(_mapping_or_text)
]
Prompt = Annotated[
    Annotated[str, Tag("text"), Field(min_length=1)] | Annotated[list[PromptPart], Tag("list"), Field(min_length=1)],
    Discriminator(_list_or_text),
]


class Defaults(Spec):
    """What holds for every task below that does not say otherwise.

    A task's own `limits`, `shape`, `sandbox` and `meta` are merged key by key over these; its `tags` are added; every
    other key replaces.
    """

    family: Annotated[str, Field(min_length=1)] | None = None
    """Tasks that share a document, a repository or a template: the unit of clustering. The id, if absent."""
    graders: list[Use] | None = None
    """How the work is graded; all of them must pass, but those marked `informative: true`."""
    limits: LimitsSpec | None = None
    """Limits of one trial."""
    shape: ShapeSpec | None = None
    """What the task is like."""
    tags: list[Annotated[str, Field(min_length=1)]] | None = None
    """Free words to select and slice by."""
    sandbox: SandboxFields | None = None
    """The box the task asks for."""
    collect: CollectMap | None = None
    """What is taken out of the box after the work, by the artifact's name: all that graders see of it."""
    allow: list[Outside] | None = None
    """What a provider may do for an agent outside its box, such as `web_search`; nothing, if absent. Agents only."""
    shuffle_choices: bool | None = None
    """Show the choices in another order in every epoch."""
    canary: Annotated[str, Field(min_length=1)] | None = None
    """A string that shows this task in training data."""
    meta: dict[str, Json] | None = None
    """Anything else worth keeping with the task."""


class TaskSpec(Defaults):
    """One task: something that is asked, and how the work is graded."""

    id: Name
    """Unique in the suite."""
    prompt: Prompt | None = None
    """What is asked: text, or a list of parts (text, image, file)."""
    prompt_file: str | None = None
    """A text file that holds the prompt."""
    files: list[FileEntry] | None = None
    """Files given with the task: placed in the box, or attached."""
    choices: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2)] | None = None
    """The options of a multiple-choice task; lettered when shown."""
    reference: Json = None
    """The right answer, any JSON value; hidden from systems."""
    reference_file: str | None = None
    """A file that holds the reference: JSON if its name ends in .json, text otherwise."""
    skip: Annotated[str, Field(min_length=1)] | None = None
    """Why this task is not run for now: its trials are skipped with this reason and count nowhere."""


class TaskFields(TaskSpec):
    """A template's fields for the tasks made from rows; `id` and `prompt` are asked for when a row is made a task."""

    id: Name | None = None  # type: ignore[assignment]
    """Unique in the suite, so made from the row: `"{{ id }}"`, or `"q-{{ row_number }}"`."""


class TasksFile(Spec):
    """Many tasks in one file."""

    defaults: Defaults = Defaults()
    """What holds for every task of this file that does not say otherwise."""
    tasks: list[Any]
    """The tasks."""


class RowsFile(Spec):
    """Tasks made from the rows of a data set, by a template or as they are."""

    defaults: Defaults = Defaults()
    """What holds for every task of this file that does not say otherwise."""
    rows: dict[str, Any]
    """Where the rows come from: `path` or `hub`, or `use:` and the parameters of a source plugin."""
    template: dict[str, Any] | None = None
    """A task in which texts are Jinja2 templates over the columns of a row; without it each row is itself a task."""


class SystemSpec(Spec):
    """A system: a harness with its models and settings."""

    name: Name
    """What reports call it."""
    harness: Use
    """The harness: its name, or a mapping with `use` and its parameters."""
    model: Use = None
    """The model for every role: `provider/name`, or a mapping with `use`, `name` and parameters."""
    models: dict[str, Any] = {}
    """Models for single roles; `model` serves the others."""
    settings: dict[str, Any] = {}
    """Parameters given to every model of this system (effort, temperature, ...)."""
    limits: LimitsSpec = LimitsSpec()
    """Limits of one trial under this system; they go before the task's and the suite's."""
    default: bool = True
    """Whether it runs when the command line names no system."""


class SystemsFile(Spec):
    """Systems shared by suites."""

    systems: Annotated[list[Any], Field(min_length=1)]
    """The systems."""


class BudgetSpec(Spec):
    """What a whole run may cost."""

    cost_usd: Annotated[float, Field(gt=0)]
    """US dollars, judges included."""


class CoverageSpec(Spec):
    """How much must be graded for a run to be believed."""

    floor: Annotated[float, Field(ge=0, le=1)] = 0.98
    """The share of planned trials that must be graded."""
    may_lack: list[Name] = []
    """Requirements that a machine may lack: trials that were skipped for one of these are left out of the floor, and
    every report says which and how many: `[engine]`."""


class RetriesSpec(Spec):
    """What is tried again. A system's own failure never is."""

    infra: Annotated[int, Field(ge=0, le=10)] = 1
    """How often a trial is tried again after an infrastructure failure."""


class NightlySpec(Spec):
    """What `harness nightly` and `harness trend` do for this suite."""

    systems: list[Name] = []
    """The systems that run at night; the default systems if absent. Globs."""
    control: str = ""
    """A pinned, cheap system that runs on the same nights: when it falls too, a change is not of the others alone."""
    canary: str = "canary"
    """The suite of scripted agents with a known outcome; where there is none, that canary is not measured."""
    budget_usd: Annotated[float, Field(gt=0)] | None = None
    """What a night may cost, judges included; the suite's budget if absent."""
    max_age: Annotated[str, Field(pattern=r"^\d+(\.\d+)?[dhm]$")] = "36h"
    """Without a valid night in this time the trend is stale: `36h`, `2d`."""
    yearly_alarms: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """The chance of any false alarm in a quiet year, over all charts."""
    confirm: bool = True
    """Whether an alarm is looked at once more with fresh epochs, the same night; it may cost `budget_usd` again."""


def _short(key: str) -> Callable[[object], object]:
    """A plain number stands for a mapping with one key."""
    return lambda value: {key: value} if isinstance(value, int | float) and not isinstance(value, bool) else value


@dataclass(frozen=True)
class _or_number:
    """In the JSON Schema, a plain number is allowed too."""

    model: type[Spec]

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> Any:
        return {"anyOf": [{"type": "number", "minimum": 0}, handler(core_schema)]}


DEFAULT_SANDBOX = "docker"
"""How boxes are made where a suite does not say: the one that is shipped."""


class SuiteFile(Spec):
    """A suite: tasks x systems x epochs."""

    suite: Name
    """The suite's name."""
    description: str = ""
    """What the suite is for."""
    tasks: list[Any] = []
    """Task files by glob, from the workspace (`tasks/mine/*.yaml`), or tasks written here."""
    include: list[str] = []
    """Other suites' tasks and other task files, by glob from the workspace."""
    defaults: Defaults = Defaults()
    """What holds for every task of this suite that does not say otherwise."""
    systems: list[Any] = []
    """The systems under test."""
    systems_file: str | None = None
    """A file with `systems:`, looked up beside this file, then from the workspace."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How often every task is run under every system."""
    limits: LimitsSpec = LimitsSpec()
    """Limits of one trial; a task's or a system's own go before them."""
    budget: BudgetSpec | None = None
    """What a whole run may cost."""
    coverage: Annotated[CoverageSpec, BeforeValidator(_short("floor")), _or_number(CoverageSpec)] = CoverageSpec()
    """How much must be graded for a run to be believed; a plain number is the floor."""
    retries: Annotated[RetriesSpec, BeforeValidator(_short("infra")), _or_number(RetriesSpec)] = RetriesSpec()
    """What is tried again; a plain number is that of infrastructure failures."""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Trials in flight."""
    sandbox: Use = None
    """How boxes are made: a sandbox plugin by name, or a mapping with `use` and its parameters; `docker` if absent.
    What a task asks of its box is said in the task, or for all of them in `defaults`."""
    boxes: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """Trials in flight that work in a box; twice the number of cores if absent."""
    seed: int = 0
    """Seed of everything that is shuffled or sampled."""
    cache: bool = False
    """Whether model calls that were made before are answered from the cache."""
    judges: dict[Annotated[str, Field(min_length=1)], dict[str, Any]] = {}
    """Judges by name, for the graders of this suite: `{main: {model: provider/snapshot, output: schema}}`. Judges for
    the whole workspace stand in `graders/judges.yaml`."""
    prices: str | None = None
    """A price overlay; `prices.yaml` in the workspace if it is there."""
    gate: str | dict[str, Any] | None = None
    """When a run is good enough: a file, or written here."""
    judge_gate: JudgePolicy = JudgePolicy()
    """From when on a judge counts as a valid instrument; a judge that fails it makes the run invalid."""
    calibration: Calibration = Calibration()
    """By which labels of people its judges are measured, and by which design scores are corrected."""
    nightly: NightlySpec = NightlySpec()
    """What runs at night, and how it is watched."""
