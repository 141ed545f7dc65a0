"""One wire server process for these tests, and the shipped models pointed at it in every way they can speak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.api import Model, ModelError, Request, Response
from harness.models.anthropic_api import Anthropic
from harness.models.openai_api import OpenAI
from harness.testing.wire import Step, WireServer

DIALECTS = ("anthropic", "responses", "chat")
WAYS = [(d, s) for d in DIALECTS for s in (False, True)]


@pytest.fixture(scope="session")
def server() -> Iterator[WireServer]:
    with WireServer() as running:
        yield running


@pytest.fixture
def wire(server: WireServer) -> WireServer:
    server.reset()
    return server


def model_for(url: str, dialect: str, **settings: Any) -> Model:
    settings = {"name": "echo", **settings}
    if dialect == "anthropic":
        return Anthropic(base_url=url, **settings)
    return OpenAI(base_url=f"{url}/v1", api=dialect, **settings)


@pytest.fixture(params=WAYS, ids=[f"{d}-{'stream' if s else 'whole'}" for d, s in WAYS])
def way(request: pytest.FixtureRequest, wire: WireServer) -> Callable[..., Model]:
    """Makes a model of one dialect, streaming or not."""
    dialect, stream = request.param
    return lambda **settings: model_for(wire.url, dialect, stream=stream, **settings)


@pytest.fixture
def make(wire: WireServer) -> Callable[..., Model]:
    """Makes a model of a dialect: `make("chat", effort="low")`."""
    return lambda dialect, **settings: model_for(wire.url, dialect, **settings)


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Any]:
    """Opens a model in `tmp_path`, sends the requests one after another, closes it; one response or a list."""

    def run(model: Model, *requests: Request) -> Response | list[Response]:
        async def go() -> list[Response]:
            client = model.open(tmp_path)
            try:
                return [await client.generate(r) for r in requests]
            finally:
                await client.aclose()

        found = asyncio.run(go())
        return found[0] if len(found) == 1 else found

    return run


@pytest.fixture
def fault(wire: WireServer, ask: Callable[..., Any]) -> Callable[..., ModelError]:
    """Scripts one step, sends a request, and gives back the ModelError it must raise."""

    def run(model: Model, step: Step, request: Request) -> ModelError:
        wire.script(step)
        with pytest.raises(ModelError) as caught:
            ask(model, request)
        return caught.value

    return run


@pytest.fixture
def sent(wire: WireServer, make: Callable[..., Model], ask: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """The body that a dialect sends for a request."""

    def run(dialect: str, request: Request, **settings: Any) -> dict[str, Any]:
        ask(make(dialect, **settings), request)
        body: dict[str, Any] = wire.log()[-1]["body"]
        return body

    return run
