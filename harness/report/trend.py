"""A suite's nights in, a verdict out: has anything drifted, since when, and which rung of the ladder moved.

history, acks -> per system: nights since its last new baseline -> split -> charts -> alarms -> ladder -> Trend
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from harness.errors import Exit, HarnessError, NothingToRun, RunInvalid, UsageFault
from harness.report.trend_charts import COVERAGE, LimitsBook, Watcher, charts_of
from harness.report.trend_ladder import Evidence, changes_of, ladder, verdict_of
from harness.report.trend_model import ChartSaid, LeftOut, Rung, State, SystemTrend, Trend, TrendOptions
from harness.report.trend_series import Split, split
from harness.report.words import hours
from harness.store.history import History
from harness.store.trend_state import Ack, Limit, TrendState

SKEW = timedelta(minutes=10)
"""Clocks of machines may differ by this much."""
_ORDER: tuple[State, ...] = ("ok", "learning", "watch", "stale", "alarm")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A trend, and the limits it used: to be kept, so that the next night is judged by the same ones."""

    trend: Trend
    limits: Mapping[str, Limit]


@dataclass(frozen=True, slots=True)
class _Charted:
    """A system with its nights told apart and its charts."""

    split: Split
    charts: tuple[ChartSaid, ...]


def build_trend(
    suite: str, history: History, state: TrendState, options: TrendOptions, left_out: Sequence[LeftOut] = ()
) -> Drawn:
    """Everything there is to say about a suite's nights. A pure function of its arguments.

    Raises NothingToRun when there is no night, RunInvalid when all are after
    now, UsageFault for a system without one.
    """
    history, ahead = _until(options.now, history)
    if not history.nights:
        raise _no_night(suite, left_out, ahead)
    known = {n.system for n in history.nights}
    for name in (*options.systems, options.control):
        if name and name not in known:
            raise UsageFault(f"no night of system '{name}'", help=f"systems: {', '.join(sorted(known))}")
    names = options.systems or _of_newest_run(history)
    book = LimitsBook(state.limits, options, len(names))
    charted = {
        n: _charted(n, history, state.acks, book, options) for n in dict.fromkeys((*names, options.control)) if n
    }
    evidence = Evidence(
        history.nights,
        history.canaries,
        options.control,
        charted[options.control].charts[0] if options.control else None,
    )
    systems = tuple(_system(n, charted[n], evidence, options) for n in names)
    codes, problems = _problems(ahead, systems, charted, options)
    left_out = (*left_out, *(LeftOut(run, "made after now") for run in ahead))
    if newer := [r for r in left_out if r.broken and r.run > history.nights[-1].run]:
        codes.append(Exit.INVALID)
        problems = (*problems, *(f"{r.run} is newer than any night, and is none: {r.why}" for r in newer))
    worst = max((s.state for s in systems), key=_ORDER.index)
    trend = Trend(
        suite=suite,
        now=options.now.isoformat(timespec="seconds"),
        state=worst,
        exit_code=_exit_code(worst, codes),
        yearly_alarms=options.yearly_alarms,
        systems=systems,
        changes=tuple(c for n in names for c in changes_of([x for x in history.nights if x.system == n])),
        left_out=left_out,
        problems=problems,
        acks=tuple(_ack_words(a) for a in state.acks),
    )
    return Drawn(trend, book.used)


def _until(now: datetime, history: History) -> tuple[History, list[str]]:
    """What has happened by now, and the runs that by some clock have not: they are in no chart and no baseline."""
    last = now + SKEW
    nights = tuple(n for n in history.nights if time_of(n.created) <= last)
    canaries = tuple(c for c in history.canaries if time_of(c.at) <= last)
    return History(nights, canaries), sorted({n.run for n in history.nights} - {n.run for n in nights})


def _no_night(suite: str, left_out: Sequence[LeftOut], ahead: Sequence[str]) -> HarnessError:
    if ahead:
        what = f"all {len(ahead)} runs were" if len(ahead) > 1 else "the only run was"
        return RunInvalid(f"{what} made after now, {ahead[0]} first: a clock is wrong", help="see date, and --now")
    why = "; ".join(dict.fromkeys(r.why for r in left_out))
    return NothingToRun(
        f"no night of suite '{suite}' is known" + (f" ({len(left_out)} runs left out: {why})" if why else ""),
        help=f"make one: harness nightly --suite {suite}",
    )


def _of_newest_run(history: History) -> tuple[str, ...]:
    """Systems of the newest run; those that see the reference are a rung of the ladder and get no chart."""
    newest = history.nights[-1].run
    names = [n.system for n in history.nights if n.run == newest]
    plain = [n.system for n in history.nights if n.run == newest and not n.privileged]
    return tuple(plain or names)


