"""GPT models through OpenAI's official SDK, and any server that speaks its Chat Completions or Responses API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from harness.api import Dialect, Json, Model, ModelClient, Upstream
from harness.models._settings import NOT_IN_DIGEST, absent, in_header, key_from, unsafe, unsafe_address

if TYPE_CHECKING:
    from harness.models._chat_wire import Chat
    from harness.models._responses_wire import Responses

HOME = "https://api.openai.com/v1"


class OpenAI(Model):
    """A GPT model: `openai/gpt-5.4`, or a model of any OpenAI-compatible server, with its settings."""

    version: ClassVar[str] = "1"
    not_in_digest: ClassVar[frozenset[str]] = NOT_IN_DIGEST
    example: ClassVar[Mapping[str, Json]] = {"name": "gpt-5.4", "effort": "high"}

    api: Literal["responses", "chat"] | None = None
    """Which API is spoken. Left out: `responses` at OpenAI itself, `chat` with any other server."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    """Reasoning effort; the provider's default when left out."""

    summary: Literal["auto", "concise", "detailed"] | None = None
    """Ask for a summary of the reasoning, which transcripts then show (`responses` only)."""

    verbosity: Literal["low", "medium", "high"] | None = None
    """How long answers are."""

    temperature: float | None = Field(None, ge=0, le=2)
    """Sampling temperature; reasoning models refuse it."""

    top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus sampling."""

    seed: int | None = None
    """Seed for sampling, best effort (`chat` only)."""

    max_output_tokens: int | None = Field(None, ge=1)
    """The most tokens of one answer, reasoning included; the model's own limit when left out. Requests can lower it."""

    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    """Which capacity is used; changes the price."""

    stream: bool = False
    """Receive answers as a stream: keeps long calls alive through proxies that cut idle connections."""

    prompt_cache_key: str | None = None
    """Groups requests that share a prefix, for the provider's prompt cache."""

    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    """How long the provider keeps cached prompts."""

    store: bool = False
    """Whether the provider keeps requests and answers."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """More fields of the request's body, as the API spells them; they win over ours."""

    headers: dict[str, str] = Field(default_factory=dict)
    """More HTTP headers. Keys are refused here, because settings are recorded: see `api_key_env`."""

    base_url: str | None = None
    """Another server, with its `/v1`. OPENAI_BASE_URL is not read."""

    api_key_env: str | None = None
    """Environment variable that holds the key. Left out: OPENAI_API_KEY; with another server, no key is sent."""

    organization: str | None = None
    """OpenAI organization to bill."""

    project: str | None = None
    """OpenAI project to bill."""

    vendor: str | None = None
    """Whose prices and rate limit apply, e.g. `openrouter`. Left out: `openai`, or the other server's host."""

    key_header: str | None = None
    """Header that carries the key, for servers that do not take it as a bearer token, e.g. `x-api-key`, `api-key`."""

    timeout_s: float = Field(600.0, gt=0)
    """Seconds for one whole call, from connecting to the last byte."""

    @model_validator(mode="after")
    def _settings_fit(self) -> OpenAI:
        for fault in (*unsafe(self.headers, self.extra), *unsafe_address(self.base_url)):
            raise ValueError(fault)
        if self._api == "responses" and self.seed is not None:
            raise ValueError("seed: the responses API has none; say api: chat")
        if self._api == "chat" and self.summary is not None:
            raise ValueError("summary: the chat API has none; say api: responses")
        return self

    @property
    def provider(self) -> str:
        """`vendor`, else `openai`, else the host of another server: its prices are not OpenAI's."""
        return self.vendor or ("openai" if self._at_home else urlsplit(self.base_url or "").netloc)

    @property
    def _at_home(self) -> bool:
        host = urlsplit(self.base_url or HOME).hostname or ""
        return host == "api.openai.com" or host.endswith(".api.openai.com")

    @property
    def _api(self) -> Literal["responses", "chat"]:
        return self.api or ("responses" if self._at_home else "chat")

    @property
    def _key_name(self) -> str:
        return self.api_key_env or ("OPENAI_API_KEY" if self._at_home else "")

    def missing(self) -> Sequence[str]:
        """The key's variable, if it is not set."""
        return absent(self._key_name)

    def open(self, workspace: Path) -> ModelClient:
        """A client on one shared connection pool. Raises UsageFault when the key is absent."""
        key = key_from(self._key_name, self.name)
        from harness.models._openai_client import OpenAIClient, connect

        wire = self._wire(workspace)
        headers: dict[str, str | None] = {**self.headers, **in_header(self.key_header, key)}
        for name, value in (("OpenAI-Organization", self.organization), ("OpenAI-Project", self.project)):
            if value or not self._at_home:
                headers[name] = value
        transport = connect(self.base_url or HOME, key, wire.path, headers, self.timeout_s)
        return OpenAIClient(wire, transport, stream=self.stream)

    def reached_by(self) -> Sequence[Dialect]:
        """Both APIs at home; another server's `responses` only where `api` says so."""
        return ("responses", "chat") if self._at_home and self.api is None else (self._api,)

    def upstream(self) -> Upstream:
        """These APIs at this address, with the key."""
        key = key_from(self._key_name, self.name)
        headers = dict(self.headers)
        if key:
            headers |= {self.key_header: key} if self.key_header else {"Authorization": f"Bearer {key}"}
        for name, value in (("OpenAI-Organization", self.organization), ("OpenAI-Project", self.project)):
            if value:
                headers[name] = value
        ours = {"model", "include"} | ({"store"} if not self.store else set())
        pins: dict[Dialect, dict[str, Any]] = {
            "responses": {k: v for k, v in self._responses_constant().items() if k not in ours} | self.extra,
            "chat": {k: v for k, v in self._chat_constant().items() if k not in ours} | self.extra,
        }
        return Upstream(self.base_url or HOME, tuple(self.reached_by()), headers, pins, self.timeout_s, key)

    def _wire(self, workspace: Path) -> Chat | Responses:
        from harness.models._chat_wire import Chat
        from harness.models._files import Files
        from harness.models._responses_wire import Responses

        files = Files(workspace)
        if self._api == "responses":
            return Responses(self._responses_constant(), self.extra, files, self.max_output_tokens)
        limit_key = "max_completion_tokens" if self._at_home else "max_tokens"
        return Chat(self._chat_constant(), self.extra, files, self.max_output_tokens, limit_key)

    def _shared_constant(self) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.name}
        for name in ("temperature", "top_p", "service_tier", "prompt_cache_key", "prompt_cache_retention"):
            value = getattr(self, name)
            if value is not None:
                body[name] = value
        return body

    def _responses_constant(self) -> dict[str, Any]:
        body = self._shared_constant() | {"store": self.store, "include": ["reasoning.encrypted_content"]}
        reasoning = {k: v for k, v in (("effort", self.effort), ("summary", self.summary)) if v is not None}
        if reasoning:
            body["reasoning"] = reasoning
        if self.verbosity:
            body["text"] = {"verbosity": self.verbosity}
        return body

    def _chat_constant(self) -> dict[str, Any]:
        body = self._shared_constant()
        if self._at_home or self.store:
            body["store"] = self.store
        for name, value in (("reasoning_effort", self.effort), ("verbosity", self.verbosity), ("seed", self.seed)):
            if value is not None:
                body[name] = value
        return body
