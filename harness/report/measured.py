"""What one system did on a suite, task by task: the common currency of compare, gate, baselines, trend and power.

read_trials(run) -> measure(trials, system) -> Measured          one night
pool([night, night, ...]) -> Measured                            a baseline: nights on one fingerprint
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageFault
from harness.records.outcome import IS_OPPONENT, Digests, Status
from harness.report.columns import About
from harness.report.system import SAID_SKIP
from harness.report.tallies import GRADER, METRICS, PASS_RATE, Measured, Origin, Tally, Totals
from harness.report.trials import BAD_VALUE, STATUSES, Trials, deciding
from harness.stats.intervals import Codes, Numbers
from harness.store.manifest import Manifest, SystemInfo

__all__ = ["GRADER", "METRICS", "PASS_RATE", "Measured", "Origin", "Tally", "Totals", "measure", "origin_of", "pool"]

GRADED = STATUSES.index("graded")
INFRA = STATUSES.index("infra_error")


def measure(trials: Trials, system: str) -> Measured:
    """A system's night. Raises UsageFault when the run has no such system."""
    manifest = trials.manifest
    info = _info(manifest, system)
    code = trials.words["system"].index(system) if system in trials.words["system"] else -1
    rows = trials.column["system"] == code
    decides = deciding(trials, rows)
    graded, bad = _graded(trials, decides)
    named = np.unique(trials.codes("task"))
    # A task that only other systems ran is known by name, and is planned for this one too.
    tasks = tuple(trials.words["task"][t] for t in named)
    at = np.searchsorted(named, trials.codes("task"))
    count = len(tasks)
    only_named = _with_cause(trials, decides & ~graded, "ungradable", {IS_OPPONENT})
    overlooked = only_named | _with_cause(trials, decides & ~graded, "skipped", {*manifest.may_lack, SAID_SKIP})
    totals = replace(_totals(trials, rows, graded, int(overlooked.sum())), as_opponent=int(only_named.sum()))
    return Measured(
        label=manifest.run,
        suite=manifest.suite,
        system=info,
        runs=(manifest.run,),
        tasks=tasks,
        about=tuple(trials.about[t] for t in named),
        digests=_task_digests(trials, rows, graded, at, count),
        planned=manifest.epochs - np.bincount(at[overlooked], minlength=count).astype(np.float64),
        unseen=max(0, manifest.n_tasks - count),
        tallies=_tallies(trials, rows, graded, at, count),
        totals=totals,
        origin=origin_of(manifest),
        missing=_missing(trials, rows, decides, graded, bad, totals.planned),
        time_limited=_time_limited(trials, decides, at, count),
        criticals=_criticals(trials, graded),
        warnings=_warnings(trials, rows, graded, totals.overlooked - totals.as_opponent),
        images=_task_images(trials, graded),
        skipped=_skipped(trials, decides & ~graded, tasks, at),
    )


def origin_of(m: Manifest) -> Origin:
    """What comparing asks of a manifest."""
    return Origin(
        created=m.created,
        tasks_digest=m.tasks_digest,
        suite_path=m.suite_path,
        n_tasks=m.n_tasks,
        epochs=m.epochs,
        coverage_floor=m.coverage_floor,
        filters=tuple(sorted(f"{k} {v}" for k, v in m.selection.filters.items() if v and k not in ("system", "seed"))),
        versions=tuple(sorted(m.versions.items())),
        git=m.git,
    )


def _info(manifest: Manifest, system: str) -> SystemInfo:
    for info in manifest.systems:
        if info.name == system:
            return info
    from harness.plugins.loader import did_you_mean  # only on the way to an error

    names = [s.name for s in manifest.systems]
    close = did_you_mean(system, names)
    there = f"its systems: {', '.join(names)}"
    raise UsageFault(f"the run {manifest.run} has no system '{system}'", help=f"{close} — {there}" if close else there)


