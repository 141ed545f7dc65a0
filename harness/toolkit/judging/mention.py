"""Is speech to a judge only mentioned? Text that quotes an attack, and code with prompts in it, are no attack."""

from __future__ import annotations

import re
from typing import Literal

_TALK = re.compile(
    r"(?i)\b(?:inject\w*|attack\w*|attacker\w*|payload\w*|malicious\w*|adversar\w*|jailbreak\w*|prompts?|untrusted|"
    r"hostile|"
    r"phish\w*|spam\w*|for example|for instance|e\.g\.|such as|example\w*|phrases?|sentences?|classif\w+|filter\w*|"
    r"detect\w*|"
    r"guard\w*|quot\w+|says|said|reads|wrote|written|asks?|asked|contain\w*|strings?|test cases?|red.team\w*|"
    r"exploit\w*|"
    r"vulnerab\w*|angreif\w*|angriff\w*|beispiel\w*|schadtext\w*|attaque\w*|exemple\w*|ataque\w*|ejemplo\w*|steht)\b|"
    r"注入|攻击|例如|比如|提示词|インジェクション|攻撃|例えば|инъекц|атак|наприме"
)
_PAIRS = {'"': '"', "“": "”", "„": "“", "«": "»", "‹": "›", "「": "」", "『": "』", "`": "`", "'": "'", "‘": "’"}
_CODE = re.compile(
    r"[=(\[{:,]\s*[rbfu]{0,2}[\"'`]{1,3}\s*$|[=(\[{:,>|]\s*$|\b(?:return|print|echo|assert|in|==)\s*\(?\s*[rbfu]?[\"'`]*\s*$"
)
_FENCE = re.compile(r"(?m)^[ \t]*(?:```|~~~)")
WINDOW = 4000
"""Characters on either side in which a quotation begins and ends."""
NEAR = 400
"""Characters around a quote in which it is said what it is a quote of."""

How = Literal["", "quoted", "mentioned"]


def how_said(text: str, start: int, end: int) -> How:
    """Said outright, only quoted, or quoted in talk about such text (or as a string of code)."""
    shift = max(0, start - WINDOW)
    quote = _in_quotes(text[shift : end + WINDOW], start - shift, end - shift)
    if quote is not None:
        left, right = quote[0] + shift, quote[1] + shift
        head = text[max(0, left - 60) : left]
        line = head.rpartition("\n")[2]
        if _CODE.search(line) or _talked_of(text, left, right):
            return "mentioned"
        return "quoted"
    block = _set_off(text, start, end)
    if block is not None and _talked_of(text, *block):
        return "mentioned"
    return ""


def _talked_of(text: str, left: int, right: int) -> bool:
    around = text[max(0, left - NEAR) : left] + "\n" + text[right : right + NEAR]
    return bool(_TALK.search(around))


def _in_quotes(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The innermost quotation, code span or string of several lines that holds start..end within a paragraph."""
    for mark in ('"""', "'''"):
        before, after = text.rfind(mark, 0, start), text.find(mark, end)
        if before >= 0 and after >= 0 and text.count(mark, 0, start) % 2:
            return before, after + 3
    text = text.replace("```", "\0\0\0")  # a fence is no quotation
    top = text.rfind("\n\n", 0, start) + 1
    bottom = text.find("\n\n", end)
    bottom = len(text) if bottom < 0 else bottom
    for opens, closes in _PAIRS.items():
        before = text.rfind(opens, top, start + 1)
        after = text.find(closes, max(end - 1, start + 1), bottom)
        if before < 0 or after < 0 or _apostrophe(text, before) or closes in text[before + 1 : start]:
            continue
        if opens == closes and text.count(opens, top, before) % 2:
            continue
        return before, after + 1
    return None


def _apostrophe(text: str, at: int) -> bool:
    return text[at] in "'’‘" and at > 0 and text[at - 1].isalnum()


def _set_off(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The fenced block, block quote, indented block or list item that holds start..end."""
    fences = [m.start() for m in _FENCE.finditer(text, 0, start + 1)]
    if len(fences) % 2:
        closes = _FENCE.search(text, end)
        return fences[-1], closes.start() if closes else len(text)
    line = text[text.rfind("\n", 0, start) + 1 : start + 1]
    if re.match(r" {0,3}>|    |\t| {0,3}(?:[-*+]|\d+[.)]) |\|", line):
        return start, end
    return None
