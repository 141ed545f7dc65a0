"""Reading an answer out of what a model wrote: strict, total, and never a guess.

Every function takes any text, never raises, looks at the *last* marker only, and returns None where nothing was
declared. What is returned stands in the text as it was written (but for surrounding white space and wrappers).
"""

from __future__ import annotations

import re
from string import ascii_uppercase

import msgspec

from harness.toolkit.fences import fenced_blocks

_WRAP = "*_`~ \t\r"
"""Markdown emphasis and white space that may stand around a marker or an answer."""

_LEAD = "#>- \t\r"
"""Heading, quotation and list signs that may stand before a marker."""

_NUMBER = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)[ \t]*%?\.?")
_LETTER = re.compile(r"[(\[{*$`\s]*([A-Za-z])[)\]}*$`\s]*[.:)]?[*\s]*")
_PLAIN = re.compile(r"\\(?:text|mathrm|textbf)\b|[\W_]+")


def whole(text: str) -> str | None:
    """The whole text without the white space around it; None when nothing is left."""
    return text.strip() or None


def final_line(text: str) -> str | None:
    """The last line that is not blank."""
    stripped = text.rstrip()
    return stripped[stripped.rfind("\n") + 1 :].strip() or None


def tagged(text: str, tag: str = "ANSWER") -> str | None:
    """What follows the last line that starts with `tag:`, in any case, on that line.

    Markdown around the tag or the answer is taken off when it stands on both sides (`**ANSWER:** 14`,
    `ANSWER: **14**`). A tag with nothing after it is no answer, also when an earlier line had one.
    """
    found = _last_tag(text, tag)
    return None if found is None else (_unwrapped(found[2]) or None)


def without_tag(text: str, tag: str) -> str:
    """The text without the last line that starts with `tag:`; unchanged where there is none."""
    found = _last_tag(text, tag)
    if found is None:
        return text
    start, end, _ = found
    return (text[:start].rstrip() + text[end:]).strip()


def letter(text: str, n_choices: int, tag: str = "ANSWER") -> str | None:
    """The letter that was declared, in upper case: `ANSWER: B`, or a text that is nothing but the letter.

    None for a letter past the last choice, for several letters, and for anything else after the tag.
    """
    said = tagged(text, tag)
    if said is None and _last_tag(text, tag) is None:
        said = text
    match = _LETTER.fullmatch(said or "")
    if match is None:
        return None
    found = match[1].upper()
    return found if ascii_uppercase.index(found) < n_choices else None


def boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{...}` or `\fbox{...}`, with balanced braces; None if the braces never close."""
    at = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if at < 0:
        return None
    start = text.index("{", at) + 1
    depth, i = 1, start
    while i < len(text):
        c = text[i]
        if c == "\\":
            i += 2
            continue
        depth += (c == "{") - (c == "}")
        if depth == 0:
            return text[start:i].strip() or None
        i += 1
    return None


def json_text(text: str) -> str | None:
    """The JSON that was given: the whole text, or else the last fenced block; as written. None if it does not parse.

    NaN and Infinity are not JSON.
    """
    if _is_json(text):
        return text.strip()
    blocks = [content for _, content in fenced_blocks(text, indented=True)]
    return blocks[-1].strip() if blocks and _is_json(blocks[-1]) else None


def confidence(text: str, tag: str = "CONFIDENCE") -> float | None:
    """The share in [0, 1] after the last `CONFIDENCE:`, which must be a number from 0 to 100, with or without `%`."""
    match = _NUMBER.fullmatch(tagged(text, tag) or "")
    value = float(match[1]) if match else -1.0
    return value / 100 if 0 <= value <= 100 else None


def says(text: str | None, marker: str) -> bool:
    """Whether the text is nothing but the marker, whatever the case, punctuation and kind of apostrophe."""
    return text is not None and bool(wanted := plain(marker)) and plain(text) == wanted


def plain(text: str) -> str:
    """Letters and digits only, in lower case, words apart by one space; apostrophes vanish."""
    return _PLAIN.sub(" ", text.casefold().replace("'", "").replace("’", "")).strip()


def _last_tag(text: str, tag: str) -> tuple[int, int, str] | None:
    """Start and end of the last line that starts with the tag, and what follows the tag on it."""
    wanted, width = tag.casefold(), len(tag)
    end = len(text)
    while end >= 0:
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end].lstrip(_LEAD + _WRAP)
        if line[:width].casefold() == wanted:
            rest = line[width:].lstrip(_WRAP)
            if rest[:1] == ":":
                before = text[start:end][: end - start - len(line)]
                return start, end, _closed(before, rest[1:])
        end = start - 1
    return None


def _closed(before: str, rest: str) -> str:
    """The rest of a tag's line, without the sign that closes emphasis opened before the tag."""
    rest = rest.strip()
    for sign in ("***", "**", "*", "__", "_", "`"):
        if before.rstrip().endswith(sign):
            if rest.startswith(sign):
                return rest[len(sign) :].strip()
            if rest.endswith(sign) and rest.count(sign) == 1:
                return rest[: -len(sign)].strip()
            return rest
    return rest


def _unwrapped(text: str) -> str:
    """Without one layer of markdown emphasis or code signs that stands on both sides and nowhere between."""
    for sign in ("***", "**", "*", "__", "`"):
        inner = text[len(sign) : -len(sign)]
        if text.startswith(sign) and text.endswith(sign) and len(text) > 2 * len(sign) and sign not in inner:
            return inner.strip()
    return text.strip()


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True
