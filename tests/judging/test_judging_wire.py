"""Judges through both official SDKs' structured outputs, against a server that is a real process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from judge_lab import JudgeLab

from harness.testing.wire import Step, WireServer

FIELD: dict[str, Any] = {"use": "judge_pairwise", "name": "pair", "opponent": {"field": "expert"}}
META = {"meta": {"expert": "The goods may be returned within 14 days."}}
RIGHT = "Within 14 days."
APIS = ("anthropic", "openai chat", "openai responses")


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    with WireServer() as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(server: WireServer) -> None:
    server.reset()


def judge(api: str, url: str, verdict: str = "tie", **more: Any) -> dict[str, Any]:
    name = f"judge:{verdict}"
    model: dict[str, Any] = {
        "anthropic": {"use": "anthropic", "name": name, "base_url": url, "max_output_tokens": 1000},
        "openai chat": {"use": "openai", "name": name, "base_url": f"{url}/v1", "api": "chat"},
        "openai responses": {"use": "openai", "name": name, "base_url": f"{url}/v1", "api": "responses"},
    }[api]
    return {"name": "main", "model": model, "cache": False, **more}


def asked_form(api: str, body: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema as this API spells it."""
    if api == "anthropic":
        found: dict[str, Any] = body["output_config"]["format"]
        assert found["type"] == "json_schema"
        return dict(found["schema"])
    form: dict[str, Any] = body["response_format"]["json_schema"] if api == "openai chat" else body["text"]["format"]
    assert form["strict"] is True, "closed and complete, so that the strict mode takes it"
    return dict(form["schema"])


@pytest.mark.parametrize("api", APIS)
def test_a_schema_is_asked_for_and_the_reply_is_read(lab: JudgeLab, server: WireServer, api: str) -> None:
    lab.run(lab.suite({**FIELD, "judge": judge(api, server.url)}, {"a": RIGHT}, task=META))
    assert lab.attempt("a").label == "tie"
    assert [(j.status, j.canary_ok, j.model_returned) for j in lab.judgements()] == [("ok", True, "judge:tie")] * 2
    bodies = [entry["body"] for entry in server.log()]
    assert len(bodies) == 2
    for body in bodies:
        schema = asked_form(api, body)
        assert list(schema["properties"]) == ["reason", "verdict", "token"]
        assert schema["properties"]["verdict"]["enum"] == ["A", "B", "tie", "cannot_judge"]
        assert "temperature" not in body


CLAIM = {"claim": "It takes 14 days.", "words": "14 days"}
CHECKED = {"claim": "claim 0", "reason": "r", "quote": "14 days", "verdict": "supported"}
MET = {"id": "days", "reason": "r", "quotes": ["14 days"], "verdict": "met"}
SAID = {"verdict": "correct", "extracted": "14 days"}
CRITERIA = [{"id": "days", "text": "Says 14 days", "points": 1}]
PROTOCOLS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "reference": ({"use": "judge_reference"}, SAID, "correct"),
    "rubric": ({"use": "judge_rubric", "criteria": CRITERIA}, {"verdict": "met", "quotes": ["14 days"]}, "met"),
    "batch": ({"use": "judge_rubric", "criteria": CRITERIA, "call": "batched"}, {"criteria": [MET]}, "met"),
    "select": ({"use": "judge_select", "against": [{"field": "expert"}]}, {"verdict": "tie"}, "no_majority"),
    "steps": ({"use": "judge_steps", "steps": "lines"}, {"verdict": "clean"}, "clean"),
    "each step": (
        {"use": "judge_steps", "steps": "lines", "each": True},
        {"verdict": "clean", "each": [{"step": "0", "is": "right"}]},
        "clean",
    ),
    "claims": ({"use": "judge_claims", "sources": "expert"}, {"claims": [CLAIM], "checked": [CHECKED]}, "supported"),
}
"""Grader, what the judge fills into the forms that it is asked for, and the label of the grade."""


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_form_of_every_protocol_is_a_strict_schema_of_the_provider(
    lab: JudgeLab, server: WireServer, api: str, protocol: str
) -> None:
    """Lists and their items too are closed, every key of theirs is required, and verdicts are an enum."""
    grader, fills, label = PROTOCOLS[protocol]
    own = {**grader, "judge": judge(api, server.url, json.dumps(fills))}
    lab.run(lab.suite(own, {"a": RIGHT}, task={**META, "reference": "14 days"}))
    assert lab.attempt("a").label == label
    for entry in server.log():
        closed(asked_form(api, entry["body"]))


def closed(schema: dict[str, Any]) -> None:
    """What both providers' strict modes ask of every object in a schema."""
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False and schema["required"] == list(schema["properties"])
        if "verdict" in schema["properties"]:
            assert schema["properties"]["verdict"]["enum"]
        for part in schema["properties"].values():
            closed(part)
    elif schema.get("type") == "array":
        assert not {"minItems", "maxItems"} & schema.keys()
        closed(schema["items"])


