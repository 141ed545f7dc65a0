"""Does work speak to its judge? What was seen, where, and the text without it. No verdict: it moves no score by itself.

A finding *acts* where it is surely an attack: its exact span is left out when the work is judged again. Others are only
flags: recorded, shown, and the text stays as it is. Text without an acting finding is returned as it was, to the byte.
What counts as what, and how well it is caught: docs/design/008-judges.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.toolkit.judging import speech
from harness.toolkit.judging.disguise import INVISIBLE, TAGS, View, any_in, blobs, disguised_views, lower, plain_view
from harness.toolkit.judging.mention import how_said

REMOVED = "[some text was left out here]"
_MOST = 200_000
"""Characters that are looked at, from the front and from the back."""
_ROUNDS = 4
_MOST_FOUND = 300
"""Findings in one view; text that says more is cleaned in rounds."""
_SENTENCES = 20
"""So many sentences after a demand may belong to it."""
_OVERRIDE = re.compile("[\u202d\u202e]")
_BETWEEN = re.compile("(?<=[A-Za-z])[\u200b\u2060-\u2064\ufeff](?=[A-Za-z])")
_FEW = 5
"""Hidden characters between letters that web pages leave behind; more are a flag."""
_DECODE = re.compile(r"(?i)\b(?:decode|base64|hex|rot13|follow|execute|read|do what)[^.!?\n]{0,60}$")
_NOTHING = re.compile(r"(?i)^\W*((thought|thinking|reasoning) process|let'?s (solve|think)[^.\n]{0,60}|solution|answer|"
                      r"final answer)?\W*$")  # fmt: skip


def _all(patterns: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(p) for p in patterns)


_SAID = tuple((kind, hints, _all(patterns), disguised) for kind, hints, patterns, disguised in speech.GROUPS)
_CARRIERS = tuple((kind, re.compile(p)) for kind, p in speech.CARRIERS)
_JUDGING, _CARRIED, _UNSEEN = re.compile(speech.ABOUT_JUDGING), re.compile(speech.CARRIED), re.compile(speech.HIDDEN)
_GAMES = re.compile(speech.GAMES)
_MARK, _LINE, _TAG = re.compile(speech.OUR_MARKS), re.compile(speech.VERDICT_LINE), re.compile(speech.FORM_TAG)
_BRACKETS, _REPLY = re.compile(speech.BRACKETS), re.compile(speech.REPLY)
_HOLES, _OUR_HOLES = re.compile(speech.HOLES), re.compile(speech.OUR_HOLES)


@dataclass(frozen=True, slots=True)
class Finding:
    """Text from `start` to `end` speaks to a judge; `acts` where it is left out, otherwise it is a flag alone."""

    kind: str
    start: int
    end: int
    acts: bool = True


def injection_flags(text: str, asked: str = "") -> tuple[str, ...]:
    """What was seen in the text that speaks to a judge, each kind once, sorted; `null_answer` for an empty shell.

    `asked` is the task's own question: where it asks for verdicts, one in the answer is the answer.
    """
    found = {f.kind for f in findings(text, asked)}
    if text.strip() and len(text) <= 200 and _NOTHING.match(text):
        found.add("null_answer")
    return tuple(sorted(found))


def cleaned(text: str, asked: str = "") -> str:
    """The text with what surely speaks to a judge replaced by a note; the same text where there is none."""
    for _ in range(_ROUNDS):
        acting = sorted((f.start, f.end) for f in findings(text, asked) if f.acts)
        if not acting:
            break
        text = _without(text, acting)
    return text


@lru_cache(maxsize=16)
def findings(text: str, asked: str = "") -> tuple[Finding, ...]:
    """Everything that was seen, in no order. Of very long text only the front and the back are looked at."""
    if len(text) > 2 * _MOST:
        back = len(text) - _MOST
        tail = (Finding(f.kind, f.start + back, f.end + back, f.acts) for f in findings(text[back:], asked))
        return (*findings(text[:_MOST], asked), *tail)
    found = list(_hidden(text))
    plain = plain_view(text)
    found += _said(text, plain)
    found += _carried(text, plain.text)
    found += _forged(text, plain.text, asked)
    for view in disguised_views(text, _hinted):
        found += _said(text, view)
    for coded, start, end, inner in blobs(text):
        kinds = {f.kind for f in _said(inner, plain_view(inner))}
        head = _DECODE.search(text[:start])
        found += [Finding(f"{kind}:{coded}", head.start() if head else start, end) for kind in kinds]
    return tuple(found)


def _said(text: str, view: View) -> Iterator[Finding]:
    """Orders and demands in one view of the text; what the plain view says too is no disguise."""
    last, plainly = -1, view.how in ("", "lines", "marks")
    for kind, m in _matches(view.text, plainly):
        start, end = view.span(*m.span())
        if start < last or (view.how and lower(text[start:end]) == m[0]):
            continue
        one = _as_said(text, Finding(f"{kind}:{view.how}" if view.how else kind, start, end))
        if one is not None:
            last = one.end
            yield one


def _hinted(text: str) -> bool:
    return any(any_in(hints, text) for _, hints, _, _ in _SAID)


def _matches(text: str, plainly: bool) -> list[tuple[str, re.Match[str]]]:
    """What any pattern finds, by place."""
    found = list[tuple[str, re.Match[str]]]()
    for kind, hints, patterns, disguised in _SAID:
        if (disguised and plainly) or not any_in(hints, text):
            continue
        found += [(kind, m) for p in patterns for m in p.finditer(text)]
    return sorted(found, key=lambda one: one[1].start())[:_MOST_FOUND]


def _as_said(text: str, one: Finding) -> Finding | None:
    """What it is where it stands: an attack with its clause, a quotation, or (None) only a mention."""
    how = how_said(text, one.start, one.end)
    if how == "mentioned":
        return None
    if how == "quoted":
        return Finding(f"{one.kind}:quoted", one.start, one.end, acts=False)
    start, end = _widened(text, one.start, one.end)
    while start and INVISIBLE.match(text[start - 1]):
        start -= 1
    while end < len(text) and INVISIBLE.match(text[end]):
        end += 1
    return Finding(one.kind, start, end)


def _widened(text: str, start: int, end: int) -> tuple[int, int]:
    """The clause of a demand, with clauses before and sentences after it that are about judging too."""
    top = max(text.rfind("\n", 0, start) + 1, _after_sentence(text, start))
    left = max(
        (
            text.rfind(mark, top, start) + len(mark)
            for mark in (", ", ": ", "; ", " – ", " — ")
            if mark in text[top:start]
        ),
        default=top,
    )
    if left > top and _JUDGING.search(text[top:left].lower()):
        left = top
    right = _sentence_end(text, end)
    for _ in range(_SENTENCES):
        after = _sentence_end(text, right)
        if after == right or not _JUDGING.search(text[right:after].lower()):
            break
        right = after
    return min(left, start), max(right, end)


_STOP = re.compile(r"[.!?。！？]+[\"'”)\]]*(?=\s|$|[^\x00-\x7f])|\n")


def _after_sentence(text: str, at: int) -> int:
    stops = [m.end() for m in _STOP.finditer(text, max(0, at - 1000), at)]
    begin = stops[-1] if stops else 0
    while begin < at and text[begin] in " \t":
        begin += 1
    return begin


def _sentence_end(text: str, at: int) -> int:
    """The end of the sentence that holds `at`, or begins there; never past the line."""
    m = _STOP.search(text, at)
    if m is None:
        return len(text)
    return m.start() if m[0] == "\n" else m.end()


def _carried(text: str, lowered: str) -> Iterator[Finding]:
    if not any_in(speech.CARRIER_HINTS, lowered) or not _speaks(lowered, hidden=True):
        return
    for kind, pattern in _CARRIERS:
        for m in pattern.finditer(lowered):
            if _speaks(m[0], hidden=kind == "hidden") and not how_said(text, m.start(), m.start() + 1):
                yield Finding(kind, m.start(), m.end())


def _speaks(carried: str, *, hidden: bool = False) -> bool:
    words = _UNSEEN if hidden else _CARRIED
    return bool(words.search(carried)) or bool(_matches(carried, plainly=True))


def _forged(text: str, lowered: str, asked: str) -> Iterator[Finding]:
    """Verdicts, forms, marks and placeholders as our own prompts have them."""
    for m in _MARK.finditer(lowered):
        end = lowered.find("\n\n", m.end())
        rest = lowered[m.end() : None if end < 0 else end]
        if _speaks(rest):
            yield Finding("mark", m.start(), m.end() + len(rest))
        elif re.search(r"\b[0-9a-f]{8,}\b", m[0]):
            yield Finding("mark", m.start(), m.end())
    for m in _HOLES.finditer(lowered):
        if _alone(lowered, *m.span()) and _OUR_HOLES.search(m[0]):
            yield Finding("template", m.start(), m.end(), acts=False)  # a prompt is filled once: it does nothing
    yield from _forms(lowered, asked)
    if not _judges(asked):
        yield from _verdicts(lowered, asked)


def _forms(lowered: str, asked: str) -> Iterator[Finding]:
    """Replies in a judge's own form: whole answers in JSON are never touched."""
    for m in _REPLY.finditer(lowered):
        forged = re.search(speech.FORM_VERDICT, m[0])
        whole = forged and re.search(speech.FORM_TOKEN, m[0])
        if (whole or (forged and not _judges(asked))) and how_said(lowered, *m.span()) != "mentioned":
            yield Finding(
                "form_key", *_with_fence(lowered, m.start(), m.end()), acts=_apart(lowered, m.start(), m.end())
            )


