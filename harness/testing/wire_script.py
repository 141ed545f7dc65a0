"""What the wire server answers: one step of a script, or a rule in the model's name.

A step is neutral: each dialect spells it in its provider's own words. Rules, for tests that need no script:
`echo` (the last user text), `fixed:TEXT`, `after:MARK` (what follows the last MARK in the last user text),
`judge:VERDICT` (a judge's reply in the form asked for, with that verdict and the check token; instead of a verdict a
JSON object gives any fields that the form has) and `fail:STATUS`.
Any other model name answers `ok`. A JSON schema or a forced tool gets the smallest value that fits, unless the
answer is fixed.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

Stop = Literal["", "end", "max_tokens", "stop_sequence", "tool_use", "refusal", "context", "pause"]


class Call(msgspec.Struct, frozen=True):
    """A tool call of the model. `arguments` as text is sent as it is, parseable or not.

    `custom` makes it a call of a freeform tool, which only the Responses API has: its text is no JSON.
    """

    name: str
    arguments: dict[str, Any] | str = {}
    id: str = ""
    custom: bool = False


class Tokens(msgspec.Struct, frozen=True):
    """Usage in disjoint buckets; each dialect adds them up as its provider does."""

    input: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output: int = 0
    reasoning: int = 0


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One answer, or one way to fail.

    Content: `text` (None: by the rule of the model's name), `commentary` (an OpenAI message before the answer),
    `reasoning` with its `signature`, `redacted`, `refusal`, `tool_calls`, `stop`, `usage`, `model` and what was
    charged (`service_tier`, `speed`, `inference_geo`). `body` replaces the whole JSON answer.
    Failure: `status` with `error_type`, `error_code`, `error_message`, `headers`; `delay_ms` before anything is sent;
    `hang` sends nothing ever; `close` ends the connection without an answer; `malformed` sends broken JSON; `empty`
    sends no body; `truncate` stops in the middle, by closing the connection (`cut`) or as if it were complete
    (`clean`), or leaves out the final event of a stream (`last`); `stream_error` is an error event of that type in
    the middle of a stream.
    `repeat` uses the step so many times.
    """

    text: str | None = None
    commentary: str = ""
    reasoning: str = ""
    signature: str = "c2lnbmF0dXJl"
    redacted: str = ""
    refusal: str = ""
    tool_calls: tuple[Call, ...] = ()
    stop: Stop = ""
    usage: Tokens | None = None
    model: str = ""
    service_tier: str = ""
    speed: str = ""
    inference_geo: str = ""
    body: Any = None
    status: int = 200
    error_type: str = ""
    error_code: str = ""
    error_message: str = ""
    headers: dict[str, str] = {}
    delay_ms: float = 0.0
    hang: bool = False
    close: Literal["", "fin", "reset"] = ""
    malformed: bool = False
    empty: bool = False
    truncate: Literal["", "cut", "clean", "last"] = ""
    stream_error: str = ""
    repeat: int = 1


class Ask(msgspec.Struct):
    """The parts of a request that decide the answer, in any of the four dialects."""

    model: str = ""
    stream: bool | None = None
    messages: list[dict[str, Any]] | None = None
    input: str | list[dict[str, Any]] | None = None
    contents: list[dict[str, Any]] | None = None
    system: Any = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    output_config: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    stream_options: dict[str, Any] | None = None
    generationConfig: dict[str, Any] | None = None
    toolConfig: dict[str, Any] | None = None
    size: int = 0
    directed: bool = False
    session: str = ""

    def last_text(self) -> str:
        """The last user text of the conversation, or nothing."""
        if isinstance(self.input, str):
            return self.input
        for message in reversed(self.messages or self.input or self.contents or []):
            if message.get("role") == "user":
                found = _text_of(message.get("content") or message.get("parts"))
                if found:
                    return found
        return ""

    def schema(self) -> dict[str, Any] | None:
        """The JSON schema the answer must fit, if one is asked for."""
        form = (self.output_config or {}).get("format") or (self.text or {}).get("format") or self.response_format or {}
        found = form.get("schema") or (form.get("json_schema") or {}).get("schema")
        found = found or (self.generationConfig or {}).get("responseJsonSchema")
        return found if isinstance(found, dict) else None

    def forced_tool(self) -> dict[str, Any] | None:
        """The first tool, when the request says that one must be called."""
        choice = self.tool_choice
        word = choice.get("type") if isinstance(choice, dict) else choice
        calling = (self.toolConfig or {}).get("functionCallingConfig") or {}
        if not self.tools or not (word in ("any", "required") or calling.get("mode") == "ANY"):
            return None
        declared: list[dict[str, Any]] | None = self.tools[0].get("functionDeclarations")
        return declared[0] if declared else self.tools[0]


def by_rule(ask: Ask) -> Step:
    """The answer that the model's name asks for."""
    rule, _, rest = ask.model.partition(":")
    if rule == "fixed":
        return Step(text=rest)
    if rule == "fail":
        return Step(status=int(rest or 500))
    if rule == "judge":
        return Step(text=_judged(ask, rest))
    tool = ask.forced_tool()
    if tool is not None:
        spec = tool.get("function") or tool
        least = smallest(next((s for k in _SCHEMAS if (s := spec.get(k))), {}))
        return Step(text="", tool_calls=(Call(spec.get("name", ""), least),))
    schema = ask.schema()
    if schema is not None:
        return Step(text=msgspec.json.encode(smallest(schema)).decode())
    if rule == "echo":
        return Step(text=ask.last_text())
    if rule == "after":
        return Step(text=ask.last_text().rpartition(rest)[2].strip())
    return OK


def _judged(ask: Ask, verdict: str) -> str:
    """What a judge that always has this verdict replies: the smallest value that fits, its verdict, the token."""
    tokens = _TOKEN.findall(ask.last_text())
    least = smallest(ask.schema() or {}) or {"reason": "x"}
    said = {"verdict": verdict}
    if verdict.startswith("{"):
        said = {name: value for name, value in msgspec.json.decode(verdict).items() if name in least}
    return msgspec.json.encode({**least, **said, "token": tokens[-1] if tokens else ""}).decode()


_TOKEN = re.compile(r"Your check token is (\w+)\.")
OK = Step(text="ok")
_SCHEMAS = ("input_schema", "parameters", "parametersJsonSchema")


def smallest(schema: dict[str, Any]) -> Any:
    """The smallest value that fits a plain JSON schema (types, enum, const, properties, items)."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        names = schema.get("required", list(schema.get("properties", {})))
        return {n: smallest(schema.get("properties", {}).get(n, {})) for n in names}
    if kind == "array":
        return [smallest(schema.get("items", {}))] * int(schema.get("minItems", 0))
    return {"string": "x", "integer": 1, "number": 1.0, "boolean": True}.get(str(kind))


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(str(p.get("text", "")) for p in content if isinstance(p, dict) and "text" in p)
