"""`state`: checks on what was taken out of the box after the work."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.api import Grade, Grader, GraderCase, Json, Verdict, Work
from harness.graders._clean import nothing_done
from harness.graders._protected import matches
from harness.graders._seen import NotThere, Seen, at_path
from harness.toolkit.json_out import same_json
from harness.toolkit.normalise import excerpt
from harness.toolkit.patterns import PatternTooSlow, last_match, pattern_fault

ANSWER = "@answer"
CONDITIONS = (
    "exists", "equals", "contains", "lacks", "matches", "sha256", "mode", "has", "has_not", "status", "rows", "count",
)  # fmt: skip


class Check(BaseModel):
    """One check: everything it says must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """What it is called in the record."""
    of: str
    """The artifact it looks at, by its name in `collect`; `@answer` is the system's answer."""
    path: str = ""
    """A file in a tree artifact."""
    at: str | None = None
    """Look at the value at this place of the JSON (`items[0].price`); empty for the whole."""
    exists: bool | None = None
    """It is there, or it is not."""
    equals: Json = None
    """The text (but for whitespace at its end), or with `at` the JSON value, is this."""
    contains: str | None = None
    """The text has this in it."""
    lacks: str | None = None
    """The text does not have this in it."""
    matches: str | None = None
    """A regular expression is found in the text."""
    sha256: str | None = None
    """The digest of the bytes, hexadecimal."""
    mode: str | None = None
    """With `path`: the permission bits, octal, such as `0755`."""
    has: tuple[str, ...] = ()
    """A tree has an entry for each of these globs; of processes, a line with each of these texts."""
    has_not: tuple[str, ...] = ()
    """A tree has no entry for any of these globs; of processes, no line with any of these texts."""
    status: int | None = None
    """The HTTP status, of what a probe brought."""
    rows: list[Json] | None = None
    """A query's rows, in this order."""
    count: int | None = Field(default=None, ge=0)
    """How many rows, entries of a JSON list, or files of a tree."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How much it counts in the value."""
    critical: bool = False
    """Failing it is a critical error, and never a pass."""

    @model_validator(mode="after")
    def _says_something(self) -> Check:
        if not any(name in self.model_fields_set for name in CONDITIONS):
            raise ValueError(f"check '{self.name}' says nothing: give one of {', '.join(CONDITIONS)}")
        if self.mode is not None and not self.path:
            raise ValueError(f"check '{self.name}': `mode` needs `path`")
        if self.matches is not None and (fault := pattern_fault(self.matches)):
            raise ValueError(f"check '{self.name}': {fault}")
        return self


class State(Grader):
    """Named checks on collected artifacts: files, trees, processes, HTTP answers, query rows, command output.

    Value: the weighted share of the checks that hold. Passed from `threshold`, and only when no critical check fails.
    Nothing runs: the same artifacts always give the same verdict. An artifact that is absent fails every check but
    `exists: false`.
    """

    checks: tuple[Check, ...] = Field(min_length=1)
    """The checks."""
    threshold: float = Field(default=1.0, gt=0, le=1)
    """Smallest value that passes."""

    version = "2"
    needs_reference = False
    example: ClassVar[Mapping[str, Json]] = {
        "checks": [
            {"name": "port is set", "of": "config", "at": "server.port", "equals": 8080},
            {"name": "no password in the log", "of": "log", "lacks": "hunter2", "critical": True},
        ]
    }
    cases = (
        GraderCase('{"a": 1}', True, None, {"checks": [{"name": "a", "of": "@answer", "at": "a", "equals": 1}]}),
        GraderCase("abc", False, None, {"checks": [{"name": "d", "of": "@answer", "contains": "d"}]}),
    )

    def check(self, workspace: Path) -> Sequence[str]:
        """Two checks of one name."""
        names = [check.name for check in self.checks]
        return [f"two checks are called '{name}'" for name in dict.fromkeys(names) if names.count(name) > 1]

    def reads(self) -> Sequence[str]:
        """What its checks look at."""
        return tuple(dict.fromkeys(check.of for check in self.checks if check.of != ANSWER))

    async def grade(self, work: Work) -> Verdict:
        """Try every check."""
        if missing := nothing_done(work.output):
            return missing
        wrong: dict[str, Json] = {}
        right = 0.0
        for check in self.checks:
            why = await _fault(check, _seen(check, work))
            if why:
                wrong[check.name] = excerpt(why, 300)
            else:
                right += check.weight
        value = right / sum(check.weight for check in self.checks)
        critical = any(check.critical and check.name in wrong for check in self.checks)
        passed = value >= self.threshold - 1e-12 and not critical and (self.threshold < 1 or not wrong)
        label = "right" if passed else "critical" if critical else "partial" if right else "wrong"
        why = "; ".join(f"{n}: {w}" for n, w in list(wrong.items())[:5]) or f"all {len(self.checks)} checks hold"
        parts: dict[str, Json] = {"failed": wrong} if wrong else {}
        return Grade(min(value, 1.0), passed, label, excerpt(why, 600), critical=critical, parts=parts)


