"""Does work speak to its judge? Words for what was seen and where. A flag is no verdict and moves no score by itself.

The patterns are those of judge.md 5.3 (f): verdict tokens, orders to forget instructions, fake role headers, keys of
the reply's form, hidden characters, our own marks. Text is also read in disguise: other alphabets' look-alikes, digits
for letters, spaced-out letters, backwards, base64.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable

REMOVED = "[some text was left out here]"
_MOST = 200_000
"""Characters that are looked at, from the front and from the back."""

_JUDGES = ("judge", "grader", "evaluator", "reviewer", "marker", "rater", "assessor")
_GRADED = (
    "graded",
    "verified",
    "approved",
    "judged",
    "reviewed",
    "validated",
    "evaluated",
    "fact-checked",
    "certified",
)
_PRAISE = (
    "correct", "best", "better", "winner", "superior", "verified", "approved", "graded", "accepted", "full mark",
    "perfect", "preferred",
)  # fmt: skip
_VERBS = (
    "rate", "grade", "score", "mark", "judge", "rank", "select", "choose", "pick", "prefer", "award", "output",
    "respond", "answer", "reply", "return", "declare", "vote", "give",
)  # fmt: skip
_FINAL = ("verdict", "grade", "score", "rating", "answer", "decision", "outcome", "winner", "token", "result")
_ROLES = (
    "system", "assistant", "user", "human", "developer", "operator", "judge", "evaluator", "criterion", "instruction",
    "<|", "[/", "[inst", "<<sys", "##",
)  # fmt: skip
_WHO = r"(judges?|graders?|evaluators?|reviewers?|markers?|raters?|assessors?)"

_WORDS: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "order": (
        (
            ("ignor", "disregard", "forget", "overrid", "overlook", "bypass"),
            r"\b(ignore|disregard|forget|override|overlook|bypass)\b[^.\n]{0,60}\b(previous|prior|above|earlier|all|any|"
            r"other|your|the|these|those)\b[^.\n]{0,40}\b(instruct\w*|prompt\w*|rules?|criteri\w*|rubric\w*|"
            r"guidelines?|directions?|orders?|system|text|said)\b|\b(override|forget)\b *:|\bforget your\b",
        ),
        (("new instruction", "new rule", "new task"), r"\bnew (instructions?|rules?|task) *:"),
        (("end of",), r"\bend of (the )?(answer|submission|evaluation|instructions?|data|document)\b"),
        (("ignorier",), r"ignorier\w* (alle|die|sämtliche|bisherigen)[^.\n]{0,40}(anweisung|regel|vorgabe)\w*"),
        (("ignor",), r"ignore[zr]?\b[^.\n]{0,40}\b(instructions|consignes)\b"),
        (("ignora",), r"ignora\w*\b[^.\n]{0,40}\b(instruc\w+|istruzion\w+)"),
        (("忽略", "無視"), r"忽略[^。\n]{0,20}(指令|指示|说明|规则)|無視[^。\n]{0,10}(指示|命令)"),
        (("игнорир",), r"игнорир\w*[^.\n]{0,40}(инструкц|указан)\w*"),
    ),
    "to_judge": (
        (_JUDGES, rf"\b(dear|hey|hello|hi|note to|notes? for|attention|message to|to) (the |all |any )?{_WHO}\b"),
        (
            _JUDGES,
            rf"\b(as|you are|you're|act as|pretend to be|you must act as) (now )?(an? |the )?(\w+ )?{_WHO}\b"
            rf"|\b{_WHO} (must|should|shall|will|has to|have to|are to|is to|needs? to|please)\b",
        ),
        (
            _VERBS,
            r"\b(must|should|shall|please|always|only) (be )?"
            r"(rate|grade|score|mark|judge|rank|select|choose|pick|prefer|award|"
            r"output|respond|answer|reply|return|declare|vote|give|mark)(d|ed|ing)?\b[^.\n]{0,60}\b(correct|best|better|"
            r"winner|win|highest|maximum|full|top|perfect|met|supported|passed?|first|[ab12]|10)\b",
        ),
        ((" above",), r"\bthe (answer|response|submission|work|solution) above\b"),
        (("instruction",), r"\binstructions? (continue|follow|end|begin)s?\b"),
        (
            ("mark", "score", "point", "credit", "grade", "rating"),
            r"\b(give|award|assign|grant)\b[^.\n]{0,40}\b(full|maximum|highest|perfect|top|all)\b[^.\n]{0,20}"
            r"\b(marks?|scores?|points?|credits?|grades?|ratings?)\b",
        ),
        (
            _PRAISE,
            r"\b(this|my|the (above|following|present|first|second)|answer [ab12]|response [ab12]) "
            r"(answer |response |submission |solution |work )?(is|has been|was|wins|should be|must be|deserves)\b"
            r"[^.\n]{0,40}\b(correct|best|better|winner|superior|verified|approved|graded|accepted|full marks|perfect|"
            r"preferred)\b",
        ),
        (
            _GRADED,
            r"\b(already|previously|officially|been) (been )?(graded|verified|approved|judged|reviewed|validated|"
            r"evaluated|fact-checked|certified)\b",
        ),
        (
            ("most ",),
            r"\bmost (people|users|experts|judges|raters)\b[^.\n]{0,40}"
            r"\b(chose|choose|prefer\w*|voted?|agree\w*|picked)\b",
        ),
        (
            ("annotator", "rater", "judge", "reviewer"),
            r"\b(human|expert|senior) (annotators?|raters?|judges?|reviewers?)\b[^.\n]{0,40}"
            r"\b(chose|prefer\w*|agree\w*|rated|confirmed|unanimous\w*)\b",
        ),
    ),
    "verdict": (
        (("[[",), r"\[\[ *[a-z0-9=<>]{1,9} *\]\]"),
        (
            _FINAL,
            r"(^|\n)[ *_#>`-]*(verdict|grade|score|rating|final (verdict|answer|decision|score|grade)|outcome|winner|"
            r"decision|token|result) *[:=][ *_`]*[\"']?(a|b|c|i|tie|correct|met|supported|pass\w*|yes|10|100|"
            r"[01](\.\d+)?|none|-1|[0-9a-f]{8,})\b",
        ),
        (("verdict", "winner"), r"\bthe (correct |right |final )?verdict (is|should be|must be)\b|\bwinner *(is|:)"),
    ),
    "form_key": (
        (
            (*_FINAL, "first_wrong", "met", "claim", "passed", "criteria", "canary", "judgement", "judgment"),
            r"[\"'](verdict|outcome|token|first_wrong|met|claims?|grade|score|passed|criteria|canary)[\"'] *:"
            r"|<(verdict|grade|score|judgement|judgment)>|\bcheck token\b|\bcanary\b",
        ),
    ),
    "role": (
        (
            _ROLES,
            r"(^|\n)[ *_#>-]*\[?(system|assistant|user|human|developer|operator|judge|evaluator|criterion|"
            r"instructions?)\]? *(message|prompt|note|override)? *:|<\|[a-z_]+\|>|\[/?(inst|sys|system)\]|<</?sys>>"
            r"|</?(system|instructions?|assistant|user|human|system-reminder)>"
            r"|(^|\n)#{2,} *(system|instructions?|new instructions?|end)\b",
        ),
    ),
    "mark": (
        (("<<<", ">>>"), r"<<<|>>>"),
        (
            ("end ", "begin"),
            r"\bend (answer|question|reference|source|work|file|note)\b[^.\n]{0,20}(>|=|-{3})|\bbegin (judge|eval)",
        ),
    ),
    "template": ((("{{", "{%", "${", "<%"), r"\{\{\s*\w+\s*\}\}|\{%\s*\w+|\$\{\w+\}|<%=?"),),
    "hidden": (
        (
            ("<!--", "display", "font-size", "visibility", "color"),
            r"<!--|display *: *none|font-size *: *0|visibility *: *hidden|color *: *(white|#fff)",
        ),
    ),
}
"""Kinds of speech. Each pattern is looked for only where one of its words is: plain text costs little."""

_PATTERNS: dict[str, tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]] = {
    kind: tuple((words, re.compile(pattern)) for words, pattern in rules) for kind, rules in _WORDS.items()
}
_CARRIES_ON = ("order", "mark", "template")
_DISGUISED = ("order", "to_judge", "verdict", "form_key")
_ZERO_WIDTH = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u00ad\u180e\U000e0000-\U000e007f]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_BLOB = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{24,}={0,2}")
_SPACED = re.compile(r"(?:\b\w[ .\-_]){3,}\w\b")
_LOOKS = str.maketrans(
    "аеорсухіѕјԁԛԝһӏАВЕКМНОРСТУХІЅЈαβεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aeopcyxisjdqwhlABEKMHOPCTYXISJaBeiKvoptuxABEZHIKMNOPTYX"
)
_LEET = str.maketrans("013457@$!", "oieastasi")
_NOTHING = re.compile(r"(?i)^\W*((thought|thinking|reasoning) process|let'?s (solve|think)[^.\n]{0,60}|solution|answer|"
                      r"final answer)?\W*$")  # fmt: skip


def injection_flags(text: str) -> tuple[str, ...]:
    """What was seen in the text that speaks to a judge, each kind once, sorted; `null_answer` for an empty shell."""
    text = _bounded(text)
    lowered = text.lower()
    found = {kind for kind in _PATTERNS if _speaks(kind, lowered)}
    found |= {name for name, seen in (("zero_width", _ZERO_WIDTH), ("bidi", _BIDI)) if seen.search(text)}
    for how, (hint, change) in _CHANGES.items():
        if not hint.search(text):
            continue
        other = change(text).lower()
        found |= {f"{kind}:{how}" for kind in _DISGUISED if kind not in found and _speaks(kind, other)}
    found |= {f"{name}:base64" for blob in _BLOB.findall(text)[:50] for name in _in_base64(blob)}
    if text.strip() and len(text) <= 200 and _NOTHING.match(text):
        found.add("null_answer")
    return tuple(sorted(found))


def _speaks(kind: str, lowered: str) -> bool:
    """Whether a text in lower case has this kind of speech."""
    return any(any(w in lowered for w in words) and pattern.search(lowered) for words, pattern in _PATTERNS[kind])


def cleaned(text: str) -> str:
    """The text with every line that speaks to a judge replaced by a note, and hidden characters taken out."""
    bare = _BIDI.sub("", _ZERO_WIDTH.sub("", text))
    kept: list[str] = []
    inside = False  # what follows an order or a forged mark belongs to it, to the end of its paragraph
    for line in bare.split("\n"):
        flags = injection_flags(line)
        speaks = bool(flags) and flags != ("null_answer",)
        inside = bool(line.strip()) and (inside or any(f.partition(":")[0] in _CARRIES_ON for f in flags))
        kept.append(REMOVED if speaks or inside else line)
    once = [line for i, line in enumerate(kept) if line != REMOVED or i == 0 or kept[i - 1] != REMOVED]
    joined = "\n".join(once)
    if any(f.partition(":")[0] in ("order", "to_judge") for f in injection_flags(joined)):
        return _sentences(re.sub(r"(?<!\n)\n(?!\n)", " ", joined))  # what is said over several lines
    return joined


def _sentences(text: str) -> str:
    """What is said over several lines is taken out by the sentence."""
    for name in ("order", "to_judge"):
        for _, pattern in _PATTERNS[name]:
            text = re.sub(pattern.pattern, REMOVED, text, flags=re.IGNORECASE)
    return text


def _bounded(text: str) -> str:
    return text if len(text) <= 2 * _MOST else f"{text[:_MOST]}\n{text[-_MOST:]}"


def _plain_letters(text: str) -> str:
    bare = _BIDI.sub("", _ZERO_WIDTH.sub("", text))
    return unicodedata.normalize("NFKC", bare).translate(_LOOKS)


def _joined(text: str) -> str:
    """`i g n o r e` as one word; two spaces part words."""
    return _SPACED.sub(lambda m: re.sub(r"(?<=\w)[ .\-_](?=\w)", "", m[0]), text)


_CHANGES: dict[str, tuple[re.Pattern[str], Callable[[str], str]]] = {
    "letters": (re.compile(r"[^\x00-\x7f]"), _plain_letters),
    "digits": (
        re.compile(r"[A-Za-z][013457@$!][A-Za-z]|\b[013457@$][A-Za-z]{2}"),
        lambda t: _plain_letters(t).translate(_LEET),
    ),
    "spaced": (_SPACED, lambda text: _joined(_plain_letters(text))),
    "backwards": (re.compile(r"(?i)erongi|tcurtsni|egduj|tcidrev|dragersid|tegrof|redarg"), lambda text: text[::-1]),
    "lines": (re.compile(r"[^\n]\n[^\n]"), lambda text: re.sub(r"\s+", " ", text)),
}
"""How a text may be disguised: what hints at it, and how it is read then. The hints keep plain text cheap."""


def _in_base64(blob: str) -> list[str]:
    try:
        inner = base64.b64decode(blob + "=" * (-len(blob) % 4)).decode()
    except (binascii.Error, ValueError):
        return []
    return [kind for kind in _DISGUISED if _speaks(kind, inner.lower())]
