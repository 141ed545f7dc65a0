"""The contract every model plugin must keep, for shipped plugins and anybody's.

With the URL of a wire server a model that has a `base_url` is pointed at it under the name `echo`, and failures are
checked too; without one, only what costs a few real calls. What holds for every plugin class is `checks.check_class`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
import tempfile
import zlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import msgspec

from harness.api import (
    File,
    Message,
    Model,
    ModelClient,
    ModelError,
    Request,
    Response,
    Tool,
    ToolResult,
    user,
)
from harness.errors import ModelFault
from harness.records.content import StopReason
from harness.testing.checks import Finding
from harness.testing.wire import call
from harness.testing.wire_script import Step

Check = Callable[[], Awaitable[str]]
"""Says what does not hold, or nothing."""

LOOKUP = Tool(
    "look_up",
    "Look up a word.",
    {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"], "additionalProperties": False},
)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["city", "population"],
    "additionalProperties": False,
}
_SHORT_TIMEOUT_S = 0.5
_CALLS_AT_ONCE = 12


async def check_model(model: Model, workspace: Path, server_url: str | None = None) -> list[Finding]:
    """Every check with its outcome. `model` must be able to open: its key is set, or it needs none."""
    if server_url:
        model = pointed(model, server_url)
    findings = [await _checked("missing names variables", partial(_missing, model))]
    try:
        client = model.open(workspace)
    except Exception as e:  # noqa: BLE001  a plugin's edge: whatever it raises is the finding
        return [*findings, Finding("opens without the network", False, f"{type(e).__name__}: {e}")]
    findings.append(Finding("opens without the network", True))
    checks: list[tuple[str, Check]] = [
        ("answers with one call of usage in disjoint buckets", partial(_answers, client)),
        ("shows no key", partial(_no_key, model, client)),
    ]
    if not model.simulated:
        checks += [
            ("a tool call goes round", partial(_tools, client)),
            ("a JSON schema is kept", partial(_schema, client)),
            ("takes an image", partial(_image, model)),
            ("concurrent calls keep apart", partial(_apart, client, server_url)),
        ]
    if server_url:
        checks += _failure_checks(model, client, server_url)
    findings += [await _checked(name, check) for name, check in checks]
    findings.append(await _checked("closes twice", partial(_closes, client)))
    return findings


def pointed(model: Model, server_url: str) -> Model:
    """The model at the wire server; itself when it is there already or cannot be pointed anywhere."""
    if "base_url" not in type(model).model_fields or str(getattr(model, "base_url", "")).startswith(server_url):
        return model
    return type(model).model_validate({**model.model_dump(), "name": "echo", "base_url": server_url})


async def _checked(name: str, check: Check) -> Finding:
    try:
        fault = await check()
    except ModelError as e:
        fault = f"ModelError {e.fault}: {e}"
    except Exception as e:  # noqa: BLE001  a plugin's edge: whatever it raises is the finding
        fault = f"raised {type(e).__name__}, not ModelError: {e}"
    return Finding(name, not fault, fault)


async def _missing(model: Model) -> str:
    names = model.missing()
    return "" if all(isinstance(n, str) and n and n not in os.environ for n in names) else f"{names!r}"


def response_faults(response: Response) -> str:
    """What is wrong with a response whatever was asked, or nothing."""
    usage = response.usage
    counts = [getattr(usage, n) for n in ("input", "cache_read", "cache_write_short", "cache_write_long")]
    counts += [usage.output, usage.reasoning]
    if usage.calls != 1:
        return f"usage counts {usage.calls} calls, not 1"
    if any(type(n) is not int or n < 0 for n in counts):
        return f"a bucket of the usage is not a whole number >= 0: {counts}"
    if usage.cost_usd:
        return "the usage has a price already; prices belong to the engine"
    if response.stop not in get_args(StopReason):
        return f"unknown stop reason '{response.stop}'"
    try:
        msgspec.json.decode(msgspec.json.encode(response), type=Response)
    except (msgspec.MsgspecError, TypeError) as e:
        return f"the response cannot be stored: {e}"
    return ""


async def _answers(client: ModelClient) -> str:
    request = Request(
        (user("Say hello."),), system="Be brief.", max_output_tokens=2048, cache=True, stop=("\n\n\n",), label="solve"
    )
    response = await client.generate(request)
    return response_faults(response) or ("" if response.text else "the answer has no text")


async def _no_key(model: Model, client: ModelClient) -> str:
    shown = " ".join([repr(model), str(model), model.model_dump_json(), repr(client), str(client), model.lane])
    marks = ("KEY", "TOKEN", "SECRET", "PASSWORD")
    found = [n for n, v in os.environ.items() if len(v) >= 8 and any(m in n.upper() for m in marks) and v in shown]
    return f"the value of {', '.join(found)} is shown" if found else ""


async def _tools(client: ModelClient) -> str:
    ask = user("Look up the word 'harness'.")
    first = await client.generate(Request((ask,), tools=(LOOKUP,), tool_choice="any", max_output_tokens=2048))
    if not first.tool_calls or first.stop != "tool_use":
        return f"no tool was called (stop: {first.stop})"
    called = first.tool_calls[0]
    if called.name != LOOKUP.name or not isinstance(called.arguments, dict) or not called.id:
        return f"the tool call is not whole: {called}"
    results = Message("user", tuple(ToolResult(c.id, "gear for a horse") for c in first.tool_calls))
    messages = (ask, Message("assistant", first.parts), results)
    second = await client.generate(Request(messages, tools=(LOOKUP,), max_output_tokens=2048))
    return response_faults(first) or response_faults(second)


async def _schema(client: ModelClient) -> str:
    request = Request((user("The largest city of Austria."),), json_schema=SCHEMA, max_output_tokens=2048)
    response = await client.generate(request)
    try:
        found = msgspec.json.decode(response.text)
    except msgspec.DecodeError as e:
        return f"the answer is not JSON: {e}: {response.text[:100]!r}"
    return "" if isinstance(found, dict) and set(found) == {"city", "population"} else f"not the schema: {found!r}"


async def _image(model: Model) -> str:
    with tempfile.TemporaryDirectory() as folder:
        data = one_pixel_png()
        (Path(folder) / "dot.png").write_bytes(data)
        file = File("dot.png", "dot.png", "image/png", hashlib.sha256(data).hexdigest())
        client = model.open(Path(folder))
        try:
            response = await client.generate(Request((user("What colour?", file),), max_output_tokens=2048))
            changed = msgspec.structs.replace(file, sha256="0" * 64)
            try:
                await client.generate(Request((user(changed),), max_output_tokens=2048))
            except ModelError as e:
                return response_faults(response) or ("" if not e.retryable else "a changed file is tried again")
        finally:
            await client.aclose()
    return "a file that changed since the run began is sent"


def one_pixel_png() -> bytes:
    """A valid image of one red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


