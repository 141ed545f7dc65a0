"""Numbers as people and models write them, read exactly (as fractions) or not at all.

    1,234.5   1 234,5   1'234   12,34,567   -3   3/4   1 1/2   6.02e23   6.02 × 10^23   50 %   $5M   5 million km   ٣٫٥

A text that can be read in two ways is refused: `Reading.unclear` holds it. Nothing is guessed.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from harness.toolkit.units import SYMBOLS, WORDS, Unit, in_base, unit_of

Separators = Literal["english", "continental", "auto"]
"""`english`: 1,234.5; `continental`: 1.234,5; `auto`: either, and `1,234` or `1.234` is refused as ambiguous."""

MAX_DIGITS = 400
"""Longer numbers and exponents are refused: no quantity needs them and exact arithmetic on them is slow."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text: exact value, unit or None, percent sign, currency word, and where it stands."""

    value: Fraction
    text: str
    start: int
    end: int
    unit: Unit | None = None
    percent: bool = False
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """All numbers of a text in order, and what looked like a number but could not be read one way."""

    numbers: tuple[Number, ...]
    unclear: tuple[str, ...] = ()


_CURRENCY = {
    "$": "USD", "us$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "€": "EUR", "eur": "EUR", "euro": "EUR",
    "euros": "EUR", "£": "GBP", "gbp": "GBP", "¥": "¥", "jpy": "¥", "yen": "¥", "cny": "¥", "yuan": "¥", "rmb": "¥",
    "₹": "INR", "inr": "INR", "rupees": "INR", "chf": "CHF", "₩": "KRW", "krw": "KRW", "₽": "RUB", "rub": "RUB",
}  # fmt: skip
_MAGNITUDE = {
    "hundred": 2, "thousand": 3, "million": 6, "mn": 6, "mio": 6, "billion": 9, "bn": 9, "mrd": 9, "trillion": 12,
}  # fmt: skip
_MONEY_LETTER = {"k": 3, "K": 3, "m": 6, "M": 6, "b": 9, "B": 9}
_SIGNS = r"+\-−–"
_TOKEN = re.compile(
    r"(?P<cur>(?:us)?[$€£¥₹₩₽]\s?|\b(?:usd|eur|gbp|chf|inr|jpy|cny)\s)?"
    rf"(?P<sign>(?<![\w)\]])[{_SIGNS}]\s?)?(?P<cur2>[$€£¥₹₩₽]\s?)?"
    r"(?P<num>(?<!\w)(?<!\w[.,])(?:[0-9]+(?:[.,'_\u202f][0-9]+)*|\.[0-9]+))"
    r"(?P<exp>[eE][+-]?[0-9]+|\s?[×x*·]\s?10\s?(?:\^|\*\*)\s?\{?[+\-−]?[0-9]+\}?)?",
    re.IGNORECASE,
)
_MIXED = re.compile(r"\s+([0-9]{1,9})/([0-9]{1,9})(?![\w/])")
_OVER = re.compile(r"\s?/\s?([0-9]+)(?![\w/]|[.,][0-9])")
_CHAIN = re.compile(r"(?:[-/:][0-9]+){2}|:[0-9]")
_TAIL = re.compile(r"\s?%|\s?percent\b|\s?per\s?cent\b|\s?(?:°[CF]\b|[℃℉])|\s?[$€£¥₹₩₽]", re.IGNORECASE)
_WORD = re.compile(r"\s?((?:[^\W\d_]|[µμ])[^\W_]*(?:/[a-z]+|\^[23])?)")
_TWO_WORDS = re.compile(r"\s?((?:square|cubic|nautical|metric|degrees)\s[^\W\d_]+)", re.IGNORECASE)
_GROUPED = {
    ",": re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}"),
    ".": re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+"),
}
_SPACE_GROUP = re.compile(r"(?<=[0-9]) (?=[0-9]{3}(?![0-9]))")
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2009\u202f\u2007"), "\u202f")


def read_numbers(text: str, separators: Separators = "english") -> Reading:
    """Every number in the text. Dates, times and digits inside words (`COVID-19`, `3rd`) are not numbers."""
    if not text.isascii():
        text = _plain_digits(text)
    if separators != "english":
        text = _SPACE_GROUP.sub("\u202f", text)
    numbers: list[Number] = []
    unclear: list[str] = []
    at = 0
    while m := _TOKEN.search(text, at):
        found = _read_one(text, m, separators)
        at = m.end()
        if isinstance(found, Number):
            numbers.append(found)
            at = found.end
        elif found:
            unclear.append(found)
        chain = _CHAIN.match(text, m.end("num"))
        if chain:
            at = max(at, chain.end())
        if len(numbers) > 2000:
            unclear.append("more than 2000 numbers")
            break
    return Reading(tuple(numbers), tuple(unclear))


@lru_cache(maxsize=8192)
def read_reference(text: str, separators: Separators) -> Number | None:
    """The one number of a reference, or None when there is not exactly one."""
    reading = read_numbers(text, separators)
    return reading.numbers[0] if len(reading.numbers) == 1 and not reading.unclear else None


def comparable(a: Number, b: Number) -> str:
    """Why two numbers cannot be compared (`unit`, `currency`), or nothing. What one side leaves out is no conflict."""
    if a.unit and b.unit and a.unit.dimension != b.unit.dimension:
        return "unit"
    if a.currency and b.currency and a.currency != b.currency:
        return "currency"
    return ""


def base_value(number: Number, default: Unit | None = None) -> Fraction:
    """The value in base units; a number without a unit is taken to be in `default`."""
    unit = number.unit or default
    return in_base(number.value, unit) if unit else number.value


