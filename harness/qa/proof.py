"""From attempts to findings: does the reference pass, does nothing fail, always, and in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from harness.engine.grade import Grading
from harness.qa.findings import CheatOutcome, Finding, Flakiness, Level, Seconds, Tally
from harness.qa.lab import Shake, Tried
from harness.records.content import Json
from harness.records.outcome import Attempt, Grade, Verdict
from harness.records.task import Limits
from harness.records.transcript import Note
from harness.toolkit.said import ends_of

NEAR_LIMIT = 0.5
"""A reference that needs more of a limit than this will time out on a slower machine."""
LISTS = ("fail_to_pass", "pass_to_pass")
NAMED = 5
DONE_BY = "reference"
"""The kind of note in which the system `reference` says what went wrong with its script."""
NO_WORD = ("bad_reward", "no_reward")
RERUN = "rerun_passed: "
"""The flag of a test that failed and passed when it was run once more."""


def tally(tried: Sequence[Tried], passed: bool) -> Tally:
    """How many repeats ended in this verdict."""
    return Tally(sum(t.attempt.status == "graded" and t.attempt.passed is passed for t in tried), len(tried))


def ceiling_checked(tried: Sequence[Tried]) -> Iterator[Finding]:
    """The reference passes every time."""
    yield from _troubles("reference", tried)
    graded = [t.attempt for t in tried if t.attempt.status == "graded"]
    failed = [a for a in graded if not a.passed]
    wrong = next((e.text for t in tried for e in t.transcript.events if isinstance(e, Note) and e.kind == DONE_BY), "")
    if failed:
        n = f"the reference fails {len(failed)} of {len(tried)}"
        yield Finding("reference", "fail", f"{n}: {_why(failed[0])}{wrong and f'; {wrong}'}")
    elif wrong and graded:
        yield Finding("reference", "warn", f"it passes, and yet {wrong}")


def floor_checked(tried: Sequence[Tried]) -> Iterator[Finding]:
    """Nothing fails every time; a task that a blank answer leaves ungraded asks for a mended grader."""
    yield from _troubles("empty", tried, ungradable="warn")
    passed = [t.attempt for t in tried if t.attempt.status == "graded" and t.attempt.passed]
    if passed:
        n = f"an empty answer passes {len(passed)} of {len(tried)}"
        yield Finding("empty", "fail", f"{n}: the task measures nothing")
    if any(_silent(verdict) for t in tried for verdict in t.attempt.grades.values()):
        what = "the verifier writes no reward for failed work, and work that speaks in its silence is believed"
        yield Finding("silent", "warn", f"{what}: write 0 too")


def _silent(verdict: Verdict) -> bool:
    """Whether a verifier that the work can speak for wrote no reward: `harbor` labels it so, `script` flags it."""
    if not isinstance(verdict, Grade) or not verdict.weak:
        return False
    return any(word.partition(":")[0] in NO_WORD for word in (verdict.label, *verdict.flags))


def _troubles(check: str, tried: Sequence[Tried], ungradable: str = "fail") -> Iterator[Finding]:
    """Attempts without a verdict: an absent requirement and infrastructure prove nothing."""
    for status, trouble in Counter((t.attempt.status, _trouble(t.attempt)) for t in tried):
        if status == "ungradable" and ungradable == "warn":
            yield Finding(check, "warn", f"it cannot be graded: {trouble}")
        elif status == "ungradable" or (status == "skipped" and trouble.startswith("reference:")):
            yield Finding(check, "fail", f"it cannot be graded: {trouble}")
        elif status != "graded":
            yield Finding(check, "unchecked", f"{status.replace('_', ' ')}: {trouble}")


def _trouble(attempt: Attempt) -> str:
    trouble = attempt.trouble
    return ends_of(f"{trouble.cause}: {trouble.detail}") if trouble else ""


def _why(attempt: Attempt) -> str:
    for name, verdict in attempt.grades.items():
        if isinstance(verdict, Grade) and not verdict.passed:
            return ends_of(f"{name}: {verdict.label or 'failed'}; {verdict.explanation}").rstrip("; ")
    return attempt.label or "failed"


def steady(first: Tried, again: Grading) -> Iterator[Finding]:
    """The same output graded twice gives the same verdict."""
    for name, before in first.attempt.grades.items():
        after = again.verdicts.get(name)
        if after is None or said(before) != said(after):
            what = f"grader {name} says {_shown(before)}, then {_shown(after)} of the same output"
            yield Finding("deterministic", "fail", what, name)


def repeats_agree(tried: Sequence[Tried], check: str) -> Iterator[Finding]:
    """Equal outputs of several repeats have equal verdicts."""
    seen: dict[tuple[str | None, tuple[tuple[str, bytes], ...]], Tried] = {}
    for one in tried:
        if one.attempt.status != "graded":
            continue
        key = (one.attempt.output.answer, tuple((a.name, a.data) for a in one.artifacts))
        other = seen.setdefault(key, one)
        for name, before in other.attempt.grades.items():
            after = one.attempt.grades.get(name)
            if said(before) != said(after):
                what = f"{check}: grader {name} says {_shown(before)}, then {_shown(after)} of equal outputs"
                yield Finding("deterministic", "fail", what, name)
                return


def said(verdict: Verdict | None) -> tuple[object, ...]:
    """What of a verdict must not change. Explanations and flags may name times and paths."""
    if isinstance(verdict, Grade):
        return verdict.passed, verdict.value, verdict.label
    return (verdict.cause if verdict else None,)


def _shown(verdict: Verdict | None) -> str:
    if isinstance(verdict, Grade):
        return (
            f"{'pass' if verdict.passed else 'fail'} ({verdict.value:g}{', ' + verdict.label if verdict.label else ''})"
        )
    return f"not graded ({verdict.cause})" if verdict else "nothing"


def runtimes(tried: Sequence[Tried], limits: Limits, grade_limit_s: float | None) -> Iterator[Finding]:
    """Warn where the reference comes near a limit."""
    solving, grading = solve_seconds(tried), grade_seconds(tried)
    for what, took, limit in (("solving", solving, limits.time_s), ("grading", grading, grade_limit_s)):
        if took and limit and took.max > NEAR_LIMIT * limit:
            text = f"{what} with the reference takes up to {took.max:.1f} s of {limit:g} s"
            yield Finding("runtime", "warn", text)


def solve_seconds(tried: Sequence[Tried]) -> Seconds | None:
    """Working time of graded attempts."""
    return Seconds.of(t.attempt.timing.working for t in tried if t.attempt.status == "graded")


def grade_seconds(tried: Sequence[Tried]) -> Seconds | None:
    """Grading time of graded attempts."""
    return Seconds.of(t.attempt.timing.grading for t in tried if t.attempt.status == "graded")


def flaky_tests(on_gold: Sequence[Verdict], on_base: Sequence[Verdict]) -> list[Flakiness]:
    """Listed tests that disagreed between runs of the same code (base counts too: reference/swe.md 5.3)."""
    found = []
    for on, verdicts in (("gold", on_gold), ("base", on_base)):
        runs = [states for v in verdicts if (states := _unsatisfied(v))]
        for test in sorted({t for run in runs for t in run["failed"]}):
            bad = sum(test in run["failed"] for run in runs)
            if 0 < bad < len(runs):
                found.append(Flakiness(test, "gold" if on == "gold" else "base", len(runs) - bad, len(runs)))
    return found


def shaken_checked(
    on: Literal["gold", "base"], shake: Shake, plain: Sequence[Verdict], shaken: Verdict
) -> Iterator[Finding]:
    """Tests that say something else when only the hash seed or the order differs.

    Verdicts are given with both fixed, so they stay what they are; but another right patch may lay its sets out in
    another order, so a test of the right patch that depends on the seed is broken. The rest is for a person to judge.
    """
    before = next((states for v in plain if (states := _unsatisfied(v))), None)
    if before is None:
        return
    after = _unsatisfied(shaken)
    place = "the right patch" if on == "gold" else "the code as given"
    if not after:
        said = shaken.label if isinstance(shaken, Grade) else shaken.cause
        yield Finding("flaky", "info", f"on {place} no test can be told apart {shake}: {said}")
        return
    known = {test for v in plain for test in _unsatisfied(v).get("failed", ())} - before["failed"]
    level: Level = "fail" if on == "gold" and not shake.backwards else "warn"
    for test in sorted((before["failed"] ^ after["failed"]) - known):
        verb = "fails" if test in after["failed"] else "passes"
        yield Finding("flaky", level, f"{verb} on {place} {shake}, and otherwise does not", test)


def base_checked(verdicts: Sequence[Verdict], flaky: Sequence[Flakiness]) -> Iterator[Finding]:
    """On the code as it is given, fail-to-pass tests fail and pass-to-pass tests pass."""
    for test in flaky:
        what = f"satisfied in {test.satisfied} of {test.of} runs on {test.on}"
        yield Finding("flaky", "fail", what, test.test)
    runs = [grade for v in verdicts if isinstance(grade := v, Grade) and _unsatisfied(v)]
    if verdicts and not runs:
        labels = {v.label if isinstance(v, Grade) else v.cause for v in verdicts}
        yield Finding("base", "info", f"no test of the base could be told apart: {', '.join(sorted(labels))}")
    for grade in runs[:1]:
        fix, keep = (_part(grade, name) for name in LISTS)
        if isinstance(n := fix.get("passed"), int) and n:
            total = fix.get("of")
            yield Finding("base", "fail", f"{n} of {total} fail-to-pass tests are satisfied before any work")
        unsteady = {f.test for f in flaky}
        broken = [test for test in _failed(keep) if test not in unsteady]
        if broken:
            what = f"{len(broken)} pass-to-pass tests fail before any work: {', '.join(broken[:NAMED])}"
            yield Finding("base", "fail", what)


def n_listed(verdicts: Sequence[Verdict]) -> int:
    """How many listed tests were repeated."""
    sizes = [sum(_of(v, name) for name in LISTS) for v in verdicts]
    return max(sizes, default=0)


def _of(verdict: Verdict, name: str) -> int:
    value = _part(verdict, name).get("of")
    return value if isinstance(value, int) else 0


def _unsatisfied(verdict: Verdict) -> dict[str, set[str]]:
    """The listed tests a run did not satisfy, under `failed`; empty for a run without single results."""
    parts = [_part(verdict, name) for name in LISTS]
    if not any(parts) or not isinstance(verdict, Grade):
        return {}
    rescued = {f.removeprefix(RERUN) for f in verdict.flags if f.startswith(RERUN)}
    return {"failed": {test for part in parts for test in _failed(part)} | rescued}


def _part(verdict: Verdict, name: str) -> Mapping[str, Json]:
    part = verdict.parts.get(name) if isinstance(verdict, Grade) else None
    return part if isinstance(part, dict) else {}


def _failed(part: Mapping[str, Json]) -> list[str]:
    failed = part.get("failed")
    return list(failed) if isinstance(failed, dict) else []


def cheat_outcome(name: str, tried: Tried) -> CheatOutcome:
    """What came of a cheat."""
    a = tried.attempt
    flags = dict.fromkeys((*a.flags, *(f for v in a.grades.values() if isinstance(v, Grade) for f in v.flags)))
    graded = a.status == "graded"
    return CheatOutcome(name, bool(a.passed), a.label if graded else _trouble(a), tuple(flags), graded)


def cheats_checked(
    outcomes: Sequence[CheatOutcome], base: Sequence[Verdict], ceiling: Tally | None
) -> Iterator[Finding]:
    """No cheat passes. Where doing nothing passes, or nothing does, cheats tell nothing of their own: one line then."""
    passing = [c for c in outcomes if c.passed]
    if passing and any(isinstance(v, Grade) and v.passed for v in base):
        what = (
            f"{len(passing)} of {len(outcomes)} cheats pass as the untouched code does; they can be told once it fails"
        )
        yield Finding("cheat", "info", what)
        passing = []
    for cheat in passing:
        yield Finding("cheat", "fail", f"a cheat passes: {cheat.name}", cheat.name)
    unknown = [c for c in outcomes if not c.graded]
    if unknown and ceiling is not None and not ceiling.right:
        what = f"{len(unknown)} of {len(outcomes)} cheats were not graded, for the reference does not pass either"
        yield Finding("cheat", "info", what)
        unknown = []
    for cheat in unknown:
        yield Finding("cheat", "warn", f"a cheat was not graded: {cheat.name}: {cheat.label[:120]}", cheat.name)
