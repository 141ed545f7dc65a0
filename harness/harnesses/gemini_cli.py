"""Gemini CLI, Google's coding agent, as it is: headless, in the task's box, through the gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from harness.api import Dialect, Json
from harness.harnesses._cli import AgentCli, Start
from harness.harnesses._cli_box import Invocation, Ran, words_of


class GeminiCli(AgentCli):
    """Gemini CLI at an exact version with the Node it came with, telemetry and updates off.

    It speaks the Gemini API only, so it needs a model that is reached by that, or a scripted one.
    """

    version: ClassVar[str] = "1"
    agent: ClassVar[str] = "gemini_cli"
    dialects: ClassVar[Sequence[Dialect]] = ("gemini",)
    known_model: ClassVar[str] = "gemini-2.5-pro"
    own_names: ClassVar[str] = "gemini-"
    shell_tool: ClassVar[tuple[str, str]] = ("run_shell_command", "command")
    example: ClassVar[Mapping[str, Json]] = {"release": "0.61.0"}

    release: str = "0.61.0"
    """The exact version of the program. It must be installed: `harness agent install gemini_cli@VERSION`."""
    max_turns: int | None = Field(default=None, ge=1)
    """Its own limit of turns of a session. A trial's limit `turns` counts model requests."""

    def invoke(self, start: Start) -> Invocation:
        """Every tool allowed, JSON events."""
        argv = ["-p", start.prompt, "--yolo", "--output-format", "stream-json", "-m", start.model]
        env = {
            "GOOGLE_GEMINI_BASE_URL": start.base_url,
            "GEMINI_API_KEY": start.key,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        }
        return Invocation(argv, env)

    def configuration(self, start: Start) -> Mapping[str, str | bytes]:
        """The user's settings: it takes those of a system only from folders of root."""
        settings: dict[str, Json] = {
            "general": {"disableAutoUpdate": True, "disableUpdateNag": True, "enableAutoUpdate": False},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "security": {"auth": {"selectedType": "gemini-api-key"}},
        }
        if not self.project_instructions:
            settings["context"] = {"fileName": ".no-such-file-of-instructions"}
        if not self.web_tools:
            settings["tools"] = {"exclude": ["google_web_search", "web_fetch"]}
        if self.max_turns is not None:
            settings["model"] = {"maxSessionTurns": self.max_turns}
        return {f"{start.home}/.gemini/settings.json": json.dumps(settings, indent=1)}

    def claims(self, ran: Ran) -> dict[str, Json]:
        """Its `result` event."""
        result = next((e for e in reversed(words_of(bytes(ran.output))) if e.get("type") == "result"), None)
        if result is None:
            return {}
        stats = result.get("stats") or {}
        return {
            "ended": result.get("status"),
            "input_tokens": stats.get("input_tokens"),
            "output_tokens": stats.get("output_tokens"),
            "cache_read_tokens": stats.get("cached"),
            "tokens": stats.get("total_tokens"),
            "tool_calls": stats.get("tool_calls"),
            "seconds": stats["duration_ms"] / 1000 if "duration_ms" in stats else None,
        }
