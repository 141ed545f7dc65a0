"""The key of the host, repeated by a server in the middle of an answer: neither the box nor the record has it."""

from __future__ import annotations

import contextlib

import pytest
from gate_bench import GateBench, run
from hypothesis import given
from hypothesis import strategies as st
from raw_provider import body_of, events_of, model_at, path_for, raw_provider, whole_of

from harness.errors import ModelError
from harness.gateway.dialects import stream_error
from harness.gateway.veil import Veil
from harness.plugins.gateway import Upstream
from harness.records.exchange import Dialect
from harness.testing.wire import Step, Tokens, WireServer

DIALECTS: tuple[Dialect, ...] = ("anthropic", "responses", "chat", "gemini")
KEY = "sk-of-the-host-3141592653"
HIDDEN = "*" * len(KEY)
SAYS = f"Received={KEY}, expected another"
STEP = Step(text="some words", usage=Tokens(input=7, output=3))


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", KEY)


def in_two(said: bytes) -> list[bytes]:
    """Broken in the middle of the key."""
    at = said.index(KEY.encode()) + 9
    return [said[:at], said[at:]]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("pieces", ["one", "two"])
@pytest.mark.parametrize("header", ["", "X-House"])
def test_an_error_event_of_a_stream_is_without_the_key(
    gate: GateBench, dialect: Dialect, pieces: str, header: str
) -> None:
    error = stream_error(dialect, 500, SAYS)
    told = [events_of(dialect, STEP)[0], *([error] if pieces == "one" else in_two(error))]

    async def go() -> None:
        async with raw_provider(told) as provider:
            for _ in (*told, "its end"):
                provider.go.release()
            more = {"key_header": header} if header and dialect in ("responses", "chat") else {}
            with pytest.raises(ModelError) as failed:
                async with gate.door(model_at(dialect, provider.url, api_key_env="LAB_KEY", **more)) as visit:
                    body = body_of(dialect, stream=True)
                    answered = await visit.http().post(path_for(dialect, stream=True), content=body)
                    assert f"Received={HIDDEN}, expected another" in answered.text
                    assert KEY not in answered.text
                    assert KEY not in repr(visit.room.exchanges) + repr(visit.state.events)
                    assert visit.last.cut == "provider" and f"Received={HIDDEN}" in visit.last.trouble
            assert KEY in provider.heads[0], "it was sent"
            assert KEY not in str(failed.value)

    run(gate, go)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("pieces", ["one", "two"])
def test_an_answer_in_one_piece_is_without_the_key_and_as_long_as_it_was(
    gate: GateBench, dialect: Dialect, pieces: str
) -> None:
    said = whole_of(dialect, Step(text=SAYS, usage=Tokens(input=7, output=3)))
    told = [said] if pieces == "one" else in_two(said)

    async def go() -> None:
        async with raw_provider(told, "application/json") as provider:
            for _ in (*told, "its end"):
                provider.go.release()
            async with gate.door(model_at(dialect, provider.url, api_key_env="LAB_KEY")) as visit:
                body = body_of(dialect, stream=False)
                answered = await visit.http().post(path_for(dialect, stream=False), content=body)
                assert answered.content == said.replace(KEY.encode(), HIDDEN.encode())
                assert int(answered.headers["content-length"]) == len(said)
                assert visit.last.response is not None and visit.last.response.text == SAYS.replace(KEY, HIDDEN)

    run(gate, go)


@pytest.mark.parametrize("status", [200, 400])
def test_headers_are_without_the_key(gate: GateBench, wire: WireServer, status: int) -> None:
    async def go() -> None:
        wire.script(Step(status=status, headers={"x-litellm-key": f"Bearer {KEY}"}))
        with contextlib.suppress(ModelError):
            async with gate.door(model_at("anthropic", wire.url, api_key_env="LAB_KEY")) as visit:
                body = body_of("anthropic", stream=True)
                answered = await visit.http().post(path_for("anthropic", stream=True), content=body)
                assert answered.status_code == status
                assert answered.headers["x-litellm-key"] == (f"Bearer {HIDDEN}")

    run(gate, go)


def test_words_of_other_headers_are_the_models_to_say(gate: GateBench) -> None:
    """A header that is no key's, such as a title, may have any word in it."""

    async def go() -> None:
        said = "An Evaluation of it. sk-of-the-host"
        pieces = [whole_of("chat", Step(text=said, usage=Tokens(input=7, output=3)))]
        async with raw_provider(pieces, "application/json") as provider:
            provider.go.release()
            provider.go.release()
            model = model_at("chat", provider.url, api_key_env="LAB_KEY", headers={"X-Title": "Evaluation of ours"})
            async with gate.door(model) as visit:
                answered = await visit.http().post(
                    path_for("chat", stream=False), content=body_of("chat", stream=False)
                )
                assert answered.content == pieces[0]

    run(gate, go)


@given(st.lists(st.sampled_from([KEY, KEY[:3], KEY[:-1], KEY[5:], "s", "\n", "a word "]), max_size=9), st.data())
def test_however_an_answer_is_cut_into_pieces_the_key_is_cut_out_and_nothing_else(
    words: list[str], data: st.DataObject
) -> None:
    whole = "".join(words).encode()
    veil = Veil(Upstream("http://x", ("chat",), {"Authorization": f"Bearer {KEY}"}))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    passed = [veil.take(piece) for piece in pieces]
    assert KEY.encode() not in b"".join(passed)
    assert b"".join(passed) + veil.rest() == whole.replace(KEY.encode(), HIDDEN.encode())


def test_what_ends_as_no_key_begins_is_passed_on_at_once() -> None:
    veil = Veil(Upstream("http://x", ("chat",), {"x-api-key": KEY}))
    for piece in (b'data: {"a": "sk-of"}\n\n', b"half of an event", b"x" * 1000, b"sk-or"):
        assert veil.take(piece) == piece
    assert veil.rest() == b""
