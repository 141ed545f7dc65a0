"""Terminal output, read only for imported benchmarks that have nothing better.

Whoever writes to the terminal writes these lines; a grade that rests on them is marked as weak.
"""

from __future__ import annotations

import re

from harness.toolkit.testreports.record import BadReport, CaseResult, Report, Status, report_of, text_of

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PYTEST = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (.+)$")
_PYTEST_WORDS: dict[str, Status] = {
    "PASSED": "pass", "FAILED": "fail", "ERROR": "error", "SKIPPED": "skip", "XFAIL": "xfail", "XPASS": "pass",
}  # fmt: skip
_DJANGO = re.compile(r"^(\S.*?) \.\.\. (ok|FAIL|ERROR|skipped(?: .*)?|expected failure|unexpected success|OK)$")
_DJANGO_WORDS: dict[str, Status] = {
    "ok": "pass", "OK": "pass", "FAIL": "fail", "ERROR": "error", "expected failure": "xfail",
    "unexpected success": "fail",
}  # fmt: skip
_DJANGO_BLOCK = re.compile(r"^(FAIL|ERROR): (\S+ \(.+\))$")


def parse_pytest_log(data: bytes) -> Report:
    """The short summary of `pytest -rA`: `PASSED id`, `FAILED id - message`. Raises BadReport when there is none."""
    results: list[CaseResult] = []
    for line in _lines(data):
        if found := _PYTEST.match(line):
            word, rest = found[1], found[2]
            if word == "SKIPPED" and rest.startswith("["):
                continue  # `SKIPPED [2] file:line: reason` names no test
            id = rest.split(" - ", 1)[0] if word in ("FAILED", "ERROR", "XFAIL", "XPASS") else rest
            results.append(CaseResult(id.rstrip(), _PYTEST_WORDS[word]))
    return _some(results, "`pytest -rA`")


def parse_django_log(data: bytes) -> Report:
    """Django's `runtests.py --verbosity 2`: `test_x (module.Class) ... ok`, and the FAIL and ERROR blocks below."""
    results: list[CaseResult] = []
    for line in _lines(data):
        if found := _DJANGO.match(line):
            word = found[2]
            results.append(CaseResult(found[1], "skip" if word.startswith("skipped") else _DJANGO_WORDS[word]))
        elif block := _DJANGO_BLOCK.match(line):
            results.append(CaseResult(block[2], "fail" if block[1] == "FAIL" else "error"))
    return _some(results, "Django's test runner")


def _lines(data: bytes) -> list[str]:
    return _ESCAPES.sub("", text_of(data)).replace("\r\n", "\n").split("\n")


def _some(results: list[CaseResult], who: str) -> Report:
    if not results:
        raise BadReport(f"no line is a result of {who}")
    return report_of(results)
