"""The canonical record of a test run, whatever runner wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["pass", "fail", "error", "skip", "xfail"]

MAX_BYTES = 64 * 1024**2
"""Of a report, as it is read out of a box; the rest of a longer one is never looked at."""
MAX_RESULTS = 200_000
"""Results in one report. The largest public task list has about 20,000 ids."""
MAX_ID = 8192
"""Characters of one id. A longer one is refused, never shortened."""

SEVERITY: Mapping[Status, int] = {"skip": 0, "xfail": 1, "pass": 2, "fail": 3, "error": 4}
"""Of two results with the same id the worse one counts, so that a second, forged line cannot mend the first."""


class BadReport(ValueError):
    """A report that cannot be read as what it should be; the message says where it breaks."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What one test came to. `id` is whole, in the runner's own words; `seconds` is 0 where it is not said."""

    id: str
    status: Status
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one run.

    `results` are by id. `collected` counts results before equal ids were put together. `truncated` says that the
    report ended early or had more than can be read. `duplicates` are ids said more than once. `silent` are packages
    of Go that ended well and told of no test.
    """

    results: Mapping[str, CaseResult] = field(default_factory=dict)
    collected: int = 0
    truncated: bool = False
    duplicates: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    def status(self, id: str) -> Status | None:
        """The status of a test, or None when it is not in the report."""
        found = self.results.get(id)
        return found.status if found else None


def report_of(results: Iterable[CaseResult], *, truncated: bool = False) -> Report:
    """Put results together. Raises BadReport when there are too many, or an id is too long."""
    kept: dict[str, CaseResult] = {}
    again: dict[str, None] = {}
    count = 0
    for result in results:
        count += 1
        if count > MAX_RESULTS:
            raise BadReport(f"more than {MAX_RESULTS:,} results")
        if len(result.id) > MAX_ID:
            raise BadReport(f"a test id of {len(result.id):,} characters")
        before = kept.get(result.id)
        if before is not None:
            again[result.id] = None
        if before is None or SEVERITY[result.status] > SEVERITY[before.status]:
            kept[result.id] = result
    return Report(kept, count, truncated, tuple(again))


def merged(reports: Iterable[Report]) -> Report:
    """Several report files of one run as one."""
    parts = list(reports)
    whole = report_of((r for p in parts for r in p.results.values()), truncated=any(p.truncated for p in parts))
    again = dict.fromkeys([*(d for p in parts for d in p.duplicates), *whole.duplicates])
    return Report(whole.results, sum(p.collected for p in parts), whole.truncated, tuple(again))


def text_of(data: bytes) -> str:
    """A report's text: UTF-8, broken bytes replaced (they are never part of an id that is looked for)."""
    return data.decode("utf-8-sig", "replace")


def seconds_of(value: object) -> float:
    """A duration, or 0 for what is none."""
    try:
        seconds = float(str(value).replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0.0 <= seconds < 1e9 else 0.0
