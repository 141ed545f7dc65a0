"""`choice`: which of the options was chosen, by letter or by text, whatever order they were shown in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, Literal

from pydantic import Field

from harness.api import Grade, Grader, GraderCase, Json, Verdict, Work
from harness.toolkit.answers import bad_reference, no_answer, no_reference, not_found
from harness.toolkit.letters import LATIN, Alphabet, meanings
from harness.toolkit.normalise import Ignored, excerpt, normal_reference
from harness.toolkit.options import Named, menu, read_options

_SAME: frozenset[Ignored] = frozenset(("case", "punctuation", "whitespace", "articles"))


class Choice(Grader):
    """The option that the answer names is the reference's.

    The reference is a letter of the options as written in the task, an option's text, or an index counted from 0; a
    list of them with `multiple`. Options shown in another order are mapped back. An answer that names two options, a
    letter off the menu, or none at all fails with the label `ambiguous`, `off_menu` or `no_answer`; nothing is guessed.
    """

    multiple: bool = False
    """Several options are right, and all of them must be named."""
    partial: bool = False
    """With `multiple`: value is the share of named and right options among named or right ones (Jaccard).
    It never makes an answer pass that is not wholly right."""
    conflict: Literal["refuse", "last"] = "refuse"
    """When different options are declared one after the other: refuse, or take the last declaration (reasoning models
    that correct themselves; the published rule of MMLU-Pro)."""
    alphabet: Alphabet = "latin"
    """The script of the letters shown. With latin, letters of other scripts are read where they can mean one option."""
    options: int = Field(default=26, ge=2, le=26)
    """How many options there are, for tasks that have them in the prompt and not under `choices`."""

    example: ClassVar[Mapping[str, Json]] = {"multiple": False}
    cases = (
        GraderCase("**Answer:** (B)", True, "B", choices=("Rome", "Paris", "Oslo")),
        GraderCase("Paris.", True, "B", choices=("Rome", "Paris", "Oslo")),
        GraderCase("Answer: C", False, "B", choices=("Rome", "Paris", "Oslo")),
        GraderCase("CORRECT", False, "C", choices=("Rome", "Paris", "Oslo")),
        GraderCase("Either A or B.", False, "B", choices=("Rome", "Paris", "Oslo")),
        GraderCase("A and C", True, ["A", "C"], {"multiple": True}, ("Rome", "Paris", "Oslo")),
        GraderCase("B", None, "Madrid", choices=("Rome", "Paris", "Oslo")),
    )

    def check_reference(self, reference: Json) -> str:
        """A letter, a text, or an index; a list only with `multiple`."""
        if reference is None:
            return "choice needs a reference: a letter, an option's text or an index from 0"
        if isinstance(reference, list) and not self.multiple:
            return "several right options need 'multiple: true'"
        each = reference if isinstance(reference, list) else [reference]
        if not each:
            return "the list of right options is empty"
        bad = [
            r
            for r in each
            if isinstance(r, bool) or not isinstance(r, (str, int)) or (isinstance(r, str) and not r.strip())
        ]
        return f"'{excerpt(str(bad[0]))}' is not a letter, a text or an index" if bad else ""

    async def grade(self, work: Work) -> Verdict:
        """Read what is named, map it to the task's own order, compare."""
        if missing := no_answer(work.output):
            return missing
        task = work.task
        if task.reference is None:
            return no_reference()
        if fault := self.check_reference(task.reference):
            return bad_reference(fault)
        each = task.reference if isinstance(task.reference, list) else [task.reference]
        right = _right(tuple(each), task.choices, self.alphabet, self.options)
        if isinstance(right, str):
            return bad_reference(right)
        order = tuple(work.choice_order) or tuple(range(len(task.choices)))
        if sorted(order) != list(range(len(task.choices))):
            return bad_reference("the recorded order of the options does not fit the task's options")
        shown = menu(tuple([task.choices[i] for i in order]), self.options, self.alphabet, self.multiple)
        named = read_options(work.output.answer or "", shown, last_wins=self.conflict == "last")
        if named.fault:
            return not_found(named.fault, named.label)
        return self._verdict(
            named, frozenset(order[i] for i in named.options) if order else named.options, right, task.choices
        )

    def _verdict(self, named: Named, chosen: frozenset[int], right: frozenset[int], choices: Sequence[str]) -> Grade:
        passed = chosen == right
        value = len(chosen & right) / len(chosen | right) if self.partial else float(passed)
        said = ", ".join(LATIN[i] for i in sorted(chosen)) + (
            f" ({excerpt(choices[min(chosen)], 60)})" if choices else ""
        )
        wanted = ", ".join(LATIN[i] for i in sorted(right))
        why = f"chose {said} in the task's order" + ("" if passed else f"; right is {wanted}")
        return Grade(value, passed, "right" if passed else "wrong", why, excerpt(named.shown))


@lru_cache(maxsize=8192)
def _right(
    reference: tuple[Json, ...], choices: tuple[str, ...], alphabet: Alphabet, count: int
) -> frozenset[int] | str:
    """Indices of the right options in the task's own order, or what is wrong with the reference."""
    found = set()
    for one in reference:
        index = _index(one, choices, alphabet, len(choices) or count)
        if isinstance(index, str):
            return index
        found.add(index)
    return frozenset(found)


def _index(one: Json, choices: tuple[str, ...], alphabet: Alphabet, count: int) -> int | str:
    if isinstance(one, int):
        return one if 0 <= one < count else f"index {one} is not one of {count} options (they count from 0)"
    text = normal_reference(one, _SAME)
    by_text = [i for i, choice in enumerate(choices) if normal_reference(choice, _SAME) == text]
    letter = one.strip().upper()
    by_letter = [i for i in meanings(alphabet).get(letter, ()) if i < count] if len(letter) == 1 else []
    both = {*by_text, *by_letter}
    if len(both) > 1:
        return f"'{excerpt(one)}' can mean several options; say its index, from 0"
    return both.pop() if both else f"'{excerpt(one)}' is neither a letter nor the text of an option"
