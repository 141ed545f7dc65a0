"""One judgement asked for: the call, the reading, repairs, a fresh try; and what came of it, whatever that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

from harness.api import Json, LimitReached, Message, ModelClient, ModelError, Reply, Request, Usage, assistant, user
from harness.records.judgement import JudgementStatus
from harness.toolkit.judging.form import Form, Read
from harness.toolkit.judging.judge import Judge
from harness.toolkit.judging.prompt import Prompt

AGAIN = (
    "Your reply could not be read: {fault}. Give your whole reply again in exactly the form that was asked for. "
    "This says nothing about what your verdict should be."
)
_FINAL: frozenset[JudgementStatus] = frozenset(("ok", "integrity_failed", "api_error", "skipped_budget", "too_long"))
"""After these nothing is tried again: a reply that was talked into something is not asked until it looks right."""
_REPAIRABLE: frozenset[JudgementStatus] = frozenset(("unparseable", "off_menu", "ambiguous"))


@dataclass(slots=True)
class Said:
    """What a judge said. Only status ok has `values`; `canary_ok` None means that no token was there to look at."""

    status: JudgementStatus = "api_error"
    values: dict[str, Json] = field(default_factory=dict)
    fault: str = ""
    replies: list[Reply] = field(default_factory=list)
    usage: Usage = Usage()
    model: str = ""
    cached: bool = False
    canary_ok: bool | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked what, and in which form the reply is to be."""

    judge: Judge
    client: ModelClient
    prompt: Prompt
    form: Form


async def ask(asked: Asked, label: str) -> Said:
    """Ask until the reply can be read or the retries are used up. Never raises for what a judge or its API does.

    `label` names the judgement and its repeat; it is in the cache's key, so that no repeat answers for another.
    """
    said, began = Said(), perf_counter()
    retries = asked.judge.retries
    try:
        for fresh in range(1 + retries.fresh):
            await _conversation(asked, f"{label}.{fresh}", 0 if fresh else retries.repair, said)
            if said.status in _FINAL or (said.status == "refused" and fresh == 1):
                break
    except LimitReached as e:
        said.status = "too_long" if e.kind == "context" else "skipped_budget"
        said.fault = str(e)
    except ModelError as e:
        said.status, said.fault = "api_error", f"{e.fault}: {e}"
    said.seconds = perf_counter() - began
    return said


async def _conversation(asked: Asked, label: str, repairs: int, said: Said) -> None:
    """One call and its repairs."""
    prompt, judge = asked.prompt, asked.judge
    messages: list[Message] = [user(*prompt.parts)]
    schema = asked.form.schema() if judge.output == "schema" else None
    for repair in range(1 + repairs):
        request = Request(
            tuple(messages), system=prompt.system, json_schema=schema, cache=True, label=f"{label}.{repair}"
        )
        response = await asked.client.generate(request)
        said.usage = said.usage + response.usage
        said.model = response.model or said.model
        said.cached = bool(response.usage.cached)
        read = _read(asked, response.text, response.stop, said)
        said.status, said.values, said.fault = read.status, read.values, read.fault
        said.replies.append(Reply(read.status, response.text))
        if read.status not in _REPAIRABLE:
            return
        messages += [assistant(response.text or "(nothing)"), user(AGAIN.format(fault=read.fault))]


def _read(asked: Asked, text: str, stop: str, said: Said) -> Read:
    """The reply read, its token and decoy looked at."""
    said.canary_ok = None
    if asked.prompt.tokens.decoy in text:
        said.canary_ok = False
        return Read("integrity_failed", {}, "the reply holds the decoy token from inside the material")
    if stop == "refusal":
        return Read("refused", {}, "the judge refused")
    if stop == "max_tokens":
        return Read("truncated", {}, "the reply was cut off at the limit of output tokens")
    read = asked.form.read(text, asked.judge.output)
    if read.status != "ok":
        return read
    said.canary_ok = read.values.pop("token", None) == asked.prompt.tokens.canary
    if not said.canary_ok:
        return Read("integrity_failed", {}, "the check token is not the one in the instructions")
    return read
