"""From what was reported to a verdict: whether a run can be believed, and what its tests say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.api import Grade, Json
from harness.graders._protected import limited, shown
from harness.graders._runners import Profile
from harness.graders._runs import Run
from harness.toolkit.testreports.read import PRINTED, Format
from harness.toolkit.testreports.record import Report, Status

Semantics = Literal["own", "official", "strict", "live", "fail_only"]
MAX_NAMED = 50
MAX_COMPARED = 2_000
"""So many reported names are looked at for one that is nearly that of a test that was not reported."""

_FIX: dict[Semantics, tuple[Status | None, ...]] = {
    "own": ("pass",),
    "official": ("pass", "xfail"),
    "strict": ("pass",),
    "live": ("pass", "xfail"),
    "fail_only": ("pass", "xfail", "skip", None),
}
_KEEP: dict[Semantics, tuple[Status | None, ...]] = {
    "own": ("pass",),
    "official": ("pass", "xfail", "skip"),
    "strict": ("pass",),
    "live": ("pass", "xfail", "skip", None),
    "fail_only": ("pass", "xfail", "skip", None),
}
"""Which statuses satisfy a fail-to-pass and a pass-to-pass test; None is a test that was not reported
(reference/swe.md 2.3: SWE-bench 5 and its `fail_only`, SWE-bench Pro as strict, SWE-bench-Live). `own` takes what the
right patch's run says too: a skip is not of itself a success, since a program can raise it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The ids a verdict rests on. With both lists empty every reported test counts, and there must be one.

    `excused` are ids with the status, skip or xfail, that the right patch's own run gives them.
    """

    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()
    semantics: Semantics = "own"
    excused: frozenset[tuple[str, Status]] = frozenset()

    def fixed(self, report: Report, id: str, *, listed: bool = True) -> bool:
        """Whether a fail-to-pass test is as it should be. A listed one is never excused for being skipped."""
        status = report.status(id)
        excused = (id, status) in self.excused and not (listed and status == "skip")
        return status in _FIX[self.semantics] or excused

    def kept(self, report: Report, id: str) -> bool:
        """Whether a pass-to-pass test is as it should be."""
        return report.status(id) in _KEEP[self.semantics] or (id, report.status(id)) in self.excused


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a run cannot be taken at its word. `forged`: it says what an honest run cannot say."""

    word: str
    forged: bool
    why: str


def doubt_of(run: Run, profile: Profile, count: int | None) -> Doubt | None:
    """What is wrong with a run, or nothing. An honest run of a broken program is no doubt: its tests fail."""
    if run.timed_out:
        return Doubt("timeout", False, "the tests did not end in time")
    if run.report is None:
        if run.exhausted:
            return Doubt(f"out_of_{run.exhausted}", False, f"the tests used up the box's {run.exhausted}")
        why = f"{run.trouble}; exit code {run.exit_code}"
        return Doubt("exit_code", True, why) if run.exit_code == 0 else Doubt("crash", False, why)
    if faults := run.canary.faults(run.report):
        if faults == ["cut_short"] and run.exit_code != 0:
            return Doubt("crash", False, f"tests were cut short; exit code {run.exit_code}")
        word = faults[0].replace("cut_short", "canary_missing")
        return Doubt(word, True, "a test that must fail was not reported as failed")
    return _code_or_count(run, run.report, profile, count)


def _code_or_count(run: Run, report: Report, profile: Profile, count: int | None) -> Doubt | None:
    """An exit code or a number of results that does not go with the report."""
    bad = any(r.status in ("fail", "error") for r in report.results.values())
    known = profile.failed or frozenset(range(1, 126))
    if bad and run.exit_code not in known:
        return Doubt("exit_code", True, f"exit code {run.exit_code}, though tests were reported as failed")
    if not bad and run.exit_code != 0:
        return Doubt("exit_code", True, f"exit code {run.exit_code}, though no test was reported as failed")
    own = len(run.canary.without(list(report.results)))
    if count is not None and own != count:
        return Doubt("count", True, f"{own} results, {count} were expected")
    return None


