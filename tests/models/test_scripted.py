"""The scripted model: each form of script, errors that are planted, and lines that nobody can steal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.api import (
    File,
    Message,
    ModelClient,
    ModelError,
    Request,
    Response,
    ToolResult,
    UsageFault,
    assistant,
    user,
)
from harness.models._script_file import prompt_sha256
from harness.models.scripted import Scripted


def opened(workspace: Path = Path(), **params: Any) -> ModelClient:
    return Scripted.model_validate(params).open(workspace)


def ask(client: ModelClient, *turns: str, label: str = "solve") -> Response:
    messages = tuple(user(t) if i % 2 == 0 else assistant(t) for i, t in enumerate(turns))
    return asyncio.run(client.generate(Request(messages, label=label)))


def test_with_no_script_it_echoes() -> None:
    response = ask(opened(), "first", "reply", "second")
    assert (response.text, response.stop, response.model) == ("second", "end", "scripted")


def test_one_answer_is_given_to_everything() -> None:
    client = opened(name="demo", answer="14 days")
    assert [ask(client, q).text for q in ("a", "b")] == ["14 days", "14 days"]
    assert ask(client, "a").model == "demo"


def test_the_same_answer_costs_the_same_tokens_in_every_form() -> None:
    forms: list[dict[str, Any]] = [
        {"answer": "14 days"},
        {"answers": ["14 days"]},
        {"answer": {"text": "14 days", "stop": "end"}},
    ]
    usages = [ask(opened(**f), "How long is it?").usage for f in forms]
    assert usages[0].input == 4 and usages[0].output == 2 and usages[0].calls == 1
    assert usages[0] == usages[1] == usages[2]


def test_answers_come_in_the_order_of_the_conversation() -> None:
    client = opened(answers=["one", "two"])
    assert ask(client, "a").text == "one"
    assert ask(client, "a", "one", "b").text == "two"
    assert ask(client, "a").text == "one"


def test_a_number_in_the_label_names_the_line() -> None:
    client = opened(answers={"solve": ["one", "two"], "verify": ["ok"], "verify.2": ["again"]})
    assert [ask(client, "a", label=x).text for x in ("solve.2", "solve.1", "solve", "verify")] == [
        "two",
        "one",
        "one",
        "ok",
    ]
    assert ask(client, "a", label="verify.2").text == "again"


def test_running_out_is_an_error_that_says_where() -> None:
    client = opened(answers={"solve": ["one"]})
    with pytest.raises(ModelError, match=r"1 answer\(s\) for 'solve', and answer 2 was asked for") as e:
        ask(client, "a", "one", "b")
    assert e.value.fault == "script_exhausted" and not e.value.retryable
    with pytest.raises(ModelError, match="no answers for 'plan'; it has: solve"):
        ask(client, "a", label="plan")


def test_rules_answer_by_what_is_asked() -> None:
    client = opened(
        rules=[
            {"when": r"(\d+) \+ (?P<b>\d+)", "answer": r"\1 and \g<b>, \frac"},
            {"when": "wrong", "label": "verify", "answer": "VERDICT: OK"},
        ],
        answer="no idea",
    )
    assert ask(client, "What is 7 + 8?").text == r"7 and 8, \frac"
    assert ask(client, "what is wrong", label="verify.2").text == "VERDICT: OK"
    assert ask(client, "what is wrong", label="solve").text == "no idea"


def test_a_rule_reads_the_last_user_text_only() -> None:
    client = opened(rules=[{"when": "cat", "answer": "meow"}])
    with pytest.raises(ModelError, match="no rule matches"):
        ask(client, "cat", "meow", "dog")


def test_tools_stop_and_usage_are_as_scripted() -> None:
    client = opened(
        answers=[
            {
                "text": "let me see",
                "tools": [{"name": "bash", "arguments": {"cmd": "ls"}}, {"name": "bash", "arguments": "{"}],
            },
            {"text": "cut of", "stop": "max_tokens", "usage": {"input": 5, "cache_read": 7, "output": 3}},
            {"reasoning": "hmm", "text": "no", "stop": "refusal"},
        ]
    )
    first, second, third = (ask(client, "a", label=f"solve.{i}") for i in (1, 2, 3))
    assert first.stop == "tool_use" and [(c.id, c.arguments) for c in first.tool_calls] == [
        ("call_0_0", {"cmd": "ls"}),
        ("call_0_1", "{"),
    ]
    assert second.stop == "max_tokens" and (second.usage.input, second.usage.cache_read, second.usage.output) == (
        5,
        7,
        3,
    )
    assert third.stop == "refusal" and third.text == "no" and third.usage.reasoning == 1


def test_tool_results_and_files_can_be_sent() -> None:
    message = Message("user", (File("a.png", "a.png", "image/png", "0"), ToolResult("1", "12345678")))
    response = asyncio.run(opened(answers=["x"]).generate(Request((message,))))
    assert response.usage.input == 2


def test_a_planted_error_comes_once_for_each_request() -> None:
    client = opened(answer="ok", error={"fault": "rate_limit", "retry_after_s": 2.5})
    for question in ("a", "b"):
        with pytest.raises(ModelError) as e:
            ask(client, question)
        assert (e.value.fault, e.value.status, e.value.retry_after_s, e.value.retryable) == (
            "rate_limit",
            429,
            2.5,
            True,
        )
        assert ask(client, question).text == "ok"


def test_errors_can_stand_in_one_line_and_never_end() -> None:
    client = opened(answers=["one", {"text": "two", "error": "server"}, {"error": {"fault": "timeout", "times": 0}}])
    assert ask(client, "a", label="solve.1").text == "one"
    with pytest.raises(ModelError) as server:
        ask(client, "a", label="solve.2")
    assert server.value.status == 500 and ask(client, "a", label="solve.2").text == "two"
    for _ in range(3):
        with pytest.raises(ModelError) as timeout:
            ask(client, "a", label="solve.3")
        assert (timeout.value.fault, timeout.value.status) == ("timeout", 0)


def test_latency_is_waited_for() -> None:
    async def measure() -> float:
        client = opened(answer="x", latency_s=0.02)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(client.generate(Request((user("a"),))) for _ in range(50)))
        return asyncio.get_running_loop().time() - began

    assert 0.02 <= asyncio.run(measure()) < 0.5


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_trials_in_flight_cannot_take_each_others_lines(steps: list[int]) -> None:
    client = opened(answers=[f"line {i}" for i in range(5)], latency_s=0)

    async def one(step: int) -> str:
        turns = [user("q")]
        for i in range(step):
            turns += [assistant(f"line {i}"), user("more")]
        await asyncio.sleep(0)
        return (await client.generate(Request(tuple(turns)))).text

    async def together() -> list[str]:
        return await asyncio.gather(*(one(s) for s in steps))

    assert asyncio.run(together()) == [f"line {s}" for s in steps]


def write(path: Path, *rows: Any) -> None:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")


def test_a_file_answers_by_prompt_whatever_a_harness_adds(tmp_path: Path) -> None:
    write(
        tmp_path / "s.jsonl",
        {"prompt": "How long?\n\nSee page 2.", "answer": "14 days"},
        {"prompt_sha256": prompt_sha256("Why?"), "answers": ["because", {"text": "still", "stop": "max_tokens"}]},
        {"prompt": "Why?", "label": "verify", "answer": "VERDICT: OK"},
    )
    client = opened(tmp_path, path="s.jsonl")
    assert ask(client, "How long?\n\nSee page 2.\n\nANSWER: <your answer>\n\nAnd this.").text == "14 days"
    assert ask(client, "Why?", "because", "Why?").stop == "max_tokens"
    assert ask(client, " Why?\n", label="verify.1").text == "VERDICT: OK"
    with pytest.raises(ModelError, match=r"no row of s\.jsonl has the prompt"):
        ask(client, "Who?")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("{", "not JSON"),
        ("[1]", "a row must be an object"),
        ({"answer": "x"}, "needs one of 'prompt' and 'prompt_sha256'"),
        ({"prompt": "x"}, "needs one of 'answer' and 'answers'"),
        ({"prompt": "x", "answer": 1}, "an answer is a text or an object"),
        ({"prompt": "x", "answer": {"txt": "y"}}, "txt"),
        ({"prompt": "ok", "answer": "again"}, "a second row for the prompt and label of line 1"),
        ({"task": "t1", "answer": "x"}, "unknown key 'task'"),
    ],
)
def test_a_bad_row_is_told_with_its_line(row: Any, what: str, tmp_path: Path) -> None:
    write(tmp_path / "s.jsonl", {"prompt": "ok", "answer": "ok"}, "", row)
    with pytest.raises(UsageFault, match=what) as e:
        opened(tmp_path, path="s.jsonl")
    assert str(e.value.fault.place) == "s.jsonl:3:1"
    (line,) = Scripted(path="s.jsonl").check(tmp_path)
    assert line.startswith("s.jsonl:3:1: ")


def test_a_file_that_is_absent_is_told(tmp_path: Path) -> None:
    assert Scripted(path="no.jsonl").check(tmp_path) == ("no such file: no.jsonl",)
    assert Scripted(answer="x").check(tmp_path) == ()
    assert Scripted(path="no.jsonl").digest_files() == ("no.jsonl",)


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"answer": "x", "answers": ["y"]}, "give one of answer, answers and path"),
        ({"rules": [{"when": "(", "answer": "x"}]}, "not a regular expression"),
        ({"rules": [{"when": "(a)", "answer": r"\2"}]}, "names group '2'"),
        ({"rules": [{"when": "(a)", "answer": r"\g<n>"}]}, "names group 'n'"),
        ({"anwser": "x"}, "anwser"),
        ({"error": "rate_limits"}, "rate_limit"),
        ({"latency_s": -1}, "latency_s"),
    ],
)
def test_a_bad_script_is_refused(params: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        Scripted.model_validate(params)


def test_it_says_that_it_is_no_model() -> None:
    model = Scripted(name="x")
    assert (model.simulated, model.provider, model.lane, list(model.missing())) == (True, "scripted", "scripted/x", [])
