"""The contract suite on every way the shipped models can speak; and on models that break it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from harness.api import Json, Model, ModelClient, Request, Response, Text, Usage
from harness.plugins.loader import installed, load
from harness.testing.check_model import check_model
from harness.testing.checks import check_class, failed
from harness.testing.wire import WireServer


def test_every_way_keeps_the_contract(way: Callable[..., Model], wire: WireServer, tmp_path: Path) -> None:
    findings = asyncio.run(check_model(way(), tmp_path, wire.url))
    assert failed(findings) == []
    assert len(findings) > 20


def test_every_installed_model_that_can_be_pointed_somewhere_keeps_the_contract(
    wire: WireServer, tmp_path: Path
) -> None:
    checked = []
    for name in installed("model"):
        cls = load("model", name, tmp_path)
        assert failed(check_class(cls, tmp_path)) == []
        if "base_url" in cls.model_fields:
            model = cast(Model, cls.model_validate(dict(cls.example)))
            assert failed(asyncio.run(check_model(model, tmp_path, wire.url))) == []
            checked.append(name)
    assert {"anthropic", "openai"} <= set(checked)


class Careless(Model):
    """A model that breaks the contract in the ways that third parties do."""

    example: ClassVar[dict[str, Json]] = {"name": "x"}
    secret_value: str = ""
    """Holds a key, which it must not."""

    def missing(self) -> Sequence[str]:
        """A value instead of a name."""
        return ("",)

    def open(self, workspace: Path) -> ModelClient:
        """A client that counts nothing."""
        return CarelessClient()


class CarelessClient:
    async def generate(self, request: Request) -> Response:
        if request.tools:
            raise KeyError("tools")
        return Response((Text("hello"),), "end", Usage(input=-3, calls=1), id="same")

    async def aclose(self) -> None:
        if hasattr(self, "closed"):
            raise RuntimeError("closed already")
        self.closed = True


def test_a_careless_model_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARELESS_API_KEY", "sk-careless-12345678")
    model = Careless(name="x", secret_value="sk-careless-12345678")
    found = {f.check: f for f in asyncio.run(check_model(model, tmp_path))}
    broken = {name for name, f in found.items() if not f.ok}
    assert broken == {
        "missing names variables",
        "answers with one call of usage in disjoint buckets",
        "shows no key",
        "a tool call goes round",
        "a JSON schema is kept",
        "takes an image",
        "concurrent calls keep apart",
        "closes twice",
    }
    assert "KeyError, not ModelError" in found["a tool call goes round"].detail
    assert "sk-careless" not in str(found["shows no key"])


def test_a_model_that_cannot_open_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.models.openai_api import OpenAI

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found: Any = {f.check: f for f in asyncio.run(check_model(OpenAI(name="gpt-5.4"), tmp_path))}
    assert "OPENAI_API_KEY" in found["opens without the network"].detail
