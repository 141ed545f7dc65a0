"""Gemini models through Google's Gemini API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from harness.api import Dialect, Json, Model, ModelClient, Upstream
from harness.models._settings import NOT_IN_DIGEST, absent, key_from, unsafe, unsafe_address

HOME = "https://generativelanguage.googleapis.com"


class Gemini(Model):
    """A Gemini model: `gemini/gemini-2.5-pro`, with its settings."""

    version: ClassVar[str] = "1"
    not_in_digest: ClassVar[frozenset[str]] = NOT_IN_DIGEST
    example: ClassVar[Mapping[str, Json]] = {"name": "gemini-2.5-pro"}

    max_output_tokens: int | None = Field(None, ge=1)
    """The most tokens of one answer, thoughts included; the model's own limit when left out. Requests can lower it."""

    effort: Literal["minimal", "low", "medium", "high"] | None = None
    """How much a model of generation 3 or newer thinks (`thinkingLevel`); the provider's default when left out."""

    thinking_budget: int | None = Field(None, ge=-1)
    """Tokens of thoughts for older models: 0 is none, -1 lets the model choose."""

    temperature: float | None = Field(None, ge=0, le=2)
    """Sampling temperature."""

    top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus sampling."""

    top_k: int | None = Field(None, ge=1)
    """Sample from the k likeliest tokens only."""

    seed: int | None = None
    """Seed for sampling, best effort."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """More fields of the request's body, as the API spells them; they win over ours."""

    headers: dict[str, str] = Field(default_factory=dict)
    """More HTTP headers. Keys are refused here, because settings are recorded: see `api_key_env`."""

    base_url: str | None = None
    """Another server that speaks this API, without `/v1beta`."""

    api_key_env: str | None = None
    """Environment variable that holds the key. Left out: GEMINI_API_KEY; with another server, no key is sent."""

    timeout_s: float = Field(600.0, gt=0)
    """Seconds for one whole call, from connecting to the last byte."""

    @model_validator(mode="after")
    def _settings_fit(self) -> Gemini:
        for fault in (*unsafe(self.headers, self.extra), *unsafe_address(self.base_url)):
            raise ValueError(fault)
        if self.effort and self.thinking_budget is not None:
            raise ValueError("effort and thinking_budget are for different models: say one")
        return self

    @property
    def provider(self) -> str:
        """`google`, or the host of another server: its prices are not Google's."""
        return "google" if self._at_home else urlsplit(self.base_url or "").netloc

    @property
    def _at_home(self) -> bool:
        return self.base_url is None or urlsplit(self.base_url).hostname == urlsplit(HOME).hostname

    @property
    def _key_name(self) -> str:
        return self.api_key_env or ("GEMINI_API_KEY" if self._at_home else "")

    def missing(self) -> Sequence[str]:
        """The key's variable, if it is not set."""
        return absent(self._key_name)

    def open(self, workspace: Path) -> ModelClient:
        """A client on one shared connection pool. Raises UsageFault when the key is absent."""
        key = key_from(self._key_name, self.name)
        from harness.models._files import Files
        from harness.models._gemini_wire import Contents, GeminiClient

        contents = Contents(self._config(), self.extra, Files(workspace), self.max_output_tokens)
        url = f"{(self.base_url or HOME).rstrip('/')}/v1beta/models/{self.name}:generateContent"
        return GeminiClient(contents, url, self._headers(key), key, self.timeout_s)

    def reached_by(self) -> Sequence[Dialect]:
        """The Gemini API."""
        return ("gemini",)

    def upstream(self) -> Upstream:
        """The Gemini API at this address, with the key; the settings given here are pinned."""
        pins = ({"generationConfig": config} if (config := self._config()) else {}) | self.extra
        key = key_from(self._key_name, self.name)
        headers = self._headers(key)
        headers.pop("Content-Type")
        return Upstream(self.base_url or HOME, ("gemini",), headers, {"gemini": pins}, self.timeout_s, key)

    def _headers(self, key: str) -> dict[str, str]:
        return {**self.headers, "Content-Type": "application/json"} | ({"x-goog-api-key": key} if key else {})

    def _config(self) -> dict[str, Any]:
        given = {"temperature": self.temperature, "topP": self.top_p, "topK": self.top_k, "seed": self.seed}
        config: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        if self.effort:
            config["thinkingConfig"] = {"thinkingLevel": self.effort}
        elif self.thinking_budget is not None:
            config["thinkingConfig"] = {"thinkingBudget": self.thinking_budget}
        return config
