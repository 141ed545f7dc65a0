"""Misuse of tools, read from what agents of each API say and are told; real agents: tests/harnesses, tests/e2e."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.engine.misuse import IN_A_ROW, misused
from harness.records.content import Message, Request, Response, Text, Tool, ToolCall, ToolResult, Usage
from harness.records.exchange import Dialect, Exchange
from harness.records.transcript import EXIT_CODES, Command, Event, ModelCall, Note

SHELL = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
OFFERED: dict[Dialect, dict[str, Any]] = {
    "anthropic": {"name": "sh", "description": "", "input_schema": SHELL},
    "responses": {"type": "function", "name": "sh", "parameters": SHELL},
    "chat": {"type": "function", "function": {"name": "sh", "parameters": SHELL}},
    "gemini": {"functionDeclarations": [{"name": "sh", "parametersJsonSchema": SHELL}]},
}


def told(dialect: Dialect, id: str, text: str) -> dict[str, Any]:
    """A result as each API has it."""
    match dialect:
        case "anthropic":
            block = {"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": text}]}
            return {"role": "user", "content": [block]}
        case "responses":
            return {"type": "function_call_output", "call_id": id, "output": text}
        case "chat":
            return {"role": "tool", "tool_call_id": id, "content": text}
        case "gemini":
            response = json.loads(text) if text.startswith("{") else {"output": text}
            back = {"id": id, "name": "sh", "response": response}
            return {"role": "user", "parts": [{"functionResponse": back}]}


def exchanges(dialect: Dialect, *steps: tuple[ToolCall, str]) -> list[Event]:
    """An agent that makes these calls, each with its result in the request after it."""
    found: list[Event] = []
    messages: tuple[str, ...] = ()
    for n in range(len(steps) + 1):
        parts: dict[str, Any] = {"tools": OFFERED[dialect]} if n == 0 else {}
        if n:
            parts[f"m{n}"] = told(dialect, steps[n - 1][0].id, steps[n - 1][1])
            messages = (*messages, f"m{n}")
        said = (steps[n][0],) if n < len(steps) else (Text("done"),)
        found.append(
            Exchange(
                at=float(n), seconds=0.1, dialect=dialect, path="/", status=200, asked="m", tools=("tools",),
                tool_names=("sh",), messages=messages, parts=parts, response=Response(said, "tool_use", Usage()),
            )
        )  # fmt: skip
    return found


LOST = "Exit code: 127\n/bin/bash: line 1: frobnicate: command not found"


@pytest.mark.parametrize("dialect", OFFERED)
def test_an_agents_program_is_read_in_every_api(dialect: Dialect) -> None:
    lost = [(ToolCall(f"c{i}", "sh", {"cmd": "frobnicate -a"}), LOST) for i in range(3)]
    more = [
        (ToolCall("d", "edit", {"path": "a"}), "no such tool"),
        (ToolCall("e", "sh", {}), "cmd is required"),
        (ToolCall("f", "sh", '{"cmd": "l'), "cut off"),
        (ToolCall("g", "sh", {"cmd": "ls"}), "a"),
    ]
    assert misused(exchanges(dialect, *lost, *more)) == (
        "bad_arguments: 2 (sh: without cmd)",
        "command_not_found: 3 (frobnicate)",
        'repeated_failure: 3 (sh {"cmd":"frobnicate -a"})',
        "unknown_tool: 1 (edit)",
    )


def test_results_that_share_an_id_go_to_their_calls_in_order() -> None:
    """Gemini's calls may have no id: then it is the tool's name."""
    calls = [(ToolCall("sh", "sh", {"cmd": c}), said) for c, said in (("ls", "a"), ("rg x", "sh: 1: rg: not found"))]
    assert misused(exchanges("gemini", *calls)) == ("command_not_found: 1 (rg)",)


@pytest.mark.parametrize(
    ("command", "said", "is_lost"),
    [
        ("rg x", "bash: line 1: rg: command not found", True),
        ("rg x", "sh: 1: rg: not found", True),
        ("rg x", "sh: rg: not found", True),
        ("rg x", "zsh:1: command not found: rg", True),
        ("./go.sh", "./go.sh: line 7: rg: command not found", False),  # the script's own, which the model did not name
        ("cat log", "bash: line 1: rg: command not found", False),
        ("pip install rg", "ERROR: rg: package not found", False),
        ("cat rg", "cat: rg: No such file or directory", False),
    ],
)
def test_a_command_is_missing_in_the_shells_own_words_and_of_this_command(
    command: str, said: str, is_lost: bool
) -> None:
    found = misused(exchanges("anthropic", (ToolCall("a", "sh", {"cmd": command}), said)))
    assert (found != ()) is is_lost


def test_an_exit_code_tells_of_a_missing_command_where_its_words_are_lost() -> None:
    said = "Output: (empty)\nError: (none)\nExit Code: 127\nSignal: (none)"  # Qwen Code 0.24.4, now and then
    assert misused(exchanges("chat", (ToolCall("a", "sh", {"cmd": "rg -n x"}), said))) == ("command_not_found: 1 (rg)",)
    shown = "job 7\nlog: exit code 127 was seen"  # a file's words, not the command's
    assert misused(exchanges("chat", (ToolCall("a", "sh", {"cmd": "cat log"}), shown))) == ()


def failing(command: str, times: int) -> list[tuple[ToolCall, str]]:
    return [(ToolCall(f"{command}{i}", "sh", {"cmd": command}), "exit code: 1") for i in range(times)]


def test_trying_once_more_or_after_a_change_is_fair() -> None:
    change = (ToolCall("x", "sh", {"cmd": "sed -i s/a/b/ f"}), "exit code: 0")
    assert misused(exchanges("chat", *failing("make", IN_A_ROW - 1))) == ()
    assert misused(exchanges("chat", *failing("make", 2), change, *failing("make t", 2), change)) == ()
    assert misused(exchanges("chat", *failing("make", IN_A_ROW))) != ()
    polling = [(ToolCall(f"p{i}", "sh", {"cmd": "curl -s up"}), "exit code: 0") for i in range(9)]
    assert misused(exchanges("chat", *polling)) == ()


@pytest.mark.parametrize(
    "said",
    [
        "Exit code 1\nno",  # Claude Code
        "Chunk ID: 0a\nWall time: 0.05 seconds\nProcess exited with code 2\nOutput:",  # Codex
        "Output: (empty)\nExit Code: 1\nProcess Group PGID: 92",  # Gemini, Qwen
        '{"returncode": 1, "output": "", "exception_info": ""}',  # mini-swe-agent
        '{"error": "params must have required property \'command\'"}',
        "exit code: 1\n(no output)",  # ours
    ],
)
def test_a_failure_is_known_by_what_each_program_tells_its_model(said: str) -> None:
    for dialect in OFFERED:
        again = [(ToolCall(f"a{i}", "sh", {"cmd": "make"}), said) for i in range(3)]
        assert misused(exchanges(dialect, *again)) == ('repeated_failure: 3 (sh {"cmd":"make"})',), dialect


def test_a_conversation_that_is_sent_again_counts_once() -> None:
    """Outputs that are left out change the messages, and they come again (`Conversation.elide`)."""
    tool = Tool("sh", "", SHELL)
    call = Message("assistant", (ToolCall("a", "sh", {"cmd": "rg"}),))
    lost = Message("user", (ToolResult("a", "sh: 1: rg: not found"),))
    stub = Message("user", (ToolResult("a", "[left out]"),))

    def asked(same: int, *messages: Message, say: ToolCall | Text) -> ModelCall:
        return ModelCall("main", 0, 0, Request(messages, tools=(tool,)), Response((say,), "end", Usage()), same)

    events = [
        asked(0, Message("user", (Text("go"),)), say=ToolCall("a", "sh", {"cmd": "rg"})),
        asked(2, lost, say=ToolCall("b", "sh", {"cmd": "ls"})),
        asked(0, Message("user", (Text("go"),)), call, stub, say=Text("done")),
    ]
    assert misused(events) == ("command_not_found: 1 (rg)",)


def test_exit_codes_that_a_program_tells_apart_from_its_results_are_read() -> None:
    silent = [(ToolCall(f"c{n}", "sh", {"cmd": "test -e x"}), "(no output)") for n in range(IN_A_ROW)]
    assert misused(exchanges("chat", *silent)) == ()
    note = Note(9.0, EXIT_CODES, data={f"c{n}": 1 for n in range(IN_A_ROW)})
    assert misused([*exchanges("chat", *silent), note]) == ('repeated_failure: 3 (sh {"cmd":"test -e x"})',)
    strange = [Note(9.0, EXIT_CODES, data=data) for data in (None, [1], {"c0": "one"})]
    assert misused([*exchanges("chat", *silent), *strange]) == ()


def test_commands_of_a_person_or_a_helper_are_nobodys_misuse() -> None:
    by_hand = Command(0, 0, ("bash", "-c", "rg"), 127, stderr="bash: line 1: rg: command not found")
    assert misused([by_hand] * 3) == ()
    assert misused([]) == ()
