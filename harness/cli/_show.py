"""A task, a run or a trial as text or JSON, for `harness show`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.cli._table import table
from harness.config.suite import Suite
from harness.errors import UsageFault
from harness.plugins.loader import did_you_mean
from harness.records.content import File, Message, Part, Reasoning, Text, ToolCall, ToolResult, Usage
from harness.records.outcome import Attempt, Grade
from harness.records.task import Task
from harness.records.transcript import Command, Event, ModelCall, Note
from harness.store.encode import encode
from harness.store.read import iter_attempts, read_manifest, read_transcript


@dataclass(frozen=True, slots=True)
class Found:
    """A task in its suite."""

    suite: Suite
    task: Task


def task_text(found: Found, *, as_json: bool) -> str:
    """A task as resolved: every default filled in. It shows the reference: this is for the suite's owner."""
    task = found.task
    if as_json:
        return _json(task)
    said = msgspec.to_builtins(task)
    lines = [f"task {task.id}", f"suite {found.suite.name}", ""]
    prompt = task.prompt if isinstance(task.prompt, str) else "\n".join(_part(p) for p in task.prompt)
    for name, value in said.items():
        if name not in ("id", "prompt", "reference"):
            lines.append(f"{name}: {value if isinstance(value, str) else msgspec.json.encode(value).decode()}")
    lines += ["", "prompt:", *_indented(prompt)]
    lines += ["", "reference:", *_indented(msgspec.json.encode(task.reference).decode())]
    for name in (*task.graders, *task.informative):
        if name in found.suite.graders:
            bound = found.suite.graders[name]
            lines += ["", f"grader {name} ({bound.digest}):", *_indented(msgspec.json.encode(bound.config).decode())]
    return "\n".join(lines) + "\n"


def run_text(path: Path, *, as_json: bool) -> str:
    """The manifest and a table of every trial's deciding attempt."""
    manifest = read_manifest(path)
    deciding: dict[tuple[str, str, int], Attempt] = {}
    tries: dict[tuple[str, str, int], int] = {}
    for a in iter_attempts(path):
        key = (a.task, a.system, a.epoch)
        tries[key] = tries.get(key, 0) + 1
        if a.final and (key not in deciding or a.attempt >= deciding[key].attempt):
            deciding[key] = a
    rows = [(a, tries[key]) for key, a in sorted(deciding.items())]
    if as_json:
        settled = [
            {"task": a.task, "system": a.system, "epoch": a.epoch, "status": a.status, "passed": a.passed,
             "value": a.value, "attempts": n}
            for a, n in rows
        ]  # fmt: skip
        return _json({"manifest": manifest, "settled": settled})
    cells = [
        (a.task, a.system, str(a.epoch), _verdict_of(a), f"{n}", _cost(a.usage), f"{a.timing.working:.1f}s", _why(a))
        for a, n in rows
    ]
    header = ("task", "system", "epoch", "verdict", "attempts", "cost", "time", "note")
    unsettled = manifest.n_trials - len(rows)
    lines = [msgspec.json.format(encode(manifest), indent=2).decode(), "", table(header, cells), ""]
    lines.append(f"{len(rows):,} of {manifest.n_trials:,} trials settled, {unsettled:,} open")
    return "\n".join(lines) + "\n"


def trial_text(path: Path, trial: tuple[str, str | None, int | None], number: int | None, *, as_json: bool) -> str:
    """One attempt (the deciding one, or `number`): output, grades, transcript. Raises UsageFault, StoreError."""
    attempt, others = _find(path, trial, number)
    transcript = read_transcript(path, attempt)
    if as_json:
        return _json({"attempt": attempt, "transcript": transcript})
    lines = [f"{attempt.task} under {attempt.system}, epoch {attempt.epoch}, attempt {attempt.attempt}"]
    if len(others) > 1:
        lines.append(f"attempts: {', '.join(f'{a.attempt} {_verdict_of(a)}' for a in others)}")
    lines += [
        f"{_verdict_of(attempt)}: {_cost(attempt.usage)}, {_tokens(attempt.usage)}, {attempt.turns} turns, "
        f"{attempt.timing.working:.2f}s working, {attempt.timing.waiting:.2f}s waiting",
    ]
    if why := _why(attempt):
        lines.append(_line(why))
    lines += ["", "grades:"]
    for name, verdict in attempt.grades.items():
        if isinstance(verdict, Grade):
            read = "" if verdict.extracted is None else f", read as {verdict.extracted!r}"
            lines.append(f"  {name}: {'passed' if verdict.passed else 'failed'}, value {verdict.value:g}{read}")
            lines += _indented(verdict.explanation, 4)
        else:
            lines += [f"  {name}: not graded: {_line(verdict.cause)}", *_indented(verdict.detail, 4)]
    lines += ["" if attempt.grades else "  none", "answer:", *_indented(transcript.output.answer or "(none)")]
    if attempt.artifacts:
        lines += [
            "",
            "artifacts:",
            *(f"  {_line(a.name)} ({a.size:,} bytes): {path.name}/{a.path}" for a in attempt.artifacts),
        ]
    lines += ["", "transcript:", *(line for event in transcript.events for line in _event(event))]
    return "\n".join(lines) + "\n"


