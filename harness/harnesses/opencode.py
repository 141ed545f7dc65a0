"""opencode: the one agent that speaks three APIs, so that one harness can be tried over each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from harness.api import Dialect, Json
from harness.harnesses._cli import AgentCli, Start
from harness.harnesses._cli_box import Invocation, Ran, words_of

PROVIDERS: Mapping[Dialect, Mapping[str, Json]] = {
    "anthropic": {"npm": "@ai-sdk/anthropic"},
    "responses": {"npm": "@ai-sdk/openai"},
    "chat": {"npm": "@ai-sdk/openai-compatible"},
}
CONFIG = "opencode.json"


class OpenCode(AgentCli):
    """opencode at an exact version, with updates, sharing, model lists and default plugins off.

    Its first request is for a title, without tools: it counts as a side request.
    """

    version: ClassVar[str] = "1"
    agent: ClassVar[str] = "opencode"
    dialects: ClassVar[Sequence[Dialect]] = ("anthropic", "responses", "chat")
    known_model: ClassVar[str] = ""
    shell_tool: ClassVar[tuple[str, str]] = ("bash", "command")
    example: ClassVar[Mapping[str, Json]] = {"release": "1.18.33", "api": "chat"}

    release: str = "1.18.33"
    """The exact version of the program. It must be installed: `harness agent install opencode@VERSION`."""
    api: Literal["", "anthropic", "responses", "chat"] = ""
    """The API it speaks; empty: the first of these that the model has."""

    def spoken(self, there: Sequence[Dialect]) -> Sequence[Dialect]:
        """The one it is set up for."""
        return (self._api(there),)

    def _api(self, there: Sequence[Dialect]) -> Dialect:
        if self.api:
            return self.api
        return next((d for d in self.dialects if d in there), "chat")

    def invoke(self, start: Start) -> Invocation:
        """One message, JSON events. By standard input: of a message in words it makes one in quotation marks."""
        argv = ["run", "--format", "json", *(["--variant", start.effort] if start.effort else [])]
        env = {
            "OPENCODE_CONFIG": f"{start.state}/{CONFIG}",
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            **({} if self.project_instructions else {"OPENCODE_DISABLE_PROJECT_CONFIG": "1"}),
        }
        return Invocation(argv, env, start.prompt.encode())

    def configuration(self, start: Start) -> Mapping[str, str | bytes]:
        """Its configuration: one provider, the gateway."""
        model = f"gw/{start.model}"
        provider = {
            **PROVIDERS[self._api(start.dialects)],
            "name": "gateway",
            "options": {"baseURL": f"{start.base_url}/v1", "apiKey": start.key},
            "models": {start.model: {"name": start.model, "tool_call": True}},
        }
        config = {
            "autoupdate": False,
            "share": "disabled",
            "permission": "allow",
            "model": model,
            "small_model": model,
            "provider": {"gw": provider},
            "tools": {"webfetch": self.web_tools, "websearch": self.web_tools},
        }
        return {f"{start.state}/{CONFIG}": json.dumps(config, indent=1)}

    def exit_codes(self, ran: Ran) -> Mapping[str, int]:
        """Its shell tool's result has the output alone; the event of the call has the exit code beside it."""
        found: dict[str, int] = {}
        for event in words_of(ran.output):
            part = event.get("part") if event.get("type") == "tool_use" else None
            state = part.get("state") if isinstance(part, dict) else None
            metadata = state.get("metadata") if isinstance(state, dict) else None
            code = metadata.get("exit") if isinstance(metadata, dict) else None
            if isinstance(part, dict) and isinstance(code, int) and code:
                found[str(part.get("callID"))] = code
        return found

    def claims(self, ran: Ran) -> dict[str, Json]:
        """Tokens and cost of its steps, added up: it writes no summary."""
        events = words_of(ran.output)
        steps = [(e.get("part") or e) for e in events if e.get("type") == "step_finish"]
        tokens = [s.get("tokens") or {} for s in steps]
        errors = [e.get("error") for e in events if e.get("type") == "error"]
        return {
            "steps": len(steps),
            "cost_usd": sum(float(s.get("cost") or 0) for s in steps) if steps else None,
            "input_tokens": sum(int(t.get("input") or 0) for t in tokens) if tokens else None,
            "output_tokens": sum(int(t.get("output") or 0) for t in tokens) if tokens else None,
            "reasoning_tokens": sum(int(t.get("reasoning") or 0) for t in tokens) if tokens else None,
            "cache_read_tokens": sum(int((t.get("cache") or {}).get("read") or 0) for t in tokens) if tokens else None,
            "error": json.dumps(errors[-1])[:300] if errors else None,
        }
