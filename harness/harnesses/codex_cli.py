"""Codex, OpenAI's coding agent, as it is: `codex exec` in the task's box, through the gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.api import Dialect, Json
from harness.harnesses._cli import AgentCli, Start
from harness.harnesses._cli_box import Invocation, Ran, words_of

EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")


class CodexCli(AgentCli):
    """Codex at an exact version, with analytics, updates and its own sandbox off: the box is the sandbox.

    It has no limit of turns or cost of its own; the trial's limits hold at the gateway. Its configuration and sessions
    lie outside the work.
    """

    version: ClassVar[str] = "1"
    agent: ClassVar[str] = "codex_cli"
    dialects: ClassVar[Sequence[Dialect]] = ("responses",)
    known_model: ClassVar[str] = "gpt-5.5"
    own_names: ClassVar[str] = "(gpt-|codex|o[0-9])"
    shell_tool: ClassVar[tuple[str, str]] = ("exec_command", "cmd")
    most_chars: ClassVar[float] = 1024**2  # seen in 0.169.0, which ends: "Input exceeds the maximum length of ..."
    example: ClassVar[Mapping[str, Json]] = {"release": "0.169.0"}

    release: str = "0.169.0"
    """The exact version of the program. It must be installed: `harness agent install codex_cli@VERSION`."""
    subagents: bool = True
    """Whether it may start agents of its own (`multi_agent`)."""

    def invoke(self, start: Start) -> Invocation:
        """JSON events, the prompt by standard input."""
        argv = ["exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        argv += ["-C", start.around.folder, "-"]
        env = {"CODEX_HOME": f"{start.state}/codex", "GW_KEY": start.key}
        return Invocation(argv, env, start.prompt.encode())

    def configuration(self, start: Start) -> Mapping[str, str | bytes]:
        """Its configuration. Tries at the gateway are few: that has tried the provider again already."""
        lines = [f"model = {json.dumps(start.model)}", 'model_provider = "gw"']
        if start.effort in EFFORTS:
            lines.append(f"model_reasoning_effort = {json.dumps(start.effort)}")
        if not self.web_tools:
            lines.append('web_search = "disabled"')
        if not self.project_instructions:
            lines.append("project_doc_max_bytes = 0")
        lines += ["check_for_update_on_startup = false", "[analytics]", "enabled = false"]
        if not self.subagents:
            lines += ["[features]", "multi_agent = false"]
        lines += [
            "[model_providers.gw]",
            'name = "gateway"',
            f"base_url = {json.dumps(start.base_url + '/v1')}",
            'env_key = "GW_KEY"',
            'wire_api = "responses"',
            "request_max_retries = 2",
            "stream_max_retries = 3",
        ]
        return {f"{start.state}/codex/config.toml": "\n".join(lines) + "\n"}

    def claims(self, ran: Ran) -> dict[str, Json]:
        """Its events. Tokens are of the whole thread, with cached ones in the input; it tells no cost and no turns."""
        events = words_of(ran.output)
        done = next((e for e in reversed(events) if e.get("type") in ("turn.completed", "turn.failed")), None)
        items = [e["item"] for e in events if e.get("type") == "item.completed" and isinstance(e.get("item"), dict)]
        usage = (done or {}).get("usage") or {}
        errors = [i.get("message") for i in items if i.get("type") == "error"]
        errors += [e.get("message") for e in events if e.get("type") == "error"]
        return {
            "ended": done.get("type") if done else None,
            "commands": sum(1 for i in items if i.get("type") == "command_execution"),
            "file_changes": sum(1 for i in items if i.get("type") == "file_change") or None,
            "input_tokens": usage.get("input_tokens"),
            "cache_read_tokens": usage.get("cached_input_tokens"),
            "cache_write_tokens": usage.get("cache_write_input_tokens"),
            "output_tokens": usage.get("output_tokens"),
            "reasoning_tokens": usage.get("reasoning_output_tokens"),
            "error": str(errors[-1])[:300] if errors else None,
        }
