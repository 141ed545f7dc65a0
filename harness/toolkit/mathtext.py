"""Mathematical notation as people type it, spelled as LaTeX, and compared cheaply where that is enough."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from harness.toolkit.numbers import read_numbers

_UNICODE = {
    "π": r"\pi ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∪": r"\cup ", "∩": r"\cap ",
    "×": r"\times ",
    "·": r"\cdot ", "⋅": r"\cdot ", "÷": r"\div ", "−": "-", "–": "-", "∈": r"\in ", "∅": r"\emptyset ", "±": r"\pm ",
    "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "λ": r"\lambda ",
    "ℝ": r"\mathbb{R}", "°": r"^\circ ", "√": "sqrt",
}  # fmt: skip
_SUPERSCRIPT = re.compile("[⁰¹²³⁴-⁹⁺⁻]+")
_CALL = re.compile(r"(?<![\\a-zA-Z])(sqrt|cbrt|sin|cos|tan|log|ln|exp)\s*(?=\()")
_ROOT_OF_ONE = re.compile(r"(?<![\\a-zA-Z])sqrt\s*([0-9]+|[a-zA-Z])")
_WORDS = re.compile(r"(?<![\\a-zA-Z])(pi|infinity|inf|oo|theta|alpha|beta|lambda)(?![a-zA-Z])")
_SPELL = {"infinity": "infty", "inf": "infty", "oo": "infty"}
_SPACING = re.compile(r"\\(?:left|right|displaystyle|,|;|!|:|quad|qquad| )(?![a-zA-Z])")
_SCIENTIFIC = re.compile(r"(?<![a-zA-Z0-9.\\])([0-9]+(?:\.[0-9]+)?)[eE]([+-]?[0-9]+)(?![a-zA-Z0-9.])")
_EXPONENT = re.compile(r"\s*(?:\(([^()]*)\)|(-?[0-9.]+|[a-zA-Z]))")
_WRAP = re.compile(r"^\s*(?:\\\(|\\\[|\$\$?)\s*|\s*(?:\\\)|\\\]|\$\$?)\s*$")
_FENCE = re.compile(r"^[\s*_`]+|[\s*_`]+$")
_TRAILING = re.compile(r"[\s.,;。]+$")
_TEXT = re.compile(r"\\(?:text|mathrm|textbf|mbox)\s*\{([^{}]*)\}")
_ASSIGNED = re.compile(r"^\s*[a-zA-Z](?:_[a-zA-Z0-9]|_\{[^{}]*\})?\s*=\s*(?![^=<>]*[=<>])")


@lru_cache(maxsize=8192)
def to_latex(text: str) -> str:
    """The text as LaTeX without dollar signs: ASCII and Unicode notation spelled out, decoration removed."""
    for _ in range(3):
        text = _WRAP.sub("", _TRAILING.sub("", _FENCE.sub("", text)))
    text = text.strip()
    text = _SUPERSCRIPT.sub(lambda m: "^{" + unicodedata.normalize("NFKC", m[0]).replace("−", "-") + "}", text)
    for char, latex in _UNICODE.items():
        if char in text:
            text = text.replace(char, latex)
    text = _SPACING.sub(" ", text)
    text = _call_to_braces(text)
    text = _ROOT_OF_ONE.sub(r"\\sqrt{\1}", text)
    text = _WORDS.sub(lambda m: "\\" + _SPELL.get(m[1], m[1]) + " ", text)
    text = _SCIENTIFIC.sub(lambda m: rf"{m[1]}\cdot 10^{{{m[2].lstrip('+')}}}", text)
    text = _powers(re.sub(r"\^\s*(?=\()", "**", text))
    text = re.sub(r"(?<!\\)\*", r"\\cdot ", text)
    text = text.replace("<=", r"\le ").replace(">=", r"\ge ").replace("!=", r"\ne ")
    text = re.sub(r"(?<!\\)%", r"\\%", text)
    return text.strip()


@lru_cache(maxsize=8192)
def plain_form(latex: str) -> str:
    """A spelling in which equal strings are certainly equal mathematics: no spaces, one kind of fraction."""
    text = _TEXT.sub(r"\1", latex).replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac")
    text = re.sub(r"\\frac\s*([0-9])\s*([0-9])", r"\\frac{\1}{\2}", text)
    return re.sub(r"\s+", "", text)


def plain_number(latex: str) -> str | None:
    """The exact value as `numerator/denominator` where the text is one plain number or fraction, else None."""
    text = re.sub(r"^(-?)\\d?frac\{([0-9]{1,20})\}\{([0-9]{1,20})\}$", r"\1\2/\3", plain_form(latex))
    if not re.fullmatch(r"[-+]?[0-9.,/]{1,60}", text):
        return None
    reading = read_numbers(text, "english")
    if reading.unclear or len(reading.numbers) != 1 or reading.numbers[0].text.replace(" ", "") != text.lstrip("+"):
        return None
    return str(reading.numbers[0].value)


def without_name(latex: str) -> str:
    """`x = 3` as `3`: the value of a single named quantity."""
    return _ASSIGNED.sub("", latex)


def _powers(text: str) -> str:
    """`2**3**4` as `2^{3^{4}}`: from the right, as powers bind."""
    for _ in range(200):
        at = text.rfind("**")
        m = _EXPONENT.match(text, at + 2) if at >= 0 else None
        if m is None:
            return text
        end = m.end()
        if text.startswith("^{", end) and (close := _closing(text, end + 1, "{}")) > 0:
            end = close + 1
        power = (m[1] if m[1] is not None else m[2]) + text[m.end() : end]
        text = f"{text[:at]}^{{{power}}}{text[end:]}"
    return text


def _call_to_braces(text: str) -> str:
    """`sqrt(x+1)` as `\\sqrt{x+1}`, `sin(x)` as `\\sin(x)`; nested calls from the inside out."""
    for _ in range(50):
        calls = list(_CALL.finditer(text))
        if not calls:
            return text
        m = calls[-1]  # no call that is still to be done stands inside the last one
        if m[1] not in ("sqrt", "cbrt"):
            text = text[: m.start()] + "\\" + text[m.start() : m.start() + len(m[1])] + text[m.end() :]
            continue
        close = _closing(text, m.end())
        if close < 0:
            return text
        root = r"\sqrt[3]{" if m[1] == "cbrt" else r"\sqrt{"
        text = text[: m.start()] + root + text[m.end() + 1 : close] + "}" + text[close + 1 :]
    return text


def _closing(text: str, start: int, pair: str = "()") -> int:
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == pair[0]) - (text[i] == pair[1])
        if depth == 0:
            return i
    return -1
