"""A task, and the part of it that a harness may see."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from harness.records.content import File, Json, Text
from harness.records.exchange import Outside

Level = Literal["low", "high"]
Horizon = Literal["short", "medium", "long"]


class Shape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a task is like, for slices, advice and routing.

    `surface` is a free word (document, code, browser, ...); `tools` is the number of tools the work needs;
    `context` is the size of what must be read, in tokens.
    """

    horizon: Horizon | None = None
    stakes: Level | None = None
    surface: str | None = None
    tools: int | None = None
    context: int | None = None


class Limits(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Limits of one trial; None is no limit. `time_s` counts working time, not waiting for rate limits."""

    time_s: float | None = None
    turns: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None

    def merged(self, over: Limits) -> Limits:
        """These limits, replaced wherever `over` says something."""
        return Limits(
            self.time_s if over.time_s is None else over.time_s,
            self.turns if over.turns is None else over.turns,
            self.tokens if over.tokens is None else over.tokens,
            self.cost_usd if over.cost_usd is None else over.cost_usd,
        )


class Healthcheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """A shell command that exits with 0 when a box or a service is ready. Times in seconds.

    It is tried every `interval_s`, each try at most `timeout_s`, for `wait_s` in all.
    """

    command: str
    interval_s: float = 0.25
    timeout_s: float = 5.0
    wait_s: float = 60.0


class Service(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sidecar beside the box, reached by `name` on the task's private network. Memory in bytes.

    Its image is `image` by name, or built from `dockerfile` as a box's is. An empty `command` is the image's own.
    """

    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    healthcheck: Healthcheck | None = None
    memory: int = 1024**3
    dockerfile: str = ""
    context: str = ""

    def box_spec(self) -> SandboxSpec:
        """Its image, said as a box's."""
        return SandboxSpec(image=self.image, dockerfile=self.dockerfile, context=self.context)


class Repo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A repository laid down in the image without its history: `git archive base`, then one commit.

    `source` is a git URL, a path or bundle relative to the workspace; `dest` the folder in the box.
    """

    source: str
    base: str
    dest: str = "/work/repo"


class SandboxSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """The box a task asks for. Sizes in bytes; `network` is none unless the task says otherwise in words.

    The image is `image` by name (`sandbox` is the project's own), or is built from `dockerfile`: a workspace path of
    a Dockerfile, whose folder is the build context, or of a folder with one; `context` is the digest of all that goes
    into its build, which is then held to it. `files` are laid down under `workdir` and `setup` commands run as root,
    both once, when the image is made. An empty `user` or `workdir` is the image's.
    `disk` bounds every file, everything written together, and the memory-backed folder `/scratch`. `output_bytes` is
    what is kept of one command's output; `command_timeout_s` is the longest a command may be given. `switch_user`
    lets root in the box become, end and own what is another user's: a grader's word, no task's.
    """

    image: str = "sandbox"
    setup: tuple[str, ...] = ()
    network: Literal["none", "internal", "open"] = "none"
    memory: int = 2 * 1024**3
    cpus: float = 1.0
    pids: int = 256
    env: dict[str, str] = {}
    options: dict[str, Json] = {}
    dockerfile: str = ""
    files: tuple[File, ...] = ()
    user: str = ""
    workdir: str = ""
    healthcheck: Healthcheck | None = None
    services: tuple[Service, ...] = ()
    disk: int = 2 * 1024**3
    output_bytes: int = 1024**2
    command_timeout_s: float = 1800.0
    repo: Repo | None = None
    context: str = ""
    switch_user: bool = False


class Collect(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing taken out of the box after the work, as the artifact `name` (docs/design/006).

    `path` is absolute in the box (patch, file, tree). `exclude` are globs left out of a patch or a tree. `changes` is
    everything that differs from the image under the folders `roots`, without those in `exclude`, as
    `harness.toolkit.taken` packs it. `http` has method, url, body, headers; `sql` has url and query; `command` has
    argv and image: these three run in a clean container beside the box. Above `max_bytes` nothing is taken and the
    attempt is flagged.
    """

    name: str
    what: Literal["patch", "file", "tree", "changes", "processes", "http", "sql", "command"]
    path: str = ""
    exclude: tuple[str, ...] = ()
    options: dict[str, Json] = {}
    max_bytes: int = 16 * 1024**2


_NO_META: dict[str, Json] = {}


class Task(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One thing asked, with everything needed to grade it.

    `prompt` is text or parts. `reference` is any JSON value and is hidden from systems. `graders` are names of the
    suite's bound graders, all of which must pass; `informative` graders are recorded and never decide.
    `allow` is what a provider may do for an agent outside its box; nothing unless the task says so in words.
    `skip` says why the task cannot be run here as it is; its trials are skipped with that reason, never half run.
    `place` is `file:line:column` of the task in the user's YAML. `digest` covers what the system is given;
    a grader's digest and the reference's are apart, so that a mended reference can be regraded.
    """

    id: str
    prompt: str | tuple[Text | File, ...]
    graders: tuple[str, ...] = ()
    informative: tuple[str, ...] = ()
    family: str = ""
    choices: tuple[str, ...] = ()
    shuffle_choices: bool = False
    reference: Json = None
    files: tuple[File, ...] = ()
    sandbox: SandboxSpec | None = None
    collect: tuple[Collect, ...] = ()
    limits: Limits = Limits()
    shape: Shape = Shape()
    tags: tuple[str, ...] = ()
    canary: str = ""
    meta: dict[str, Json] = msgspec.field(default_factory=lambda: _NO_META)
    skip: str = ""
    place: str = ""
    digest: str = ""
    allow: tuple[Outside, ...] = ()


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """What a harness may see of a task: an allow-list. No reference, grader, tag, canary or place is in it.

    `prompt` already has the choices in it, lettered, in this epoch's order. `serves` says that the living box is asked
    after the work: what was started there must go on running.
    """

    id: str
    prompt: str | tuple[Text | File, ...]
    files: tuple[File, ...]
    shape: Shape
    n_choices: int
    sandbox: SandboxSpec | None
    serves: bool = False


def digest_of(*values: Json) -> str:
    """A short content digest: 16 hexadecimal digits of SHA-256 over sorted JSON."""
    encoded = msgspec.json.encode(values, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:16]


def task_digest(task: Task) -> str:
    """Digest of what the system under test is given (prompt, choices, files by content, box, limits)."""
    prompt: Json = task.prompt if isinstance(task.prompt, str) else [_part_digest(p) for p in task.prompt]
    files = [[f.name, f.sha256] for f in task.files]
    allowed = (task.allow,) if task.allow else ()
    return digest_of(
        prompt, task.choices, task.shuffle_choices, files, task.sandbox, task.collect, task.limits, *allowed
    )


def _part_digest(part: Text | File) -> Json:
    return part.text if isinstance(part, Text) else [part.name, part.media_type, part.sha256]
