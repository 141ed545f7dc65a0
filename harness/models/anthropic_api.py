"""Claude models through Anthropic's Messages API and official SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from harness.api import Dialect, Json, Model, ModelClient, Upstream
from harness.models._settings import NOT_IN_DIGEST, absent, in_header, key_from, unsafe, unsafe_address

HOME = "https://api.anthropic.com"


class Anthropic(Model):
    """A Claude model: `anthropic/claude-opus-4-7`, with its settings."""

    version: ClassVar[str] = "1"
    not_in_digest: ClassVar[frozenset[str]] = NOT_IN_DIGEST
    example: ClassVar[Mapping[str, Json]] = {"name": "claude-opus-4-7", "effort": "high"}

    max_output_tokens: int = Field(32_000, ge=1)
    """The most tokens of one answer, thinking included. A request can lower it."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """How much work the model puts into an answer; the provider's default when left out."""

    thinking: Literal["adaptive", "between_tools", "disabled"] | int | None = None
    """Thinking before the answer: a mode, or a budget in tokens (1024 or more) for models that take one."""

    thinking_display: Literal["summarized", "omitted"] | None = None
    """Whether thinking comes back as a summary or only as a signature; with `adaptive` or a budget."""

    temperature: float | None = Field(None, ge=0, le=1)
    """Sampling temperature; newer models refuse it."""

    top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus sampling."""

    top_k: int | None = Field(None, ge=1)
    """Sample from the k likeliest tokens only."""

    cache: Literal["5m", "1h", "off"] = "5m"
    """How long the provider keeps the stable part of a prompt, where a harness marks one."""

    stream: bool | None = None
    """Receive the answer as a stream. Left out: when more than 21,333 output tokens are asked for, as the SDK does."""

    service_tier: Literal["auto", "standard_only"] | None = None
    """Whether priority capacity may be used."""

    speed: Literal["standard", "fast"] | None = None
    """Fast output at a higher price; some models need a beta name for it."""

    inference_geo: str | None = None
    """Region in which the model runs, e.g. `us`; can change the price."""

    betas: tuple[str, ...] = ()
    """Names of beta features, sent as `anthropic-beta`."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """More fields of the request's body, as the API spells them; they win over ours."""

    headers: dict[str, str] = Field(default_factory=dict)
    """More HTTP headers. Keys are refused here, because settings are recorded: see `api_key_env`."""

    base_url: str | None = None
    """Another server that speaks this API, without `/v1`. ANTHROPIC_BASE_URL is not read."""

    api_key_env: str | None = None
    """Environment variable that holds the key. Left out: ANTHROPIC_API_KEY; with another server, no key is sent."""

    key_header: str | None = None
    """Header that carries the key, for servers that do not take it as a bearer token, e.g. `x-api-key`, `api-key`."""

    timeout_s: float = Field(600.0, gt=0)
    """Seconds for one whole call, from connecting to the last byte."""

    @model_validator(mode="after")
    def _settings_fit(self) -> Anthropic:
        for fault in (*unsafe(self.headers, self.extra), *unsafe_address(self.base_url)):
            raise ValueError(fault)
        if isinstance(self.thinking, bool) or (isinstance(self.thinking, int) and self.thinking < 1024):
            raise ValueError("a thinking budget is 1024 tokens or more")
        if isinstance(self.thinking, int) and self.thinking >= self.max_output_tokens:
            raise ValueError(
                f"the thinking budget ({self.thinking}) must be below max_output_tokens ({self.max_output_tokens})"
            )
        if self.thinking_display and self.thinking in (None, "disabled", "between_tools"):
            raise ValueError("thinking_display goes with thinking: adaptive or a budget")
        return self

    @property
    def provider(self) -> str:
        """`anthropic`, or the host of another server: its prices are not Anthropic's."""
        return "anthropic" if self._at_home else urlsplit(self.base_url or "").netloc

    @property
    def _at_home(self) -> bool:
        return self.base_url is None or urlsplit(self.base_url).hostname == "api.anthropic.com"

    @property
    def _key_name(self) -> str:
        return self.api_key_env or ("ANTHROPIC_API_KEY" if self._at_home else "")

    def missing(self) -> Sequence[str]:
        """The key's variable, if it is not set."""
        return absent(self._key_name)

    def open(self, workspace: Path) -> ModelClient:
        """A client on one shared connection pool. Raises UsageFault when the key is absent."""
        key = key_from(self._key_name, self.name)
        from harness.models._anthropic_client import AnthropicClient, connect
        from harness.models._anthropic_wire import Messages
        from harness.models._files import Files

        headers: dict[str, str | None] = {**self.headers, **in_header(self.key_header, key)}
        if self.betas:
            headers["anthropic-beta"] = ",".join(self.betas)
        messages = Messages(
            self._constant(),
            self.extra,
            Files(workspace),
            max_tokens=self.max_output_tokens,
            ttl="" if self.cache == "off" else self.cache,
            stream=self.stream,
        )
        return AnthropicClient(messages, connect(self.base_url or HOME, key, headers, self.timeout_s))

    def reached_by(self) -> Sequence[Dialect]:
        """The Messages API."""
        return ("anthropic",)

    def upstream(self) -> Upstream:
        """The Messages API at this address, with the key; the settings given here are pinned."""
        key = key_from(self._key_name, self.name)
        headers = dict(self.headers)
        if key:
            headers[self.key_header or "x-api-key"] = key
        if self.betas:
            headers["anthropic-beta"] = ",".join(self.betas)
        pins = {k: v for k, v in self._constant().items() if k != "model"} | self.extra
        return Upstream(self.base_url or HOME, ("anthropic",), headers, {"anthropic": pins}, self.timeout_s, key)

    def _constant(self) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.name}
        for name in ("temperature", "top_p", "top_k", "service_tier", "speed", "inference_geo"):
            value = getattr(self, name)
            if value is not None:
                body[name] = value
        if self.effort:
            body["output_config"] = {"effort": self.effort}
        if self.thinking is not None:
            body["thinking"] = (
                {"type": "enabled", "budget_tokens": self.thinking}
                if isinstance(self.thinking, int)
                else {"type": self.thinking}
            )
            if self.thinking_display:
                body["thinking"]["display"] = self.thinking_display
        return body
