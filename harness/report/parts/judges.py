"""Judges: is each one valid, what did it measure, and what should a person look at. Stands before every score."""

from __future__ import annotations

from harness.report.evidence import Evidence
from harness.report.judges_sections import look_tables, score_tables, validity_tables
from harness.report.section import Section

METHODS = (
    "judges: swap consistency by Wilson with a design effect of families; position effect with two one-sided tests; "
    "see docs/reference/judge-sheet.md",
)


def judges(e: Evidence) -> Section:
    """The data sheets. Unavailable where no judge was asked."""
    found = e.report.judges
    if found is None:
        return Section("judges", "judges", why_not="no judge was asked")
    tables = (*validity_tables(found), *score_tables(found), *look_tables(found))
    return Section("judges", "judges", tables, methods=METHODS, data={"validity": found.validity})
