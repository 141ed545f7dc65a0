"""How calls fail: always as a ModelError that says whether trying again can help, never as a short answer."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import Model, ModelError, Request, user
from harness.models._transport import _events
from harness.testing.wire import Call, Step, WireServer
from harness.toolkit.wire.faults import LONGEST_MESSAGE, error_of, problem_of, retry_after_s

HI = Request((user("hi"),))
Fault = Callable[[Model, Step, Request], ModelError]


@pytest.mark.parametrize(
    ("status", "fault_name", "retryable"),
    [
        (400, "bad_request", False),
        (401, "auth", False),
        (402, "auth", False),
        (403, "auth", False),
        (404, "not_found", False),
        (408, "timeout", True),
        (409, "server", True),
        (413, "bad_request", False),
        (422, "bad_request", False),
        (429, "rate_limit", True),
        (500, "server", True),
        (502, "server", True),
        (503, "overloaded", True),
        (529, "overloaded", True),
    ],
)
def test_every_status_has_its_fault(
    way: Callable[..., Model], fault: Fault, status: int, fault_name: str, retryable: bool
) -> None:
    error = fault(way(), Step(status=status), HI)
    assert (error.fault, error.retryable, error.status) == (fault_name, retryable, status)
    assert f"scripted status {status}" in str(error)


@pytest.mark.parametrize(
    ("dialect", "step"),
    [
        ("anthropic", Step(status=400, error_message="prompt is too long: 210000 tokens > 200000 maximum")),
        ("anthropic", Step(status=400, error_message="input length and `max_tokens` exceed context limit: 1 + 2 > 2")),
        ("responses", Step(status=400, error_code="context_length_exceeded")),
        ("chat", Step(status=400, error_message="This model's maximum context length is 8192 tokens.")),
        ("chat", Step(status=400, error_type="exceed_context_size_error")),
    ],
)
def test_a_prompt_that_is_too_long_is_told_apart(
    make: Callable[..., Model], fault: Fault, dialect: str, step: Step
) -> None:
    assert fault(make(dialect), step, HI).fault == "context_length"


@pytest.mark.parametrize(
    ("dialect", "step"),
    [
        ("responses", Step(status=429, error_code="insufficient_quota", error_message="You exceeded your quota")),
        ("anthropic", Step(status=400, error_message="Your credit balance is too low to access the API.")),
    ],
)
def test_no_money_is_not_tried_again(make: Callable[..., Model], fault: Fault, dialect: str, step: Step) -> None:
    error = fault(make(dialect), step, HI)
    assert (error.fault, error.retryable) == ("auth", False)


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
def test_a_providers_policy_is_a_refusal_not_a_failure(
    way: Callable[..., Model], wire: WireServer, ask: Callable[..., Any], code: str
) -> None:
    wire.script(Step(status=400, error_code=code, error_type=code, error_message="blocked by policy"))
    response = ask(way(), HI)
    assert (response.stop, response.text, response.usage.calls) == ("refusal", "blocked by policy", 1)


def test_waiting_times_are_read(way: Callable[..., Model], fault: Fault) -> None:
    assert fault(way(), Step(status=429, headers={"retry-after": "2.5"}), HI).retry_after_s == 2.5
    both = {"retry-after": "9", "retry-after-ms": "1500"}
    assert fault(way(), Step(status=503, headers=both), HI).retry_after_s == 1.5
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    waited = fault(way(), Step(status=529, headers={"retry-after": date}), HI).retry_after_s
    assert waited is not None
    assert 25 < waited <= 30
    assert fault(way(), Step(status=429), HI).retry_after_s is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("0", 0.0), ("-3", 0.0), ("nan", None), ("inf", None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_odd_waiting_times(said: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": said}) == seconds


@pytest.mark.parametrize(
    ("step", "faults"),
    [
        (Step(text="x" * 200, truncate="cut"), {"bad_response"}),
        (Step(text="x" * 200, truncate="clean"), {"bad_response"}),
        (Step(malformed=True), {"bad_response"}),
        (Step(empty=True), {"bad_response"}),
        (Step(close="fin"), {"connection"}),
        (Step(close="reset"), {"connection"}),
    ],
)
def test_half_an_answer_is_no_answer(way: Callable[..., Model], fault: Fault, step: Step, faults: set[str]) -> None:
    error = fault(way(), step, HI)
    assert error.fault in faults
    assert error.retryable


@pytest.mark.parametrize("dialect", ["anthropic", "responses", "chat"])
@pytest.mark.parametrize("truncate", ["last", "clean"])
def test_a_stream_without_its_last_event_is_never_a_short_answer(
    make: Callable[..., Model], fault: Fault, dialect: str, truncate: Any
) -> None:
    step = Step(text="a long answer", tool_calls=(Call("f", {"a": 1}),), truncate=truncate)
    error = fault(make(dialect, stream=True), step, HI)
    assert (error.fault, str(error)) == ("bad_response", "the stream ended before its final event")


@pytest.mark.parametrize(
    ("dialect", "word", "fault_name"),
    [
        ("anthropic", "overloaded_error", "overloaded"),
        ("anthropic", "api_error", "server"),
        ("anthropic", "rate_limit_error", "rate_limit"),
        ("anthropic", "invalid_request_error", "bad_request"),
        ("anthropic", "something_new", "server"),
        ("responses", "server_error", "server"),
        ("responses", "rate_limit_exceeded", "rate_limit"),
        ("responses", "invalid_prompt", "bad_request"),
        ("responses", "image_parse_error", "bad_request"),
        ("chat", "server_error", "server"),
    ],
)
def test_an_error_inside_a_stream_has_its_fault(
    make: Callable[..., Model], fault: Fault, dialect: str, word: str, fault_name: str
) -> None:
    step = Step(text="half an ans", stream_error=word, error_message="midway")
    error = fault(make(dialect, stream=True), step, HI)
    assert error.fault == fault_name
    assert "midway" in str(error)


def test_a_policy_inside_a_stream_is_a_refusal(
    make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any]
) -> None:
    wire.script(Step(text="half", stream_error="bio_policy", error_message="not this"))
    response = ask(make("responses", stream=True), HI)
    assert (response.stop, response.text) == ("refusal", "not this")


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        *((d, b) for d in ("anthropic", "responses", "chat") for b in ({}, [], "text", 7)),
        ("chat", {"choices": []}),
        ("chat", {"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": "many"}}),
        ("chat", {"choices": [{"delta": {"content": "a"}}]}),
        ("anthropic", {"content": [], "stop_reason": "end_turn"}),
        ("anthropic", {"content": "text", "usage": {}}),
        ("anthropic", {"content": [], "usage": {"input_tokens": "many"}}),
        ("responses", {"output": None}),
        ("responses", {"output": [], "status": "queued"}),
        ("responses", {"output": [], "usage": {"input_tokens": True}}),
    ],
)
def test_a_body_of_another_shape_is_no_answer(
    make: Callable[..., Model], fault: Fault, dialect: str, body: Any
) -> None:
    settings = {"stream": False} if dialect == "anthropic" else {}
    assert fault(make(dialect, **settings), Step(body=body), HI).fault == "bad_response"


def test_an_error_with_status_200_is_an_error(make: Callable[..., Model], fault: Fault) -> None:
    body = {"error": {"message": "upstream busy", "code": "rate_limit_exceeded"}}
    error = fault(make("chat"), Step(body=body), HI)
    assert (error.fault, "upstream busy" in str(error)) == ("rate_limit", True)


def test_silence_ends_at_the_time_limit(way: Callable[..., Model], fault: Fault) -> None:
    error = fault(way(timeout_s=0.3), Step(hang=True), HI)
    assert (error.fault, str(error)) == ("timeout", "no complete answer within 0.3 s")


def test_a_server_that_is_not_there_is_a_connection_fault(ask: Callable[..., Any]) -> None:
    from harness.models.anthropic_api import Anthropic
    from harness.models.openai_api import OpenAI

    for model in (
        OpenAI(name="m", base_url="http://127.0.0.1:9/v1"),
        Anthropic(name="m", base_url="http://127.0.0.1:9"),
    ):
        with pytest.raises(ModelError) as caught:
            ask(model, HI)
        assert caught.value.fault == "connection"


def test_a_redirect_is_not_followed_with_the_key(make: Callable[..., Model], fault: Fault, wire: WireServer) -> None:
    error = fault(make("chat"), Step(status=307, headers={"location": "http://127.0.0.1:9/v1"}), HI)
    assert (error.fault, "127.0.0.1:9" in str(error)) == ("bad_request", True)
    assert len(wire.log()) == 1


def test_the_key_is_in_no_message(
    way: Callable[..., Model], fault: Fault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret-99")
    model = way(api_key_env="MY_KEY")
    error = fault(model, Step(status=401, error_message="Incorrect API key provided: sk-very-secret-99."), HI)
    assert "sk-very-secret-99" not in str(error)
    assert "***" in str(error)
    client = model.open(tmp_path)
    assert "sk-very-secret-99" not in f"{model!r} {client!r} {vars(client)!r} {model.model_dump()!r}"
    asyncio.run(client.aclose())


def test_long_messages_are_cut_and_put_on_one_line() -> None:
    error = error_of(problem_of({"error": {"message": "a\n b\n" + "x" * 9000}}), 500)
    assert len(str(error)) == LONGEST_MESSAGE
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "plain words"}', "plain words"),
        (b'{"detail": "not found"}', "not found"),
        (b'{"message": "gateway"}', "gateway"),
        (b"<html>Bad gateway</html>", "<html>Bad gateway</html>"),
        (b'{"error": {"message": null, "details": {"error_code": "c"}}}', "c"),
        (b"[1]", "[1]"),
        (b"\xff\xfe", "��"),
    ],
)
def test_every_form_of_error_body_is_read(body: bytes, message: str) -> None:
    assert message in str(problem_of(body))


def test_cancelling_a_call_leaves_the_client_usable(
    make: Callable[..., Model], wire: WireServer, tmp_path: Path
) -> None:
    async def go() -> str:
        client = make("chat").open(tmp_path)
        call = asyncio.create_task(client.generate(HI))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        answer = (await client.generate(HI)).text
        await client.aclose()
        return answer

    wire.script(Step(hang=True))
    assert asyncio.run(go()) == "hi"


class Pieces:
    """A response whose body comes in pieces cut anywhere."""

    def __init__(self, data: bytes, cuts: list[int]) -> None:
        edges = [0, *sorted(c % (len(data) + 1) for c in cuts), len(data)]
        self._pieces = [data[a:b] for a, b in pairwise(edges)]

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=12)


@given(st.lists(st.lists(LINE, min_size=1, max_size=3), max_size=5), st.sampled_from(["\n", "\r\n"]), st.data())
def test_events_are_the_same_however_the_bytes_are_cut(events: list[list[str]], end: str, data: st.DataObject) -> None:
    text = f": comment{end}"
    for lines in events:
        text += f"event: x{end}" + "".join(f"data: {line}{end}" for line in lines) + end
    cuts = data.draw(st.lists(st.integers(0, 1000), max_size=8))

    async def read() -> list[str]:
        response = cast(httpx2.Response, Pieces(text.encode(), cuts))
        return [e.decode() async for e in _events(response)]

    assert asyncio.run(read()) == ["\n".join(lines) for lines in events]
