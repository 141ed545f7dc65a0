"""The Responses API asks its client for work by more items than functions: each of them is a call, and no end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.api import Reasoning, Response, ToolCall
from harness.toolkit.wire import responses

Item = dict[str, Any]
PATCH = "*** Begin Patch\n*** Add File: x.txt\n+hi\n*** End Patch"
COMMANDS = {"commands": ["ls"]}
CLIENT: tuple[tuple[Item, ToolCall], ...] = (
    (
        {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": PATCH},
        ToolCall("c", "apply_patch", PATCH),
    ),
    ({"type": "custom_tool_call", "call_id": "c", "name": "exec", "input": "{}"}, ToolCall("c", "exec", "{}")),
    (
        {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"]}},
        ToolCall("c", "local_shell", {"type": "exec", "command": ["ls"]}),
    ),
    ({"type": "shell_call", "call_id": "c", "action": COMMANDS}, ToolCall("c", "shell", COMMANDS)),
    (
        {"type": "shell_call", "call_id": "c", "action": COMMANDS, "environment": {"type": "local"}},
        ToolCall("c", "shell", COMMANDS),
    ),
    (
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "x"}},
        ToolCall("c", "apply_patch", {"type": "delete_file", "path": "x"}),
    ),
    (
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"query": "x"}},
        ToolCall("c", "tool_search", {"query": "x"}),
    ),
    (
        {"type": "computer_call", "call_id": "c", "action": {"type": "screenshot"}},
        ToolCall("c", "computer", {"type": "screenshot"}),
    ),
    ({"type": "local_shell_call", "id": "i", "action": None}, ToolCall("i", "local_shell", {})),
)
PROVIDER: tuple[Item, ...] = (
    {"type": "web_search_call", "id": "i", "action": {"type": "search"}},
    {"type": "code_interpreter_call", "id": "i"},
    {"type": "mcp_call", "id": "i", "name": "n", "arguments": "{}"},
    {"type": "tool_search_call", "id": "i", "execution": "server", "arguments": {}},
    {"type": "shell_call", "call_id": "c", "action": COMMANDS, "environment": {"type": "container_reference"}},
)
WAYS = ("whole", "stream", "stream with an empty final event")


def read(way: str, *items: Item) -> Response:
    answer = {"id": "r", "model": "m", "status": "completed", "output": list(items)}
    if way == "whole":
        return responses.whole(json.dumps(answer).encode())
    assembler = responses.Assembler()
    for item in items:
        assert not assembler.feed(json.dumps({"type": "response.output_item.done", "item": item}).encode())
    last = {**answer, "output": []} if "empty" in way else answer
    assert assembler.feed(json.dumps({"type": "response.completed", "response": last}).encode())
    return assembler.response()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("item", "call"), CLIENT)
def test_what_the_client_is_to_run_is_a_call(way: str, item: Item, call: ToolCall) -> None:
    said = {"type": "message", "content": [{"type": "output_text", "text": "I patch it."}]}
    found = read(way, said, item)
    assert (found.stop, found.tool_calls, found.text) == ("tool_use", (call,), "I patch it.")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("item", PROVIDER)
def test_what_the_provider_runs_itself_is_none(way: str, item: Item) -> None:
    found = read(way, item)
    assert (found.stop, found.tool_calls, found.parts) == ("end", (), (Reasoning("", item),))