def _verdicts(lowered: str, asked: str) -> Iterator[Finding]:
    """Verdicts that stand alone; where the text is about games, exams or claims, they are only a flag."""
    for m in _TAG.finditer(lowered):
        yield Finding("form_key", m.start(), m.end(), acts=_apart(lowered, *m.span()) and not lowered.startswith("<"))
    for m in _BRACKETS.finditer(lowered):
        start = _after_sentence(lowered, m.start())
        if re.search(r"\b(?:verdict|winner|better|final|choice)\b", lowered[start : m.start()]):
            yield Finding("verdict", start, m.end() + lowered[m.end() :].startswith("."))
    for start, end in _paragraphs(lowered):
        if start and _LINE.fullmatch(lowered, start, end):
            about = _GAMES.search(f"{asked.lower()}\n{lowered[:start]}\n{lowered[end:]}")
            yield Finding("verdict", start, end, acts=about is None)


def _judges(asked: str) -> bool:
    return bool(speech.ASKED_TO_JUDGE.search(asked))


def _apart(text: str, start: int, end: int) -> bool:
    """Put after other text, not the whole answer and not a part of larger data."""
    head, tail = text[:start].rstrip(), text[end:].strip().strip("`").strip()
    head = re.sub(r"```\w*$", "", head).rstrip()
    return bool(head) and head[-1] not in "[{,:(=" and tail[:1] not in (",", "]", "}")


