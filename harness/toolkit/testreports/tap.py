"""TAP 13 and 14: nested by four spaces, plans, SKIP and TODO, bail out."""

from __future__ import annotations

import re

from harness.toolkit.testreports.record import BadReport, CaseResult, Report, Status, report_of, seconds_of, text_of

_POINT = re.compile(r"^( *)(not )?ok\b(?: +(\d+))?(?: +-)? *(.*)$")
_PLAN = re.compile(r"^( *)1\.\.(\d+)(?: *#.*)?$")
_DIRECTIVE = re.compile(r"(?<!\\)#\s*(skip|todo)\b", re.IGNORECASE)
_SUBTEST = re.compile(r"^( *)# Subtest: (.*)$")
_DURATION = re.compile(r"^( *)  duration_ms: ([0-9.]+)")


def parse_tap(data: bytes) -> Report:
    """Results by `outer > inner`. Raises BadReport when there is no test point.

    A test point above nested ones is a result only if it fails while all of them pass. A plan that does not hold, or
    `Bail out!`, makes the report truncated. `not ok # TODO` is an xfail, `ok # TODO` a pass.
    """
    results: list[CaseResult] = []
    titles: dict[int, str] = {}
    counts: dict[int, int] = {}
    below: dict[int, list[CaseResult]] = {}
    whole, seen, yaml = True, False, -1
    for line in text_of(data).split("\n"):
        line = line.rstrip("\r")
        if yaml >= 0:
            yaml = -1 if line.strip() == "..." else yaml
            if yaml >= 0 and results and (took := _DURATION.match(line)):
                results[-1] = CaseResult(results[-1].id, results[-1].status, seconds_of(took[2]) / 1000)
            continue
        if line.strip() == "---":
            yaml = len(line) - len(line.lstrip())
        elif subtest := _SUBTEST.match(line):
            titles[len(subtest[1]) // 4] = _unescaped(subtest[2])
        elif plan := _PLAN.match(line):
            seen = True
            counts.setdefault(len(plan[1]) // 4, 0)
            counts[len(plan[1]) // 4] -= int(plan[2])
        elif line.lstrip().startswith("Bail out!"):
            whole = False
        elif point := _POINT.match(line):
            seen = True
            depth = len(point[1]) // 4
            counts[depth] = counts.get(depth, 0) + 1
            inner = below.pop(depth + 1, [])
            whole = whole and counts.pop(depth + 1, 0) == 0
            result = _result(point, [titles[d] for d in range(depth) if d in titles])
            below.setdefault(depth, []).append(result)
            if not inner or (result.status == "fail" and all(r.status != "fail" for r in inner)):
                results.append(result)
    if not seen:
        raise BadReport("no test point and no plan: this is not TAP")
    return report_of(results, truncated=not whole or any(counts.values()))


def _result(point: re.Match[str], above: list[str]) -> CaseResult:
    said = point[4]
    directive = _DIRECTIVE.search(said)
    title = _unescaped(said[: directive.start()] if directive else said).strip() or f"test {point[3] or ''}".strip()
    status: Status = "fail" if point[2] else "pass"
    if directive and directive[1].lower() == "skip":
        status = "skip"
    elif directive and point[2]:
        status = "xfail"
    return CaseResult(" > ".join([*above, title]), status)


def _unescaped(text: str) -> str:
    return text.replace("\\#", "#").replace("\\\\", "\\")
