"""Checks that need only the task's words: no box, no grading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.qa.findings import Finding, Level
from harness.qa.material import Material, prompt_text
from harness.records.content import Json
from harness.records.task import Task

MIN_STATEMENT = 20
"""Words; reference/swe.md 4.5."""
MANY_TESTS = 50
LONG_ANSWER = 12
"""A shorter answer may stand in a prompt by chance, or because the prompt lists what can be said."""


def words_checked(task: Task, material: Material) -> Iterator[Finding]:
    """Every finding in prompt, choices, lists and canary."""
    yield from _statement(task, material)
    yield from _lists(material)
    yield from _choices(task)
    if task.sandbox is None:
        yield from _reference_in_prompt(task)
    else:
        yield from _variables(dict(task.sandbox.env), material)
    yield from _canary(task)


def _statement(task: Task, material: Material) -> Iterator[Finding]:
    prompt = prompt_text(task)
    said = {line.strip() for line in prompt.splitlines()}
    whole = " ".join(prompt.split())
    words = len(prompt.split())
    if task.sandbox is not None and words < MIN_STATEMENT:
        yield Finding("statement", "warn", f"the statement has {words} words, fewer than {MIN_STATEMENT}")
    for line in material.answer:
        if line in said or " ".join(line.split()) in whole:
            yield Finding("leak", "fail", f"a line of the answer is in the prompt: {line[:100]}", "prompt")
    shown = [line for line in material.hidden_lines if line in said]
    if shown:
        level: Level = "fail" if len(shown) > 1 else "warn"
        what = f"{len(shown)} line(s) of the hidden tests in the prompt: {shown[0][:100]}"
        yield Finding("leak", level, what, "prompt")
    named = [name for name in material.names if re.search(rf"\b{re.escape(name)}\b", prompt)]
    if named:
        yield Finding("leak", "warn", f"the prompt names hidden tests: {', '.join(named[:5])}", "prompt")


def _variables(env: Mapping[str, str], material: Material) -> Iterator[Finding]:
    """What the work reads with one word, `env`."""
    for kind, lines in (("the answer", material.answer), ("the hidden tests", material.hidden_lines)):
        for name, value in env.items():
            if line := next((line for line in lines if line in value), ""):
                yield Finding("leak", "fail", f"a line of {kind} is in the environment: {line[:100]}", name)


def _lists(material: Material) -> Iterator[Finding]:
    if not material.listed:
        return
    if not material.fail_to_pass:
        yield Finding("lists", "warn", "fail_to_pass is empty: every test of the hidden files counts")
    if not material.pass_to_pass:
        yield Finding("lists", "warn", "pass_to_pass is empty: what the work breaks is not seen")
    if len(material.fail_to_pass) > MANY_TESTS:
        n = len(material.fail_to_pass)
        yield Finding("lists", "warn", f"{n} fail-to-pass tests, more than {MANY_TESTS}: is it one task?")


def _choices(task: Task) -> Iterator[Finding]:
    if not task.choices or not isinstance(task.reference, str | list):
        return
    letters = [chr(ord("A") + i) for i in range(len(task.choices))]
    options = {option.strip().casefold() for option in (*task.choices, *letters)}
    wanted = task.reference if isinstance(task.reference, list) else [task.reference]
    absent = [str(w) for w in wanted if str(w).strip().casefold() not in options]
    if absent:
        yield Finding("choices", "fail", f"the reference is none of the choices: {', '.join(absent)[:100]}")
    folded = [option.strip().casefold() for option in task.choices]
    if len(set(folded)) < len(folded):
        yield Finding("choices", "fail", "two choices are the same")


def _reference_in_prompt(task: Task) -> Iterator[Finding]:
    if task.choices:
        return
    prompt = " ".join(prompt_text(task).split()).casefold()
    for text in _strings(task.reference):
        answer = " ".join(text.split()).casefold()
        if len(answer) >= 3 and re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", prompt):
            level: Level = "warn" if len(answer) >= LONG_ANSWER else "info"
            yield Finding("leak", level, f"the prompt holds the reference word for word: {text[:60]}", "prompt")
            return


def _strings(reference: Json) -> list[str]:
    if isinstance(reference, str):
        return [reference]
    return [r for r in reference if isinstance(r, str)] if isinstance(reference, list) else []


def _canary(task: Task) -> Iterator[Finding]:
    if task.canary and task.canary not in prompt_text(task):
        yield Finding("canary", "info", "the canary is not in the prompt: it can only be found in the task's own files")
