"""Gemini CLI, Google's coding agent, as it is: headless, in the task's box, through the gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from harness.api import Dialect, Json
from harness.harnesses._cli import AgentCli, Start
from harness.harnesses._cli_box import Invocation, Ran, last_event
from harness.harnesses._settings import settings_of

ALLOW_ALL = """\
[[rule]]
toolName = "*"
decision = "allow"
priority = 998
allowRedirection = true
"""
"""What `--yolo` is in its own words (its policies/yolo.toml), which it does not take in a folder it does not trust."""


class GeminiCli(AgentCli):
    """Gemini CLI at an exact version with the Node it came with, telemetry and updates off.

    It speaks the Gemini API only, so it needs a model that is reached by that, or a scripted one. Unless
    `project_instructions`, the task's folder is not trusted: settings, hooks, servers and `.env` in it are left out.
    """

    version: ClassVar[str] = "2"
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
        """Every tool allowed, JSON events. A prompt that is no word is its input: it waits half a second for that."""
        argv = [*([] if start.no_word else ["-p", start.prompt]), "--output-format", "stream-json", "-m", start.model]
        argv += ["--yolo"] if self.project_instructions else []
        env = {
            "GOOGLE_GEMINI_BASE_URL": start.base_url,
            "GEMINI_API_KEY": start.key,
            "GEMINI_CLI_TRUST_WORKSPACE": "true" if self.project_instructions else "false",
        }
        return Invocation(argv, env, start.prompt.encode() if start.no_word else b"")

    def configuration(self, start: Start) -> Mapping[str, str | bytes]:
        """The user's settings: it takes those of a system only from folders of root."""
        settings = settings_of(self, "gemini-api-key", ("google_web_search", "web_fetch"))
        files = {}
        if not self.project_instructions:
            settings["security"]["folderTrust"] = {"enabled": False}
            files[f"{start.home}/.gemini/policies/allow.toml"] = ALLOW_ALL
        if self.max_turns is not None:
            settings["model"] = {"maxSessionTurns": self.max_turns}
        return {f"{start.home}/.gemini/settings.json": json.dumps(settings, indent=1), **files}

    def claims(self, ran: Ran) -> dict[str, Json]:
        """Its `result` event."""
        result = last_event(ran, "result")
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
