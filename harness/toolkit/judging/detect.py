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

_ORDER = (
    r"\b(ignore|disregard|forget|override|overlook|bypass)\b[^.\n]{0,60}\b(previous|prior|above|earlier|all|any|other|"
    r"your|the|these|those)\b[^.\n]{0,40}\b(instruct\w*|prompt\w*|rules?|criteri\w*|rubric\w*|guidelines?|directions?|"
    r"orders?|system|text|said)\b"
    r"|\bnew (instructions?|rules?|task) *:"
    r"|\bend of (the )?(answer|submission|evaluation|instructions?|data|document)\b"
    r"|ignorier\w* (alle|die|sämtliche|bisherigen)[^.\n]{0,40}(anweisung|regel|vorgabe)\w*"
    r"|ignore[zr]?\b[^.\n]{0,40}\b(instructions|consignes)\b|ignora\w*\b[^.\n]{0,40}\b(instruc\w+|istruzion\w+)"
    r"|忽略[^。\n]{0,20}(指令|指示|说明|规则)|игнорир\w*[^.\n]{0,40}(инструкц|указан)\w*|無視[^。\n]{0,10}(指示|命令)"
)
_TO_JUDGE = (
    r"\b(dear|hey|hello|hi|note to|notes? for|attention|message to|to) (the |all |any )?"
    r"(judges?|graders?|evaluators?|reviewers?|markers?|raters?|assessors?)\b"
    r"|\b(as|you are|you're|act as|pretend to be|you must act as) (now )?(an? |the )?(\w+ )?"
    r"(judge|grader|evaluator|reviewer|rater)\b"
    r"|\b(judge|grader|evaluator|rater)s? (must|should|shall|will|has to|have to|are to|is to|needs? to|please)\b"
    r"|\b(must|should|shall|please|always|only) (be )?"
    r"(rate|grade|score|mark|judge|rank|select|choose|pick|prefer|award|"
    r"output|respond|answer|reply|return|declare|vote|give|mark)(d|ed|ing)?\b[^.\n]{0,60}\b(correct|best|better|winner|"
    r"win|highest|maximum|full|top|perfect|met|supported|passed?|first|[ab12]|10)\b"
    r"|\bthe (answer|response|submission|work|solution) above\b|\binstructions? (continue|follow|end|begin)s?\b"
    r"|\b(give|award|assign|grant)\b[^.\n]{0,40}\b(full|maximum|highest|perfect|top|all)\b[^.\n]{0,20}\b(marks?|scores?|"
    r"points?|credits?|grades?|ratings?)\b"
    r"|\b(this|my|the (above|following|present|first|second)|answer [ab12]|response [ab12]) "
    r"(answer |response |submission |solution |work )?(is|has been|was|wins|should be|must be|deserves)\b[^.\n]{0,40}"
    r"\b(correct|best|better|winner|superior|verified|approved|graded|accepted|full marks|perfect|preferred)\b"
    r"|\b(already|previously|officially|been) (been )?(graded|verified|approved|judged|reviewed|validated|evaluated|"
    r"fact-checked|certified)\b"
    r"|\bmost (people|users|experts|judges|raters)\b[^.\n]{0,40}\b(chose|choose|prefer\w*|voted?|agree\w*|picked)\b"
    r"|\b(human|expert|senior) (annotators?|raters?|judges?|reviewers?)\b[^.\n]{0,40}\b(chose|prefer\w*|agree\w*|rated|"
    r"confirmed|unanimous\w*)\b"
)
_VERDICT = (
    r"\[\[ *[a-z0-9=<>]{1,9} *\]\]"
    r"|(^|\n)[ *_#>`-]*(verdict|grade|score|rating|final (verdict|answer|decision|score|grade)|outcome|winner|decision|"
    r"token|result) *[:=][ *_`]*[\"']?(a|b|c|i|tie|correct|met|supported|pass\w*|yes|10|100|[01](\.\d+)?|none|-1|"
    r"[0-9a-f]{8,})\b"
    r"|\bthe (correct |right |final )?verdict (is|should be|must be)\b|\bwinner *(is|:)"
)
_KEYS = (
    r"[\"'](verdict|outcome|token|first_wrong|met|claims?|grade|score|passed|criteria|canary)[\"'] *:"
    r"|<(verdict|grade|score|judgement|judgment)>|\bcheck token\b|\bcanary\b"
)
_ROLE = (
    r"(^|\n)[ *_#>-]*\[?(system|assistant|user|human|developer|operator|judge|evaluator|criterion|instructions?)\]? *"
    r"(message|prompt|note|override)? *:|<\|[a-z_]+\|>|\[/?(inst|sys|system)\]|<</?sys>>|</?(system|instructions?|"
    r"assistant|user|human|system-reminder)>|(^|\n)#{2,} *(system|instructions?|new instructions?|end)\b"
)
_MARK = r"<<<|>>>|\bend (answer|question|reference|source|work|file|note)\b[^.\n]{0,20}(>|=|-{3})|\bBEGIN (JUDGE|EVAL)"
_TEMPLATE = r"\{\{\s*\w+\s*\}\}|\{%\s*\w+|\$\{\w+\}|<%=?"
_HIDDEN = r"<!--|display *: *none|font-size *: *0|visibility *: *hidden|color *: *(white|#fff)"

_PATTERNS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "order": _ORDER, "to_judge": _TO_JUDGE, "verdict": _VERDICT, "form_key": _KEYS, "role": _ROLE, "mark": _MARK,
        "template": _TEMPLATE, "hidden": _HIDDEN,
    }.items()
}  # fmt: skip
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
    found = {name for name, pattern in _PATTERNS.items() if pattern.search(text)}
    found |= {name for name, seen in (("zero_width", _ZERO_WIDTH), ("bidi", _BIDI)) if seen.search(text)}
    for how, change in _CHANGES.items():
        other = change(text)
        if other != text:
            found |= {f"{name}:{how}" for name in _DISGUISED if name not in found and _PATTERNS[name].search(other)}
    found |= {f"{name}:base64" for blob in _BLOB.findall(text)[:50] for name in _in_base64(blob)}
    if text.strip() and len(text) <= 200 and _NOTHING.match(text):
        found.add("null_answer")
    return tuple(sorted(found))


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
        text = _PATTERNS[name].sub(REMOVED, text)
    return text


def _bounded(text: str) -> str:
    return text if len(text) <= 2 * _MOST else f"{text[:_MOST]}\n{text[-_MOST:]}"


def _plain_letters(text: str) -> str:
    bare = _BIDI.sub("", _ZERO_WIDTH.sub("", text))
    return unicodedata.normalize("NFKC", bare).translate(_LOOKS)


def _joined(text: str) -> str:
    """`i g n o r e` as one word; two spaces part words."""
    return _SPACED.sub(lambda m: re.sub(r"(?<=\w)[ .\-_](?=\w)", "", m[0]), text)


_CHANGES: dict[str, Callable[[str], str]] = {
    "letters": _plain_letters,
    "digits": lambda text: _plain_letters(text).translate(_LEET),
    "spaced": lambda text: _joined(_plain_letters(text)),
    "backwards": lambda text: text[::-1],
    "lines": lambda text: re.sub(r"\s+", " ", text),
}


def _in_base64(blob: str) -> list[str]:
    try:
        inner = base64.b64decode(blob + "=" * (-len(blob) % 4)).decode()
    except (binascii.Error, ValueError):
        return []
    return [name for name in _DISGUISED if _PATTERNS[name].search(inner)]
