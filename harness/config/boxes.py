"""What task files may say about boxes: the sandbox, its services, and what is taken out of it after the work."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic.json_schema import WithJsonSchema

from harness.config import units
from harness.records.content import Json

_WORD = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}
Time = Annotated[float, BeforeValidator(units.seconds), WithJsonSchema({**_WORD, "examples": ["20m"]})]
Count = Annotated[int, BeforeValidator(units.count), WithJsonSchema({**_WORD, "examples": ["500k"]})]
Memory = Annotated[int, BeforeValidator(units.memory), WithJsonSchema({**_WORD, "examples": ["2g"]})]


def _in_box(value: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError("expected an absolute path in the box, such as /work/repo")
    return str(path)


def _artifact(value: str) -> str:
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts:
        raise ValueError("an artifact's name is a relative path without ..")
    return value


def _mapping_or_text(value: object) -> str:
    return "mapping" if isinstance(value, dict) else "text"


InBox = Annotated[str, AfterValidator(_in_box), WithJsonSchema({"type": "string", "pattern": "^/"})]
Word = Annotated[str, Field(min_length=1)]


CLOSED = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)
"""Closed to unknown keys; nothing is converted in silence."""


class Spec(BaseModel):
    """What all of these share."""

    model_config = CLOSED


class FileSpec(Spec):
    """A file under another name."""

    path: str
    """The file, looked up beside this file, then from the workspace."""
    name: Word
    """The name the system sees; folders allowed (`docs/policy.pdf`)."""


FileEntry = Annotated[
    Annotated[str, Tag("text")] | Annotated[FileSpec, Tag("mapping")], Discriminator(_mapping_or_text)
]


class HealthcheckSpec(Spec):
    """A shell command that exits with 0 when a box or a service is ready."""

    command: Word
    """The command."""
    interval: Time = 0.25
    """How long to wait between two tries."""
    timeout: Time = 5.0
    """The longest one try may take."""
    wait: Time = 60.0
    """The longest all tries together may take."""


Healthy = Annotated[
    Annotated[Word, Tag("text")] | Annotated[HealthcheckSpec, Tag("mapping")], Discriminator(_mapping_or_text)
]


class ServiceSpec(Spec):
    """A container beside the box, on the task's private network."""

    image: str = ""
    """Its image by name."""
    dockerfile: Word | None = None
    """Or build its image from this Dockerfile (or the folder with one)."""
    command: list[str] = []
    """Its command, word by word; the image's own if absent."""
    env: dict[str, str] = {}
    """Its environment variables."""
    healthcheck: Healthy | None = None
    """When it is ready: a shell command, or a mapping."""
    memory: Memory = 1024**3
    """Its memory: `512m`, `2g`."""

    @model_validator(mode="after")
    def _one_image(self) -> ServiceSpec:
        if bool(self.image) == (self.dockerfile is not None):
            raise ValueError("say `image` or `dockerfile`")
        return self


class RepoSpec(Spec):
    """A repository, laid down in the image without its history."""

    source: Word
    """A git URL, or a repository or bundle, looked up beside this file, then from the workspace."""
    base: Word
    """The commit it is given at."""
    dest: InBox = "/work/repo"
    """The folder in the box."""


class SandboxFields(Spec):
    """The box a task asks for."""

    image: str = "sandbox"
    """The image; `sandbox` is the one built from this repository's Dockerfile."""
    dockerfile: str | None = None
    """Build the image from this Dockerfile (or the folder with one) instead; its folder is the build context."""
    setup: list[str] = []
    """Commands run as root when the image is made, once."""
    files: list[FileEntry] = []
    """Files laid down under `workdir` when the image is made."""
    repo: RepoSpec | None = None
    """A repository laid down when the image is made."""
    user: str = ""
    """Who commands run as; the image's user if absent."""
    workdir: InBox | None = None
    """Where commands run; the image's if absent."""
    network: Literal["none", "internal", "open"] = "none"
    """`none` unless the task needs more: `internal` reaches only its services, `open` everything."""
    services: dict[Word, ServiceSpec] = {}
    """Containers beside the box by their host names; they need `network: internal`."""
    healthcheck: Healthy | None = None
    """When the box is ready: a shell command, or a mapping."""
    memory: Memory = 2 * 1024**3
    """Memory: `512m`, `2g`."""
    cpus: Annotated[float, Field(gt=0, le=1024)] = 1.0
    """Processor cores, parts allowed."""
    pids: Annotated[int, Field(ge=1)] = 256
    """How many processes may run at once."""
    disk: Memory = 2 * 1024**3
    """How much may be written in all: `500m`, `2g`."""
    output: Memory = 1024**2
    """How much of one command's output is kept: `1m`."""
    command_timeout: Time = 1800.0
    """The longest one command may take: `90s`, `30m`."""
    env: dict[str, str] = {}
    """Environment variables."""
    options: dict[str, Json] = {}
    """What the sandbox plugin knows beyond these."""


class HttpProbe(Spec):
    """A request sent from beside the box, while it still runs."""

    url: Word
    """The address; `box` is the box's host name."""
    method: str = "GET"
    """The method."""
    headers: dict[str, str] = {}
    """Headers."""
    body: str = ""
    """The body."""


class SqlProbe(Spec):
    """A query made from beside the box, while it still runs."""

    url: Word
    """The database, such as `postgresql://user:word@db/shop`."""
    query: Word
    """One statement; its rows are kept as JSON."""


class CommandProbe(Spec):
    """A command run in a clean container beside the box, while it still runs."""

    argv: Annotated[list[str], Field(min_length=1)]
    """The command, word by word."""
    image: Word = "sandbox"
    """The image it runs in."""


WHAT = ("patch", "file", "tree", "changes", "processes", "http", "sql", "command")


class CollectSpec(Spec):
    """One thing taken out of the box after the work: exactly one of patch, file, tree, changes, processes, http, ..."""

    patch: InBox | None = None
    """The difference between this folder and what it was, as a git patch."""
    file: InBox | None = None
    """A file."""
    tree: InBox | None = None
    """A folder, as a tar."""
    changes: Annotated[list[InBox], Field(min_length=1)] | None = None
    """Everything that differs from the image under these folders (`[/]` for all), to be applied to a clean box."""
    processes: Literal[True] | None = None
    """The list of processes that run at the end."""
    http: HttpProbe | None = None
    """The answer to a request."""
    sql: SqlProbe | None = None
    """The rows of a query."""
    command: CommandProbe | None = None
    """The output of a command run beside the box."""
    exclude: list[Word] = []
    """Globs of paths left out of a patch, a tree or changes."""
    max_size: Memory = 16 * 1024**2
    """Above this nothing is taken, and the attempt is flagged."""

    @model_validator(mode="after")
    def _one(self) -> CollectSpec:
        said = [name for name in WHAT if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"say exactly one of {', '.join(WHAT)}; found {' and '.join(said) or 'none'}")
        return self


Collected = Annotated[
    Annotated[Literal["processes"], Tag("text")] | Annotated[CollectSpec, Tag("mapping")],
    Discriminator(_mapping_or_text),
]
CollectMap = dict[Annotated[str, AfterValidator(_artifact)], Collected]
