"""One request of an agent through the model gateway, and what came back: an event of a transcript."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.records.content import Json, Response, Usage

Dialect = Literal["anthropic", "responses", "chat", "gemini"]
"""The API an agent speaks: Anthropic Messages, OpenAI Responses, OpenAI Chat Completions, Gemini."""

Outside = Literal[
    "web_search", "web_fetch", "code_execution", "file_search", "remote_mcp", "image_generation", "urls",
    "stored_files", "other_tools",
]  # fmt: skip
"""What a provider can do for an agent outside its box, where a task allows it."""


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="exchange", tag_field="event"):
    """One request of an agent and its answer, parsed from a copy of the bytes that were relayed.

    `at`, `seconds`, `first_byte` (until the answer's first byte was passed on) and `waited` (for lanes and retries; in
    no working time) are seconds, `at` from the attempt's start. `status` is the HTTP status the agent was given.
    `asked` is the model's name as the agent wrote it, `sent` as the gateway sent it on, `response.model` as the
    provider answered.

    `system`, `tools` and `messages` are digests, in order; the content of each is in `parts` of the first exchange of
    the attempt that has it. `system_digest` and `tools_digest` are fingerprints of what the agent wraps around a task.
    `settings` are the request's other fields. `agent` is the id of a subagent, `session` the agent's own session.

    `retries` are tries at the provider that failed and were absorbed here. `refused` and `allowed` name what the
    request wanted done outside the box (server-side tools, remote MCP, addresses to fetch). `limit` is the limit that
    was answered with a stop, `trouble` what failed in the end: at the provider, or in the request. `cut` says who
    ended the answer before the agent had its last event; its usage is then an estimate, unless all of it came here.
    """

    at: float
    seconds: float
    dialect: Dialect
    path: str
    status: int
    role: str = ""
    asked: str = ""
    sent: str = ""
    streamed: bool = False
    first_byte: float | None = None
    waited: float = 0.0
    retries: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    parts: dict[str, Json] = {}
    settings: dict[str, Json] = {}
    system_digest: str = ""
    tools_digest: str = ""
    tool_names: tuple[str, ...] = ()
    response: Response | None = None
    agent: str = ""
    session: str = ""
    client: str = ""
    betas: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    limit: str = ""
    trouble: str = ""
    cut: Literal["", "agent", "provider"] = ""
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def usage(self) -> Usage:
        """Tokens and their price; nothing where nothing was answered."""
        return self.response.usage if self.response is not None else Usage()

    @property
    def answered(self) -> bool:
        """Whether the model answered and the answer was delivered whole."""
        return self.response is not None and not self.cut and not self.trouble
