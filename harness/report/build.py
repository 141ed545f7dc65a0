"""A run folder in, a report out: a pure function of the files, whatever the order of their lines.

read_manifest, read_columns -> system_report for each system -> slices, tasks_apart -> is it valid? -> Report
The full report's sections are made from the same evidence: `harness.report.reliability`.
"""

from __future__ import annotations

from pathlib import Path

from harness.errors import Exit
from harness.records.content import Json
from harness.report.columns import Columns, read_columns
from harness.report.evidence import Evidence
from harness.report.judges_read import read_judges, why_invalid
from harness.report.model import Report, SystemReport
from harness.report.rates import family_codes
from harness.report.slices import slices, tasks_apart
from harness.report.system import OPPONENTS, SAID_SKIP, deciding, pass_means, skipped_for, system_report
from harness.store.manifest import Manifest
from harness.store.read import read_manifest


def build_report(path: Path) -> Report:
    """The short report of a run. Transcripts are never read.

    `exit_code` is 0 for a valid run, 3 when coverage is under the floor or nothing was graded, 5 when nothing ran.
    Raises StoreError.
    """
    return read_evidence(path).report


def read_evidence(path: Path) -> Evidence:
    """What the sections of the full report are made from, the short report with it. Raises StoreError."""
    manifest = read_manifest(path)
    rows = read_columns(path)
    family = family_codes(rows.about)
    parts = [_of_system(rows, s.name) for s in manifest.systems]
    systems = tuple(system_report(s, manifest, part, family) for s, part in zip(manifest.systems, parts, strict=True))
    decided = tuple(part.where(deciding(part)) for part in parts)
    judges = read_judges(path, manifest)
    invalid = (*_why_invalid(manifest, systems), *why_invalid(judges))
    nothing = not any(s.coverage.attempted for s in systems)
    report = Report(
        identity=_identity(manifest),
        tasks=manifest.n_tasks,
        epochs=manifest.epochs,
        attempts=len(rows),
        coverage_floor=manifest.coverage_floor,
        warnings=(*_warnings(manifest, systems, rows), *(judges.warnings if judges else ())),
        invalid=invalid,
        exit_code=Exit.NOTHING if nothing else Exit.INVALID if invalid else Exit.OK,
        systems=systems,
        slices=slices([pass_means(d) for d in decided], rows.about, family),
        by_task=tasks_apart(systems, decided),
        judges=judges,
    )
    return Evidence(path, manifest, rows, family, decided, report)


def _of_system(rows: Columns, name: str) -> Columns:
    code = rows.systems.index(name) if name in rows.systems else -1
    return rows.where(rows.column["system"] == code)


def _identity(m: Manifest) -> dict[str, Json]:
    said: dict[str, Json] = {
        "run": m.run,
        "suite": m.suite,
        "suite_path": m.suite_path,
        "created": m.created,
        "suite_digest": m.suite_digest,
        "tasks_digest": m.tasks_digest,
        "git": m.git,
        "seed": m.seed,
        "versions": dict(sorted(m.versions.items())),
        "filters": m.selection.filters,
        "tasks_in_suite": m.selection.tasks_in_suite or m.n_tasks,
    }
    return {k: v for k, v in said.items() if v not in ("", {}, None)}


def _why_invalid(manifest: Manifest, systems: tuple[SystemReport, ...]) -> tuple[str, ...]:
    if manifest.n_trials == 0:
        return ("nothing was planned: no task or no system was selected",)
    if not any(s.coverage.attempted for s in systems):
        return ("nothing ran",)
    reasons = []
    for s in systems:
        c = s.coverage
        if c.counted == 0 and is_opponent(s) and any(other.coverage.graded for other in systems):
            continue
        if c.graded == 0:
            reasons.append(f"{s.name}: nothing was graded (0 of {c.planned} trials)")
        elif c.graded < manifest.coverage_floor * c.counted:
            beside = f" ({c.overlooked} of {c.planned} are not counted)" if c.overlooked else ""
            reasons.append(
                f"{s.name}: coverage {c.graded}/{c.counted} = {c.graded / c.counted:.1%} is under the floor of "
                f"{manifest.coverage_floor:.1%}{beside}"
            )
    return tuple(reasons)


def _left_out(manifest: Manifest, systems: tuple[SystemReport, ...]) -> list[str]:
    """What the floor does not count: it is told before any rate."""
    said = []
    for lack in dict.fromkeys((*manifest.may_lack, SAID_SKIP)):
        n = sum(count.n for s in systems for count in s.coverage.missing if count.name == skipped_for(lack))
        if n:
            why = "their tasks say `skip`" if lack == SAID_SKIP else f"no {lack} here; the suite lets it be missing"
            said.append(f"NOT MEASURED: {n} of {manifest.n_trials} trials were skipped: {why}. No rate has them in it")
    for s in systems:
        if n := is_opponent(s):
            said.append(
                f"NOT JUDGED: {n} of {s.coverage.planned} trials of {s.name}: others are compared with it, and nobody "
                "judges it. No rate has them in it"
            )
    return said


def is_opponent(system: SystemReport) -> int:
    """How many of its trials nobody judged, because others are compared with them."""
    return sum(c.n for c in system.coverage.missing if c.name == OPPONENTS)


def _warnings(manifest: Manifest, systems: tuple[SystemReport, ...], rows: Columns) -> tuple[str, ...]:
    found = []
    if names := [s.name for s in systems if s.simulated]:
        found.append(f"SIMULATED: {', '.join(names)}: scripted or replayed answers, no model was measured")
    if names := [s.name for s in systems if s.stored]:
        found.append(f"STORED: {', '.join(names)}: answers made earlier are played from a file, nothing was asked now")
    if names := [s.name for s in systems if s.privileged]:
        found.append(f"PRIVILEGED: {', '.join(names)}: sees the reference; a ceiling, not a result")
    found += _left_out(manifest, systems)
    for s in systems:
        if s.cost.unpriced and not s.simulated:
            found.append(f"UNPRICED: {s.name}: {s.cost.unpriced} of {s.cost.calls} calls have no known price")
        if s.cost.judge_unpriced:
            found.append(f"UNPRICED: {s.name}: {s.cost.judge_unpriced} of {s.cost.judge_calls} judge calls")
    if rows.disputed:
        found.append(
            f"EDITED: lines disagree about the family, shape or tags of {rows.disputed} tasks: regrade to use today's"
        )
    planned = {s.name for s in manifest.systems}
    if strange := [n for n in rows.systems if n not in planned]:
        found.append(f"NOT IN THE PLAN: attempts of {', '.join(strange)}: left out")
    judged = {
        n: g["simulated_judges"]
        for n, g in manifest.graders.items()
        if isinstance(g, dict) and g.get("simulated_judges")
    }
    if judged:
        who = ", ".join(sorted({judge for judges in judged.values() for judge in judges}))
        found.append(
            f"SIMULATED JUDGE: {who} in {', '.join(sorted(judged))}: rules, no model; its verdicts measure nothing"
        )
    return tuple(found)
