"""What a judge is shown of a task and of work: pieces of text and files, the same for every side."""

from __future__ import annotations

import fnmatch
import hashlib
import mimetypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from pydantic import BaseModel, ConfigDict

from harness.api import Exchange, File, ModelError, Output, Task, Text, ToolCall, ToolResult, Transcript
from harness.records.task import digest_of
from harness.records.transcript import AT_A_TERMINAL, Command, ModelCall, Note
from harness.toolkit.images import described
from harness.toolkit.judging.looks import cut_to
from harness.toolkit.judging.prompt import Piece
from harness.toolkit.prompt import prompt_text
from harness.toolkit.reference import as_text
from harness.toolkit.wire.requests import neutral_messages

SHOWN = Path(".harness") / "cache" / "judged"
"""Where images and PDFs of work lie while judges look at them, by content."""
_SEEN_AS_FILE = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")


class Inputs(BaseModel):
    """What the judge sees."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    question: bool = True
    """The task's prompt and files."""
    answer: bool = True
    """The answer."""
    artifacts: tuple[str, ...] = ()
    """Artifacts by name or glob (`report.md`, `*.patch`): text, patches, images and PDFs. One that is asked for by name
    and was not delivered is shown as not delivered."""
    transcript: bool = False
    """What happened during the work, as numbered steps. Without it a judge sees artifacts, not claims about them."""
    reference: bool = False
    """The task's reference."""


def question_pieces(task: Task, inputs: Inputs, workspace: Path) -> list[Piece]:
    """The suite's own material: question, files, reference."""
    pieces: list[Piece] = []
    if inputs.question:
        pieces.append(Piece("question", prompt_text(task.prompt)))
        parts = () if isinstance(task.prompt, str) else task.prompt
        files = [p for p in parts if isinstance(p, File)] + list(task.files)
        pieces += [_given(file, workspace) for file in files]
    if inputs.reference and task.reference is not None:
        pieces.append(Piece("reference", as_text(task.reference)))
    return pieces


class Delivery(Protocol):
    """Work as it was delivered: a `Work`, or an opponent's `Delivered`."""

    @property
    def output(self) -> Output:
        """What was delivered."""
        ...

    @property
    def artifact(self) -> Callable[[str], bytes | None]:
        """An artifact's bytes by its name."""
        ...

    @property
    def transcript(self) -> Callable[[], Transcript | None]:
        """What happened; None, or LookupError, where nothing is known of it."""
        ...


def work_pieces(work: Delivery, inputs: Inputs, side: str, workspace: Path) -> list[Piece]:
    """One side's work. `side` is its label in this prompt, empty when there is only one."""
    output, artifact = work.output, work.artifact
    tail = f" {side}" if side else ""
    pieces = [Piece(f"answer{tail}", output.answer or "", side or "work")] if inputs.answer else []
    for name in _wanted(inputs.artifacts, [a.name for a in output.artifacts]):
        data = artifact(name)
        pieces.append(_artifact(f"file{tail}: {name}", data, name, side or "work", workspace))
    if inputs.transcript:
        steps = "\n\n".join(f"{i}. {step}" for i, step in enumerate(steps_shown(work)))
        pieces.append(Piece(f"transcript{tail}", steps or "[there is no transcript]", side or "work"))
    return pieces


def steps_shown(work: Delivery) -> list[str]:
    """The steps of work; none where nothing is known of how it was done."""
    try:
        return steps_of(work.transcript())
    except LookupError:
        return []


def side_text(pieces: Sequence[Piece], workspace: Path) -> str:
    """One side as a person reads it; images and PDFs by what they are and the path where they lie, which names no
    system, on a line of its own.
    """
    return "\n\n".join(_for_a_person(p.name, p.content, workspace) for p in pieces)


def _for_a_person(name: str, content: str | File, workspace: Path) -> str:
    if isinstance(content, str):
        return content
    try:
        return f"[{name}: {described((workspace / content.path).read_bytes())}]\n{content.path}"
    except OSError as e:
        return f"[{name}: cannot be read: {e.strerror}]\n{content.path}"