@pytest.mark.parametrize("api", APIS)
def test_json_mode_asks_for_no_schema_and_reads_the_same(lab: JudgeLab, server: WireServer, api: str) -> None:
    lab.run(lab.suite({**FIELD, "judge": judge(api, server.url, output="json")}, {"a": RIGHT}, task=META))
    assert lab.attempt("a").label == "tie"
    for entry in server.log():
        assert "json_schema" not in str(entry["body"].get("output_config")) + str(entry["body"].get("response_format"))


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("step", "cause"),
    [
        (Step(refusal="I will not.", stop="refusal", repeat=8), "judge_refused"),
        (Step(text='{"reason": "so', stop="max_tokens", repeat=8), "judge_truncated"),
        (Step(text="VERDICT: A", repeat=8), "judge_unparseable"),
        (Step(text='{"reason": "r", "verdict": "C", "token": "t"}', repeat=8), "judge_off_menu"),
        (Step(text='{"reason": "r", "verdict": "A", "token": "no"}', repeat=8), "judge_integrity_failed"),
        (Step(malformed=True, repeat=8), "judge_api_error"),
    ],
    ids=["refusal", "truncated", "no form", "off the menu", "wrong token", "broken answer"],
)
def test_what_goes_wrong_on_the_wire_is_no_verdict(
    lab: JudgeLab, server: WireServer, api: str, step: Step, cause: str
) -> None:
    server.script(step)
    lab.run(lab.suite({**FIELD, "judge": judge(api, server.url)}, {"a": RIGHT}, task=META, concurrency=1))
    attempt = lab.attempt("a")
    assert (attempt.status, attempt.value) == ("ungradable", None)
    assert attempt.trouble is not None and attempt.trouble.cause == cause


@pytest.mark.parametrize("api", APIS)
def test_another_model_that_answers_stops_the_run(lab: JudgeLab, server: WireServer, api: str) -> None:
    server.script(Step(text="{}", model="cheaper-model", repeat=40))
    suite = lab.suite({**FIELD, "judge": judge(api, server.url)}, {"a": RIGHT}, task=META, tasks=9, concurrency=1)
    assert lab.run(suite) == "judge"
    assert "answered for by another model: cheaper-model" in lab.told[0]
    assert len(lab.attempts()) < 9


@pytest.mark.parametrize("api", APIS)
def test_a_model_that_is_gone_stops_the_run(lab: JudgeLab, server: WireServer, api: str) -> None:
    server.script(Step(status=404, error_type="not_found_error", error_message="model retired", repeat=40))
    suite = lab.suite({**FIELD, "judge": judge(api, server.url)}, {"a": RIGHT}, task=META, tasks=9, concurrency=1)
    assert lab.run(suite) == "judge"
    assert "cannot be had" in lab.told[0]


@pytest.mark.parametrize("api", APIS)
def test_the_context_being_too_small_is_too_long(lab: JudgeLab, server: WireServer, api: str) -> None:
    code = {"error_code": "context_length_exceeded"} if api != "anthropic" else {}
    message = "prompt is too long: 300000 tokens > 200000 maximum"
    server.script(Step(status=400, error_type="invalid_request_error", error_message=message, repeat=8, **code))
    lab.run(lab.suite({**FIELD, "judge": judge(api, server.url)}, {"a": RIGHT}, task=META))
    assert lab.attempt("a").trouble is not None and lab.attempt("a").trouble.cause == "judge_too_long"


def test_a_repair_goes_on_in_the_same_conversation_and_hints_at_nothing(lab: JudgeLab, server: WireServer) -> None:
    server.script(Step(text="It is the first one."))
    suite = lab.suite(
        {**FIELD, "judge": judge("openai chat", server.url), "orders": "random_single"}, {"a": RIGHT}, task=META
    )
    lab.run(suite)
    (judgement,) = lab.judgements()
    bodies = [e["body"]["messages"] for e in server.log()]
    assert [len(m) for m in bodies] == [2, 4]
    assert bodies[1][2] == {"role": "assistant", "content": "It is the first one."}
    said = bodies[1][3]["content"]
    assert said.startswith("Your reply could not be read: there is no JSON object") and "first" not in said
    assert [r.status for r in judgement.replies] == ["unparseable", "integrity_failed"]


def test_images_of_the_work_are_sent_as_images_between_the_marks(lab: JudgeLab, server: WireServer) -> None:
    from harness.toolkit.judging.material import shown_file
    from harness.toolkit.judging.prompt import Piece, derive, render

    png = b"\x89PNG\r\n\x1a\n" + b"0" * 40
    file = shown_file("chart.png", png, "image/png", lab.workspace)
    assert (lab.workspace / file.path).read_bytes() == png
    prompt = render("t", "a", [Piece("file: chart.png", file, "work")], derive(b"k", "i", "0", ()), "f")
    before, shown, after = prompt.parts
    assert shown == file
    assert before.text.endswith(f"<<<file: chart.png {prompt.tokens.nonce}>>>")  # type: ignore[union-attr]
    assert after.text.startswith(f"<<<end file: chart.png {prompt.tokens.nonce}>>>")  # type: ignore[union-attr]
