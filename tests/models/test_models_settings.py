"""Settings: what is refused, what is missing, whose prices apply, and what loading them costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.api import UsageFault
from harness.models.anthropic_api import Anthropic
from harness.models.openai_api import OpenAI


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (Anthropic, {"thinking": 1000}, "1024 tokens or more"),
        (Anthropic, {"thinking": True}, "1024 tokens or more"),
        (Anthropic, {"thinking": 5000, "max_output_tokens": 5000}, "must be below max_output_tokens"),
        (Anthropic, {"thinking_display": "omitted"}, "goes with thinking"),
        (Anthropic, {"effort": "extreme"}, "'low', 'medium'"),
        (Anthropic, {"extra": {"messages": []}}, "written by the plugin itself"),
        (OpenAI, {"seed": 1}, "say api: chat"),
        (OpenAI, {"summary": "auto", "base_url": "http://localhost:1/v1"}, "say api: responses"),
        (OpenAI, {"headers": {"Authorization": "Bearer x"}}, "api_key_env"),
        (OpenAI, {"extra": {"stream": True}}, "written by the plugin itself"),
        (OpenAI, {"temprature": 1}, "temprature"),
        (OpenAI, {"timeout_s": 0}, "greater than 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(kind: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        kind(name="m", **settings)


@pytest.mark.parametrize(("kind", "variable"), [(Anthropic, "ANTHROPIC_API_KEY"), (OpenAI, "OPENAI_API_KEY")])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_absent_key_is_named(
    kind: Any, variable: str, value: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)
    model = kind(name="m")
    assert model.missing() == (variable,)
    with pytest.raises(UsageFault, match=variable) as caught:
        model.open(tmp_path)
    assert "api_key_env" in caught.value.render()


def test_a_key_that_is_there_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert OpenAI(name="m", api_key_env="OTHER_KEY").missing() == ()
    assert OpenAI(name="m", base_url="http://localhost:8000/v1").missing() == ()
    assert OpenAI(name="m", base_url="https://eu.api.openai.com/v1").missing() == ("OPENAI_API_KEY",)
    assert Anthropic(name="m", base_url="http://localhost:8000", api_key_env="ABSENT_1").missing() == ("ABSENT_1",)


@pytest.mark.parametrize(
    ("base_url", "api", "provider"),
    [
        (None, "responses", "openai"),
        ("https://api.openai.com/v1", "responses", "openai"),
        ("https://eu.api.openai.com/v1", "responses", "openai"),
        ("https://openrouter.ai/api/v1", "chat", "openrouter.ai"),
        ("http://localhost:8000/v1", "chat", "localhost:8000"),
        ("https://api.openai.com.evil.example/v1", "chat", "api.openai.com.evil.example"),
    ],
)
def test_another_server_speaks_chat_and_has_its_own_prices(base_url: str | None, api: str, provider: str) -> None:
    model = OpenAI(name="m", base_url=base_url)
    assert (model._api, model.provider, model.lane) == (api, provider, f"{provider}/m")


def test_the_provider_can_be_named() -> None:
    assert OpenAI(name="m", base_url="https://openrouter.ai/api/v1", vendor="openrouter").provider == "openrouter"
    assert Anthropic(name="m").provider == "anthropic"
    assert Anthropic(name="m", base_url="https://gateway.example").provider == "gateway.example"


def test_loading_and_checking_a_model_imports_no_sdk() -> None:
    code = (
        "import sys\n"
        "from harness.models.anthropic_api import Anthropic\n"
        "from harness.models.openai_api import OpenAI\n"
        "Anthropic(name='m').missing(), OpenAI(name='m').missing()\n"
        "heavy = {'anthropic', 'openai', 'httpx2', 'aiohttp', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