def grade_of(run: Run, wanted: Wanted, flags: Sequence[str]) -> Grade:
    """The grade of a run that can be believed."""
    report, canary = run.report or Report(), run.canary
    fix, keep = wanted.fail_to_pass, wanted.pass_to_pass
    listed = bool(fix or keep)
    if not listed:
        fix = tuple(canary.without([id for id in report.results if id not in wanted.visible]))
    ok_fix = [id for id in fix if wanted.fixed(report, id, listed=listed)]
    ok_keep = [id for id in keep if wanted.kept(report, id)]
    none = not canary.without(list(report.results))
    passed = len(ok_fix) == len(fix) and len(ok_keep) == len(keep) and not none
    passed = passed and (listed or any(report.status(id) in ("pass", "xfail") for id in fix))
    partial = 0 < len(ok_fix) < len(fix) and len(ok_keep) == len(keep)
    resolution = "resolved" if passed else "no_tests" if none else "partial" if partial else "failed"
    parts: dict[str, Json] = {
        "resolution": resolution,
        "fail_to_pass": _part(fix, ok_fix, report),
        "pass_to_pass": _part(keep, ok_keep, report),
        "collected": len(canary.without(list(report.results))),
    }
    label = resolution
    if wanted.visible:
        seen = [id for id in wanted.visible if wanted.kept(report, id)]
        parts["visible"] = _part(wanted.visible, seen, report)
        if len(seen) == len(wanted.visible) and not passed:
            label = "passes_visible_fails_hidden"
    twice = [f"duplicate_result: {shown(id)}" for id in report.duplicates if id in {*fix, *keep}]
    odd = {id for id, _ in not_run(run, wanted) - wanted.excused} & {*fix, *keep}
    twice += [f"skipped: {shown(id)}" for id in (*fix, *keep) if id in odd]
    wrong = [id for id in (*fix, *keep) if id not in {*ok_fix, *ok_keep}]
    why = f"{len(ok_fix)} of {len(fix)} fail-to-pass, {len(ok_keep)} of {len(keep)} pass-to-pass"
    if not listed:
        why = f"{len(ok_fix)} of {len(fix)} tests"
    if wrong:
        why += f"; not passed: {', '.join(shown(id) for id in wrong[:5])}{' …' if len(wrong) > 5 else ''}"
    why += _absent([id for id in wrong if report.status(id) is None], canary.without(list(report.results)))
    return Grade(float(passed), passed, label, why, flags=limited([*flags, *twice]), parts=parts)


def _absent(ids: Sequence[str], reported: Sequence[str]) -> str:
    """Of tests that are in no report: a test that never ran, or a name that no test has."""
    if not ids:
        return ""
    from rapidfuzz import fuzz, process

    close = process.extractOne(ids[0], reported[:MAX_COMPARED], scorer=fuzz.ratio, score_cutoff=60)
    hint = f" (reported is {shown(close[0])})" if close else ""
    return f"; not in the report: {shown(ids[0])}{hint}{f' and {len(ids) - 1} more' if len(ids) > 1 else ''}"


def failed_keeps(run: Run, wanted: Wanted) -> list[str]:
    """Pass-to-pass tests that failed, where running them again can change the verdict: all others are right."""
    report = run.report
    if report is None:
        return []
    if not all(wanted.fixed(report, id) for id in wanted.fail_to_pass):
        return []
    return [id for id in wanted.pass_to_pass if not wanted.kept(report, id)]


def not_run(run: Run, wanted: Wanted) -> frozenset[tuple[str, Status]]:
    """Tests the verdict rests on that were skipped or failed as expected: a program can bring either about itself."""
    report = run.report or Report()
    ids = (*wanted.fail_to_pass, *wanted.pass_to_pass) or run.canary.without(list(report.results))
    said = ((id, report.status(id)) for id in {*ids, *wanted.visible})
    return frozenset((id, status) for id, status in said if status in ("skip", "xfail"))


def missing_tests(run: Run, right: frozenset[str]) -> Doubt | None:
    """Whether a run left out tests that the right patch's has. Without lists nobody else misses them."""
    missing = right - counted_tests(run)
    if not missing:
        return None
    some = ", ".join(shown(id) for id in sorted(missing)[:5])
    return Doubt("tests", True, f"{len(missing)} tests of the right patch's run are missing: {some}")


def counted_tests(run: Run) -> frozenset[str]:
    """The tests of a run that are no canaries, of Go without subtests: of programs with a canary where it has any."""
    report = run.report or Report()
    ids = run.canary.without(list(report.results))
    if heads := run.canary.heads(report):
        ids = [id for id in ids if id.startswith(heads)]
    return frozenset(id.partition("/")[0] if "::" in id and "/" in id.rpartition("::")[2] else id for id in ids)


def is_weak(profile: Profile, format: Format, run: Run, wanted: Wanted, files: Sequence[str]) -> bool:
    """Whether a grade is weak evidence: nothing had to fail, or the tested program can itself say how its tests went.

    It can where the runner reads the standard output, or only the end, of the process that the program runs in, unless
    a canary of that very process had to be reported as failed.
    """
    canary = run.canary
    if not canary.names or profile.believes == "anything":
        return True
    if profile.believes == "":
        return format in PRINTED
    if format not in (profile.format, *profile.own_formats):
        return True
    if profile.believes == "files":
        return not files or not set(files) <= set(canary.with_file.values())
    report = run.report or Report()
    ids = (*wanted.fail_to_pass, *wanted.pass_to_pass) or canary.without(list(report.results))
    return not canary.covers(ids, report)


def _part(ids: Sequence[str], ok: Sequence[str], report: Report) -> dict[str, Json]:
    """Counts, and what failed with its status, named up to a number."""
    right = set(ok)
    wrong = {shown(id): report.status(id) or "missing" for id in ids if id not in right}
    named = dict(list(wrong.items())[:MAX_NAMED])
    return {"passed": len(right), "of": len(ids), **({"failed": named} if named else {})}
