"""What `trend` and `nightly` share: collect the nights, draw the trend, keep what must outlive the run folders."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from harness.config.nightly import suite_name
from harness.errors import StoreError, UsageFault
from harness.plugins.loader import did_you_mean
from harness.report.trend import SKEW, Drawn, build_trend, time_of
from harness.report.trend_charts import chart_names
from harness.report.trend_collect import collect
from harness.report.trend_model import Trend, TrendOptions
from harness.store.history import Night, append_history, by_time, history_path
from harness.store.trend_state import Ack, TrendState, read_state, state_path, write_state


def drawn_of(
    workspace: Path,
    suite: str,
    options: TrendOptions,
    *,
    anew: bool = False,
    record: bool = True,
    also: Sequence[Night] = (),
) -> Drawn:
    """The trend of a suite; with `record`, new nights go into the history and new limits into the trend's file.

    `also` are nights that are looked at with the others and kept nowhere. Raises StoreError, NothingToRun, UsageFault.
    """
    runs = workspace / "runs"
    found = collect(workspace, suite)
    path = state_path(runs, suite)
    state = read_state(path)
    known = msgspec.structs.replace(state, limits={}) if anew else state
    promoted = {n: (b.promoted, frozenset(x.run for x in b.nights)) for n, b in found.promoted.items()}
    history = found.history
    if also:
        history = msgspec.structs.replace(history, nights=by_time([*history.nights, *also]))
    drawn = build_trend(suite, history, known, replace(options, promoted=promoted), found.left_out)
    if record:
        try:
            append_history(history_path(runs, suite), found.fresh)
            if dict(drawn.limits) != state.limits:
                write_state(path, msgspec.structs.replace(state, limits=dict(drawn.limits)))
        except StoreError as e:  # a place that cannot be written keeps nobody from reading
            print(f"warning: not recorded: {e}", file=sys.stderr)
    return drawn


def write_figure(trend: Trend, path: Path) -> None:
    """Draw the charts into a .png or .svg file. Raises UsageFault."""
    if path.suffix not in (".png", ".svg"):
        raise UsageFault(f"'{path}' is neither .png nor .svg")
    from harness.report.trend_figure import draw

    data = draw(trend, path.suffix[1:])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as e:
        raise UsageFault(f"cannot write '{path}': {e.strerror}") from e


def acknowledge(workspace: Path, args: argparse.Namespace, now: datetime) -> str:
    """Write an acknowledgement; what was written, in words. Raises UsageFault when it is about no night."""
    cause = " ".join(args.cause.split())
    if len(cause) < 3:
        raise UsageFault("an acknowledgement needs a cause", help='--cause "provider outage on 3 March, ticket 812"')
    suite = suite_name(workspace, args.suite)
    history = collect(workspace, suite).history
    nights = [n for n in history.nights if args.system in ("", n.system) and time_of(n.created) <= now + SKEW]
    if not nights:
        known = sorted({n.system for n in history.nights})
        raise UsageFault(
            f"no night of suite '{suite}'" + (f" and system '{args.system}'" if args.system else ""),
            help=f"systems: {', '.join(known)}" if known else "see harness trend",
        )
    _known_chart(args.chart, nights)
    until = max(n.created for n in nights)
    if args.until:
        until = max((n.created for n in nights if n.created[: len(args.until)] <= args.until), default="")
        if not until:
            raise UsageFault(f"no night up to {args.until}", help=f"the first is of {nights[0].created}")
    ack = Ack(
        at=now.isoformat(timespec="seconds"), until=until, cause=cause, by=args.by, system=args.system,
        chart=args.chart, rebaseline=args.rebaseline,
    )  # fmt: skip
    path = state_path(workspace / "runs", suite)
    state = read_state(path)
    write_state(path, TrendState(acks=(*state.acks, ack), limits=state.limits))
    what = "a new baseline is learned from the nights after it" if args.rebaseline else "the charts start anew after it"
    return f"acknowledged up to the night of {until}: {what}. commit {path.relative_to(workspace)}"


def _known_chart(name: str, nights: Sequence[Night]) -> None:
    """Raises UsageFault: the acknowledgement of a chart that is not there would leave the alarm where it is."""
    names = chart_names(nights)
    if name and name not in names:
        help = " - ".join(h for h in (did_you_mean(name, list(names)), f"charts: {', '.join(names)}") if h)
        raise UsageFault(f"no chart '{name}'", help=help)