def _read_one(text: str, m: re.Match[str], separators: Separators) -> Number | str:
    start, end = m.start(), m.end()
    if m.start("num") > 1 and text[m.start("num") - 1] in "-−" and text[m.start("num") - 2].isalpha():
        return ""  # COVID-19
    if not m["exp"] and _CHAIN.match(text, m.end("num")):
        return ""  # a date or a time
    digits = m["num"]
    if len(digits) > MAX_DIGITS:
        return digits[:20] + "…"
    value = _value(digits, separators)
    if value is None:
        return m[0].strip()
    if m["exp"]:
        power = int(re.sub(r"^.*?(?:\^|\*\*|[eE])|[{}\s]", "", m["exp"]).replace("−", "-")[:8])
        if abs(power) > MAX_DIGITS:
            return m[0].strip()
        value *= Fraction(10) ** power
    elif over := _MIXED.match(text, end) if digits.isdecimal() else None:
        if int(over[2]) == 0:
            return over[0]
        value, end = value + Fraction(int(over[1]), int(over[2])), over.end()
    elif (over := _OVER.match(text, end)) and len(over[1]) < MAX_DIGITS:
        if int(over[1]) == 0:
            return m[0] + over[0]
        value, end = value / int(over[1]), over.end()
    if m["sign"] and m["sign"][0] != "+":
        value = -value
    money = (m["cur"] or m["cur2"] or "").strip().lower()
    return _with_tail(text, Number(value, "", start, end, None, False, _CURRENCY.get(money, "")))


def _with_tail(text: str, n: Number) -> Number | str:
    """The number with what follows it: percent, magnitude, currency, unit. Letters that are none of these spoil it."""
    value, end, unit, percent, money = n.value, n.end, None, False, n.currency
    if money and text[end : end + 1] in _MONEY_LETTER and not text[end + 1 : end + 2].isalnum():
        value, end = value * 10 ** _MONEY_LETTER[text[end]], end + 1
    word = _WORD.match(text, end)
    if word and word[1].lower() in _MAGNITUDE:
        value, end = value * 10 ** _MAGNITUDE[word[1].lower()], word.end()
        word = _WORD.match(text, end)
    tail = _TAIL.match(text, end)
    two = _TWO_WORDS.match(text, end) if word else None
    if tail:
        end, mark = tail.end(), tail[0].strip()
        if mark in _CURRENCY:
            money = _CURRENCY[mark]
        elif mark[0] in "°℃℉":
            unit = unit_of(mark if mark in SYMBOLS else "°" + mark[-1].upper())
        else:
            percent = True
    elif two and (two[1].lower() in WORDS or two[1].lower() in SYMBOLS):
        unit, end = unit_of(two[1].lower()), two.end()
    elif word and word[1].lower() in _CURRENCY:
        money, end = _CURRENCY[word[1].lower()], word.end()
    elif word and (unit := unit_of(word[1])):
        end = word.end()
    elif word and word.start(1) == n.end and word.start(1) == end:
        return ""  # 3rd, 2x
    return Number(value, text[n.start : end].strip(), n.start, end, unit, percent, money)


def _value(digits: str, separators: Separators) -> Fraction | None:
    """The value of one token of digits and separators, or None when it cannot be read in one way."""
    if digits.isdecimal():
        return Fraction(int(digits))
    body = digits
    for mark in "'_\u202f":
        if mark in body:
            whole = re.split("[.,]", body, maxsplit=1)[0]
            if not re.fullmatch(rf"[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+", whole):
                return None
            body = body.replace(mark, "")
    if " " in body:
        return None
    has = [mark for mark in ".," if mark in body]
    if len(has) == 2:
        point = max(has, key=body.rfind)
        group = "," if point == "." else "."
        if body.count(point) > 1 or ((separators == "english") != (point == ".") and separators != "auto"):
            return None
        whole, _, part = body.rpartition(point)
        return _decimal(whole.replace(group, ""), part) if _GROUPED[group].fullmatch(whole) else None
    return _one_mark(body, has[0], separators) if has else Fraction(int(body))


def _one_mark(body: str, mark: str, separators: Separators) -> Fraction | None:
    point = {"english": ".", "continental": ",", "auto": ""}[separators]
    grouped = _GROUPED[mark].fullmatch(body) is not None
    whole, _, part = body.rpartition(mark)
    decimal = body.count(mark) == 1
    if point:
        if mark == point:
            return _decimal(whole, part) if decimal else None
        return Fraction(int(body.replace(mark, ""))) if grouped else None
    if grouped and decimal and whole.lstrip("0"):
        return None
    if decimal:
        return _decimal(whole, part)
    return Fraction(int(body.replace(mark, ""))) if grouped else None


def _decimal(whole: str, part: str) -> Fraction:
    return Fraction(int((whole or "0") + part), 10 ** len(part))


def _plain_digits(text: str) -> str:
    """Digits of every script as ASCII, Arabic separators, vulgar fractions and superscript powers spelled out."""
    text = text.translate(_SPACES).replace("٫", ".").replace("٬", "'").replace("’", "'").replace("，", ",")
    text = re.sub(r"(?<=10)[⁰¹²³⁴-⁹⁺⁻]+", lambda m: "^" + unicodedata.normalize("NFKC", m[0]).replace("−", "-"), text)
    out = []
    for char in text:
        if char.isdecimal() and not char.isascii():
            out.append(str(unicodedata.decimal(char)))
        elif char in "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞":
            gap = " " if out and out[-1][-1].isdigit() else ""
            out.append(gap + unicodedata.normalize("NFKC", char).replace("⁄", "/"))
        else:
            out.append({"％": "%", "．": ".", "－": "-", "＄": "$"}.get(char, char))
    return "".join(out)
