"""A real gateway with a trial behind it: real sockets, the engine's own counters, the wire server as the provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anthropic
import httpx2
import openai

from harness.engine.attempt_state import AttemptState
from harness.engine.calls import OpenModel
from harness.engine.doors import CountedTrial
from harness.engine.lanes import Lane
from harness.engine.retry import RetryPolicy
from harness.engine.services import Services
from harness.gateway.entrance import Entrance, TrialGateway
from harness.gateway.room import Room
from harness.gateway.server import GatewayServer
from harness.plugins.contracts import Model
from harness.plugins.loader import load
from harness.prices import PriceBook
from harness.records.exchange import Dialect, Exchange
from harness.records.task import Limits

QUICK = RetryPolicy(tries=4, base_s=0.001, cap_s=0.002, max_wait_s=5.0)


def a_model(use: str, **parameters: Any) -> Model:
    return cast(Model, load("model", use, Path()).model_validate(parameters))


@dataclass
class Visit:
    """An open door, as a client of its socket sees it, and what the engine counted."""

    socket: Path
    room: Room
    state: AttemptState
    over: list[str] = field(default_factory=list)
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def http(self) -> httpx2.AsyncClient:
        made = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(self.socket)), base_url="http://127.0.0.1:8089", timeout=30
        )
        self.clients.append(made)
        return made

    def claude(self) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(
            api_key="placeholder-of-the-box", base_url="http://door", http_client=self.http(), max_retries=0
        )

    def gpt(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            api_key="placeholder-of-the-box", base_url="http://door/v1", http_client=self.http(), max_retries=0
        )

    @property
    def last(self) -> Exchange:
        return self.room.exchanges[-1]


def run(gate: GateBench, body: Callable[[], Awaitable[None]]) -> None:
    """A test's body, for at most a minute; the gateway is closed after it."""

    async def whole() -> None:
        try:
            async with asyncio.timeout(60):
                await body()
        finally:
            await gate.server.aclose()

    asyncio.run(whole())


class GateBench:
    """One gateway for as many doors as a test needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = GatewayServer(folder)
        self.prices = PriceBook()
        self.entrances: list[Entrance] = []

    def opened(self, model: Model, policy: RetryPolicy = QUICK) -> OpenModel:
        return OpenModel(
            model,
            model.open(self.folder),
            Lane(model.lane, 64),
            "d",
            model.provider,
            model.simulated,
            self.prices,
            policy,
        )

    @asynccontextmanager
    async def door(
        self,
        model: Model | OpenModel,
        *,
        limits: Limits | None = None,
        allow: tuple[str, ...] = (),
        dialects: tuple[Dialect, ...] = (),
        must_call: bool = False,
        budget: float | None = None,
        spent: float = 0.0,
        aliases: Mapping[str, str] | None = None,
        others: Mapping[str, Model] | None = None,
    ) -> AsyncIterator[Visit]:
        state = AttemptState(limits or Limits(), 1, 7)
        over: list[str] = []
        services = SimpleNamespace(
            suite=SimpleNamespace(budget_usd=budget),
            spent_now=lambda: spent + state.usage.cost_usd,
            over_budget=lambda: over.append("over"),
        )
        entrance = Entrance(self.server, CountedTrial(cast(Services, services), state, allow))
        self.entrances.append(entrance)
        folder = await entrance.open()
        main = model if isinstance(model, OpenModel) else self.opened(model)
        models = {"main": main, **{role: self.opened(m) for role, m in (others or {}).items()}}
        gateway = TrialGateway(entrance, models, boxed=False)
        try:
            async with gateway.open(dialects, must_call=must_call, aliases=aliases) as room:
                visit = Visit(folder / "gw.sock", room, state, over)
                try:
                    yield visit
                finally:
                    for client in visit.clients:
                        await client.aclose()
        finally:
            for opened in models.values():
                await opened.client.aclose()
            await entrance.aclose()
