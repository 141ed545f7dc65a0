"""What programs said, made plain and short."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.toolkit.said import ends_of, last_words, plain

COLOURED = "\x1b[91mE: \x1b[0;1mno\x1b[0m package\x1b]0;title\x07 here\x1b(B\r\n10%\r\x1b[2K100%\n\x00"


def test_escapes_and_redrawn_lines_are_gone() -> None:
    assert plain(COLOURED) == "E: no package here\n100%\n?"


@given(st.text())
def test_plain_text_has_no_control_characters_and_stays(text: str) -> None:
    once = plain(text)
    assert all(c.isprintable() or c in "\t\n" for c in once)
    assert plain(once) == once


def test_last_words_are_whole_lines() -> None:
    said = "Traceback (most recent call last):\n  File one\nModuleNotFoundError: gone"
    assert last_words(said, 60) == "  File one\nModuleNotFoundError: gone"
    assert last_words("x" * 500 + " code: 7", 40) == "xxxxxxxxxx…x code: 7"
    assert last_words(said) == said and last_words("") == ""


def test_of_a_long_message_both_ends_are_kept() -> None:
    log = "env does not build:\n" + "Step 1/9 : RUN true\n" * 40 + "exit 7\nreturned a non-zero code: 7"
    short = ends_of(log, 120)
    assert short.startswith("env does not build:\n…\nStep") and short.endswith("exit 7\nreturned a non-zero code: 7")
    assert len(short) <= 120
    assert ends_of("one\ntwo") == "one\ntwo"


@given(st.text(alphabet="ab \n\x1b[", max_size=300), st.integers(20, 80))
def test_a_short_message_is_short(text: str, limit: int) -> None:
    assert len(ends_of(text, limit)) <= limit + 3
