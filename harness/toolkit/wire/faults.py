"""From what a provider or the network did wrong to a ModelError. One table for every API."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from harness.api import ModelError, Response, Text, Usage
from harness.errors import ModelFault

LONGEST_MESSAGE = 500
"""Characters of a provider's message that are kept."""

_BY_STATUS: Mapping[int, ModelFault] = {
    401: "auth", 402: "auth", 403: "auth", 404: "not_found", 408: "timeout", 409: "server",
    425: "server", 429: "rate_limit", 503: "overloaded", 504: "timeout", 529: "overloaded",
}  # fmt: skip
_BY_WORD: Mapping[str, ModelFault] = {
    "overloaded_error": "overloaded", "api_error": "server", "server_error": "server", "internal_error": "server",
    "timeout_error": "timeout", "vector_store_timeout": "timeout", "rate_limit_error": "rate_limit",
    "rate_limit_exceeded": "rate_limit", "authentication_error": "auth", "permission_error": "auth",
    "billing_error": "auth", "insufficient_quota": "auth", "invalid_api_key": "auth",
    "not_found_error": "not_found", "model_not_found": "not_found", "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length", "invalid_request_error": "bad_request",
    "invalid_prompt": "bad_request",
}  # fmt: skip
_POLICY = frozenset(
    ("content_filter", "content_policy_violation", "bio_policy", "cyber_policy", "misalignment_policy_violation")
)
"""Error codes with which a provider refuses to answer: the system's own outcome, not a failed measurement."""

_TOO_LONG = re.compile(
    r"prompt is too long|exceed(s|ed)? (the )?(available )?context|maximum context length|context[_ ]length"
    r"|exceeds? the (context|model'?s? (maximum )?context)|too many (input )?tokens",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    r"credit balance is too low|insufficient (funds|credits?|quota)|billing hard limit|key limit exceeded"
    r"|api key (expired|not valid)",
    re.IGNORECASE,
)
"""What Anthropic, OpenAI, Gemini and OpenRouter say of an account or a key with the status of a wrong request."""


class Problem(NamedTuple):
    """What an error body says: `kind` and `code` are the provider's machine words."""

    kind: str
    code: str
    message: str


def problem_of(body: bytes | str | dict[str, Any]) -> Problem:
    """Read any known form of error body; unknown ones become their own text."""
    found: Any = body
    if not isinstance(body, dict):
        try:
            found = msgspec.json.decode(body)
        except msgspec.DecodeError:
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
            return Problem("", "", text.strip())
    inner = found.get("error", found) if isinstance(found, dict) else found
    if not isinstance(inner, dict):
        return Problem("", "", str(inner))
    details = inner.get("details")
    code = inner.get("code") or (details.get("error_code") if isinstance(details, dict) else None)
    message = inner.get("message") or inner.get("detail") or inner
    return Problem(str(inner.get("type") or ""), str(code or ""), str(message))


def fault_of(problem: Problem, status: int = 0) -> ModelFault:
    """The kind of failure, by the provider's own word first where it is sharper than the status."""
    by_word = _BY_WORD.get(problem.code) or _BY_WORD.get(problem.kind)
    if is_account(problem.message):
        return "auth"
    if by_word in ("auth", "context_length", "overloaded"):
        return by_word
    if status in (0, 400, 413, 422) and _TOO_LONG.search(problem.message):
        return "context_length"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return "server"
    if status >= 400:
        return "bad_request"
    return by_word or ("bad_response" if status else "server")


def error_of(
    problem: Problem, status: int = 0, headers: Mapping[str, str] | None = None, secret: str = ""
) -> ModelError:
    """The ModelError for an error body, with what the server said about trying again. The key is cut out."""
    fault = fault_of(problem, status)
    words = " ".join(w for w in (problem.code or problem.kind, f"(HTTP {status})" if status else "") if w)
    message = clean(f"{words}: {problem.message}" if words else problem.message, secret)
    return ModelError(fault, message, status=status, retry_after_s=retry_after_s(headers or {}))


def is_account(message: str) -> bool:
    """Whether an error's words tell of the account (no money, no key), whatever its status is."""
    return _ACCOUNT.search(message) is not None


def is_policy(problem: Problem) -> bool:
    """Whether an error is the provider's policy refusing to answer: the system's own outcome."""
    return problem.code in _POLICY or problem.kind in _POLICY


def refusal(problem: Problem) -> Response:
    """The refusal as a response. No usage is reported with it, so its price is unknown."""
    return Response((Text(problem.message),), "refusal", Usage(calls=1))


def clean(message: str, secret: str) -> str:
    """A message on one line, short, without the key."""
    message = " ".join(message.split())
    if secret:
        message = message.replace(secret, "***")
    return message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"


def retry_after_s(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or an HTTP date); None when not said."""
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return exact / 1000
    said = headers.get("retry-after")
    if said is None:
        return None
    seconds = _number(said)
    if seconds is not None:
        return seconds
    try:
        when = parsedate_to_datetime(said).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, when - (time.time() if now is None else now))


def _number(said: str | None) -> float | None:
    try:
        value = float(said) if said is not None else None
    except ValueError:
        return None
    return max(0.0, value) if value is not None and isfinite(value) else None
