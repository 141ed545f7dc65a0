"""A task, a run or a trial as text or JSON, for `harness show`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.cli._own_words import own_words
from harness.cli._part_text import cost_of, indented, part_text, tokens_of
from harness.cli._table import table
from harness.cli._trajectory import trajectory
from harness.config.suite import Suite
from harness.errors import UsageFault
from harness.plugins.loader import did_you_mean
from harness.records.outcome import Attempt, Grade
from harness.records.task import Task
from harness.store.encode import encode
from harness.store.lines import keep_deciding
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
    prompt = task.prompt if isinstance(task.prompt, str) else "\n".join(part_text(p) for p in task.prompt)
    for name, value in said.items():
        if name not in ("id", "prompt", "reference"):
            lines.append(f"{name}: {value if isinstance(value, str) else msgspec.json.encode(value).decode()}")
    lines += ["", "prompt:", *indented(prompt)]
    lines += ["", "reference:", *indented(msgspec.json.encode(task.reference).decode())]
    for name in (*task.graders, *task.informative):
        if name in found.suite.graders:
            bound = found.suite.graders[name]
            lines += ["", f"grader {name} ({bound.digest}):", *indented(msgspec.json.encode(bound.config).decode())]
    return "\n".join(lines) + "\n"


def run_text(path: Path, *, as_json: bool) -> str:
    """The manifest and a table of every trial's deciding attempt."""
    manifest = read_manifest(path)
    deciding: dict[tuple[str, str, int], Attempt] = {}
    tries: dict[tuple[str, str, int], int] = {}
    for a in iter_attempts(path):
        key = (a.task, a.system, a.epoch)
        tries[key] = tries.get(key, 0) + 1
        keep_deciding(deciding, a)
    rows = [(a, tries[key]) for key, a in sorted(deciding.items())]
    if as_json:
        settled = [
            {"task": a.task, "system": a.system, "epoch": a.epoch, "status": a.status, "passed": a.passed,
             "value": a.value, "attempts": n}
            for a, n in rows
        ]  # fmt: skip
        return _json({"manifest": manifest, "settled": settled})
    cells = [
        (a.task, a.system, str(a.epoch), _verdict_of(a), f"{n}", cost_of(a.usage), f"{a.timing.working:.1f}s", _why(a))
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
        f"{_verdict_of(attempt)}: {cost_of(attempt.usage)}, {tokens_of(attempt.usage)}, {attempt.turns} turns, "
        f"{attempt.timing.working:.2f}s working, {attempt.timing.waiting:.2f}s waiting",
    ]
    if why := _why(attempt):
        lines.append(_line(why))
    lines += [*own_words(attempt.output), "", "grades:"]
    for name, verdict in attempt.grades.items():
        if isinstance(verdict, Grade):
            read = "" if verdict.extracted is None else f", read as {verdict.extracted!r}"
            lines.append(f"  {name}: {'passed' if verdict.passed else 'failed'}, value {verdict.value:g}{read}")
            lines += indented(verdict.explanation, 4)
        else:
            lines += [f"  {name}: not graded: {_line(verdict.cause)}", *indented(verdict.detail, 4)]
    lines += ["" if attempt.grades else "  none", "answer:", *indented(transcript.output.answer or "(none)")]
    if attempt.artifacts:
        lines += [
            "",
            "artifacts:",
            *(f"  {_line(a.name)} ({a.size:,} bytes): {path.name}/{a.path}" for a in attempt.artifacts),
        ]
    lines += ["", "transcript:", *trajectory(transcript.events)]
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


def _line(text: str) -> str:
    """On one line: what others wrote must not look like a line of ours."""
    return " ".join(text.split())


def _json(value: Any) -> str:
    raw = encode(value) if isinstance(value, msgspec.Struct) else msgspec.json.encode(value)
    return msgspec.json.format(raw, indent=2).decode() + "\n"
