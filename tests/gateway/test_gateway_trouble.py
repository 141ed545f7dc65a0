"""What goes wrong at the provider, and what the agent and the record are told of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from gate_bench import QUICK, GateBench, Visit, a_model, run

from harness.engine.retry import RetryPolicy
from harness.errors import BudgetReached, LimitReached, ModelError, NoModelCall, UsageFault
from harness.gateway import passage
from harness.records.exchange import Dialect
from harness.records.task import Limits
from harness.testing.wire import Step, Tokens, WireServer

CLAUDE, GPT = "claude-opus-4-7", "gpt-5.4"
HELLO: Any = [{"role": "user", "content": "hello"}]


def model_of(wire: WireServer, dialect: Dialect, **more: Any) -> Any:
    if dialect == "anthropic":
        return a_model("anthropic", name=CLAUDE, base_url=wire.url, **more)
    return a_model("openai", name=GPT, base_url=wire.url + "/v1", api=dialect, **more)


async def ask(visit: Visit, dialect: Dialect, *, stream: bool = False) -> Any:
    if dialect == "anthropic":
        if not stream:
            return await visit.claude().messages.create(model=CLAUDE, max_tokens=50, messages=HELLO)
        async with visit.claude().messages.stream(model=CLAUDE, max_tokens=50, messages=HELLO) as events:
            return await events.get_final_message()
    if dialect == "responses":
        if not stream:
            return await visit.gpt().responses.create(model=GPT, input="hello")
        return [e async for e in await visit.gpt().responses.create(model=GPT, input="hello", stream=True)]
    if not stream:
        return await visit.gpt().chat.completions.create(model=GPT, messages=HELLO)
    return [c async for c in await visit.gpt().chat.completions.create(model=GPT, messages=HELLO, stream=True)]


async def until(true: Callable[[], bool]) -> None:
    """Look again and again, for at most ten seconds."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - nothing tells of it: it happens in another process
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("dialect", ["anthropic", "responses", "chat"])
@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_passing_trouble_is_absorbed(gate: GateBench, wire: WireServer, dialect: Dialect, status: int) -> None:
    async def go() -> None:
        wire.script(Step(status=status, repeat=2), Step(text="at last"))
        async with gate.door(model_of(wire, dialect)) as visit:
            await ask(visit, dialect)
            assert visit.state.retries == 2 and visit.state.turns == 1
            assert len(visit.last.retries) == 2 and visit.last.status == 200 and visit.last.waited > 0
            assert visit.state.usage.calls == 1

    run(gate, go)


