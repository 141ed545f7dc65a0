"""The full report: an ordered list of sections, each a pure function of the run's evidence.

To add a section: a function Evidence -> Section in `harness/report/parts/`, and its line in SECTIONS. A section that
has nothing to say gives its reason (`why_not`); it never guesses and never leaves a blank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.report.build import read_evidence
from harness.report.evidence import Evidence
from harness.report.model import Report
from harness.report.parts.agents import agents
from harness.report.parts.caution import caution
from harness.report.parts.classes import classes
from harness.report.parts.confidence import confidence
from harness.report.parts.critical import critical
from harness.report.parts.hallucination import hallucination
from harness.report.parts.headline import headline_section
from harness.report.parts.hidden import hidden
from harness.report.parts.identity import identity
from harness.report.parts.judges import judges
from harness.report.parts.methods import methods
from harness.report.parts.missing import missing
from harness.report.parts.repeats import repeats
from harness.report.parts.robustness import robustness
from harness.report.parts.shapes import shapes
from harness.report.parts.spend import spend
from harness.report.parts.taxonomy import taxonomy
from harness.report.parts.trend import trend
from harness.report.section import Section

SECTIONS: tuple[Callable[[Evidence], Section], ...] = (
    identity,
    headline_section,
    classes,
    taxonomy,
    hallucination,
    judges,
    critical,
    caution,
    confidence,
    repeats,
    robustness,
    shapes,
    hidden,
    missing,
    spend,
    agents,
    trend,
)
"""In the order read (stats reference 6.3); methods and limits follow, written from these."""


@dataclass(frozen=True, slots=True)
class FullReport:
    """The short report and every section, in order. Drawn are those of `only`, or all when it is empty."""

    report: Report
    sections: tuple[Section, ...]
    only: tuple[str, ...] = ()

    @property
    def numbered(self) -> list[tuple[int, Section]]:
        """The sections that are drawn, each with its number among all."""
        return [(n, s) for n, s in enumerate(self.sections, 1) if not self.only or s.key in self.only]


def full_report(path: Path) -> FullReport:
    """Everything there is to say about a run, from its records alone. Raises StoreError."""
    return reliability(read_evidence(path))


def reliability(e: Evidence) -> FullReport:
    """The full report of a run that was read."""
    found = tuple(section(e) for section in SECTIONS)
    return FullReport(e.report, (*found, methods(e, found)))
