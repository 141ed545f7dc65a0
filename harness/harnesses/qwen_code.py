"""qwen-code as it is: headless, in the task's box, through the gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from harness.api import Dialect, Json
from harness.harnesses._cli import AgentCli, Start
from harness.harnesses._cli_box import Invocation, Ran, words_of


class QwenCode(AgentCli):
    """qwen-code at an exact version with the Node it came with, telemetry and updates off. Chat Completions."""

    version: ClassVar[str] = "1"
    agent: ClassVar[str] = "qwen_code"
    dialects: ClassVar[Sequence[Dialect]] = ("chat",)
    shell_tool: ClassVar[tuple[str, str]] = ("run_shell_command", "command")
    example: ClassVar[Mapping[str, Json]] = {"release": "0.24.4"}

    release: str = "0.24.4"
    """The exact version of the program. It must be installed: `harness agent install qwen_code@VERSION`."""
    max_turns: int | None = Field(default=None, ge=1)
    """Its own limit of turns of a session. A trial's limit `turns` counts model requests."""

    def invoke(self, start: Start) -> Invocation:
        """Every tool allowed, JSON events."""
        argv = ["-p", start.prompt, "--yolo", "--output-format", "stream-json"]
        if self.max_turns is not None:
            argv += ["--max-session-turns", str(self.max_turns)]
        env = {
            "OPENAI_API_KEY": start.key,
            "OPENAI_BASE_URL": f"{start.base_url}/v1",
            "OPENAI_MODEL": start.model,
            "QWEN_HOME": f"{start.state}/qwen",
        }
        return Invocation(argv, env)

    def configuration(self, start: Start) -> Mapping[str, str | bytes]:
        """The user's settings, outside the work."""
        settings: dict[str, Json] = {
            "general": {"disableAutoUpdate": True, "disableUpdateNag": True, "enableAutoUpdate": False},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "security": {"auth": {"selectedType": "openai"}},
        }
        if not self.project_instructions:
            settings["context"] = {"fileName": ".no-such-file-of-instructions"}
        if not self.web_tools:
            settings["tools"] = {"exclude": ["web_search", "web_fetch"]}
        return {f"{start.state}/qwen/settings.json": json.dumps(settings, indent=1)}

    def claims(self, ran: Ran) -> dict[str, Json]:
        """Its `result` event, in the form of Claude Code's."""
        result = next((e for e in reversed(words_of(bytes(ran.output))) if e.get("type") == "result"), None)
        if result is None:
            return {}
        usage = result.get("usage") or {}
        return {
            "ended": result.get("subtype"),
            "is_error": result.get("is_error"),
            "turns": result.get("num_turns"),
            "input_tokens": usage.get("input_tokens"),
            "output_tokens": usage.get("output_tokens"),
            "cache_read_tokens": usage.get("cache_read_input_tokens"),
        }
