"""What a model is told of a command."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.testing.fakes import Finished
from harness.toolkit.shell import MERGED, PYTHON, clip, observation, readable, sendable, shown


@given(st.text(max_size=400), st.integers(2, 300))
def test_a_clipped_text_is_its_two_ends(text: str, most: int) -> None:
    said = clip(text, most)
    if len(text) <= most:
        assert said == text
    else:
        half = most // 2
        assert said.startswith(text[:half]) and said.endswith(text[-half:])
        assert f"{len(text) - 2 * half:,} characters left out" in said and len(said) < most + 120


@given(st.binary(max_size=300))
def test_any_bytes_become_text_without_control_characters(data: bytes) -> None:
    text = readable(data)
    assert all(c in "\n\t" or ord(c) >= 32 for c in text) and "\x7f" not in text
    text.encode()


@given(st.text())
def test_what_is_sent_can_be_encoded(text: str) -> None:
    assert sendable(text).encode().decode() == sendable(text)


def test_half_surrogates_become_question_marks() -> None:
    assert sendable("a\ud800b") == "a?b"


def test_colours_and_titles_are_taken_out() -> None:
    assert readable(b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07on\x1b[2K\r\n") == "red on\n"


def test_every_way_to_end_is_told() -> None:
    assert observation(Finished(0), 9, 100) == "exit code: 0\n(no output)"
    assert observation(Finished(2, b"a\n", b"b\n"), 9, 100) == "exit code: 2\n<output>\na\nb\n</output>"
    killed = observation(Finished(137, b"so far", timed_out=True), 9, 100)
    assert killed == "timed out: killed after 9 s, with everything it had started\n<output>\nso far\n</output>"
    assert "ran out of memory" in observation(Finished(137, oom_killed=True), 9, 100)
    assert "disk is full" in observation(Finished(1, disk_full=True), 9, 100)
    assert "the middle of the output is gone" in observation(Finished(0, b"x", truncated=True), 9, 100)


def test_people_see_the_command_that_was_asked_for() -> None:
    assert shown(("bash", "-c", MERGED, "bash", "ls -l\npwd")) == "ls -l\npwd"
    assert shown(("bash", "-c", PYTHON)) == "python3 -"
    assert shown(("git", "apply", "-")) == "git apply -"
