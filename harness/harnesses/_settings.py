"""Settings that Gemini CLI and qwen-code share: the second is a fork of the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.harnesses._cli import AgentCli


def settings_of(cli: AgentCli, auth: str, web_tools: Sequence[str]) -> dict[str, Any]:
    """A user's settings: no updates, no telemetry, no files of instructions and no web tools unless asked for."""
    settings: dict[str, Any] = {
        "general": {"disableAutoUpdate": True, "disableUpdateNag": True, "enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "security": {"auth": {"selectedType": auth}},
    }
    if not cli.project_instructions:
        settings["context"] = {"fileName": ".no-such-file-of-instructions"}
    if not cli.web_tools:
        settings["tools"] = {"exclude": list(web_tools)}
    return settings
