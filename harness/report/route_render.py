"""Advice as text for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import msgspec

from harness.config.needs import Needs
from harness.records.content import Json
from harness.report.grids import Grid, grid_markdown, grid_text, plain, printable_lines
from harness.report.route_model import Advice, Line, Route
from harness.report.words import many

ROUTE_FORMAT = 1


def route_text(route: Route, width: int = 100, *, long: bool = False) -> str:
    """The advice in lines of at most `width` characters where words allow; `long` adds every candidate by shape."""
    lines = [*_head(route), ""]
    for line in _loud(route):
        lines += textwrap.wrap(f"!! {line}", width, subsequent_indent="   ", break_long_words=False)
    lines += [""] if _loud(route) else []
    for grid in _grids(route, long=long):
        lines += [*grid_text(grid, width), ""]
    return printable_lines(lines) + "\n"


def route_markdown(route: Route) -> str:
    """The advice as GitHub Markdown, with every candidate."""
    title, about = _head(route)
    lines = [f"# {plain(title)}", "", plain(about), ""]
    lines += [part for line in _loud(route) for part in (f"> **{plain(line)}**", "")]
    for grid in _grids(route, long=True):
        lines += grid_markdown(grid)
    return "\n".join(lines).rstrip() + "\n"


def route_json(route: Route) -> dict[str, Json]:
    """Everything as JSON values, null where there is no number."""
    said = msgspec.to_builtins(route, enc_hook=_needs)
    return {"format": ROUTE_FORMAT, **_finite(said)}


def _needs(value: object) -> object:
    if isinstance(value, Needs):
        return value.model_dump(exclude_none=True)
    raise NotImplementedError(type(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, (list, tuple)) else value


def _head(route: Route) -> tuple[str, str]:
    settled = sum(a.status in ("supported", "tie") for a in route.shapes)
    return (
        f"routing advice for suite {route.suite}: {settled} of {len(route.shapes)} shapes have enough evidence",
        f"{many(len(route.runs), 'run')}, newest of {route.made}; counts until {route.expires}; advice only",
    )


def _loud(route: Route) -> tuple[str, ...]:
    return route.notes


def _grids(route: Route, *, long: bool) -> list[Grid]:
    rows = tuple(_row(a) for a in (*route.shapes, route.overall))
    header = ("shape", "use", "status", "tasks", "success", "$/success", "P(best)", "runner-up", "why")
    notes = (
        "supported: shown better than every other, or the only one that keeps the needs; tie: shown no worse by the "
        "margin, the cheaper one; insufficient: `use` is a guess, and its rule names the default",
        f"default: {route.default}",
    )
    found = [Grid("which system for which tasks", header, rows, notes)]
    if long:
        found += [_candidates(a) for a in (*route.shapes, route.overall) if a.lines]
    if route.compositions:
        found.append(_compositions(route))
    if route.planned:
        found.append(_planned(route))
    if route.replayed:
        replay = tuple((r.name, f"{r.tasks}", _percent(r.success), _money(r.cost_per_success)) for r in route.replayed)
        note = (
            "routing is chosen on one half of the families and counted on the other; measure it with `run` before use"
        )
        title = "on the stored outcomes: each system alone, and routing"
        found.append(Grid(title, ("way", "tasks", "success", "$/success"), replay, (note,)))
    return found


def _row(a: Advice) -> tuple[str, ...]:
    line = next((found for found in a.lines if found.name == a.choice), None)
    need = f" (about {a.need} tasks)" if a.need and a.status == "insufficient" else ""
    return (
        shape_words(a),
        a.choice or "none",
        a.status,
        f"{a.tasks}",
        _percent(line.success) if line else "",
        _money(line.cost_per_success) if line else "",
        _share(line.best) if line else "",
        a.runner_up or "none",
        a.why + need,
    )


def shape_words(a: Advice) -> str:
    """A shape in a few words."""
    return " ".join(value for _, value in a.shape) or "all tasks"


def _candidates(a: Advice) -> Grid:
    rows = tuple(_line(line) for line in a.lines)
    header = (
        "system",
        "success",
        "one-sided",
        "small cell",
        "$/success",
        "p95",
        "critical",
        "P(best)",
        "regret",
        "needs",
    )
    notes = (
        ("small cell: under 20 tasks, drawn towards the system's overall rate",)
        if any(x.shrunk for x in a.lines)
        else ()
    )
    return Grid(f"{shape_words(a)}: {a.tasks} tasks", header, rows, notes)


def _line(x: Line) -> tuple[str, ...]:
    bounds = f"[{100 * x.bounds.low:.0f}, {100 * x.bounds.high:.0f}]" if x.bounds else "under 8 families"
    keeps = "; ".join(x.why) if x.why else "kept"
    return (
        x.name,
        _percent(x.success),
        bounds,
        "" if x.shrunk is None else _percent(x.shrunk),
        _money(x.cost_per_success),
        "not estimable" if x.p95_s is None else f"{x.p95_s:.3g} s",
        f"{x.critical}/{x.tasks}",
        _share(x.best),
        "few tasks" if x.regret is None else f"{x.regret:.3f}",
        keeps,
    )


def _compositions(route: Route) -> Grid:
    rows = []
    for c in route.compositions:
        d = c.difference
        change = f"[{100 * d.low:+.1f}, {100 * d.high:+.1f}]" if d else "undefined"
        rows.append(
            (
                c.name, f"{c.tasks}", f"{c.handed_on}/{c.trials}", _percent(c.success), change,
                _money(c.cost_per_success), f"{c.seconds:.3g} s",
            )
        )  # fmt: skip
    header = ("composition", "tasks", "handed on", "success", "against the last alone", "$/success", "seconds")
    note = (
        "SIMULATED from stored outcomes: as if each system, where it was unsure, had handed the task on. Measure it: "
        "harness: {use: cascade, systems: [...]} in the suite"
    )
    return Grid("compositions, counted before money is spent", header, tuple(rows), (note,))


def _planned(route: Route) -> Grid:
    rows = tuple(
        (p.name, f"{p.tasks}", _money(p.cost_per_task), name, _money(alone), _reach(least))
        for p in route.planned
        for name, (alone, least) in p.beats.items()
    )
    header = ("plan + work", "tasks", "cost a task", "system alone", "its $/success", "cheaper per success from")
    note = (
        "what a plan_execute would have to reach: its success is not in any stored outcome, its cost is at most about "
        "what both spent alone. Measure it: harness: {use: plan_execute} with models: {planner: ..., worker: ...}"
    )
    return Grid("plan with one, work with another: what it must reach", header, rows, (note,))


def _reach(least: float | None) -> str:
    if least is None:
        return "unknown"
    return f"{least:.1%} success" if least < 1 else "never: all solved is not enough"


def _share(value: float | None) -> str:
    return "few tasks" if value is None else f"{value:.0%}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def _money(value: float | None) -> str:
    return "unknown" if value is None else f"${value:.4f}"
