"""A text as it can be read behind a disguise, each character with the place it came from."""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

INVISIBLE = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u00ad\u180e\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
TAGS = re.compile("(?<!\U0001f3f4)(?<![\U000e0000-\U000e007f])[\U000e0020-\U000e007e]{4,}")
_LOOKS = str.maketrans(
    "аеорсухіѕјԁԛԝһӏАВЕКМНОРСТУХІЅЈαβεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxisjdqwhlabekmhopctyxisjabeikvoptuxabezhikmnoptyx",
)
_MARKS = str.maketrans("", "", "*_~`\\")
_LEET = str.maketrans("013457@$!", "oieastasi")
_BLOB = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{20,}={0,2}")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}[ :]?){12,}(?![0-9A-Za-z])")
_SOME_HEX = re.compile(r"[0-9a-fA-F][0-9a-fA-F][ :]?[0-9a-fA-F]{2}[ :]?[0-9a-fA-F]{2}[ :]?[0-9a-fA-F]{2}")
"""In every such run. It begins with a set of characters, not with a look behind: five times as quick."""
_ROT13 = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")
_SPACED = re.compile(r"(?:(?<!\w)\w[ .\-_*]){2,}\w(?!\w)")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")


Places = tuple[Sequence[int], Sequence[int]]
"""Where each character of a view begins and ends in the source."""


@dataclass(frozen=True, slots=True)
class View:
    """`text` in lower case; `places` is made only where something was found."""

    how: str
    text: str
    places: Callable[[], Places]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the characters start..end stand in the source."""
        at, ends = self.places()
        return min(at[start:end]), max(ends[start:end])


def any_in(words: Iterable[str], text: str) -> bool:
    """Whether one of these words is there: a third of the time that a pattern of them takes."""
    for word in words:  # noqa: SIM110 - a generator takes twice as long
        if word in text:
            return True
    return False


def plain_view(text: str) -> View:
    """The text itself, in lower case of the same length."""
    return View("", lower(text), lambda: (range(len(text)), range(1, len(text) + 1)))


def lower(text: str) -> str:
    """In lower case, character by character."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return lowered


def disguised_views(text: str, hinted: Callable[[str], bool]) -> Iterator[View]:
    """The other ways to read it, only where something hints at one: plain text costs little.

    `hinted` says whether a text has any word that is looked for: line breaks and marks hide none of their letters.
    """
    if not text.isascii():
        yield _made("letters", text, _letter)
    lowered = lower(text)
    said = cache(lambda: hinted(" ".join(lowered.translate(_MARKS).split())))
    for how, hint, change in _CHANGES:
        if hint(lowered) and (how not in ("lines", "marks") or said()):
            yield change(how, text)


def blobs(text: str) -> list[tuple[str, int, int, str]]:
    """What stands in base64 and in hex, with its place; at most 50 of each."""
    found = []
    for how, pattern, decoded in (("base64", _BLOB, _decoded), ("hex", _HEX, _of_hex)):
        if how == "hex" and not _SOME_HEX.search(text):
            continue
        for blob in list(pattern.finditer(text))[:50]:
            inner = decoded(blob[0])
            if inner and inner.isprintable():
                found.append((how, *blob.span(), inner.lower()))
    return found


def _decoded(blob: str) -> str:
    bare = blob.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode().replace("\n", " ")
    except (binascii.Error, ValueError):
        return ""


def _of_hex(blob: str) -> str:
    try:
        return bytes.fromhex(blob.replace(":", " ")).decode().replace("\n", " ")
    except ValueError:
        return ""


def _made(how: str, text: str, one: Callable[[str], str]) -> View:
    def places() -> Places:
        at = [i for i, char in enumerate(text) for _ in one(char)]
        return at, [i + 1 for i in at]

    return View(how, "".join(map(one, text)), places)


def _letter(char: str) -> str:
    if char.isascii():
        return char.lower()
    if INVISIBLE.match(char):
        return ""
    return unicodedata.normalize("NFKC", char).translate(_LOOKS).lower()


def _digits(how: str, text: str) -> View:
    return _made(how, text, lambda c: _letter(c).translate(_LEET))


