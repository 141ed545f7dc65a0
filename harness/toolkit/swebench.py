"""How SWE-bench and its kin read a test log and decide, exactly (swebench 5.0.2; shared rules in the table below).

| rules     | missing F2P | missing P2P | skipped P2P | exit code     | verdict                    |
|-----------|-------------|-------------|-------------|---------------|----------------------------|
| official  | fail        | fail        | ok          | cross-checked | all F2P and P2P            |
| fail_only | ok          | ok          | ok          | cross-checked | no F2P or P2P says FAILED  |
| live      | fail        | ok          | ok          | ignored       | all F2P, no P2P says fail  |
| pro       | fail        | fail        | fail        | ignored       | F2P and P2P within PASSED  |

Live's words are read as the official program reads them: what has `pass` in it, or `fail`. Of its pytest logs whatever
is neither a pass nor a skip is a failure, an error and an expected failure too.

One thing is stricter than the official program: a word that is no status (its pytest parser makes `ERROR:` of a line
`ERROR: x`) is a failure here; there such a test falls out of both lists, as if it had not been asked for.

Whoever writes to the terminal writes these logs: a grade that rests on one is weak evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.toolkit.swelogs import PARSERS, Statuses

Rules = Literal["official", "fail_only", "live", "pro"]
Resolution = Literal["full", "partial", "no"]

START = ">>>>> Start Test Output"
END = ">>>>> End Test Output"
EXIT_CODE = re.compile(r">>>>> Test Exit Code:\s*(-?\d+)")
BAD = (">>>>> Patch Apply Failed", ">>>>> Reset Failed", ">>>>> Tests Errored", ">>>>> Tests Timed Out")
RAN = re.compile(
    r"\b[1-9]\d* passing\b|\bTests:\s+[1-9]|^# tests [1-9]|\bTOTAL: [1-9]\d* (?:SUCCESS|FAILED)"
    r"|\bExecuted [1-9]\d* of \d|\b[1-9]\d* specs?, \d+ failures?|\bTest Suites:\s+(?:\d+ \w+, )*[1-9]\d* total|': ok$",
    re.MULTILINE,
)
"""Counters of runners that name no passing test: a sign that the suite ran at all."""


class NoResult(ValueError):
    """A log that says nothing that can be graded; the message says why."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a log comes to. Rates are 1 for empty lists; `full` alone counts as resolved."""

    resolution: Resolution
    f2p_passed: tuple[str, ...]
    f2p_failed: tuple[str, ...]
    p2p_passed: tuple[str, ...]
    p2p_failed: tuple[str, ...]

    @property
    def f2p_rate(self) -> float:
        """The share of fail-to-pass tests that pass."""
        return _rate(self.f2p_passed, self.f2p_failed)

    @property
    def p2p_rate(self) -> float:
        """The share of pass-to-pass tests that still pass."""
        return _rate(self.p2p_passed, self.p2p_failed)


def read_log(log: str, parser: str) -> Statuses:
    """The tests' statuses in an evaluation log. Raises NoResult when the log is of no run, KeyError for no parser."""
    parse = PARSERS[parser]
    for bad in BAD:
        if bad in log:
            raise NoResult(f"the log says '{bad.lstrip('> ')}'")
    if START not in log or END not in log:
        raise NoResult("the log has no start or no end of the tests' output")
    statuses = parse(log.split(START)[1].split(END)[0]) or parse(log)
    if not statuses and not RAN.search(log):
        raise NoResult("the log names no test, and nothing says that the suite ran")
    code = EXIT_CODE.search(log)
    failed = any(status in ("FAILED", "ERROR") for status in statuses.values())
    if code and int(code[1]) != 0 and statuses and not failed:
        raise NoResult(f"the runner ended with {code[1]}, and the log names no test that failed")
    return statuses


def live_pytest(log: str) -> Statuses:
    """The tests of a pytest log as SWE-bench-Live reads it: passed, skipped, and all else failed."""
    words = {"PASSED": "PASSED", "SKIPPED": "SKIPPED"}
    return {name: words.get(status, "FAILED") for name, status in PARSERS["parse_log_pytest"](log).items()}


def decide(statuses: Mapping[str, str], f2p: Sequence[str], p2p: Sequence[str], rules: Rules) -> Decided:
    """The verdict of a benchmark on statuses in its own words (PASSED, FAILED, SKIPPED, ERROR, XFAIL)."""
    f2p_passed = tuple(test for test in f2p if _mends(_status(test, statuses, rules), rules))
    p2p_passed = tuple(test for test in p2p if _keeps(_status(test, statuses, rules), rules))
    decided = Decided(
        "no",
        f2p_passed,
        tuple(test for test in f2p if test not in set(f2p_passed)),
        p2p_passed,
        tuple(test for test in p2p if test not in set(p2p_passed)),
    )
    if decided.p2p_rate < 1 or decided.f2p_rate == 0:
        return decided
    full = decided.f2p_rate == 1
    return Decided("full" if full else "partial", f2p_passed, decided.f2p_failed, p2p_passed, decided.p2p_failed)


def _status(test: str, statuses: Mapping[str, str], rules: Rules) -> str | None:
    """A test's status; an id cut off inside `[...]` (676 of Verified's) goes by its start if all candidates agree."""
    if test in statuses or rules in ("live", "pro", "fail_only"):
        return statuses.get(test)
    if test.count("[") > test.count("]"):
        found = [status for name, status in statuses.items() if name.startswith(test)]
        if found and len({status in _GOOD for status in found}) == 1:
            return found[0]
    return None


_GOOD = ("PASSED", "XFAIL")


def _mends(status: str | None, rules: Rules) -> bool:
    """Whether a fail-to-pass test with this status counts as mended."""
    match rules:
        case "official":
            return status in _GOOD
        case "fail_only":
            return status != "FAILED"
        case "live":
            return "pass" in (status or "").lower() and _keeps(status, rules)
        case "pro":
            return status == "PASSED"


def _keeps(status: str | None, rules: Rules) -> bool:
    """Whether a pass-to-pass test with this status is no regression."""
    match rules:
        case "official":
            return status in (*_GOOD, "SKIPPED")
        case "fail_only":
            return status != "FAILED"
        case "live":
            return "fail" not in (status or "").lower()
        case "pro":
            return status == "PASSED"


def _rate(passed: Sequence[str], failed: Sequence[str]) -> float:
    total = len(passed) + len(failed)
    return len(passed) / total if total else 1.0
