"""Text made comparable: rules, traps, idempotence."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.toolkit.normalise import EVERYTHING, Ignored, canonical, excerpt, ignore_set, normaliser

NAMES = get_args(Ignored)
SETS = [frozenset(c) for r in range(len(NAMES) + 1) for c in itertools.combinations(NAMES, r)]
ANY_TEXT = st.one_of(
    st.text(),
    st.text(alphabet="a .,-'5%$_theAn²½^É`:/\u200b\u0301"),
    st.text(alphabet=st.characters(exclude_categories=[])),
)


@given(ANY_TEXT, st.sampled_from(SETS))
def test_normalising_twice_changes_nothing(text: str, ignore: frozenset[Ignored]) -> None:
    normalise = normaliser(ignore)
    assert normalise(normalise(text)) == normalise(text)


@given(ANY_TEXT)
def test_an_excerpt_can_always_be_encoded(text: str) -> None:
    assert len(excerpt(text, 40).encode()) <= 4 * 40


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Paris\n", "Paris"),
        ("Ｐａｒｉｓ", "Paris"),
        ("ﬁne", "fine"),
        ("10²", "10^2"),
        ("3½", "3 1/2"),
        ("x⁻¹", "x^-1"),
        ("“quoted” – it’s", '"quoted" - it\'s'),
        ("zero\u200bwidth\u202e", "zerowidth"),
        ("e\u0301", "é"),
    ],
)
def test_canonical_form(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The U.S. of A.", "us of"),
        ("don't", "dont"),
        ("don’t", "dont"),
        ("well-known", "well known"),
        ("14 days!", "14 days"),
        ("3.14", "3.14"),
        (".5", ".5"),
        ("-5", "-5"),
        ("1,000", "1,000"),
        ("12:30", "12:30"),
        ("1/2", "1/2"),
        ("50 %", "50%"),
        ("$5.00.", "$5.00"),
        ("a", "a"),
        ("!!", "!!"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("The   End", "end"),
        ("«Oui»", "oui"),
    ],
)
def test_normalised_form(text: str, expected: str) -> None:
    assert normaliser(ignore_set(EVERYTHING))(text) == expected


@pytest.mark.parametrize(
    ("a", "b"), [("3.14", "314"), ("-5", "5"), (".5", "5"), ("10²", "102"), ("50%", "50"), ("+", "-")]
)
def test_what_must_stay_apart(a: str, b: str) -> None:
    normalise = normaliser(ignore_set(NAMES))
    assert normalise(a) != normalise(b)


def test_accents_are_overlooked_only_when_asked() -> None:
    assert normaliser(ignore_set(("accents",)))("Café") == "Cafe"
    assert normaliser(ignore_set(EVERYTHING))("Café") == "café"