def _seen(check: Check, work: Work) -> Seen:
    if check.of == ANSWER:
        answer = work.output.answer
        return Seen(None if answer is None else answer.encode("utf-8", "surrogatepass"))
    return Seen(work.artifact(check.of))


async def _fault(check: Check, seen: Seen) -> str:
    """Why a check does not hold, or nothing."""
    try:
        target = seen.inside(check.path) if check.path else seen
        for name in CONDITIONS:
            if name in check.model_fields_set and (why := _TESTS[name](check, target, seen)):
                return why
        if check.matches is not None and not await _found(check, target):
            return f"nothing in it matches {excerpt(check.matches, 60)}"
    except NotThere as e:
        return str(e)
    except PatternTooSlow as e:
        return str(e)
    return ""


async def _found(check: Check, target: Seen) -> bool:
    return await last_match(check.matches or "", _text(check, target)) is not None


def _text(check: Check, target: Seen) -> str:
    """The text that is looked at: the value's own where `at` names a text."""
    if check.at is None:
        return target.text
    value = at_path(target.json, check.at)
    if not isinstance(value, str):
        raise NotThere(f"what is at {check.at or 'the top'} is no text")
    return value


def _exists(check: Check, target: Seen, whole: Seen) -> str:
    there = target.data is not None
    if check.path and whole.data is not None:
        there = check.path in whole.tree
    if there and check.at is not None:
        try:
            at_path(target.json, check.at)
        except NotThere:
            there = False
    return "" if there == check.exists else "it is absent" if check.exists else "it is there"


def _equals(check: Check, target: Seen, whole: Seen) -> str:
    if check.at is not None:
        value = at_path(target.json, check.at)
        return "" if same_json(value, check.equals) else f"it is {excerpt(repr(value), 100)}"
    wanted = check.equals if isinstance(check.equals, str) else str(check.equals)
    return "" if target.text.rstrip() == wanted.rstrip() else f"it is {excerpt(repr(target.text), 100)}"


def _contains(check: Check, target: Seen, whole: Seen) -> str:
    wanted = check.contains or ""
    return "" if wanted in _text(check, target) else f"it does not contain {excerpt(repr(wanted), 100)}"


def _lacks(check: Check, target: Seen, whole: Seen) -> str:
    return f"it contains {excerpt(repr(check.lacks), 100)}" if (check.lacks or "") in _text(check, target) else ""


def _sha256(check: Check, target: Seen, whole: Seen) -> str:
    digest = hashlib.sha256(target.bytes).hexdigest()
    return "" if digest == (check.sha256 or "").lower() else f"its digest is {digest}"


def _mode(check: Check, target: Seen, whole: Seen) -> str:
    whole.bytes  # noqa: B018 - raises when the tree itself is absent
    entry = whole.tree.get(check.path)
    if entry is None:
        return "it is absent"
    return "" if entry.mode == int(check.mode or "0", 8) else f"its mode is {entry.mode:04o}"


def _listed(globs: Sequence[str], seen: Seen) -> dict[str, bool]:
    """For each glob, or text of a process list, whether something is there."""
    seen.bytes  # noqa: B018 - raises when it is absent
    try:
        paths = list(seen.tree)
    except NotThere:
        text = seen.text
        return {glob: glob in text for glob in globs}
    return {glob: any(matches(path, (glob,)) for path in paths) for glob in globs}


def _has(check: Check, target: Seen, whole: Seen) -> str:
    absent = [glob for glob, there in _listed(check.has, whole).items() if not there]
    return f"there is no {', '.join(absent)}" if absent else ""


def _has_not(check: Check, target: Seen, whole: Seen) -> str:
    there = [glob for glob, found in _listed(check.has_not, whole).items() if found]
    return f"there is {', '.join(there)}" if there else ""


def _status(check: Check, target: Seen, whole: Seen) -> str:
    status = at_path(target.json, "status")
    return "" if status == check.status else f"the status is {excerpt(repr(status), 40)}"


def _rows(check: Check, target: Seen, whole: Seen) -> str:
    rows = target.rows
    return "" if same_json(rows, check.rows) else f"the rows are {excerpt(repr(rows), 200)}"


def _count(check: Check, target: Seen, whole: Seen) -> str:
    if check.at is not None:
        value = at_path(target.json, check.at)
        if not isinstance(value, list | dict):
            return "it is neither a list nor an object"
        n = len(value)
    else:
        try:
            n = len(target.rows)
        except NotThere:
            n = sum(entry.kind == "file" for entry in target.tree.values())
    return "" if n == check.count else f"there are {n}"


_TESTS: Mapping[str, Callable[[Check, Seen, Seen], str]] = {
    "exists": _exists, "equals": _equals, "contains": _contains, "lacks": _lacks, "matches": lambda *_: "",
    "sha256": _sha256, "mode": _mode, "has": _has, "has_not": _has_not, "status": _status, "rows": _rows,
    "count": _count,
}  # fmt: skip
