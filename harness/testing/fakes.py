"""Small real parts for authors and tests: an in-memory SolveContext, a box of bytes, tasks to try a harness on.

ctx = FakeContext(workspace, Says("ANSWER: 14"))
output = await MyHarness().solve(a_task("What is 7 + 7?"), ctx)
assert output.answer == "14" and "7 + 7" in ctx.calls[0].last_text
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeVar

from harness.errors import SandboxError, UsageFault
from harness.plugins.boxes import Screen
from harness.plugins.contracts import MAX_READ_BYTES, Box, Completed, Gateway, ModelClient
from harness.records.content import File, Json, Request, Response, Text, Usage
from harness.records.outcome import Output
from harness.records.task import Limits, SandboxSpec, Shape, TaskView

T = TypeVar("T")

SCRATCH = "/work"
"""The folder relative paths of a FakeBox mean."""


def a_task(
    prompt: str | tuple[Text | File, ...],
    *,
    id: str = "example-text",
    files: tuple[File, ...] = (),
    n_choices: int = 0,
    shape: Shape | None = None,
    sandbox: SandboxSpec | None = None,
) -> TaskView:
    """A task as a harness sees it."""
    return TaskView(id=id, prompt=prompt, files=files, shape=shape or Shape(), n_choices=n_choices, sandbox=sandbox)


def a_file(workspace: Path, name: str, data: bytes, media_type: str = "text/plain") -> File:
    """Write a file into a workspace and say it as a task would."""
    path = workspace / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return File(Path(name).name, name, media_type, hashlib.sha256(data).hexdigest())


class Says:
    """A client that answers with what a function makes of the request, or with one text, or raises one error."""

    def __init__(self, answer: str | Response | BaseException | Callable[[Request], str | Response]) -> None:
        self.answer = answer

    async def generate(self, request: Request) -> Response:
        """The answer. Yields to the loop once, so that concurrent solves really mix."""
        await asyncio.sleep(0)
        answer = self.answer(request) if callable(self.answer) else self.answer
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Response) else a_response(answer)

    async def aclose(self) -> None:
        """Nothing is open."""


def a_response(text: str, stop: Literal["end", "max_tokens", "refusal"] = "end") -> Response:
    """A response with one text."""
    return Response((Text(text),) if text else (), stop, Usage(input=1, output=1, calls=1), "fake")


@dataclass(frozen=True, slots=True)
class Call:
    """One model call that a harness made."""

    role: str
    request: Request

    @property
    def last_text(self) -> str:
        """The text of the last message."""
        return "\n\n".join(p.text for p in self.request.messages[-1].parts if isinstance(p, Text))


class FakeContext:
    """A SolveContext in memory. Every call, note, saved output and delegation is kept, in order.

    `clients` is one client for every role, or a client by role; only `roles` are there. `systems` answers for other
    systems of the suite; without it each says its name. `reference_reads` counts looks at the reference.
    """

    def __init__(
        self,
        workspace: Path,
        clients: ModelClient | Mapping[str, ModelClient],
        *,
        roles: Sequence[str] = ("main",),
        systems: Mapping[str, Callable[[TaskView], Awaitable[Output]]] | None = None,
        box: Box | None = None,
        reference: Json = None,
        gateway: Gateway | None = None,
    ) -> None:
        self.workspace = workspace
        self.box = box
        self.gateway: Gateway | None = gateway
        self.epoch = 1
        self.seed = 0
        self.limits = Limits()
        self.calls: list[Call] = []
        self.notes: list[tuple[str, str, Json]] = []
        self.saved: list[Output] = []
        self.delegated: list[tuple[str, TaskView]] = []
        self.reference_reads = 0
        self._reference = reference
        self._systems = systems
        by_role = clients if isinstance(clients, Mapping) else dict.fromkeys(roles, clients)
        self.models: Mapping[str, ModelClient] = {r: _Recording(r, c, self.calls) for r, c in by_role.items()}

    @property
    def reference(self) -> Json:
        """The reference; looking is counted."""
        self.reference_reads += 1
        return self._reference

    @reference.setter
    def reference(self, value: Json) -> None:
        self._reference = value

    async def delegate(self, system: str, task: TaskView) -> Output:
        """Another system: one of `systems`, or without any an answer that names the system."""
        self.delegated.append((system, task))
        if self._systems is None:
            return Output(answer=f"answered by {system}")
        if system not in self._systems:
            raise UsageFault(f"no system '{system}' to delegate to")
        return await self._systems[system](task)

    def note(self, kind: str, text: str = "", data: Json = None) -> None:
        """Kept in `notes`."""
        self.notes.append((kind, text, data))

    def save(self, output: Output) -> None:
        """Kept in `saved`; the last one counts."""
        self.saved.append(output)

    def read_file(self, file: File) -> bytes:
        """The bytes. Raises UsageFault when they are not those of the digest."""
        data = (self.workspace / file.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise UsageFault(f"{file.path} changed since the run began")
        return data


class _Recording:
    def __init__(self, role: str, client: ModelClient, calls: list[Call]) -> None:
        self.role = role
        self.client = client
        self.calls = calls

    async def generate(self, request: Request) -> Response:
        self.calls.append(Call(self.role, request))
        return await self.client.generate(request)

    async def aclose(self) -> None:
        await self.client.aclose()


@dataclass(slots=True)
class Finished:
    """A Completed."""

    exit_code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    timed_out: bool = False
    truncated: bool = False
    oom_killed: bool = False
    disk_full: bool = False


class FakeBox:
    """A box that is a dictionary of files. Commands are answered by `run`, which may change `files`."""

    def __init__(self, run: Callable[[Sequence[str], dict[str, bytes]], Finished] | None = None) -> None:
        self.image_digest = "sha256:fake"
        self.files: dict[str, bytes] = {}
        self.commands: list[tuple[str, ...]] = []
        self.stopped = False
        self._run = run

    async def exec(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        user: str = "",
        workdir: str = "",
        on_output: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """What `run` says; without it, exit code 0 and no output."""
        if self.stopped:
            raise SandboxError("stopped", "the box was stopped")
        self.commands.append(tuple(argv))
        finished = self._run(argv, self.files) if self._run else Finished()
        if on_output is not None and (said := finished.stdout + finished.stderr):
            on_output(said)
        return finished

    async def terminal(
        self, argv: Sequence[str], screen: Screen, *, env: Mapping[str, str] | None = None, workdir: str = ""
    ) -> int:
        """There is no terminal here."""
        raise SandboxError("terminal", "this box has no terminal")

    async def read(self, path: str, *, max_bytes: int = MAX_READ_BYTES) -> bytes:
        """A file's bytes. Raises FileNotFoundError."""
        full = _absolute(path)
        if full not in self.files:
            raise FileNotFoundError(path)
        return self.files[full]

    async def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file."""
        self.files[_absolute(path)] = data

    async def get_archive(
        self, path: str, *, max_bytes: int = MAX_READ_BYTES, keep: Callable[[str], bool] | None = None
    ) -> bytes:
        """A file or folder as a tar, sorted by name. Raises FileNotFoundError."""
        full = _absolute(path)
        found = {n: d for n, d in sorted(self.files.items()) if n == full or n.startswith(full.rstrip("/") + "/")}
        if not found:
            raise FileNotFoundError(path)
        above = full.rsplit("/", 1)[0] + "/"
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, data in found.items():
                if keep is not None and not keep(name.removeprefix(above)):
                    continue
                entry = tarfile.TarInfo(name.removeprefix(above))
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        return buffer.getvalue()

    async def put_archive(self, path: str, archive: bytes) -> None:
        """Take every regular file of a tar."""
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for entry in tar:
                if (data := tar.extractfile(entry)) is not None:
                    self.files[f"{_absolute(path).rstrip('/')}/{entry.name}"] = data.read()

    async def export(self, read: Callable[[IO[bytes]], T]) -> T:
        """Every file, as a tar."""
        return read(io.BytesIO(await self.get_archive("/") if self.files else b"\0" * 1024))

    async def changes(self) -> Sequence[tuple[Literal["modified", "added", "deleted"], str]]:
        """Every file: a fake box starts empty."""
        return [("added", name) for name in sorted(self.files)]

    async def processes(self) -> Sequence[Mapping[str, str]]:
        """Nothing runs."""
        return []

    async def beside(
        self, argv: Sequence[str], *, image: str, timeout_s: float, stdin: bytes = b"", inside: bool = False
    ) -> Completed:
        """Raises SandboxError: nothing can stand beside a fake box."""
        raise SandboxError("engine", "a fake box has no neighbours")

    async def stop(self) -> None:
        """Refuse commands from now on."""
        self.stopped = True


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"{SCRATCH}/{path}"