def _charted(name: str, history: History, acks: Sequence[Ack], book: LimitsBook, options: TrendOptions) -> _Charted:
    """The nights since the newest of: a promoted baseline, an acknowledgement that asks for a new one."""
    nights = [n for n in history.nights if n.system == name]
    again = [a for a in acks if a.rebaseline and a.system in ("", name)]
    promoted, runs = options.promoted.get(name, ("", frozenset()))
    if again and max(a.at for a in again) > promoted:
        until, runs = max(a.until for a in again), frozenset()
        nights = [n for n in nights if n.created > until]
    elif runs:
        first = min((n.created for n in nights if n.run in runs), default="")
        nights = [n for n in nights if n.created >= first]
    watcher = Watcher(name, book, acks)
    found = split(nights, watcher.alarms_early, runs)
    return _Charted(found, charts_of(found, watcher))


def _system(name: str, charted: _Charted, evidence: Evidence, options: TrendOptions) -> SystemTrend:
    nights, charts = charted.split.nights, charted.charts
    state: State = charts[0].state
    if any(c.state == "alarm" for c in charts):
        state = "alarm"
    elif _is_stale(charted, options):
        state = "stale"
    elif any(c.state == "watch" for c in charts):
        state = "watch"
    alarmed = next((c for c in charts if c.alarms and c.name != COVERAGE), None)
    rungs: tuple[Rung, ...] = ()
    verdict = ""
    if alarmed is not None:
        rungs = ladder(alarmed, alarmed.alarms[0], evidence)
        verdict = verdict_of(rungs)
    hollow = len(charted.split.why)
    return SystemTrend(name, state, len(nights), hollow, charts, rungs, verdict, _notes(charted.split))


def _is_stale(charted: _Charted, options: TrendOptions) -> bool:
    if options.max_age is None:
        return False
    sound = [*charted.split.baseline, *charted.split.watched]
    newest = max((charted.split.nights[i].created for i in sound), default="")
    return not newest or options.now - time_of(newest) > options.max_age


def _notes(s: Split) -> tuple[str, ...]:
    notes = []
    if s.nights:
        newest = s.nights[-1]
        if new := sorted(set(newest.tasks) - set(s.work)):
            notes.append(f"{len(new)} tasks are not in the baseline and are not watched until it is made anew")
        edited = [t for t, d in s.work.items() if t in newest.tasks and newest.tasks[t].digest != d]
        if edited:
            notes.append(f"{len(edited)} tasks differ from the baseline's and are left out: {', '.join(edited[:5])}")
        if newest.simulated or newest.stored:
            word = "simulated" if newest.simulated else "stored"
            notes.append(f"{word}: no model was measured")
    return tuple(notes)


def _problems(
    ahead: Sequence[str], systems: Sequence[SystemTrend], charted: Mapping[str, _Charted], options: TrendOptions
) -> tuple[list[Exit], tuple[str, ...]]:
    """What keeps the newest night from a verdict, and the exit codes this asks for."""
    codes: list[Exit] = []
    said: list[str] = []
    if ahead:
        codes.append(Exit.INVALID)
        named = ", ".join(ahead[:3]) + (f" and {len(ahead) - 3} more" if len(ahead) > 3 else "")
        said.append(f"made after now ({options.now:%Y-%m-%dT%H:%MZ}) and left out: {named}: a clock is wrong")
    for s in systems:
        of = charted[s.system].split
        last = len(of.nights) - 1
        if last in of.changed:
            codes.append(Exit.NOT_COMPARABLE)
            said.append(f"{s.system}: {of.nights[last].run}: {of.why[last]}; accept it: harness trend ack --rebaseline")
        elif last in of.why:
            codes.append(Exit.INVALID)
            said.append(f"{s.system}: {of.nights[last].run}: {of.why[last]}")
        if s.state == "stale":
            said.append(f"{s.system}: no valid night within {hours((options.max_age or timedelta()).total_seconds())}")
    return codes, tuple(said)


def _exit_code(state: State, codes: Sequence[Exit]) -> Exit:
    """Red for quality or silence first; then what makes tonight no measurement."""
    if Exit.INVALID in codes and state not in ("alarm", "stale"):
        return Exit.INVALID
    if state in ("alarm", "stale"):
        return Exit.GATE_FAILED
    return Exit.NOT_COMPARABLE if Exit.NOT_COMPARABLE in codes else Exit.OK


def time_of(created: str) -> datetime:
    """A record's time."""
    found = datetime.fromisoformat(created)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _ack_words(ack: Ack) -> str:
    about = " ".join(w for w in (ack.system or "all systems", ack.chart or "all charts") if w)
    what = "new baseline" if ack.rebaseline else "acknowledged"
    return (
        f"{ack.at[:10]}: {about} up to {ack.until[:10]} {what}" + (f" by {ack.by}" if ack.by else "") + f": {ack.cause}"
    )