def _graded(trials: Trials, decides: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Deciding rows with a verdict, and those that claim one and have none that can be believed."""
    c = trials.column
    says = decides & (c["status"] == GRADED)
    value = c["value"]
    sound = ~np.isnan(c["passed"]) & ~np.isnan(value) & (value >= 0) & (value <= 1)
    return says & sound, says & ~sound


def _tally(at: Codes, values: Numbers, mask: NDArray[np.bool_], count: int) -> Tally:
    mask = mask & np.isfinite(values)
    where, held = at[mask], values[mask]
    return Tally(
        np.bincount(where, minlength=count).astype(np.float64),
        np.bincount(where, weights=held, minlength=count).astype(np.float64),
        np.bincount(where, weights=held**2, minlength=count).astype(np.float64),
    )


def _tallies(
    trials: Trials, rows: NDArray[np.bool_], graded: NDArray[np.bool_], at: Codes, count: int
) -> dict[str, Tally]:
    c = trials.column
    no_limit = trials.words["limit"].index("") if "" in trials.words["limit"] else -1
    of_graded = {
        PASS_RATE: c["passed"],
        "value": c["value"],
        "refusal_rate": c["refused"],
        "abstention_rate": c["abstained"],
        "false_success_rate": ((c["declared"] == 1) & (c["passed"] == 0)).astype(np.float64),
        "critical_rate": c["critical"],
        "limit_rate": (c["limit"] != no_limit).astype(np.float64),
        **{GRADER + name: values for name, values in trials.grades.items()},
    }
    found = {name: _tally(at, values, graded, count) for name, values in of_graded.items()}
    worked = graded & (c["cached"] == 0) & (c["working"] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found["log_seconds"] = _tally(at, np.log(c["working"]), worked, count)
    found["seconds"] = _tally(at, c["working"], worked, count)
    found["cost"] = _tally(at, c["cost_usd"], rows, count)
    found["tokens_in"] = _tally(at, c["input"], rows, count)
    found["tokens_out"] = _tally(at, c["output"], rows, count)
    return found


def _with_cause(trials: Trials, ungraded: NDArray[np.bool_], status: Status, causes: set[str]) -> NDArray[np.bool_]:
    """Those of the trials that ended in this status for one of these causes."""
    codes = [i for i, word in enumerate(trials.words["cause"]) if word in causes]
    same = trials.column["status"] == STATUSES.index(status)
    return np.asarray(ungraded & same & np.isin(trials.column["cause"], codes))


def _totals(trials: Trials, rows: NDArray[np.bool_], graded: NDArray[np.bool_], overlooked: int) -> Totals:
    c, m = trials.column, trials.manifest
    attempted = len(np.unique(np.stack([c["task"][rows], c["epoch"][rows]]), axis=1)[0]) if rows.any() else 0
    models: set[str] = set()
    for code in np.unique(trials.codes("models")[rows]):
        models |= {w.strip('"') for w in trials.words["models"][code].strip("[]").split(",") if w}
    return Totals(
        planned=max(m.n_tasks * m.epochs, attempted),
        graded=int(graded.sum()),
        passed=float(c["passed"][graded].sum()),
        attempts=int(rows.sum()),
        calls=int(c["calls"][rows].sum()),
        cost_usd=round(float(c["cost_usd"][rows].sum()), 9),
        unpriced=int(c["unpriced"][rows].sum()),
        cached=int(c["cached"][rows].sum()),
        judge_cost_usd=round(float(c["judge_cost"][rows].sum()), 9),
        judge_unpriced=int(c["judge_unpriced"][rows].sum()),
        input_tokens=float(c["input"][rows].sum()),
        cache_read_tokens=float(c["cache_read"][rows].sum()),
        output_tokens=float(c["output"][rows].sum()),
        refused=int(c["refused"][graded].sum()),
        critical=int(c["critical"][graded].sum()),
        models=tuple(sorted(models)),
        overlooked=overlooked,
    )


def _missing(
    trials: Trials,
    rows: NDArray[np.bool_],
    decides: NDArray[np.bool_],
    graded: NDArray[np.bool_],
    bad: NDArray[np.bool_],
    planned: int,
) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    c = trials.column
    for row in np.flatnonzero(decides & ~graded).tolist():
        word = trials.words["cause"][int(c["cause"][row])]
        name = STATUSES[int(c["status"][row])]
        if bad[row]:
            name, word = "ungradable", BAD_VALUE
        found[f"{name}: {word}" if word else name] += 1
    if unfinished := len(np.unique(np.stack([c["task"][rows], c["epoch"][rows]]), axis=1)[0]) - int(decides.sum()):
        found["unfinished"] = unfinished
    if (left := planned - int(decides.sum()) - unfinished) > 0:
        found["not run"] = left
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _task_digests(
    trials: Trials, rows: NDArray[np.bool_], graded: NDArray[np.bool_], at: Codes, count: int
) -> tuple[Digests, ...]:
    """Per task the digests of its graded trials (of any trial where none was graded); the smallest when they differ."""
    known = trials.digests()
    column = trials.codes("digests")
    found = [Digests()] * count
    for mask in (rows, graded):
        pairs = np.unique(np.stack([at[mask], column[mask]]), axis=1)
        for task, code in zip(*pairs[:, ::-1].tolist(), strict=True):
            found[task] = known[code]
    return tuple(found)


def _task_images(trials: Trials, graded: NDArray[np.bool_]) -> dict[str, dict[str, frozenset[str]]]:
    """Per task the images of its graded trials by purpose; `grading 2`, a second one for the same, is put to it."""
    pairs = np.unique(np.stack([trials.codes("task")[graded], trials.codes("images")[graded]]), axis=1)
    found: dict[str, dict[str, frozenset[str]]] = {}
    for task, code in pairs.T.tolist():
        said = msgspec.json.decode(trials.words["images"][code] or "{}", type=dict[str, str])
        by_purpose = found.setdefault(trials.words["task"][task], {}) if said else {}
        for key, digest in said.items():
            purpose = re.sub(r" \d+$", "", key)
            by_purpose[purpose] = by_purpose.get(purpose, frozenset()) | {digest}
    return found


def _skipped(trials: Trials, ungraded: NDArray[np.bool_], tasks: tuple[str, ...], at: Codes) -> dict[str, str]:
    """Tasks of which each planned trial was skipped or is an opponent's, with the causes."""
    on_purpose = _with_cause(trials, ungraded, "ungradable", {IS_OPPONENT})
    on_purpose |= ungraded & (trials.column["status"] == STATUSES.index("skipped"))
    whole = np.bincount(at[on_purpose], minlength=len(tasks)) >= trials.manifest.epochs
    causes: dict[str, set[str]] = defaultdict(set)
    for row in np.flatnonzero(on_purpose & whole[at]).tolist():
        causes[tasks[int(at[row])]].add(trials.words["cause"][int(trials.column["cause"][row])])
    return {task: ", ".join(sorted(found)) for task, found in causes.items()}


def _time_limited(trials: Trials, decides: NDArray[np.bool_], at: Codes, count: int) -> NDArray[np.bool_]:
    if "time" not in trials.words["limit"]:
        return np.zeros(count, dtype=bool)
    cut = decides & (trials.column["limit"] == trials.words["limit"].index("time"))
    return np.asarray(np.bincount(at[cut], minlength=count) > 0)


def _criticals(trials: Trials, graded: NDArray[np.bool_]) -> tuple[tuple[str, int, str], ...]:
    """Task, epoch and cause of every trial with a critical error."""
    c = trials.column
    at = np.flatnonzero(graded & (c["critical"] == 1)).tolist()
    return tuple((trials.words["task"][int(c["task"][i])], int(c["epoch"][i]), "") for i in at)


def _warnings(trials: Trials, rows: NDArray[np.bool_], graded: NDArray[np.bool_], overlooked: int) -> tuple[str, ...]:
    found = []
    if overlooked:
        found.append(f"{overlooked} trials were skipped for what this machine may lack; nothing here has them in it")
    c, m = trials.column, trials.manifest
    seen = np.unique(trials.codes("task")[rows])
    if trials.doubled:
        found.append(f"{trials.doubled} lines claim a try that another line claims too; the worse one counts")
    if trials.disputed:
        found.append(f"lines disagree about the family, shape or tags of {trials.disputed} tasks")
    if len(seen) > m.n_tasks:
        found.append(f"lines of {len(seen)} tasks, {m.n_tasks} were planned")
    if rows.any() and int(c["epoch"][rows].max()) > m.epochs:
        found.append(f"lines of epoch {int(c['epoch'][rows].max())}, {m.epochs} were planned")
    pairs = np.unique(np.stack([trials.codes("task")[graded], trials.codes("digests")[graded]]), axis=1)
    if pairs.shape[1] > len(np.unique(pairs[0])):
        found.append("trials of one task have different digests: the suite changed while the run went on")
    return tuple(found)


def pool(nights: Sequence[Measured], label: str) -> Measured:
    """Nights on one fingerprint as one: sums over nights, tasks that any of them has.

    The caller has checked that the digests agree; identity and digests are those of the newest night.
    """
    newest = nights[-1]
    tasks = tuple(sorted({t for night in nights for t in night.tasks}))
    where = {t: i for i, t in enumerate(tasks)}
    about: dict[str, About] = {}
    digests: dict[str, Digests] = {}
    for night in nights:
        about |= dict(zip(night.tasks, night.about, strict=True))
        digests |= dict(zip(night.tasks, night.digests, strict=True))
    tallies: dict[str, Tally] = {}
    planned = np.zeros(len(tasks))
    limited = np.zeros(len(tasks), dtype=bool)
    for night in nights:
        at = np.array([where[t] for t in night.tasks], dtype=np.int64)
        planned[at] += night.planned
        if night.time_limited is not None:
            limited[at] |= night.time_limited
        for name, tally in night.tallies.items():
            wide = Tally(*(_widened(part, at, len(tasks)) for part in (tally.n, tally.total, tally.squares)))
            tallies[name] = tallies[name] + wide if name in tallies else wide
    return replace(
        newest,
        label=label,
        runs=tuple(run for night in nights for run in night.runs),
        tasks=tasks,
        about=tuple(about[t] for t in tasks),
        digests=tuple(digests[t] for t in tasks),
        planned=planned,
        unseen=max(night.unseen for night in nights),
        tallies=tallies,
        totals=_summed([night.totals for night in nights]),
        missing=_joined([night.missing for night in nights]),
        time_limited=limited,
        criticals=(),
        warnings=tuple(dict.fromkeys(w for night in nights for w in night.warnings)),
        images={task: said for night in nights for task, said in night.images.items()},
    )


def _widened(values: Numbers, at: Codes, count: int) -> Numbers:
    wide = np.zeros(count)
    wide[at] = values
    return wide


def _summed(parts: Sequence[Totals]) -> Totals:
    sums = {name: sum(getattr(p, name) for p in parts) for name in Totals.__dataclass_fields__ if name != "models"}
    return Totals(**sums, models=tuple(sorted({m for p in parts for m in p.models})))


def _joined(parts: Sequence[tuple[tuple[str, int], ...]]) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    for part in parts:
        found.update(dict(part))
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))
