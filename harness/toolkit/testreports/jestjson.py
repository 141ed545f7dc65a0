"""`jest --json --outputFile` and `vitest --reporter=json`, which writes the same shape."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from harness.records.content import Json
from harness.toolkit.testreports.record import BadReport, CaseResult, Report, Status, report_of, seconds_of

_STATUS: dict[str, Status] = {
    "passed": "pass", "failed": "fail", "pending": "skip", "skipped": "skip", "todo": "skip", "disabled": "skip",
}  # fmt: skip


def parse_jest_json(data: bytes, root: str = "") -> Report:
    """Results by `file > describe > title`, the file relative to `root`. Raises BadReport.

    A file that failed without a test of its own (it cannot be imported) is a result of its own, `file`, with status
    error.
    """
    try:
        said: Json = msgspec.json.decode(data)
    except msgspec.DecodeError as e:
        raise BadReport(f"not JSON: {e}") from e
    if not isinstance(said, dict) or not isinstance(said.get("testResults"), list):
        raise BadReport("not a report of jest: there is no list `testResults`")
    return report_of(result for suite in said["testResults"] for result in _suite(suite, root))


def _suite(suite: Json, root: str) -> Iterator[CaseResult]:
    if not isinstance(suite, dict):
        raise BadReport("a test file that is no object")
    file = str(suite.get("name") or suite.get("testFilePath") or "")
    base = root.rstrip("/") + "/"
    file = file[len(base) :] if root and file.startswith(base) else file
    cases = suite.get("assertionResults", suite.get("testResults"))
    cases = cases if isinstance(cases, list) else []
    for case in cases:
        if not isinstance(case, dict) or case.get("status") not in _STATUS:
            raise BadReport("a test without a known status")
        above = case.get("ancestorTitles")
        titles = [str(t) for t in above if t] if isinstance(above, list) else []
        yield CaseResult(
            " > ".join([file, *titles, str(case.get("title", ""))]),
            _STATUS[case["status"]],
            seconds_of(case.get("duration") or 0) / 1000,
        )
    if suite.get("status") == "failed" and not any(c["status"] == "failed" for c in cases):
        yield CaseResult(file, "error")