def _picked(how: str, keep: Sequence[tuple[int, int, str]]) -> View:
    """Pieces of the source, each read as another text."""

    def places() -> Places:
        at, ends = list[int](), list[int]()
        for start, end, new in keep:
            same = len(new) == end - start
            at += range(start, end) if same else [start] * len(new)
            ends += range(start + 1, end + 1) if same else [end] * len(new)
        return at, ends

    return View(how, "".join(new for _, _, new in keep), places)


def _replaced(how: str, text: str, pattern: re.Pattern[str], new: Callable[[str], str]) -> View:
    keep, last = list[tuple[int, int, str]](), 0
    lowered = lower(text)
    for m in pattern.finditer(text):
        keep += [(last, m.start(), lowered[last : m.start()]), (m.start(), m.end(), new(m[0]).lower())]
        last = m.end()
    return _picked(how, [*keep, (last, len(text), lowered[last:])])


def _spaced(how: str, text: str) -> View:
    """`i g n o r e` as one word; two spaces part words."""
    keep, last = list[tuple[int, int, str]](), 0
    letters = [_letter(c) for c in text]
    whole = "".join(x if len(x) == 1 else c.lower() for x, c in zip(letters, text, strict=True))
    whole = whole if len(whole) == len(text) else lower(text)
    for m in _SPACED.finditer(text):
        keep.append((last, m.start(), re.sub(r"^ +| +$", " ", whole[last : m.start()])))
        keep += [(i, i + 1, whole[i]) for i in range(m.start(), m.end()) if text[i].isalnum()]
        last = m.end()
    return _picked(how, [*keep, (last, len(text), whole[last:])])


def _backwards(how: str, text: str) -> View:
    places = range(len(text) - 1, -1, -1)
    return View(how, lower(text)[::-1], lambda: (places, [i + 1 for i in places]))


def _rotated(how: str, text: str) -> View:
    return View(how, lower(text).translate(_ROT13), plain_view(text).places)


def _of_tags(how: str, text: str) -> View:
    return _replaced(how, text, TAGS, lambda run: "".join(chr(ord(c) - 0xE0000) for c in run))


def _one_line(how: str, text: str) -> View:
    return _replaced(how, text, re.compile(r"\s*\n[\s>*#-]*|\s{2,}"), lambda _: " ")


def _without_marks(how: str, text: str) -> View:
    return _replaced(how, text, re.compile(r"[*_~`\\]+"), lambda _: "")


_LEETS = re.compile(r"[013457@$!](?=[a-z])(?:(?<=[a-z].)|(?<=\b[013457@$])(?=[a-z]{2}))")
"""A digit between letters, or before two. It begins with the rarer character: three times as quick."""
_SINGLES = re.compile(r"[ .\-_*]\w[ .\-_*]\w(?!\w)")
"""How every run of single letters ends."""
_REVERSED = (
    "erongi", "tcurtsni", "egduj", "tcidrev", "dragersid", "tegrof", "redarg", "rewsna s", "esnopser s",
)  # fmt: skip
_ROTATED = ("guvf nafjre", "zl nafjre", "vtaber", "qvfertneq", "sbetrg gur", "pubbfr guvf")
_CHANGES: tuple[tuple[str, Callable[[str], object], Callable[[str, str], View]], ...] = (
    ("digits", _LEETS.search, _digits),
    ("spaced", lambda text: _SINGLES.search(text) and _SPACED.search(text), _spaced),
    ("backwards", lambda text: any_in(_REVERSED, text), _backwards),
    ("rot13", lambda text: any_in(_ROTATED, text), _rotated),
    ("tags", lambda text: not text.isascii() and TAGS.search(text), _of_tags),
    ("lines", lambda text: "  " in text or "\n" in text.strip(), _one_line),
    ("marks", re.compile(r"[*_~`\\]").search, _without_marks),
    ("entities", lambda text: "&" in text and _ENTITY.search(text),
     lambda how, text: _replaced(how, text, _ENTITY, html.unescape)),
)  # fmt: skip
"""How else it may be read: what hints at it in lower case, and how. Most texts have no hint, and cost little."""