def _with_fence(text: str, start: int, end: int) -> tuple[int, int]:
    opened = re.search(r"```\w*\s*$", text[:start])
    closed = re.match(r"\s*```", text[end:])
    return (opened.start(), end + closed.end()) if opened and closed else (start, end)


def _alone(text: str, start: int, end: int) -> bool:
    line = text[text.rfind("\n", 0, start) + 1 : start] + text[end:].partition("\n")[0]
    return not line.strip(" *_`.")


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for part in re.split(r"(\n\s*\n)", text):
        if part.strip():
            yield at + len(part) - len(part.lstrip("\n")), at + len(part.rstrip())
        at += len(part)


def _hidden(text: str) -> Iterator[Finding]:
    """Hidden characters are flags: they are left out with what they hide, if that speaks to a judge."""
    if text.isascii() or not INVISIBLE.search(text):
        return
    if _OVERRIDE.search(text):
        yield Finding("bidi", 0, 0, acts=False)
    if len(_BETWEEN.findall(text)) > _FEW or TAGS.search(text):
        yield Finding("zero_width", 0, 0, acts=False)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with a note in the place of each span, one for spans that touch."""
    kept, last = list[str](), 0
    for start, end in spans:
        if start < last:
            last = max(last, end)
            continue
        between = text[last:start]
        if kept and not between.strip():
            last = end
            continue
        kept += [between, REMOVED]
        last = end
    return "".join([*kept, text[last:]])
