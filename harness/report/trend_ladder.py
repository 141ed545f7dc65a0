"""Where an alarm comes from: five rungs, from what is ours to what is the provider's. The lowest that moved is named.

replay    stored work graded again, and digests of graders and tasks: what is ours, and no model was asked
sandbox   a scripted agent with a known outcome through the whole box, and the ceiling that knows the answers
control   another, pinned system on the same nights: when it fell too, it is not this system alone
served    the names providers returned, and digests of harness, model, image, packages
judges    pieces of work whose verdict is known, and the judges' digests

A cause comes before its effect: each rung is looked at from the onset to the alarm's night. What moved later is told
apart, as `later`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.report.trend_charts import PASS_RATE
from harness.report.trend_model import AlarmSaid, Change, ChartSaid, Rung
from harness.store.history import Canary, Night

MOVED_Z = -2.33
"""One-sided 1 %: a control that fell this far since the onset has moved."""
_QUIET = ("git",)
"""Prints that change every day and mean nothing alone."""
_MEASURE, _JUDGE = ("graders", "tasks"), ("judge",)
"""What changes the measure and not the system: of the rungs `replay` and `judges`."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the ladder looks at besides the system's own charts. `nights` are of all systems."""

    nights: Sequence[Night]
    canaries: Sequence[Canary]
    control: str
    control_chart: ChartSaid | None


@dataclass(frozen=True, slots=True)
class _Window:
    """From the onset to the alarm's night, whose name is `night`: times as nights and canaries have them."""

    since: str
    until: str
    night: str

    def has(self, at: str) -> bool:
        """Whether something of this time can be a cause."""
        return self.since <= at <= self.until

    def has_canary(self, canary: Canary) -> bool:
        """A night that was started again has its canaries after its run."""
        return self.has(canary.at) or bool(self.night and canary.night == self.night)


