"""Long conversations: cuts are rare and large, the prefix holds between them, and no result loses its call."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.api import File, Message, Reasoning, Response, Text, ToolCall, ToolResult, Usage, user
from harness.toolkit.conversation import STUB, Conversation, Elision

TURNS = st.lists(
    st.tuples(st.lists(st.integers(0, 6000), min_size=1, max_size=3), st.booleans(), st.integers(0, 3000)),
    max_size=40,
)
"""Turns: sizes of the outputs of each call, whether it is by text, and how much the model says."""
RULES = st.builds(
    lambda to, room, keep: Elision(to + room, to, keep),
    st.integers(100, 3000), st.integers(1, 4000), st.integers(0, 4),
)  # fmt: skip


def a_turn(talk: Conversation, turn: int, sizes: list[int], by_text: bool, said: int, rate: float) -> None:
    thought = Reasoning("", {"type": "thinking", "signature": f"s{turn}"})
    calls = [] if by_text else [ToolCall(f"c{turn}-{i}", "bash", {"command": "x"}) for i in range(len(sizes))]
    sent = sum(len(str(p)) for m in talk.messages for p in m.parts)
    usage = Usage(input=round(sent / rate), output=said // 4, calls=1) if rate else Usage(calls=1)
    talk.answered(Response((thought, Text("w" * said), *calls), "tool_use", usage))
    results: list[Text | ToolResult] = [
        Text("o" * n) if by_text else ToolResult(f"c{turn}-{i}", "o" * n) for i, n in enumerate(sizes)
    ]
    talk.observed(*results)


@settings(deadline=None, max_examples=150)
@given(turns=TURNS, rule=RULES, rate=st.sampled_from([0.0, 2.0, 4.0]))
def test_between_cuts_the_prefix_is_the_same_and_no_call_is_orphaned(
    turns: list[tuple[list[int], bool, int]], rule: Elision, rate: float
) -> None:
    first = user(File("a.png", "a.png", "image/png", "0"), "the task " * 200)
    talk = Conversation(first, rule)
    before: tuple[Message, ...] = ()
    for number, (sizes, by_text, said) in enumerate(turns):
        size = talk.tokens
        plain = talk.messages
        cut = talk.elide()
        now = talk.messages
        if cut is None:
            assert now == plain and now[: len(before)] == before
        else:
            assert size > rule.above and cut.before - cut.after >= rule.least - cut.outputs and cut.outputs > 0
            assert talk.elide() is None
        assert now[0] == first and len(now) == len(plain)
        assert [m for m in now if m.role == "assistant"] == [m for m in plain if m.role == "assistant"]
        for asked, answer in zip(now[1::2], now[2::2], strict=True):
            ids = [p.id for p in asked.parts if isinstance(p, ToolCall)]
            assert [p.id for p in answer.parts if isinstance(p, ToolResult)] == ids
        recent = [m for m in now[1:] if m.role == "user"][-rule.keep :] if rule.keep else []
        assert recent == ([m for m in plain[1:] if m.role == "user"][-rule.keep :] if rule.keep else [])
        before = now
        a_turn(talk, number, sizes, by_text, said, rate)


def test_a_cut_goes_from_the_oldest_to_the_lower_mark_and_no_further() -> None:
    talk = Conversation(user("task"), Elision(above=10_000, to=5_000, keep=2))
    for turn in range(11):
        a_turn(talk, turn, [4000], False, 0, 0.0)
    assert 10_000 < talk.tokens < 12_000
    cut = talk.elide()
    assert cut is not None and 4_000 < cut.after <= 5_000
    outputs = [p.content for m in talk.messages for p in m.parts if isinstance(p, ToolResult)]
    assert outputs == [STUB] * cut.outputs + ["o" * 4000] * (11 - cut.outputs)


def test_what_the_model_counted_decides() -> None:
    talk = Conversation(user("task"), Elision(above=1000, to=500, keep=0))
    talk.answered(Response((ToolCall("c", "bash", {}),), "tool_use", Usage(input=900, cache_read=200, output=5)))
    assert talk.tokens == 1105
    talk.observed(ToolResult("c", "o" * 4000))
    assert talk.tokens > 1105


def test_a_cut_that_would_free_little_waits() -> None:
    talk = Conversation(user("task " * 4000), Elision(above=1000, to=100, keep=0))
    a_turn(talk, 0, [900], False, 0, 0.0)
    assert talk.tokens > 1000 and talk.elide() is None


def test_zero_is_never() -> None:
    talk = Conversation(user("task"), Elision(above=0))
    for turn in range(50):
        a_turn(talk, turn, [6000], False, 0, 0.0)
    assert talk.elide() is None
