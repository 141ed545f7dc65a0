"""Reading answers: the last marker wins, nothing is invented, nothing raises."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.toolkit import answer as read

HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(list("\r\n\t\0*_`#>-:{}[]()\\$%,.\"'AaBbRrNn \u2028\u0085\u202e\ud800")),
    ),
    max_size=300,
)
MARKED = st.lists(
    st.one_of(
        HOSTILE,
        st.sampled_from(
            [
                "ANSWER:",
                "answer: B",
                "**ANSWER:** 14",
                "\n",
                "\\boxed{",
                "}",
                "CONFIDENCE: 80",
                "```json\n",
                "```",
                "ANSWER",
            ]
        ),
    ),
    max_size=12,
).map("\n".join)
READERS: list[Callable[[str], str | None]] = [
    read.whole, read.final_line, read.tagged, read.boxed, read.json_text, lambda t: read.letter(t, 4),
]  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@given(text=st.one_of(HOSTILE, MARKED))
def test_no_reader_raises_or_invents(reader: Callable[[str], str | None], text: str) -> None:
    found = reader(text)
    assert found is None or (found != "" and found.casefold() in text.casefold())


@given(text=MARKED)
def test_confidence_is_none_or_a_share(text: str) -> None:
    found = read.confidence(text)
    assert found is None or 0 <= found <= 1


@given(text=MARKED, marker=HOSTILE)
def test_says_never_raises(text: str, marker: str) -> None:
    assert isinstance(read.says(text, marker), bool)
    assert not read.says(None, marker)


ANSWERS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)


@given(before=MARKED, said=ANSWERS, after=st.text(st.characters(exclude_characters=":"), max_size=80))
def test_the_last_tag_wins(before: str, said: str, after: str) -> None:
    assert read.tagged(f"{before}\nANSWER: {said}\n{after}") == said


@given(before=MARKED, said=ANSWERS)
def test_the_last_box_wins(before: str, said: str) -> None:
    assert read.boxed(f"{before} \\boxed{{{said}}} done") == said


@given(before=MARKED, n=st.integers(0, 100))
def test_the_last_confidence_wins(before: str, n: int) -> None:
    assert read.confidence(f"{before}\nCONFIDENCE: {n}") == n / 100


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | ANSWERS, lambda s: st.lists(s) | st.dictionaries(ANSWERS, s)
    )
)
def test_json_is_found_bare_and_fenced(value: object) -> None:
    text = json.dumps(value)
    assert read.json_text(f" {text}\n") == text
    assert read.json_text(f"Here:\n```json\n{text}\n```\nDone.") == text


@given(text=MARKED)
def test_without_tag_takes_a_line_or_nothing(text: str) -> None:
    left = read.without_tag(text, "CONFIDENCE")
    if read.tagged(text, "CONFIDENCE") is None and not re.search(r"(?i)confidence", text):
        assert left == text
    assert len(left) <= len(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ANSWER: 14", "14"),
        ("so\nanswer : 14 days\n", "14 days"),
        ("**ANSWER: 14**", "14"),
        ("**ANSWER:** 14", "14"),
        ("**ANSWER**: 14", "14"),
        ("ANSWER: **14**", "14"),
        ("ANSWER: `x = 1`", "x = 1"),
        ("- ANSWER: -3", "-3"),
        ("## ANSWER: 2 * 3 * 4", "2 * 3 * 4"),
        ("> ANSWER: 5", "5"),
        ("ANSWER: **a** and **b**", "**a** and **b**"),
        ("ANSWER: 1\nANSWER: 2", "2"),
        ("ANSWER: 1\r\nANSWER: 2\r\n", "2"),
        ("ANSWER: 14:30", "14:30"),
        ("ANSWER: 1\nANSWER:", None),
        ("ANSWER:\n14", None),
        ("The ANSWER: 14", None),
        ("ANSWERS: 14", None),
        ("MY ANSWER 14", None),
        ("", None),
    ],
)
def test_tagged(text: str, said: str | None) -> None:
    assert read.tagged(text) == said


@pytest.mark.parametrize(
    ("text", "n", "said"),
    [
        ("ANSWER: B", 4, "B"),
        ("ANSWER: b.", 4, "B"),
        ("ANSWER: (C)", 4, "C"),
        ("ANSWER: **D**", 4, "D"),
        ("ANSWER: $A$", 4, "A"),
        ("B", 4, "B"),
        ("(b)", 4, "B"),
        ("ANSWER: E", 4, None),
        ("ANSWER: A or B", 4, None),
        ("ANSWER: A, B", 4, None),
        ("ANSWER: CORRECT", 4, None),
        ("ANSWER: B) blue", 4, None),
        ("ANSWER:\nB", 4, None),
        ("A good question", 4, None),
        ("I choose B", 4, None),
        ("Б", 4, None),
        ("", 4, None),
    ],
)
def test_letter(text: str, n: int, said: str | None) -> None:
    assert read.letter(text, n) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"\boxed{14}", "14"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\fbox{7}", "7"),
        (r"\boxed{1} and \boxed{2", None),
        (r"\boxed{}", None),
        (r"\boxed 5", None),
        ("boxed{5}", None),
    ],
)
def test_boxed(text: str, said: str | None) -> None:
    assert read.boxed(text) == said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("CONFIDENCE: 85", 0.85),
        ("confidence: 85%", 0.85),
        ("**CONFIDENCE:** 100", 1.0),
        ("CONFIDENCE: 0", 0.0),
        ("CONFIDENCE: 99.5 %", 0.995),
        ("CONFIDENCE: 70.", 0.7),
        ("CONFIDENCE: 101", None),
        ("CONFIDENCE: -5", None),
        ("CONFIDENCE: high", None),
        ("CONFIDENCE: 80 or 90", None),
        ("CONFIDENCE: 80/100", None),
        ("CONFIDENCE: ٨٠", None),
        ("I am 80 % sure", None),
    ],
)
def test_confidence(text: str, value: float | None) -> None:
    assert read.confidence(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('```\n1\n```\nand\n```\n{"a": 2}\n```', '{"a": 2}'),
        ('```json\n{"a": 1}\n```\n```\nnot json\n```', None),
        ('Sure! {"a": 1}', None),
        ("NaN", None),
        ("{'a': 1}", None),
    ],
)
def test_json_text(text: str, said: str | None) -> None:
    assert read.json_text(text) == said


@pytest.mark.parametrize("text", ["I DON'T KNOW", "I don’t know.", "**i dont know**", r"\text{I DON'T KNOW}"])
def test_abstention_is_seen_in_its_usual_dress(text: str) -> None:
    assert read.says(text, "I DON'T KNOW")


@pytest.mark.parametrize("text", ["I don't know, but perhaps 14", "14. I DON'T KNOW why", ""])
def test_abstention_is_all_that_is_said(text: str) -> None:
    assert not read.says(text, "I DON'T KNOW")


@pytest.mark.parametrize("reader", READERS)
def test_a_megabyte_is_read_at_once(reader: Callable[[str], str | None]) -> None:
    for text in ("A" * 10**6, "*" * 10**6, "\\boxed{" * 10**5, "ANSWER: " * 10**5, "```\n" * 10**5, "\n" * 10**6):
        reader(text)
