"""A verdict is read in its strict form or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.toolkit.verdict import as_findings, parse_verdict


@pytest.mark.parametrize(
    ("text", "said", "problems"),
    [
        ("VERDICT: OK", "ok", ()),
        ("I looked.\n**VERDICT: OK**\n", "ok", ()),
        ("verdict: ok.", "ok", ()),
        ("PROBLEM: it is 15\nVERDICT: PROBLEMS", "problems", ("it is 15",)),
        ("- **PROBLEM:** a\n- PROBLEM: b\nVERDICT: **PROBLEMS**", "problems", ("a", "b")),
        ("PROBLEM: it is 15\nVERDICT: OK", "unparseable", ()),
        ("VERDICT: PROBLEMS", "unparseable", ()),
        ("PROBLEM:\nVERDICT: PROBLEMS", "unparseable", ()),
        ("VERDICT: OK\nOr is it?", "unparseable", ()),
        ("VERDICT: OKAY", "unparseable", ()),
        ("VERDICT: NOT OK", "unparseable", ()),
        ("looks fine", "unparseable", ()),
        ("", "unparseable", ()),
    ],
)
def test_parse(text: str, said: str, problems: tuple[str, ...]) -> None:
    verdict = parse_verdict(text)
    assert (verdict.said, verdict.problems) == (said, problems)


@given(st.text())
def test_never_raises_and_is_whole(text: str) -> None:
    verdict = parse_verdict(text)
    assert bool(verdict.problems) == (verdict.said == "problems")


@given(st.text().filter(lambda t: "VERDICT" not in t.upper()))
def test_without_a_verdict_nothing_is_read(text: str) -> None:
    assert parse_verdict(text).said == "unparseable"


def test_findings_are_numbered() -> None:
    assert as_findings(("a", "b")) == "1. a\n2. b"