def ladder(chart: ChartSaid, alarm: AlarmSaid, evidence: Evidence) -> tuple[Rung, ...]:
    """The five rungs over the nights from the onset to the alarm."""
    own = [n for n in evidence.nights if n.system == chart.system]
    last = chart.points[alarm.night]
    window = _Window(
        chart.points[alarm.onset].created, last.created, next((n.night for n in own if n.run == last.run), "")
    )
    changes = changes_of(own)
    ours = [c for c in changes if c.what in _MEASURE]
    if chart.name == PASS_RATE:  # leaves edited tasks out: they cannot have moved it
        ours = [c for c in ours if c.what != "tasks"]
    judged = [c for c in changes if c.what in _JUDGE]
    rest = [c for c in changes if c.what not in (*_MEASURE, *_JUDGE)]
    replay = _canary(evidence.canaries, "replay", window, "stored work graded again gives the same verdicts")
    return (
        _with_changes(replay, ours, window),
        _sandbox(evidence, window),
        _control(evidence, window),
        _served(own, rest, window),
        _with_changes(_judges(own, window), judged, window),
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


def _with_changes(rung: Rung, changes: Sequence[Change], window: _Window) -> Rung:
    """A rung with what was edited: it has moved where nothing was measured that shows otherwise."""
    edited = _listed([c for c in changes if window.has(c.created)])
    later = _listed([c for c in changes if c.created > window.until])
    if edited and rung.state == "not measured":
        rung = replace(rung, state="moved", said=f"{edited}; what that did was not measured: {rung.said}")
    elif edited:
        rung = replace(rung, said=f"{rung.said}; edited: {edited}")
    return replace(rung, later="; ".join(w for w in (rung.later, later) if w))


def _listed(changes: Sequence[Change]) -> str:
    said = "; ".join(f"{c.what} {c.before} -> {c.after} on {c.created[:10]}" for c in changes[:4])
    return said + (f" and {len(changes) - 4} more" if len(changes) > 4 else "")


def _canary(canaries: Sequence[Canary], name: str, window: _Window, fine: str) -> Rung:
    of_rung = [c for c in canaries if c.rung == name]
    seen = [c for c in of_rung if window.has_canary(c)]
    after = [c for c in of_rung if c.at > window.until and not window.has_canary(c)]
    later = next((_moved_words(c) for c in after if c.state == "moved"), "")
    if moved := [c for c in seen if c.state == "moved"]:
        return Rung(name, "moved", _moved_words(moved[0]), later)
    measured = [c for c in seen if c.state == "same"]
    if measured:
        checks = sum(c.checked for c in measured)
        return Rung(name, "same", f"{fine} ({checks} checks in {len(measured)} nights)", later)
    nothing = "no canary ran between onset and alarm: harness nightly runs them"
    return Rung(name, "not measured", seen[-1].detail if seen else nothing, later)


def _moved_words(c: Canary) -> str:
    differ = ", ".join(c.differ[:5]) + (f" and {len(c.differ) - 5} more" if len(c.differ) > 5 else "")
    return f"{c.detail or 'differs'} in the night of {c.night}: {differ}"


def _sandbox(evidence: Evidence, window: _Window) -> Rung:
    """The scripted canary, and systems that see the reference: both have a known outcome."""
    rung = _canary(evidence.canaries, "sandbox", window, "scripted agents end as they must")
    if rung.state == "moved":
        return rung
    ceiling = [n for n in evidence.nights if n.privileged]
    before = [(task, t) for n in ceiling if n.created < window.since for task, t in n.tasks.items()]
    solid = {task for task, _ in before} - {task for task, t in before if t.passed < t.graded}
    then = [n for n in ceiling if window.has(n.created)]
    fell = _fell(then, solid)
    later = _fell([n for n in ceiling if n.created > window.until], solid)
    rung = replace(rung, later="; ".join(w for w in (rung.later, later) if w))
    if fell:
        return replace(rung, state="moved", said=fell)
    if then and rung.state == "not measured":
        return replace(
            rung, state="same", said=f"the ceiling passes all {len(solid)} tasks it passed before; {rung.said}"
        )
    return rung


def _fell(nights: Sequence[Night], solid: set[str]) -> str:
    fell = sorted({task for n in nights for task, t in n.tasks.items() if task in solid and t.passed < t.graded})
    more = f" and {len(fell) - 5} more" if len(fell) > 5 else ""
    return f"a system that knows the answers fails: {', '.join(fell[:5])}{more}" if fell else ""


def _control(evidence: Evidence, window: _Window) -> Rung:
    chart = evidence.control_chart
    if not evidence.control:
        return Rung(
            "control", "not measured", "no control system is named (nightly: control in the suite, or --control)"
        )
    if chart is None or chart.limits is None:
        return Rung("control", "not measured", f"{evidence.control} has no baseline yet")
    z = [p.z for p in chart.points if p.z is not None and window.has(p.created)]
    if not z:
        return Rung("control", "not measured", f"{evidence.control} did not run between onset and alarm")
    n, m = len(z), chart.baseline_nights
    # Each z has variance 1, of which 1/(m+1) is the baseline's error, shared by all nights.
    total = sum(z) / math.sqrt(n * (m + n) / (m + 1))
    said = f"{evidence.control} is at z = {total:+.1f} over {n} nights from onset to alarm"
    if total < MOVED_Z:
        return Rung("control", "moved", f"{said}: it fell too, so the cause is not this system alone")
    return Rung("control", "same", said)


def _served(own: Sequence[Night], changes: Sequence[Change], window: _Window) -> Rung:
    found = [c for c in changes if window.has(c.created)]
    later = _listed([c for c in changes if c.created > window.until])
    if found:
        return Rung("served", "moved", _listed(found), later)
    then = [n for n in own if n.created <= window.until]
    names = _words(then[-1].served) if then else "none"
    return Rung("served", "same", f"no digest changed; served as {names}", later)


def _judges(own: Sequence[Night], window: _Window) -> Rung:
    """Judges whose sentinels were judged right less often from onset to alarm, one-sided binomial at 1 %."""
    from scipy.special import bdtr

    said = []
    for judge in sorted({name for n in own for name in n.judges}):
        old = [n.judges[judge] for n in own if judge in n.judges and n.created < window.since]
        new = [n.judges[judge] for n in own if judge in n.judges and window.has(n.created)]
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