def test_retry_after_is_kept_and_counts_as_waiting(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        wire.script(Step(status=429, headers={"retry-after": "0.3"}), Step(text="ok"))
        async with gate.door(model_of(wire, "anthropic")) as visit:
            await ask(visit, "anthropic")
            assert visit.last.waited >= 0.3 and visit.state.clock.waited >= 0.3
            assert visit.last.seconds < visit.last.waited

    run(gate, go)


def test_a_waiting_stream_is_sent_signs_of_life(
    gate: GateBench, wire: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passage, "ALIVE_S", 0.02)

    async def go() -> None:
        for dialect, sign in (("anthropic", "event: ping"), ("chat", ": waiting"), ("responses", ": waiting")):
            wire.script(Step(status=429, headers={"retry-after": "0.5"}), Step(text="after a while"))
            async with gate.door(model_of(wire, dialect)) as visit:
                path = {"anthropic": "/v1/messages", "chat": "/v1/chat/completions", "responses": "/v1/responses"}
                body = {"model": "x", "stream": True, "max_tokens": 5, "messages": HELLO, "input": "hello"}
                said = (await visit.http().post(path[dialect], json=body)).text
                assert said.startswith(sign) and said.count(sign) >= 2
                assert visit.last.answered and visit.last.response is not None
                assert visit.last.response.text == "after a while" and "while" in said
                await ask(visit, dialect, stream=True)

    run(gate, go)


def test_a_provider_that_stays_down_ends_the_agent_and_is_no_outcome_of_it(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        wire.script(Step(status=529, repeat=20))
        with pytest.raises(ModelError) as failed:
            async with gate.door(model_of(wire, "anthropic")) as visit:
                for _ in range(2):
                    with pytest.raises(anthropic.APIStatusError) as refused:
                        await ask(visit, "anthropic")
                    assert refused.value.status_code == 402 and "cannot be reached" in str(refused.value)
                assert visit.state.turns == 1, "the second request is not even tried"
        assert failed.value.fault == "overloaded"
        assert len(wire.log()) == QUICK.tries

    run(gate, go)


def test_a_refused_key_breaks_the_model_for_all_and_is_told_once(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        wire.script(Step(status=401))
        opened = gate.opened(model_of(wire, "anthropic"))
        with pytest.raises(ModelError, match="401"):
            async with gate.door(opened) as visit:
                with pytest.raises(anthropic.APIStatusError):
                    await ask(visit, "anthropic")
        assert opened.broken is not None and opened.broken.fault == "auth"

    run(gate, go)


def test_an_agent_cannot_break_the_model_for_others(gate: GateBench, wire: WireServer) -> None:
    """A 403 or 404 that a request brings about itself says nothing about the model."""

    async def go() -> None:
        for status in (403, 404):
            wire.script(Step(status=status, error_message="file_123 is not yours"), Step(text="fine"))
            opened = gate.opened(model_of(wire, "anthropic"))
            async with gate.door(opened) as visit:
                with pytest.raises(anthropic.APIStatusError) as refused:
                    await ask(visit, "anthropic")
                assert refused.value.status_code == status, "what the provider said is passed on"
                await ask(visit, "anthropic")
            assert opened.broken is None

    run(gate, go)


def test_a_bad_request_is_passed_on_and_the_agent_may_go_on(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        wire.script(Step(status=400, error_message="no such beta"), Step(text="fine"))
        async with gate.door(model_of(wire, "anthropic")) as visit:
            with pytest.raises(anthropic.BadRequestError, match="no such beta"):
                await ask(visit, "anthropic")
            await ask(visit, "anthropic")
        wire.script(Step(status=400, error_message="prompt is too long: 300000 tokens > 200000 maximum"))
        with pytest.raises(LimitReached) as full:
            async with gate.door(model_of(wire, "anthropic")) as visit:
                with pytest.raises(anthropic.BadRequestError):
                    await ask(visit, "anthropic")
        assert full.value.kind == "context"

    run(gate, go)


@pytest.mark.parametrize("dialect", ["anthropic", "responses", "chat"])
@pytest.mark.parametrize("how", ["cut", "last"])
def test_a_stream_that_breaks_is_broken_for_the_agent_and_estimated(
    gate: GateBench, wire: WireServer, dialect: Dialect, how: Any
) -> None:
    async def go() -> None:
        text = "words and more words " * 20
        wire.script(Step(text=text, truncate=how, usage=Tokens(input=50, output=100)))
        with pytest.raises(ModelError) as broke:
            async with gate.door(model_of(wire, dialect)) as visit:
                with contextlib.suppress(anthropic.APIError, openai.APIError, httpx2.HTTPError):
                    await ask(visit, dialect, stream=True)
                await until(lambda: bool(visit.room.exchanges))
                assert visit.last.cut == "provider" and visit.last.trouble.startswith("bad_response")
                usage = visit.state.usage
                assert usage.calls == 1 and usage.input > 0 and usage.output > 10
                assert usage.unpriced + usage.estimated > 0
        assert broke.value.fault == "bad_response"

    run(gate, go)


def test_after_a_broken_stream_the_agent_may_ask_again(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        wire.script(Step(text="words " * 50, truncate="cut"), Step(text="whole"))
        async with gate.door(model_of(wire, "anthropic")) as visit:
            with pytest.raises(Exception, match=r".*"):
                await ask(visit, "anthropic", stream=True)
            await ask(visit, "anthropic", stream=True)
            assert [e.cut for e in visit.room.exchanges] == ["provider", ""] and visit.state.turns == 2

    run(gate, go)


def test_an_error_event_in_a_stream_is_passed_on_and_recorded(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        wire.script(Step(text="some words", stream_error="overloaded_error"))
        with pytest.raises(ModelError) as failed:
            async with gate.door(model_of(wire, "anthropic")) as visit:
                with pytest.raises(anthropic.APIStatusError):
                    await ask(visit, "anthropic", stream=True)
                await until(lambda: bool(visit.room.exchanges))
                assert "overloaded" in visit.last.trouble
        assert failed.value.fault == "overloaded"

    run(gate, go)


def test_an_agent_that_hangs_up_is_recorded_and_not_blamed_on_the_provider(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        wire.script(Step(delay_ms=5000))
        async with gate.door(model_of(wire, "anthropic")) as visit:
            body = {"model": "x", "stream": True, "max_tokens": 5, "messages": HELLO}
            request = asyncio.create_task(visit.http().post("/v1/messages", json=body))
            await until(lambda: bool(wire.log()))
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)
            await until(lambda: bool(visit.room.exchanges))
            assert visit.last.cut == "agent" and not visit.last.trouble
            assert visit.state.usage.unpriced == 1, "it may have been billed"

    run(gate, go)


STOPS: tuple[tuple[Dialect, int], ...] = (("anthropic", 402), ("responses", 429), ("chat", 400))


@pytest.mark.parametrize(("dialect", "status"), STOPS)
@pytest.mark.parametrize("limits", [Limits(turns=1), Limits(tokens=20)])
def test_a_limit_is_told_so_that_the_dialects_agents_end(
    gate: GateBench, wire: WireServer, dialect: Dialect, status: int, limits: Limits
) -> None:
    async def go() -> None:
        wire.script(Step(text="one", usage=Tokens(input=15, output=10), repeat=2))
        async with gate.door(model_of(wire, dialect), limits=limits) as visit:
            await ask(visit, dialect)
            with pytest.raises((anthropic.APIStatusError, openai.APIStatusError)) as stopped:
                await ask(visit, dialect)
            assert stopped.value.status_code == status
            assert stopped.value.response.headers["x-should-retry"] == "false"
            if dialect == "responses":
                assert "insufficient_quota" in stopped.value.response.text
            kind = "turns" if limits.turns else "tokens"
            assert (visit.room.limit, visit.state.hit, visit.last.limit) == (kind, kind, kind)
        assert len(wire.log()) == 1, "what is stopped costs nothing"

    run(gate, go)


def test_gemini_is_stopped_with_400(gate: GateBench) -> None:
    async def go() -> None:
        async with gate.door(a_model("scripted", name="s", answer="x"), limits=Limits(turns=0)) as visit:
            body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
            answered = await visit.http().post("/v1beta/models/g:generateContent", json=body)
            assert answered.status_code == 400 and answered.json()["error"]["status"] == "INVALID_ARGUMENT"

    run(gate, go)


def test_the_runs_budget_is_no_limit_of_the_trial(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        with pytest.raises(BudgetReached):
            async with gate.door(model_of(wire, "anthropic"), budget=1.0, spent=1.0) as visit:
                with pytest.raises(anthropic.APIStatusError):
                    await ask(visit, "anthropic")
                assert visit.over == ["over"] and visit.state.hit == "" and visit.state.turns == 0
        assert wire.log() == []

    run(gate, go)


def test_trouble_explains_an_agent_that_fails_of_it(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        with pytest.raises(LimitReached) as stopped:
            async with gate.door(model_of(wire, "anthropic"), limits=Limits(turns=0)) as visit:
                with pytest.raises(anthropic.APIStatusError):
                    await ask(visit, "anthropic")
                raise RuntimeError("the program ended with 1")
        assert stopped.value.kind == "turns"
        with pytest.raises(RuntimeError, match="its own"):
            async with gate.door(model_of(wire, "anthropic")) as visit:
                await ask(visit, "anthropic")
                raise RuntimeError("its own fault")

    run(gate, go)


def test_mistakes_before_money_is_spent(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        with pytest.raises(UsageFault, match=r"the agent speaks responses, and model 'claude-opus-4-7'.*anthropic"):
            async with gate.door(model_of(wire, "anthropic"), dialects=("responses",)):
                pass
        with pytest.raises(UsageFault, match="no model role 'small'"):
            async with gate.door(model_of(wire, "anthropic"), aliases={"haiku": "small"}):
                pass
        with pytest.raises(NoModelCall):
            async with gate.door(model_of(wire, "anthropic"), must_call=True):
                pass
        async with gate.door(model_of(wire, "anthropic")) as visit:
            with pytest.raises(openai.BadRequestError, match="is reached by anthropic"):
                await ask(visit, "responses")
            http = visit.http()
            assert (await http.get("/v1/models")).status_code == 404
            assert (await http.post("/v1/messages", content=b"{")).status_code == 400
            assert (await http.post("/v1/messages", content=b"[]")).status_code == 400
            assert (await http.post("/v1/messages", json={"messages": []})).json()["error"]["message"] == (
                "the request names no model"
            )
        assert wire.log() == []

    run(gate, go)


def test_a_patient_policy_is_bounded(gate: GateBench, wire: WireServer) -> None:
    """Retry-After beyond what a call may wait ends it at once, instead of holding a run for a day."""

    async def go() -> None:
        wire.script(Step(status=429, headers={"retry-after": "86400"}))
        opened = gate.opened(model_of(wire, "anthropic"), RetryPolicy(max_wait_s=1.0))
        with pytest.raises(ModelError) as failed:
            async with gate.door(opened) as visit:
                with pytest.raises(anthropic.APIStatusError):
                    await ask(visit, "anthropic")
        assert failed.value.fault == "rate_limit"

    run(gate, go)


@pytest.mark.parametrize("kind", ["scripted", "wire"])
def test_an_error_in_a_prompt_comes_in_every_trial_of_it(gate: GateBench, wire: WireServer, kind: str) -> None:
    """Epochs of a task have one prompt: each meets the failure, and not only the first."""
    prompt = [{"role": "user", "content": "do it\n@@error 500\n@@say done"}]
    model = model_of(wire, "anthropic") if kind == "wire" else a_model("scripted", name="s", prompted=True)

    async def one(session: str) -> tuple[int, str]:
        async with gate.door(model) as visit:
            headers = {"x-claude-code-session-id": session}
            answer = await visit.claude().messages.create(
                model=CLAUDE, max_tokens=9, messages=prompt, extra_headers=headers
            )
            return len(visit.last.retries), answer.content[0].text

    async def go() -> None:
        assert [await one("a"), await one("a"), await one("b")] == [(1, "done")] * 3
        if kind == "wire":
            assert await asyncio.gather(*(one(f"together-{i}") for i in range(8))) == [(1, "done")] * 8

    run(gate, go)
