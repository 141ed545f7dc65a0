"""Whatever API an agent speaks, its system prompt, tools and conversation are in the record."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from harness.gateway.asks import ask_of
from harness.gateway.dialects import path_of
from harness.gateway.record import Known, said_in

TEXT = "You are an agent."
FUNCTION = {"name": "run", "parameters": {"type": "object"}}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/messages": {
        "system": [{"type": "text", "text": TEXT}],
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "run", "input_schema": {}}],
    },
    "/v1/responses": {
        "instructions": TEXT,
        "input": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", **FUNCTION}],
    },
    "/v1/chat/completions": {
        "messages": [{"role": "system", "content": TEXT}, {"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": FUNCTION}],
    },
    "/v1beta/models/m:generateContent": {
        "systemInstruction": {"parts": [{"text": TEXT}]},
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "tools": [{"functionDeclarations": [FUNCTION]}],
    },
}


@pytest.mark.parametrize("url", BODIES)
def test_each_api_is_recorded_whole(url: str) -> None:
    path = path_of("POST", url)
    assert path is not None
    said = said_in(ask_of(path, msgspec.json.encode({"model": "m", **BODIES[url]})), Known())
    assert len(said.system) == 1 and len(said.messages) == 1
    assert said.tool_names == ("run",)
    assert TEXT in str(said.parts[said.system[0]]) and "hi" in str(said.parts[said.messages[0]])
