"""The replay model: the recorded response to the very request, or an error that says what was nearest."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.api import (
    Message,
    ModelClient,
    ModelError,
    Output,
    Request,
    Response,
    Text,
    Transcript,
    Usage,
    UsageFault,
    user,
)
from harness.models.replay import Replay
from harness.records.transcript import Event, ModelCall, Note


def call(text: str, answer: str, role: str = "main", same: int = 0, **more: Any) -> ModelCall:
    usage = Usage(input=3, output=2, calls=1, cost_usd=0.5, estimated=1)
    response = Response((Text(answer),), "end", usage, "real-model-1")
    return ModelCall(role, 0.1, 0.2, Request((user(text),), **more), response, same)


def record(run: Path, *transcripts: Transcript, tail: bytes = b"") -> None:
    run.mkdir(parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(t) + b"\n" for t in transcripts)
    (run / "transcripts.jsonl").write_bytes(lines + tail)


def trial(*events: Event, task: str = "t", epoch: int = 1, attempt: int = 1, system: str = "s") -> Transcript:
    return Transcript(task, system, epoch, attempt, Output(), events)


def opened(workspace: Path, **params: Any) -> ModelClient:
    return Replay.model_validate({"run": "runs/r", **params}).open(workspace)


def ask(client: ModelClient, text: str, **more: Any) -> Response:
    return asyncio.run(client.generate(Request((user(text),), **more)))


def test_the_same_request_gets_the_recorded_response_at_no_cost(tmp_path: Path) -> None:
    record(tmp_path / "runs/r", trial(Note(0, "x"), call("How long?", "14 days", label="solve", system="Be brief.")))
    response = ask(opened(tmp_path), "How long?", label="other", system="Be brief.", cache=True)
    assert (response.text, response.model) == ("14 days", "real-model-1")
    assert response.usage == Usage(input=3, output=2, calls=1)


def test_repeated_requests_come_in_order_of_epoch_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    record(
        tmp_path / "runs/r",
        trial(call("q", "third"), epoch=3),
        trial(call("q", "first"), epoch=1),
        trial(call("q", "second"), epoch=2),
    )
    client = opened(tmp_path)
    assert [ask(client, "q").text for _ in range(3)] == ["first", "second", "third"]
    with pytest.raises(ModelError, match=r"recorded 3 time\(s\)") as e:
        ask(client, "q")
    assert e.value.fault == "script_exhausted"
    again = opened(tmp_path, repeat=True)
    assert [ask(again, "q").text for _ in range(4)] == ["first", "second", "third", "first"]


def test_only_the_last_attempt_of_a_trial_counts(tmp_path: Path) -> None:
    record(
        tmp_path / "runs/r",
        trial(call("q", "of the failed attempt")),
        trial(call("q", "of the good one"), attempt=2),
    )
    client = opened(tmp_path)
    assert ask(client, "q").text == "of the good one"
    with pytest.raises(ModelError):
        ask(client, "q")


def test_shortened_conversations_are_made_whole(tmp_path: Path) -> None:
    record(tmp_path / "runs/r", trial(call("a", "b"), call("c", "d", same=2)))
    whole = Request((user("a"), Message("assistant", (Text("b"),)), user("c")))
    assert asyncio.run(opened(tmp_path).generate(whole)).text == "d"


def test_a_request_that_was_not_made_is_an_error_with_the_nearest(tmp_path: Path) -> None:
    record(
        tmp_path / "runs/r",
        trial(call("What is seven plus eight?", "15"), task="sum"),
        trial(call("Name a colour.", "blue"), task="colour"),
    )
    client = opened(tmp_path)
    with pytest.raises(ModelError) as e:
        ask(client, "What is seven plus nine?", label="solve")
    told = str(e.value)
    assert e.value.fault == "script_exhausted" and not e.value.retryable
    assert "call 1 of task sum, system s, epoch 1" in told and "messages differ from character 26" in told
    assert "'eight?' was recorded, 'nine?' was asked" in told
    with pytest.raises(ModelError, match=r"task colour.* differs in system"):
        ask(client, "Name a colour.", system="Be brief.")


def test_looking_for_the_nearest_ends_after_some_misses(tmp_path: Path) -> None:
    record(tmp_path / "runs/r", trial(call("q", "a")))
    client = opened(tmp_path)
    told = []
    for i in range(25):
        with pytest.raises(ModelError) as e:
            ask(client, f"other {i}")
        told.append("nearest" in str(e.value))
    assert told == [True] * 20 + [False] * 5


def test_system_and_role_choose_the_calls(tmp_path: Path) -> None:
    record(
        tmp_path / "runs/r",
        trial(call("q", "a main"), call("q", "a judge", role="judge"), system="a"),
        trial(call("q", "b main"), system="b"),
    )
    assert ask(opened(tmp_path, system="b"), "q").text == "b main"
    assert ask(opened(tmp_path, role="judge"), "q").text == "a judge"
    with pytest.raises(UsageFault, match="no recorded model calls of system 'c'"):
        opened(tmp_path, system="c")


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    record(tmp_path / "runs/r", trial(call("q", "a")), tail=b'{"task": "t2", "sys')
    assert ask(opened(tmp_path), "q").text == "a"


def test_a_damaged_line_in_the_middle_is_told(tmp_path: Path) -> None:
    record(tmp_path / "runs/r", trial(call("q", "a")), tail=b"{garbage}\n")
    with pytest.raises(UsageFault, match="damaged transcript") as e:
        opened(tmp_path)
    assert str(e.value.fault.place) == "runs/r/transcripts.jsonl:2:1"


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    (line,) = Replay(run="runs/none").check(tmp_path)
    assert line.startswith("cannot read runs/none/transcripts.jsonl")
    record(tmp_path / "runs/r", trial(Note(0, "x")))
    assert Replay(run="runs/r").check(tmp_path) == ("runs/r has no recorded model calls",)


def test_it_says_that_it_is_no_model() -> None:
    model = Replay(run="runs/r")
    assert (model.simulated, model.provider) == (True, "replay")
    assert model.digest_files() == ("runs/r/transcripts.jsonl",)
