"""`go test -json`: a stream of events, one JSON object per line (built in since Go 1.10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from harness.toolkit.testreports.record import BadReport, CaseResult, Report, Status, report_of, seconds_of, text_of

_STATUS: dict[str, Status] = {"pass": "pass", "fail": "fail", "skip": "skip"}


class _Event(msgspec.Struct, rename="pascal"):
    action: str
    package: str = ""
    test: str = ""
    elapsed: float = 0.0
    import_path: str = ""


def parse_go_json(data: bytes) -> Report:
    """Results by `package::Test/sub`. Raises BadReport when no line is an event.

    A package that fails without a failed test of its own (it does not build, or it exits early) is a result of its own,
    `package`, with status error; a test that started and never ended is an error too. Lines that are no events (build
    output of older versions) are let pass.
    """
    events = list(_events(text_of(data)))
    if not events:
        raise BadReport("no line is an event of `go test -json`")
    results: list[CaseResult] = []
    running: dict[str, None] = {}
    failed: set[str] = set()
    broken: list[str] = []
    packages: set[str] = set()
    silent: dict[str, None] = {}
    for event in events:
        id = f"{event.package}::{event.test}"
        if event.test and event.action == "run":
            running[id] = None
        elif event.test and event.action in _STATUS:
            running.pop(id, None)
            results.append(CaseResult(id, _STATUS[event.action], seconds_of(event.elapsed)))
            if event.action == "fail":
                failed.add(event.package)
        elif event.action in ("pass", "fail", "skip") and event.package:
            packages.add(event.package)
            if event.action == "pass":
                silent[event.package] = None
            if event.action == "fail" and event.package not in failed:
                broken.append(event.package)
    results += [CaseResult(id, "error") for id in running]
    results += [CaseResult(package, "error") for package in broken]
    ended = bool(packages) and all(id.partition("::")[0] in packages for id in running)
    told = {result.id.partition("::")[0] for result in results}
    return replace(report_of(results, truncated=not ended), silent=tuple(p for p in silent if p not in told))


def _events(text: str) -> Iterator[_Event]:
    decoder = msgspec.json.Decoder(_Event)
    for line in text.split("\n"):
        if line.startswith("{"):
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError:
                continue