def _find(path: Path, trial: tuple[str, str | None, int | None], number: int | None) -> tuple[Attempt, list[Attempt]]:
    task, system, epoch = trial
    manifest = read_manifest(path)
    names = [s.name for s in manifest.systems]
    system = system or names[0]
    if system not in names:
        raise UsageFault(f"no system '{system}' in {path.name}", help=_choose(system, names))
    mine: list[Attempt] = []
    tasks: dict[str, None] = {}
    for a in iter_attempts(path):
        tasks[a.task] = None
        if a.task == task and a.system == system and a.epoch == (epoch or 1):
            mine.append(a)
    if task not in tasks:
        near = did_you_mean(task, list(tasks))
        listed = f"harness show {path.name} lists its trials"
        raise UsageFault(f"no attempt of '{task}' in {path.name}", help=" — ".join(h for h in (near, listed) if h))
    mine.sort(key=lambda a: a.attempt)
    chosen = [a for a in mine if a.attempt == number] if number else ([a for a in mine if a.final] or mine)
    if not chosen:
        what = f"attempt {number}" if number else "attempt"
        raise UsageFault(
            f"no {what} of '{task}' under '{system}' in epoch {epoch or 1}",
            help=f"epochs: 1 to {manifest.epochs}; attempts there: {', '.join(str(a.attempt) for a in mine) or 'none'}",
        )
    return chosen[-1], mine


def _choose(word: str, names: Sequence[str]) -> str:
    return " — ".join(h for h in (did_you_mean(word, list(names)), f"systems: {', '.join(names)}") if h)


def _verdict_of(a: Attempt) -> str:
    return a.status if a.passed is None else "passed" if a.passed else "failed"


def _why(a: Attempt) -> str:
    said = [f"{a.limit} limit"] if a.limit else []
    if a.trouble:
        said.append(f"{a.trouble.source}: {a.trouble.cause}" + (f": {a.trouble.detail}" if a.trouble.detail else ""))
    return "; ".join(said)


def _cost(u: Usage) -> str:
    if not u.unpriced:
        return f"${u.cost_usd:.4f}" if u.calls else "no calls"
    return f">= ${u.cost_usd:.4f}" if u.cost_usd else "unpriced"


def _tokens(u: Usage) -> str:
    return f"{u.input_total:,} tokens in ({u.cache_read:,} cached), {u.output_total:,} out ({u.reasoning:,} reasoning)"


def _event(event: Event) -> list[str]:
    if isinstance(event, ModelCall):
        return _model_call(event)
    if isinstance(event, Command):
        code = "no exit code" if event.exit_code is None else f"exit {event.exit_code}"
        lines = [f"[{event.at:.2f}s +{event.seconds:.2f}s] $ {_line(' '.join(event.argv))}  ({code})"]
        return lines + _indented(event.stdout, 4) + _indented(event.stderr, 4) + _indented(event.note, 4)
    return _note(event)


def _note(note: Note) -> list[str]:
    data = "" if note.data is None else msgspec.json.encode(note.data).decode()
    first, *more = note.text.splitlines() or [""]
    lines = [f"[{note.at:.2f}s] {_line(note.kind)}: {first}".rstrip()]
    return [*lines, *_indented("\n".join(more), 4), *_indented(data, 4)]


def _model_call(call: ModelCall) -> list[str]:
    label = f" ({_line(call.request.label)})" if call.request.label else ""
    waited = f", waited {call.waited:.2f}s" if call.waited else ""
    u = call.response.usage
    lines = [
        f"[{call.at:.2f}s +{call.seconds:.2f}s{waited}] {call.role}{label}: {_line(call.response.model) or 'model'}, "
        f"{_tokens(u)}, {_cost(u)}{', from the call cache' if call.cached else ''}, stopped: {call.response.stop}"
    ]
    lines += [f"    try failed: {_line(r)}" for r in call.retries]
    if call.request.system and not call.same:
        lines += ["    system:", *_indented(call.request.system, 6)]
    for message in call.request.messages:
        lines += _message(message)
    return lines + _message(Message("assistant", call.response.parts))


def _message(message: Message) -> list[str]:
    return [f"    {message.role}:", *(line for p in message.parts for line in _indented(_part(p), 6))]


def _part(part: Part) -> str:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, File):
        return f"[file {part.name}, {part.media_type}]"
    if isinstance(part, Reasoning):
        return f"[reasoning] {part.text}" if part.text else "[reasoning, not shown by the provider]"
    if isinstance(part, ToolCall):
        said = part.arguments if isinstance(part.arguments, str) else msgspec.json.encode(part.arguments).decode()
        return f"[calls {part.name}] {said}"
    assert isinstance(part, ToolResult)
    return f"[{'error' if part.is_error else 'result'}] {part.content}"


def _line(text: str) -> str:
    """On one line: what others wrote must not look like a line of ours."""
    return " ".join(text.split())


def _indented(text: str, by: int = 2) -> list[str]:
    return [" " * by + line for line in text.splitlines()]


def _json(value: Any) -> str:
    raw = encode(value) if isinstance(value, msgspec.Struct) else msgspec.json.encode(value)
    return msgspec.json.format(raw, indent=2).decode() + "\n"
