"""Where an alarm comes from: five rungs, from what is ours to what is the provider's. The lowest that moved is named.

replay    stored work graded again: a difference is in the graders, and no model was asked
sandbox   a scripted agent with a known outcome through the whole box, and the ceiling that knows the answers
control   another, pinned system on the same nights: when it fell too, it is not this system alone
served    the names providers returned, and digests of harness, model, image, graders, packages
judges    pieces of work whose verdict is known
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.report.trend_model import AlarmSaid, Change, ChartSaid, Rung
from harness.store.history import Canary, Night

MOVED_Z = -2.33
"""One-sided 1 %: a control that fell this far since the onset has moved."""
_QUIET = ("git",)
"""Prints that change every day and mean nothing alone."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the ladder looks at besides the system's own charts. `nights` are of all systems."""

    nights: Sequence[Night]
    canaries: Sequence[Canary]
    control: str
    control_chart: ChartSaid | None


def ladder(chart: ChartSaid, alarm: AlarmSaid, evidence: Evidence) -> tuple[Rung, ...]:
    """The five rungs over the nights from just before the onset to now."""
    since = chart.points[alarm.onset].created
    before = chart.points[alarm.onset - 1].created if alarm.onset else ""
    own = [n for n in evidence.nights if n.system == chart.system]
    return (
        _canary(evidence.canaries, "replay", since, "stored work graded again gives the same verdicts"),
        _sandbox(evidence, since),
        _control(evidence, since),
        _served(own, before),
        _judges(own, since),
    )


def verdict_of(rungs: Sequence[Rung]) -> str:
    """One sentence: the lowest rung that moved, or that none did and which were not measured."""
    moved = next((r for r in rungs if r.state == "moved"), None)
    silent = [r.name for r in rungs if r.state == "not measured"]
    if moved is not None:
        return f"lowest rung that moved: {moved.name}: {moved.said}"
    blind = f"; not measured: {', '.join(silent)}" if silent else ""
    if len(silent) == len(rungs):
        return "no rung of the ladder was measured: where the change comes from is not known"
    return f"no measured rung moved{blind}: what is left is the system itself, or chance"


def changes_of(nights: Sequence[Night]) -> tuple[Change, ...]:
    """What changed from night to night for one system, in the order of time."""
    found: list[Change] = []
    for a, b in pairwise([n for n in nights if n.graded]):
        if a.served != b.served:
            found.append(Change(b.created, b.system, "served model", _words(a.served), _words(b.served)))
        for name in sorted({*a.prints, *b.prints} - {*_QUIET, "tasks"}):
            old, new = a.prints.get(name, ""), b.prints.get(name, "")
            if old != new:
                found.append(Change(b.created, b.system, name, old or "none", new or "none"))
        edited = [t for t in sorted(b.tasks) if t in a.tasks and a.tasks[t].digest != b.tasks[t].digest]
        if edited:
            said = ", ".join(edited[:5]) + (f" and {len(edited) - 5} more" if len(edited) > 5 else "")
            found.append(Change(b.created, b.system, "tasks", f"{len(edited)} of {len(b.tasks)} as before", said))
    return tuple(found)


def _words(served: Sequence[str]) -> str:
    return ", ".join(served) or "none"


def _canary(canaries: Sequence[Canary], rung: str, since: str, fine: str) -> Rung:
    seen = [c for c in canaries if c.rung == rung and c.at >= since]
    for c in seen:
        if c.state == "moved":
            differ = ", ".join(c.differ[:5]) + (f" and {len(c.differ) - 5} more" if len(c.differ) > 5 else "")
            return Rung(rung, "moved", f"{c.detail or 'differs'} in the night of {c.night}: {differ}")
    measured = [c for c in seen if c.state == "same"]
    if measured:
        return Rung(rung, "same", f"{fine} ({sum(c.checked for c in measured)} checks in {len(measured)} nights)")
    why = seen[-1].detail if seen else "no canary ran since the onset: harness nightly runs them"
    return Rung(rung, "not measured", why)


def _sandbox(evidence: Evidence, since: str) -> Rung:
    """The scripted canary, and systems that see the reference: both have a known outcome."""
    rung = _canary(evidence.canaries, "sandbox", since, "scripted agents end as they must")
    if rung.state == "moved":
        return rung
    ceiling = [n for n in evidence.nights if n.privileged]
    solid = {task for n in ceiling if n.created < since for task, t in n.tasks.items() if t.passed == t.graded} - {
        task for n in ceiling if n.created < since for task, t in n.tasks.items() if t.passed < t.graded
    }
    later = [n for n in ceiling if n.created >= since]
    fell = sorted({task for n in later for task, t in n.tasks.items() if task in solid and t.passed < t.graded})
    if fell:
        more = f" and {len(fell) - 5} more" if len(fell) > 5 else ""
        return Rung("sandbox", "moved", f"a system that knows the answers fails: {', '.join(fell[:5])}{more}")
    if later and rung.state == "not measured":
        return Rung("sandbox", "same", f"the ceiling passes all {len(solid)} tasks it passed before; {rung.said}")
    return rung


def _control(evidence: Evidence, since: str) -> Rung:
    chart = evidence.control_chart
    if not evidence.control:
        return Rung(
            "control", "not measured", "no control system is named (nightly: control in the suite, or --control)"
        )
    if chart is None or chart.limits is None:
        return Rung("control", "not measured", f"{evidence.control} has no baseline yet")
    z = [p.z for p in chart.points if p.z is not None and p.created >= since]
    if not z:
        return Rung("control", "not measured", f"{evidence.control} did not run since the onset")
    n, m = len(z), chart.baseline_nights
    # Each z has variance 1, of which 1/(m+1) is the baseline's error, shared by all nights.
    total = sum(z) / math.sqrt(n * (m + n) / (m + 1))
    said = f"{evidence.control} is at z = {total:+.1f} over {n} nights since the onset"
    if total < MOVED_Z:
        return Rung("control", "moved", f"{said}: it fell too, so the cause is not this system alone")
    return Rung("control", "same", said)


def _served(own: Sequence[Night], before: str) -> Rung:
    found = changes_of([n for n in own if n.created >= before])
    if found:
        said = "; ".join(f"{c.what} {c.before} -> {c.after} on {c.created[:10]}" for c in found[:4])
        return Rung("served", "moved", said + (f" and {len(found) - 4} more" if len(found) > 4 else ""))
    names = _words(own[-1].served) if own else "none"
    return Rung("served", "same", f"no digest changed; served as {names}")


def _judges(own: Sequence[Night], since: str) -> Rung:
    """Judges whose sentinels were judged right less often since the onset, one-sided binomial at 1 %."""
    from scipy.special import bdtr

    said = []
    for judge in sorted({name for n in own for name in n.judges}):
        old = [n.judges[judge] for n in own if judge in n.judges and n.created < since]
        new = [n.judges[judge] for n in own if judge in n.judges and n.created >= since]
        if not old or not new or not sum(s.n for s in old) or not sum(s.n for s in new):
            continue
        hits, n = sum(s.hits for s in new), sum(s.n for s in new)
        rate = (sum(s.hits for s in old) + 0.5) / (sum(s.n for s in old) + 1)
        if bdtr(hits, n, rate) < 0.01:
            return Rung("judges", "moved", f"{judge} judges {hits} of {n} known verdicts right, before {rate:.0%}")
        said.append(f"{judge} {hits}/{n}")
    if said:
        return Rung("judges", "same", f"known verdicts judged right: {', '.join(said)}")
    return Rung("judges", "not measured", "no judge sentinels were judged before and after the onset")