async def _apart(client: ModelClient, server_url: str | None) -> str:
    asked = [f"Answer with the number {i} only." for i in range(_CALLS_AT_ONCE)]
    requests = [Request((user(text),), max_output_tokens=2048) for text in asked]
    responses = await asyncio.gather(*(client.generate(r) for r in requests))
    if server_url and [r.text for r in responses] != asked:
        return "an answer went to another call"
    ids = [r.id for r in responses if r.id]
    return "" if len(set(ids)) == len(ids) else "two calls share an id"


async def _closes(client: ModelClient) -> str:
    await client.aclose()
    await client.aclose()
    return ""


def _failure_checks(model: Model, client: ModelClient, url: str) -> list[tuple[str, Check]]:
    def fails(faults: str, retryable: bool, step: Step) -> Check:
        return partial(_fails, client, url, step, faults=faults.split(), retryable=retryable)

    limited = Step(status=429, headers={"retry-after": "7"})
    checks: list[tuple[str, Check]] = [
        ("429 is a rate limit, with its wait", partial(_rate_limited, client, url, limited)),
        ("500 can be tried again", fails("server", True, Step(status=500))),
        ("529 can be tried again", fails("overloaded", True, Step(status=529))),
        ("401 cannot", fails("auth", False, Step(status=401))),
        ("404 cannot", fails("not_found", False, Step(status=404))),
        ("400 cannot", fails("bad_request", False, Step(status=400))),
        (
            "an answer cut short is no answer",
            fails("bad_response connection", True, Step(text="x" * 99, truncate="cut")),
        ),
        ("broken JSON is no answer", fails("bad_response", True, Step(malformed=True))),
        ("an empty body is no answer", fails("bad_response", True, Step(empty=True))),
        ("a closed connection can be tried again", fails("connection", True, Step(close="fin"))),
        ("a reset connection can be tried again", fails("connection", True, Step(close="reset"))),
    ]
    if "timeout_s" in type(model).model_fields:
        checks.append(("silence ends at the time limit", partial(_times_out, model, url)))
    return checks


async def _fails(
    client: ModelClient,
    url: str,
    step: Step,
    *,
    faults: Sequence[str],
    retryable: bool,
    retry_after_s: float | None = None,
) -> str:
    assert all(f in get_args(ModelFault) for f in faults)
    await asyncio.to_thread(call, url, "/_script", {"steps": [msgspec.to_builtins(step)]})
    try:
        await client.generate(Request((user("Hello."),), max_output_tokens=2048))
    except ModelError as e:
        if e.fault not in faults or e.retryable != retryable:
            return f"fault '{e.fault}', not {' or '.join(faults)}"
        if retry_after_s is not None and e.retry_after_s != retry_after_s:
            return f"retry_after_s is {e.retry_after_s}, the server said {retry_after_s}"
        if step.status != 200 and e.status != step.status:
            return f"status is {e.status}, not {step.status}"
        return ""
    return "no error was raised"


async def _rate_limited(client: ModelClient, url: str, step: Step) -> str:
    return await _fails(client, url, step, faults=("rate_limit",), retryable=True, retry_after_s=7.0)


async def _times_out(model: Model, url: str) -> str:
    quick = model.model_copy(update={"timeout_s": _SHORT_TIMEOUT_S}).open(Path.cwd())
    try:
        async with asyncio.timeout(_SHORT_TIMEOUT_S * 10):
            return await _fails(quick, url, Step(hang=True), faults=("timeout",), retryable=True)
    finally:
        await quick.aclose()
