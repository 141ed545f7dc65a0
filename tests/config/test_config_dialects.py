"""An agent that speaks another API than its model is told when the suite is read: no key and no engine is needed."""

from __future__ import annotations

import pytest
from config_space import Space

TASK = "{id: one, prompt: x, reference: y, graders: [match], sandbox: {}}\n"


def with_system(space: Space, harness: str, model: str) -> Space:
    system = f"suite: demo\ntasks: [tasks/demo/t*.yaml]\nsystems:\n  - name: a\n    harness: {harness}\n    {model}\n"
    return space.write({"tasks/demo/suite.yaml": system, "tasks/demo/t.yaml": TASK})


HOUSE = '{use: openai, name: house-70b, base_url: "http://localhost:8000/v1"}'


@pytest.mark.parametrize(
    ("harness", "model", "said"),
    [
        ("claude_code", "openai/gpt-5.5", "speaks anthropic, and model 'gpt-5.5' (openai) is reached by"),
        ("codex_cli", "anthropic/claude-opus-4-7", "speaks responses, and model 'claude-opus-4-7'"),
        ("codex_cli", HOUSE, "speaks responses, and model 'house-70b' (openai) is reached by chat"),
        ("codex_cli", "{use: openai, name: gpt-5.5, api: chat}", "is reached by chat"),
        ("gemini_cli", "openai/gpt-5.5", "speaks gemini, and model"),
        ("qwen_code", "{use: gemini, name: gemini-2.5-pro}", "speaks chat, and model 'gemini-2.5-pro'"),
        ("{use: opencode, api: anthropic}", "openai/gpt-5.5", "speaks anthropic, and model"),
        ("opencode", "{use: gemini, name: gemini-2.5-pro}", "is reached by gemini"),
        ("{use: command, argv: [x], speaks: [chat, anthropic]}", HOUSE, "speaks anthropic, and model"),
    ],
)  # fmt: skip
def test_a_model_that_the_agent_cannot_speak_to_is_a_fault_of_the_suite(
    space: Space, monkeypatch: pytest.MonkeyPatch, harness: str, model: str, said: str
) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (fault,) = with_system(space, harness, f"model: {model}").faults()
    assert fault.startswith("tasks/demo/suite.yaml:6:12 the agent ") and said in fault


def test_the_fault_is_at_the_role_whose_model_it_is(space: Space) -> None:
    models = "models: {main: anthropic/claude-opus-4-7, small: openai/gpt-5.5}"
    (fault,) = with_system(space, "{use: claude_code, small_model: true}", models).faults()
    assert fault.startswith("tasks/demo/suite.yaml:6:54 the agent speaks anthropic")


@pytest.mark.parametrize(
    ("harness", "model"),
    [
        ("claude_code", "anthropic/claude-opus-4-7"),
        ("claude_code", "{use: scripted, name: s, answer: x}"),
        ("codex_cli", "openai/gpt-5.5"),
        ("codex_cli", '{use: openai, name: m, base_url: "http://localhost/v1", api: responses}'),
        ("gemini_cli", "{use: gemini, name: gemini-2.5-pro}"),
        ("opencode", HOUSE),
        ("opencode", "anthropic/claude-opus-4-7"),
        ("{use: command, argv: [x], speaks: [responses, chat]}", "openai/gpt-5.5"),
        ("single_turn", "openai/gpt-5.5"),
    ],
)
def test_a_model_that_it_can_speak_to_is_none(space: Space, harness: str, model: str) -> None:
    assert list(with_system(space, harness, f"model: {model}").load().systems) == ["a"]
