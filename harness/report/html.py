"""The full report as one self-contained HTML page: no script, no network, figures and styles inside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from harness.report.figures import draw
from harness.report.model import SystemReport
from harness.report.reliability import FullReport
from harness.report.section import Section
from harness.report.tables import headline, loud
from harness.report.words import percent, percents, success_cost

PAGE = "page.html.j2"
_NUMBER = re.compile(r"^(?:>= |<= )?[-+$]?\[?[-+]?\$?\d")


@dataclass(frozen=True, slots=True)
class Card:
    """One system at a glance; bar ends in percent, None where there is no interval."""

    name: str
    kind: str
    rate: str
    value: float | None
    low: float | None
    high: float | None
    interval: str
    coverage: str
    cost: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure's heading and its SVG, which is ours and safe."""

    title: str
    svg: Markup


def render_html(full: FullReport) -> str:
    """The page. Everything that comes from tasks, systems, graders or judges is escaped and made printable."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    env = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printable,
    )
    env.filters["kind"] = cell_kind
    env.filters["capital"] = capital
    run, *rest = headline(full.report)
    page = env.get_template(PAGE).render(
        run=run,
        lines=rest,
        loud=loud(full.report),
        invalid=bool(full.report.invalid),
        cards=[_card(s) for s in full.report.systems],
        sections=[(n, s, _figures(s)) for n, s in full.numbered],
    )
    return page.rstrip() + "\n"


def printable(value: object) -> object:
    """Text without control characters, surrogates or marks that turn its direction around."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "".join(c if c.isprintable() else "?" for c in " ".join(value.split()))


def capital(text: str) -> str:
    """A heading with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def cell_kind(cell: str) -> str:
    """`num` for cells that begin with a number, so that they line up."""
    return "num" if _NUMBER.match(cell) and len(cell) < 18 else ""


def _figures(section: Section) -> list[Drawn]:
    found = []
    for i, figure in enumerate(section.figures):
        svg = draw(figure, f"{section.key}-{i}")
        found.append(Drawn(figure.title, Markup(svg)))
    return found


def _card(s: SystemReport) -> Card:
    kind = next((k for k in ("privileged", "simulated", "stored") if getattr(s, k)), "")
    span = s.passed.other_tasks
    return Card(
        name=s.name,
        kind=kind,
        rate="not graded" if s.passed.value is None else percent(s.passed.value),
        value=None if s.passed.value is None else round(100 * s.passed.value, 2),
        low=round(100 * span.low, 2) if span else None,
        high=round(100 * span.high, 2) if span else None,
        interval=f"95 % {percents(span)} for other tasks"
        if span
        else f"no interval for other tasks: {s.passed.why_not}",
        coverage=f"{s.coverage.graded:,} of {s.coverage.planned:,} graded",
        cost=f"{success_cost(s.cost)} per success",
    )