def seen_files(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """Where the images and PDFs of these pieces lie, from the workspace."""
    return tuple(p.content.path for p in pieces if isinstance(p.content, File))


def work_digest(sides: Sequence[tuple[str, Sequence[Piece]]], asked: str) -> str:
    """What is judged and what is asked of it, in one word, whatever the order of the sides."""
    said = [
        [who, *(sendable(p.content) if isinstance(p.content, str) else p.content.sha256 for p in ps)]
        for who, ps in sides
    ]
    return digest_of(sorted(said), sendable(asked))


def sendable(text: str) -> str:
    """Text that can be sent and written down: half surrogate pairs, which some model servers send, become `?`."""
    return text.encode("utf-8", "replace").decode()


def source_pieces(sources: Sequence[tuple[str, str]]) -> list[Piece]:
    """Given sources, by name."""
    return [Piece(f"source {i}: {name}", text) for i, (name, text) in enumerate(sources, 1)]


def steps_of(transcript: Transcript | None) -> list[str]:
    """A transcript as steps in order: what was said, which tools were called, what they gave back, what ran.

    Each action is there once. A command that a harness ran for a tool call is that call again, and one before the model
    was first asked is the harness's own; history that was sent again, shortened, is no step.
    """
    events = transcript.events if transcript else ()
    called = any(isinstance(p, ToolCall) for e in events for p in _replied(e))
    steps, asked, known = list[str](), not any(isinstance(e, ModelCall | Exchange) for e in events), dict[str, int]()
    for event in events:
        asked = asked or isinstance(event, ModelCall | Exchange)
        if isinstance(event, ModelCall):
            before = known.get(event.role, 0)
            told = event.request.messages[max(0, before - event.same) if event.same else 0 :]
            known[event.role] = event.same + len(event.request.messages) + 1
            steps += [f"tool result: {p.content}" for m in told for p in m.parts if isinstance(p, ToolResult)]
        elif isinstance(event, Exchange):
            new = [event.parts[d] for d in event.messages if d in event.parts]
            results = [p for m in neutral_messages(event.dialect, new) for p in m.parts if isinstance(p, ToolResult)]
            steps += [f"tool result: {r.content}" for r in results]
        elif isinstance(event, Command) and (event.note == AT_A_TERMINAL or (asked and not called)):
            ran = " ".join(event.argv)
            steps.append(f"command: {ran}\nexit code {event.exit_code}\n{event.stdout}{event.stderr}".strip())
        elif isinstance(event, Note) and event.kind == "step":
            steps.append(event.text)
        steps += _said(_replied(event))
    return steps


def _replied(event: object) -> Sequence[object]:
    """What a model said in this event."""
    response = event.response if isinstance(event, ModelCall | Exchange) else None
    return response.parts if response is not None else ()


def cut_alike(pieces: Sequence[Piece], most: int) -> tuple[list[Piece], int]:
    """All work cut to the same limit, so that everything fits into `most` characters; the limit, 0 for none needed.

    Both sides are cut alike, or a judge would see more of one than of the other. The suite's own pieces stay whole.
    """
    texts = [p.content for p in pieces if p.side and isinstance(p.content, str)]
    fixed = sum(len(p.content) for p in pieces if not p.side and isinstance(p.content, str))
    room = most - fixed - 100 * len(texts)
    limit = room // len(texts) if texts else 0
    if limit < 200:
        return list(pieces), 0
    return [_cut(p, limit) for p in pieces], limit


def _cut(piece: Piece, limit: int) -> Piece:
    if not piece.side or not isinstance(piece.content, str):
        return piece
    return Piece(piece.name, cut_to(piece.content, limit), piece.side)


def _said(parts: Sequence[object]) -> list[str]:
    steps = []
    for part in parts:
        if isinstance(part, Text) and part.text.strip():
            steps.append(f"says: {part.text}")
        elif isinstance(part, ToolCall):
            steps.append(f"calls {part.name}: {msgspec.json.encode(part.arguments).decode()}")
    return steps


def _wanted(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        there = sorted(n for n in names if fnmatch.fnmatchcase(n, pattern))
        found += there or ([] if any(c in pattern for c in "*?[") else [pattern])
    return list(dict.fromkeys(found))


def _artifact(title: str, data: bytes | None, name: str, side: str, workspace: Path) -> Piece:
    if data is None:
        return Piece(title, "[this file was not delivered]", side)
    media = mimetypes.guess_type(name)[0] or ""
    if media in _SEEN_AS_FILE:
        return Piece(title, shown_file(name, data, media, workspace), side)
    try:
        return Piece(title, data.decode("utf-8"), side)
    except UnicodeDecodeError:
        return Piece(title, f"[a binary file of {len(data)} bytes that cannot be shown]", side)


def shown_file(name: str, data: bytes, media: str, workspace: Path) -> File:
    """A file of work where a model client can read it, named by its content."""
    digest = hashlib.sha256(data).hexdigest()
    path = SHOWN / f"{digest[:32]}{Path(name).suffix[:8]}"
    there = workspace / path
    if not there.is_file():
        there.parent.mkdir(parents=True, exist_ok=True)
        temporary = there.with_suffix(".tmp")
        temporary.write_bytes(data)
        temporary.replace(there)
    return File("file" + Path(name).suffix[:8], path.as_posix(), media, digest)


def _given(file: File, workspace: Path) -> Piece:
    if file.media_type in _SEEN_AS_FILE:
        return Piece(f"file: {file.name}", file)
    try:
        return Piece(f"file: {file.name}", (workspace / file.path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as e:
        raise ModelError("bad_request", f"the task's file '{file.name}' cannot be shown to a judge: {e}") from e
