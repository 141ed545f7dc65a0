"""`harness show` of an agent's trial: each step once, with time, tokens, cost, command and output."""

from __future__ import annotations

from typing import Any

from harness.cli._part_text import part_text
from harness.cli._trajectory import trajectory
from harness.records.content import (
    Message,
    Reasoning,
    Request,
    Response,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    assistant,
    user,
)
from harness.records.transcript import Command, ModelCall, Note
from harness.toolkit.box_files import READ
from harness.toolkit.shell import MERGED


def a_call(at: float, messages: tuple[Message, ...], *parts: Any, same: int = 0, cost: float = 0.01) -> ModelCall:
    usage = Usage(input=1200, cache_read=900, output=80, reasoning=20, calls=1, cost_usd=cost)
    request = Request(messages, "You work.", label="solve")
    return ModelCall("main", at, 2.1, request, Response(parts, "tool_use", usage, "m-1"), same)


def ran(at: float, command: str, output: str, code: int = 0) -> Command:
    return Command(at, 0.06, ("bash", "-c", MERGED, "bash", command), code, output)


RUN = ToolCall("c0", "bash", {"command": "ls"})
EVENTS = (
    a_call(0.0, (user("Do it."),), Reasoning("hm"), Text("I look."), RUN),
    ran(2.2, "ls", "a.txt\nb.txt\n"),
    a_call(2.5, (user(ToolResult("c0", "exit code: 0\n<output>\na.txt\nb.txt\n</output>")),), RUN, same=2),
    ran(4.9, "ls\npwd", "unseen\n", 1),
    Note(5.0, "limit", "limit of 2 turns reached"),
)


def test_steps_are_numbered_timed_and_counted() -> None:
    lines = list(trajectory(EVENTS))
    heads = [line for line in lines if "main (solve)" in line]
    tokens = "2,100 tokens in (900 cached), 100 out (20 reasoning)"
    assert heads == [
        f"[0.00s +2.10s] step 1, main (solve): m-1, {tokens}, $0.0100, stopped: tool_use",
        f"[2.50s +2.10s] step 2, main (solve): m-1, {tokens}, $0.0100, $0.0200 so far, stopped: tool_use",
    ]
    assert "[5.00s] limit: limit of 2 turns reached" in lines


def test_an_output_the_model_was_told_stands_once_and_others_under_their_command() -> None:
    text = "\n".join(trajectory(EVENTS))
    assert text.count("a.txt") == 1 and text.count("You work.") == 1
    assert "[2.20s +0.06s] $ ls  (exit 0)\n[2.50s" in text
    assert "[4.90s +0.06s] $ ls ...  (exit 1)\n    pwd\n    unseen\n" in text


def test_a_tools_own_script_is_shown_by_its_name() -> None:
    read = Command(2.2, 0.06, ("sh", "-c", READ, "sh", "a.txt"), 0, "one\n")
    seen = a_call(2.5, (user(ToolResult("c0", "lines 1 to 1 of 1\n     1\tone")),), RUN, same=2)
    text = "\n".join(trajectory((EVENTS[0], read, seen)))
    assert "[2.20s +0.06s] $ read a.txt  (exit 0)\n[2.50s" in text and text.count("one") == 1


def test_a_single_call_has_no_number() -> None:
    (head, *_) = trajectory(EVENTS[:1])
    assert "step" not in head and "so far" not in head


def test_after_a_cut_only_what_is_new_is_shown() -> None:
    again = (
        user(ToolResult("c0", "[this output was left out]")), assistant(RUN), user(ToolResult("c0", "new output")),
    )  # fmt: skip
    text = "\n".join(trajectory((*EVENTS[:1], a_call(9.0, again, Text("so"), same=2))))
    assert "[2 earlier messages were sent again, changed" in text
    assert "new output" in text and "left out" not in text


def test_another_conversation_is_shown_whole() -> None:
    shots = (user("shot"), assistant("worked"), user("asked"))
    text = "\n".join(trajectory((a_call(0.0, shots, Text("a")), a_call(3.0, shots, Text("b")))))
    assert text.count("worked") == 2 and text.count("You work.") == 2


def test_a_program_is_shown_as_it_is() -> None:
    call = ToolCall("c", "create", {"path": "a.py", "text": 'x = "1"\ny = 2\n'})
    assert part_text(call) == '[calls create] {"path":"a.py"}\n  text:\n    x = "1"\n    y = 2'
    assert part_text(ToolCall("c", "bash", '{"comm')) == '[calls bash] {"comm'
    assert part_text(ToolCall("c", "submit", {})) == "[calls submit]"
    assert part_text(ToolResult("c", "no", is_error=True)) == "[error] no"
