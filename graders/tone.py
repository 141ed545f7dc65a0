"""House style of customer replies: length, greeting, facts that must be in, words that must not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from harness.api import Grade, Grader, GraderCase, Json, Verdict, Work
from harness.toolkit.answers import no_answer

BLAME = ("you should have", "your fault", "as already stated", "obviously", "you failed to")
"""Phrases that put the blame on the customer; the service team's list."""


class Tone(Grader):
    """A reply in the house style. Each rule that is set is one part; all must hold, `value` is the share that does."""

    version = "1"
    needs_reference = False
    example: ClassVar[Mapping[str, Json]] = {"greeting": "Brandt", "max_words": 80, "must_say": ["Friday"]}

    greeting: str = ""
    """A name that must stand in the first line; empty asks for no greeting."""
    max_words: int = Field(default=120, ge=1)
    """The longest reply, in words."""
    must_say: tuple[str, ...] = ()
    """Words or phrases that must be there, whatever their case."""
    must_not_say: tuple[str, ...] = ()
    """Words or phrases that must not be there, besides the list of blaming ones."""

    cases = (
        GraderCase("Dear Ms Brandt,\nIt arrives on Friday.\nFernhill service", True, params={"greeting": "Brandt"}),
        GraderCase("It arrives on Friday.", False, params={"greeting": "Brandt"}),
        GraderCase("Dear Ms Brandt, you should have asked!", False, params={"greeting": "Brandt"}),
        GraderCase("one two three", False, params={"max_words": 2}),
        GraderCase(None, False),
    )

    async def grade(self, work: Work) -> Verdict:
        """Check every rule that is set."""
        if missing := no_answer(work.output):
            return missing  # refused, abstained or empty: a failed grade, in the same words as everywhere
        text = (work.output.answer or "").strip()
        parts = self._rules(text)
        broken = [rule for rule, holds in parts.items() if not holds]
        value = 1 - len(broken) / len(parts)
        why = "all rules hold" if not broken else f"broken: {', '.join(broken)}"
        return Grade(value, not broken, "off_style" if broken else "in_style", why, parts=dict(parts))

    def _rules(self, text: str) -> dict[str, bool]:
        rules = {
            f"at most {self.max_words} words": len(text.split()) <= self.max_words,
            "no exclamation mark": "!" not in text,
            "no blame": not _any_said((*BLAME, *self.must_not_say), text),
        }
        if self.greeting:
            rules[f"greets {self.greeting}"] = _any_said((self.greeting,), text.splitlines()[0])
        for phrase in self.must_say:
            rules[f"says {phrase}"] = _any_said((phrase,), text)
        return rules


def _any_said(phrases: Sequence[str], text: str) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(p)}(?!\w)", text, re.IGNORECASE) for p in phrases)
