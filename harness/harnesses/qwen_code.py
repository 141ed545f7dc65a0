"""qwen-code as it is: headless, in the task's box, through the gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from harness.api import Dialect, Json
from harness.harnesses._cli import AgentCli, Start
from harness.harnesses._cli_box import Invocation, Ran, last_event
from harness.harnesses._settings import settings_of

TOOLS = (
    "run_shell_command", "exec", "monitor", "task_stop", "edit", "write_file", "notebook_edit", "read_file",
    "list_directory", "glob", "grep_search", "lsp", "agent", "skill", "workflow", "todo_write", "save_memory",
    "enter_plan_mode", "exit_plan_mode", "enter_worktree", "exit_worktree", "tool_call", "tool_search", "web_fetch",
    "web_search", "cron_create", "cron_delete", "loop_wakeup", "send_message",
)  # fmt: skip
"""Its tools but those that ask a person: a pattern for all of them is not one of its rules."""


class QwenCode(AgentCli):
    """qwen-code at an exact version with the Node it came with, telemetry and updates off. Chat Completions.

    Unless `project_instructions`, the task's folder is not trusted: settings, hooks, MCP servers and `.env` in it are
    left out. `--yolo` is not taken there, so that its permissions allow every tool.
    """

    version: ClassVar[str] = "2"
    agent: ClassVar[str] = "qwen_code"
    dialects: ClassVar[Sequence[Dialect]] = ("chat",)
    shell_tool: ClassVar[tuple[str, str]] = ("run_shell_command", "command")
    example: ClassVar[Mapping[str, Json]] = {"release": "0.24.4"}

    release: str = "0.24.4"
    """The exact version of the program. It must be installed: `harness agent install qwen_code@VERSION`."""
    max_turns: int | None = Field(default=None, ge=1)
    """Its own limit of turns of a session. A trial's limit `turns` counts model requests."""

    def invoke(self, start: Start) -> Invocation:
        """Every tool allowed, JSON events. A prompt that is no word is its input: it waits half a second for that."""
        argv = [*([] if start.no_word else ["-p", start.prompt]), "--output-format", "stream-json"]
        argv += ["--yolo"] if self.project_instructions else []
        if self.max_turns is not None:
            argv += ["--max-session-turns", str(self.max_turns)]
        env = {
            "OPENAI_API_KEY": start.key,
            "OPENAI_BASE_URL": f"{start.base_url}/v1",
            "OPENAI_MODEL": start.model,
            "QWEN_HOME": f"{start.state}/qwen",
        }
        return Invocation(argv, env, start.prompt.encode() if start.no_word else b"")

    def configuration(self, start: Start) -> Mapping[str, str | bytes]:
        """The user's settings, outside the work."""
        settings = settings_of(self, "openai", ("web_search", "web_fetch"))
        files = {}
        if not self.project_instructions:
            settings["security"]["folderTrust"] = {"enabled": True}
            settings["permissions"] = {"allow": list(TOOLS)}
            files[f"{start.state}/qwen/trustedFolders.json"] = json.dumps({start.around.folder: "DO_NOT_TRUST"})
        return {f"{start.state}/qwen/settings.json": json.dumps(settings, indent=1), **files}

    def claims(self, ran: Ran) -> dict[str, Json]:
        """Its `result` event, in the form of Claude Code's."""
        result = last_event(ran, "result")
        usage = result.get("usage") or {}
        return {
            "ended": result.get("subtype"),
            "is_error": result.get("is_error"),
            "turns": result.get("num_turns"),
            "input_tokens": usage.get("input_tokens"),
            "output_tokens": usage.get("output_tokens"),
            "cache_read_tokens": usage.get("cache_read_input_tokens"),
        }
