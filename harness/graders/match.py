"""`match`: the answer is, holds or fits a text; or is a number (`mode: numeric`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, PrivateAttr

from harness.api import Grade, Grader, GraderCase, Json, NotGraded, Verdict, Work
from harness.graders.numeric import Numeric
from harness.toolkit.answers import bad_reference, last_declaration, last_line, no_answer, no_reference, not_found
from harness.toolkit.normalise import EVERYTHING, Ignored, excerpt, ignore_set, normal_reference, normaliser
from harness.toolkit.patterns import PatternTooSlow, last_match, pattern_fault

Mode = Literal["exact", "normalised", "contains", "regex", "any_of", "numeric"]


class Match(Grader):
    """The answer equals, contains or fits the reference. A list as reference means any of them.

    Texts are compared after Unicode NFKC (with guards: `10²` is not `102`) and without outer whitespace; `ignore` says
    what else is overlooked. Exact rules: docs/reference/graders-normalisation.md. Beware of `contains`: the answer
    `not 14 days` contains `14 days`; name such traps in `forbid`, or let the answer be declared and use `exact`.
    """

    mode: Mode = "exact"
    """exact; normalised (exact, ignoring case, punctuation, whitespace and articles); contains; regex (the reference
    is the pattern, searched in the answer); any_of (exact, the reference must be a list); numeric."""
    ignore: tuple[Ignored, ...] = ()
    """What is overlooked: case, punctuation, whitespace, articles, accents."""
    extract: Literal["whole", "declared", "last_line"] = "whole"
    """What is compared: the whole answer; what it declares last (`Answer: x`, `#### x`, a box), or else the whole;
    or its last line."""
    pattern: str = ""
    """A regular expression that finds the answer: the first group of its last match, or all of it, is compared."""
    whole_words: bool = True
    """In mode contains: `14` is not in `140`, `14.5` or `-14`. Scripts without spaces between words are exempt."""
    forbid: tuple[str, ...] = ()
    """Texts that must not be in the answer, found as in mode contains: the guard against negation and hedging."""
    full: bool = False
    """In mode regex: the whole answer must fit the pattern."""
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """In mode numeric: largest absolute difference."""
    relative: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """In mode numeric: largest difference as a share of the reference."""
    unit: str = ""
    """In mode numeric: the unit of numbers that name none. More options: grader `numeric`."""

    example: ClassVar[Mapping[str, Json]] = {"ignore": ["case", "punctuation"]}
    cases = (
        GraderCase(" 14 DAYS. ", True, "14 days", {"ignore": ["case", "punctuation"]}),
        GraderCase("14 days", False, "40 days"),
        GraderCase("It is 140 days", False, "14", {"mode": "contains"}),
        GraderCase("It is 14 days", True, "14", {"mode": "contains"}),
        GraderCase("not 14 days", False, "14 days", {"mode": "contains", "forbid": ["not"]}),
        GraderCase("Colour", True, ["color", "colour"], {"mode": "any_of", "ignore": ["case"]}),
        GraderCase("The Beatles!", True, "beatles", {"mode": "normalised"}),
        GraderCase("order 66-B", True, r"\b\d+-[A-Z]\b", {"mode": "regex"}),
        GraderCase("3.1416", True, "3.14", {"mode": "numeric", "tolerance": 0.01}),
        GraderCase("x", None, None),
    )

    _set: frozenset[Ignored] = PrivateAttr(default=frozenset())
    _numeric: Numeric | None = PrivateAttr(default=None)

    def model_post_init(self, context: object, /) -> None:
        """Prepare what every trial shares."""
        self._set = ignore_set((*self.ignore, *EVERYTHING) if self.mode == "normalised" else self.ignore)
        if self.mode == "numeric":
            self._numeric = Numeric(tolerance=self.tolerance, relative=self.relative, unit=self.unit)

    def check(self, workspace: Path) -> Sequence[str]:
        """Options that say nothing in this mode, and patterns that do not compile."""
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        only = {
            **dict.fromkeys(("tolerance", "relative", "unit"), "numeric"),
            "full": "regex",
            "whole_words": "contains",
        }
        idle = [
            f"'{name}' has a meaning in mode {mode} only, and this is mode {self.mode}"
            for name, mode in only.items()
            if getattr(self, name) != defaults[name] and self.mode != mode
            if not (name == "whole_words" and self.forbid)
        ]
        fault = pattern_fault(self.pattern) if self.pattern else ""
        return [*idle, *([fault] if fault else []), *(self._numeric.check(workspace) if self._numeric else ())]

    def check_reference(self, reference: Json) -> str:
        """Texts or numbers, none empty; a list in mode any_of; patterns that compile in mode regex."""
        if self._numeric:
            return self._numeric.check_reference(reference)
        if reference is None:
            return "match needs a reference"
        if self.mode == "any_of" and not isinstance(reference, list):
            return "mode any_of needs a list as reference"
        texts = _texts(reference)
        if texts is None:
            return "the reference must be a text, a number or a list of them; put quotes around it"
        if not all(normal_reference(t, self._set) for t in texts) or not texts:
            return "the reference is empty"
        if self.mode == "regex":
            return next((fault for t in texts if (fault := pattern_fault(t))), "")
        return ""

    async def grade(self, work: Work) -> Verdict:
        """Find the answer, compare it with each reference."""
        if missing := no_answer(work.output):
            return missing
        reference = work.task.reference
        if reference is None:
            return no_reference()
        text = work.output.answer or ""
        try:
            found = await self._extract(text)
            if found is None:
                return not_found("the pattern finds no answer")
            if self._numeric:
                return self._numeric.grade_text(found, reference)
            texts = _texts(reference)
            if texts is None or (self.mode == "any_of" and not isinstance(reference, list)):
                return bad_reference(self.check_reference(reference))
            return await self._compare(text, found, texts)
        except PatternTooSlow as e:
            return NotGraded("timeout", str(e))
        except ValueError as e:
            return bad_reference(str(e))

    async def _extract(self, text: str) -> str | None:
        if self.pattern:
            m = await last_match(self.pattern, text)
            return None if m is None else (m[1] if m.re.groups else m[0]) or ""
        if self.extract == "whole":
            return text
        return last_line(text) if self.extract == "last_line" else last_declaration(text) or text

    async def _compare(self, text: str, found: str, texts: Sequence[str]) -> Verdict:
        if self.mode == "regex":
            said = normaliser(self._set)(found) if self._set else found
            hit = None
            for wanted in texts:
                if await last_match(wanted, said, whole=self.full):
                    hit = wanted
                    break
        else:
            said = normaliser(self._set)(found)
            normal = [normal_reference(t, self._set) for t in texts]
            if not all(normal) or not normal:
                return bad_reference("the reference is empty")
            inside = self.mode == "contains"
            hit = next((w for w in normal if (_holds(said, w, self.whole_words) if inside else said == w)), None)
        if hit is not None and self.forbid and (bad := self._forbidden(text)):
            return Grade(0.0, False, "forbidden", f"the answer contains '{excerpt(bad)}'", excerpt(said))
        if hit is None:
            return Grade(0.0, False, "wrong", f"no {_NOUN.get(self.mode, 'match')}: {_list(texts)}", excerpt(said))
        return Grade(1.0, True, "right", f"matches '{excerpt(hit)}'", excerpt(said))

    def _forbidden(self, text: str) -> str:
        said = normaliser(self._set)(text)
        return next((f for f in self.forbid if _holds(said, normal_reference(f, self._set), self.whole_words)), "")


_NOUN = {"contains": "occurrence", "regex": "fit"}


def _texts(reference: Json) -> list[str] | None:
    """The reference's texts, or None when it is something else. True and false are refused: YAML makes them of `no`."""
    if isinstance(reference, str):
        return [reference]
    if isinstance(reference, (int, float)) and not isinstance(reference, bool):
        return [str(reference)]
    if not isinstance(reference, list):
        return None
    each = [_texts(r) for r in reference if not isinstance(r, list)]
    return None if None in each or len(each) < len(reference) else [t[0] for t in each if t]


def _list(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - 5} more" if len(texts) > 5 else ""
    return " | ".join(f"'{excerpt(t, 60)}'" for t in texts[:5]) + more


def _holds(text: str, wanted: str, whole_words: bool) -> bool:
    if wanted not in text:
        return False
    return not whole_words or _bounded(wanted).search(text) is not None


@lru_cache(maxsize=4096)
def _bounded(wanted: str) -> re.Pattern[str]:
    """The text where it is not part of a longer word or number."""
    before = r"(?<!\w)" if _has_edges(wanted[0]) else ""
    after = r"(?!\w)" if _has_edges(wanted[-1]) else ""
    if wanted[0].isdigit():
        before += r"(?<![0-9][.,])(?<!(?<!\w)[-−])"
    if wanted[-1].isdigit():
        after += r"(?![.,][0-9])"
    return re.compile(before + re.escape(wanted) + after)


def _has_edges(char: str) -> bool:
    """Whether words of this character's script are set apart by spaces: not so in Chinese, Japanese, Thai, Khmer."""
    code = ord(char)
    if code >= 0x2E80 and not 0xAC00 <= code <= 0xD7AF:
        return False
    unspaced = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))
    return char.isalnum() and not any(first <= code <= last for first, last in unspaced)
