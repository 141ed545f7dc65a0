"""Claude Code, Anthropic's coding agent, as it is: headless, in the task's box, through the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from harness.api import Dialect, Json
from harness.harnesses._cli import AgentCli, Start
from harness.harnesses._cli_box import Invocation, Ran, words_of

EFFORTS = ("low", "medium", "high", "xhigh", "max")
SMALL = "claude-haiku-4-5"
"""The name its small model is asked for by, when that is a role of its own."""


class ClaudeCode(AgentCli):
    """Claude Code at an exact version, with telemetry, updates and side traffic off.

    Its own permissions are bypassed: the box is the sandbox. Project settings and CLAUDE.md have no effect unless
    `project_instructions`: a task's `.claude/settings.json` could send its requests elsewhere.
    """

    version: ClassVar[str] = "2"
    agent: ClassVar[str] = "claude_code"
    dialects: ClassVar[Sequence[Dialect]] = ("anthropic",)
    known_model: ClassVar[str] = "claude-sonnet-4-5"
    own_names: ClassVar[str] = "claude-"
    shell_tool: ClassVar[tuple[str, str]] = ("Bash", "command")
    example: ClassVar[Mapping[str, Json]] = {"release": "2.1.329", "max_turns": 60}

    release: str = "2.1.329"
    """The exact version of the program. It must be installed: `harness agent install claude_code@VERSION`."""
    max_turns: int | None = Field(default=None, ge=1)
    """Its own limit of turns (`--max-turns`), as it counts them. A trial's limit `turns` counts model requests."""
    small_model: bool = False
    """Its small model is a role of its own, `small`; else every request goes to the system's one model."""
    append_system: str = ""
    """More for its system prompt, at the end."""

    def roles(self) -> Sequence[str]:
        """`main`, and `small` if asked for."""
        return ("main", "small") if self.small_model else ("main",)

    def aliases(self) -> Mapping[str, str]:
        """What it asks for as its small model."""
        return {SMALL: "small"} if self.small_model else {}

    def invoke(self, start: Start) -> Invocation:
        """Headless, JSON events, the prompt by standard input (an argument may have 128 KiB at most)."""
        argv = ["-p", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"]
        argv += ["--model", start.model]
        if start.effort in EFFORTS:
            argv += ["--effort", start.effort]
        if self.max_turns is not None:
            argv += ["--max-turns", str(self.max_turns)]
        if not self.project_instructions:
            argv += ["--setting-sources", "user"]
        if not self.web_tools:
            argv += ["--disallowedTools", "WebSearch,WebFetch"]
        if self.append_system:
            argv += ["--append-system-prompt", self.append_system]
        env = {
            "ANTHROPIC_BASE_URL": start.base_url,
            "ANTHROPIC_API_KEY": start.key,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": SMALL if self.small_model else start.model,
            "CLAUDE_CONFIG_DIR": f"{start.state}/claude",
            "IS_SANDBOX": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "CLAUDE_CODE_MAX_RETRIES": "3",  # the gateway has tried again already, by the run's own policy
        }
        # Else a first line such as `/review ...` is a command of its own: answered by itself, or a skill for the task.
        prompt = f"\n{start.prompt}" if start.prompt.startswith("/") else start.prompt
        return Invocation(argv, env, prompt.encode())

    def claims(self, ran: Ran) -> dict[str, Json]:
        """Its `result` event. `success` with `is_error` is how it reports an error of the API."""
        events = words_of(ran.output)
        result = next((e for e in reversed(events) if e.get("type") == "result"), None)
        init: dict[str, Json] = next((e for e in events if e.get("subtype") == "init"), {})
        retries = sum(1 for e in events if e.get("subtype") == "api_retry")
        told: dict[str, Json] = {"version": init.get("claude_code_version"), "api_retries": retries or None}
        if result is None:
            return told
        usage = result.get("usage") or {}
        return {
            **told,
            "ended": result.get("subtype"),
            "is_error": result.get("is_error"),
            "reason": result.get("terminal_reason"),
            "turns": result.get("num_turns"),
            "cost_usd": result.get("total_cost_usd"),
            "seconds": _seconds(result.get("duration_ms")),
            "api_seconds": _seconds(result.get("duration_api_ms")),
            "input_tokens": usage.get("input_tokens"),
            "output_tokens": usage.get("output_tokens"),
            "cache_read_tokens": usage.get("cache_read_input_tokens"),
            "cache_write_tokens": usage.get("cache_creation_input_tokens"),
            "permission_denials": len(result.get("permission_denials") or ()) or None,
        }


def _seconds(milliseconds: Json) -> float | None:
    return round(milliseconds / 1000, 3) if isinstance(milliseconds, int | float) else None
