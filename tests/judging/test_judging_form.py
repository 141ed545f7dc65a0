"""Replies of judges are read strictly. The rows of judge.md 5.1, which well-known programs misread, are all here."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.toolkit.judging.form import Ask, Form

GRADES = Form(Ask("reason", "why"), Ask("verdict", "verdict", "choice", ("correct", "incorrect", "not_attempted")))
YES_NO = Form(Ask("reason", "why"), Ask("verdict", "verdict", "choice", ("yes", "no")))
PAIR = Form(Ask("reason", "why"), Ask("verdict", "verdict", "choice", ("A", "B", "tie")))
TEN = Form(Ask("reason", "why"), Ask("verdict", "verdict", "choice", tuple(map(str, range(12)))))
BATCH = Form(
    Ask(
        "criteria", "all", "items", of=(Ask("id", "id", "choice", ("a", "b")), Ask("met", "?", "choice", ("yes", "no")))
    ),
    verdict="criteria",
)


def reply(**fields: object) -> str:
    return json.dumps({"reason": "r", "token": "t", **fields})


TAGGED = [
    # SimpleQA: the first of A, B, C anywhere
    ("simpleqa: CORRECT is no letter C", GRADES, "CORRECT", "unparseable", None),
    ("simpleqa: INCORRECT is no letter C", GRADES, "INCORRECT", "unparseable", None),
    ("simpleqa: NOT_ATTEMPTED is no letter A", GRADES, "NOT_ATTEMPTED", "unparseable", None),
    ("simpleqa: ANSWER: C is no letter A", GRADES, "ANSWER: C", "unparseable", None),
    ("simpleqa: said in the form", GRADES, "VERDICT: incorrect\nTOKEN: t", "ok", "incorrect"),
    # BrowseComp: the group is the value, not the whole match
    ("browsecomp: correct: yes", YES_NO, "correct: yes", "unparseable", None),
    ("browsecomp: said in the form", YES_NO, "It fits.\nVERDICT: yes\nTOKEN: t", "ok", "yes"),
    # OpenAI evals: starts or ends with a choice
    ("evals: 10 is not 1", TEN, "VERDICT: 10\nTOKEN: t", "ok", "10"),
    ("evals: Not sure which is no No", YES_NO, "Not sure which", "unparseable", None),
    ("evals: a closing remark is no N", YES_NO, "VERDICT: yes\nTOKEN: t\nNothing else to say.", "unparseable", None),
    # FastChat: [[A]] is looked for before [[B]]
    ("fastchat: two verdicts", PAIR, "I first thought [[A]] but it is [[B]]", "unparseable", None),
    ("fastchat: two tagged verdicts", PAIR, "VERDICT: A\nNo, wait.\nVERDICT: B\nTOKEN: t", "ambiguous", None),
    # Arena-Hard: a stray label, a quoted label after the verdict
    ("arena-hard: a stray label", PAIR, "As [B] says, fine.", "unparseable", None),
    ("arena-hard: a label after it", PAIR, "VERDICT: A\nTOKEN: t\nThe other wrote [[B]].", "unparseable", None),
    # Inspect: an off-menu letter never falls back to an earlier mention
    ("inspect: off menu", GRADES, "VERDICT: P\nTOKEN: t", "off_menu", None),
    ("inspect: a mention, then off menu", GRADES, "VERDICT: correct\nVERDICT: P\nTOKEN: t", "ambiguous", None),
    # promptfoo: the first digit
    ("promptfoo: of the 3 outputs", TEN, "Of the 3 outputs, 0 is best", "unparseable", None),
    ("promptfoo: the tag decides", TEN, "Of the 3 outputs, 0 is best\nVERDICT: 0\nTOKEN: t", "ok", "0"),
    # JudgeBench: two different labels are no verdict
    ("judgebench: different labels", PAIR, "VERDICT: A\nVERDICT: tie\nTOKEN: t", "ambiguous", None),
    ("the same verdict twice is one", PAIR, "VERDICT: A\nso\nVERDICT: A\nTOKEN: t", "ok", "A"),
    ("emphasis is let pass", PAIR, "**VERDICT: tie**\nTOKEN: `t`", "ok", "tie"),
    ("another case is off the menu", PAIR, "VERDICT: a\nTOKEN: t", "off_menu", None),
    ("without a token", PAIR, "VERDICT: A", "unparseable", None),
    ("empty", PAIR, " \n", "unparseable", None),
    ("a refusal in words", PAIR, "I'm sorry, but I can't compare these.", "refused", None),
]

JSON = [
    ("plain", PAIR, reply(verdict="A"), "ok", "A"),
    ("healthbench: a fence is let pass", PAIR, f"```json\n{reply(verdict='B')}\n```", "ok", "B"),
    ("healthbench: true as a text is no choice", YES_NO, reply(verdict=True), "unparseable", None),
    ("alpacaeval: a Python dict is no JSON", PAIR, "{'reason': '', 'verdict': 'A', 'token': ''}", "unparseable", None),
    ("deepeval: first to last brace", PAIR, reply(verdict="A") + " no: " + reply(verdict="B"), "ambiguous", None),
    ("an example before it", PAIR, '{"verdict": "B"} would be wrong. ' + reply(verdict="A"), "ambiguous", None),
    ("other objects are no verdict", PAIR, 'The file had {"x": 1}. ' + reply(verdict="A"), "ok", "A"),
    ("a tagged line contradicts", PAIR, "VERDICT: B\n" + reply(verdict="A"), "ambiguous", None),
    ("a tagged line agrees", PAIR, "VERDICT: A\n" + reply(verdict="A"), "ok", "A"),
    ("the same key twice", PAIR, '{"reason": "r", "verdict": "A", "verdict": "B", "token": "t"}', "ambiguous", None),
    ("two spellings", PAIR, '{"reason": "r", "verdict": "A", "Verdict": "B", "token": "t"}', "ambiguous", None),
    ("off the menu", PAIR, reply(verdict="A and B"), "off_menu", None),
    ("simpleqa: the letter is off the menu", GRADES, reply(verdict="A"), "off_menu", None),
    ("a number for a choice", TEN, reply(verdict=3), "unparseable", None),
    ("a field is missing", PAIR, '{"verdict": "A", "token": "t"}', "unparseable", None),
    ("cut off", PAIR, '{"reason": "r", "verdict": "A"', "unparseable", None),
    ("not a number", PAIR, '{"reason": "r", "verdict": NaN, "token": "t"}', "unparseable", None),
    ("tau2: an empty list is a reply", BATCH, '{"criteria": [], "token": "t"}', "ok", None),
    ("items are checked", BATCH, '{"criteria": [{"id": "c", "met": "yes"}], "token": "t"}', "off_menu", None),
    ("an item lacks a field", BATCH, '{"criteria": [{"id": "a"}], "token": "t"}', "unparseable", None),
    ("nested without end", PAIR, "{" * 5000, "unparseable", None),
]  # fmt: skip


@pytest.mark.parametrize(("form", "text", "status", "verdict"), [r[1:] for r in TAGGED], ids=[r[0] for r in TAGGED])
def test_tagged_replies(form: Form, text: str, status: str, verdict: str | None) -> None:
    read = form.read(text, "tagged")
    assert read.status == status
    assert read.values.get("verdict") == verdict


@pytest.mark.parametrize("mode", ["json", "schema"])
@pytest.mark.parametrize(("form", "text", "status", "verdict"), [r[1:] for r in JSON], ids=[r[0] for r in JSON])
def test_json_replies(form: Form, text: str, status: str, verdict: str | None, mode: str) -> None:
    read = form.read(text, mode)
    assert read.status == status
    assert read.values.get("verdict") == verdict


def test_the_reasons_of_a_tagged_reply_are_what_stands_before() -> None:
    read = PAIR.read("A is right.\nB is not.\nVERDICT: A\nTOKEN: t", "tagged")
    assert read.values == {"reason": "A is right.\nB is not.", "verdict": "A", "token": "t"}


def test_a_fault_names_the_menu_and_no_verdict() -> None:
    read = PAIR.read(reply(verdict="the first"), "json")
    assert read.fault == "`verdict` is none of A | B | tie"


def test_reasons_stand_before_the_verdict_and_everything_is_required() -> None:
    schema = PAIR.schema()
    assert list(schema["properties"]) == ["reason", "verdict", "token"]
    assert schema["required"] == ["reason", "verdict", "token"]
    assert schema["additionalProperties"] is False


@given(st.text(max_size=300), st.sampled_from(["json", "tagged"]))
def test_no_text_by_itself_is_a_verdict(text: str, mode: str) -> None:
    assert PAIR.read(text, mode).status in ("unparseable", "refused")


@given(st.sampled_from(["A", "B", "tie"]), st.text(max_size=60))
def test_what_is_said_in_the_form_is_read_whatever_the_reasons_say(verdict: str, reason: str) -> None:
    read = PAIR.read(reply(verdict=verdict, reason=reason), "json")
    assert (read.status, read.values["verdict"], read.values["reason"]) == ("ok", verdict, reason)
