"""`math`: the answer means the same mathematics as the reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import ClassVar

from pydantic import Field

from harness.api import Grade, Grader, GraderCase, Json, NotGraded, Verdict, Work
from harness.toolkit.answers import bad_reference, declarations, last_line, no_answer, no_reference, not_found
from harness.toolkit.killable import Pool, WorkerDied, WorkerTimeout
from harness.toolkit.mathtext import plain_form, plain_number, to_latex, without_name
from harness.toolkit.normalise import excerpt

MAX_ANSWER = 2000
_MATH_SPAN = re.compile(
    r"\$\$(.{1,2000}?)\$\$|(?<!\\)\$([^$\n]{1,2000}?)(?<!\\)\$|\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]", re.S
)
_PROSE = re.compile(r"[^\W\d_]{4,}")


class Math(Grader):
    """Symbolic equality by math-verify: numbers, fractions, roots, expressions, equations, sets, intervals, tuples,
    matrices, percentages; in LaTeX or as typed (`sqrt(2)/2`, `x**2 + 1`, `(-inf, 3]`).

    The answer is the last declaration (a box, `Answer: ...`, `#### ...`), else the only formula, else the whole answer
    or its last line when that is a formula and no prose. Works in killable processes. When the answer cannot be worked
    out in `timeout_s` it is a failed grade labelled `timeout`; when the reference alone cannot, nothing is graded.
    """

    timeout_s: float = Field(default=10.0, gt=0, le=300)
    """Seconds for parsing and comparing, without starting the process."""
    decimals: int = Field(default=6, ge=0, le=15)
    """Decimal numbers are compared when rounded to this many places; exact forms are compared exactly."""

    example: ClassVar[Mapping[str, Json]] = {"timeout_s": 5}
    cases = (
        GraderCase(r"so \boxed{\frac{2}{4}}", True, "1/2", {"timeout_s": 2}),
        GraderCase("The answer is 2x + 1.", True, "1 + 2*x"),
        GraderCase(r"$\{2, 1\}$", True, r"\{1, 2\}"),
        GraderCase("[1, 2)", False, "(1, 2)"),
        GraderCase(r"\boxed{140}", False, "14"),
        GraderCase("I am not sure.", False, "14"),
        GraderCase("3", None, "???"),
    )

    def check_reference(self, reference: Json) -> str:
        """A text or number, or a list of them. Whether it parses is seen when grading: sympy is not loaded here."""
        if reference is None:
            return "math needs a reference"
        each = reference if isinstance(reference, list) else [reference]
        bad = [r for r in each if isinstance(r, bool) or not isinstance(r, (str, int, float)) or not to_latex(str(r))]
        if not each:
            return "the list of references is empty"
        return f"'{excerpt(str(bad[0]))}' is not a formula" if bad else ""

    async def grade(self, work: Work) -> Verdict:
        """Cheap comparisons here, symbolic ones in a process."""
        if missing := no_answer(work.output):
            return missing
        reference = work.task.reference
        if reference is None:
            return no_reference()
        if fault := self.check_reference(reference):
            return bad_reference(fault)
        said = find_formula(work.output.answer or "")
        if isinstance(said, Grade):
            return said
        last: Verdict = bad_reference("the list of references is empty")
        for one in reference if isinstance(reference, list) else [reference]:
            last = await self._compare(said, str(one))
            if isinstance(last, NotGraded) or last.passed:
                return last
        return last

    async def _compare(self, said: str, reference: str) -> Verdict:
        gold, answer = to_latex(reference), to_latex(said)
        if (quick := _quick(gold, answer)) is not None:
            return _grade(quick, said, reference)
        job = {"gold": gold, "answer": answer, "rounding": self.decimals}
        try:
            reply = await _pool().call(job, self.timeout_s)
        except (WorkerTimeout, WorkerDied):
            return await self._blame(gold, said)
        match reply["state"]:
            case "bad_gold":
                return bad_reference(f"the reference '{excerpt(reference)}' cannot be read as mathematics")
            case "bad_answer":
                why = f"'{excerpt(said)}' cannot be read as mathematics"
                return Grade(0.0, False, "unreadable", why, excerpt(said))
            case "too_big":
                return await self._blame(gold, said)
            case state:
                return _grade(state == "same", said, reference)

    async def _blame(self, gold: str, said: str) -> Verdict:
        """Who made it hang: the reference (not graded), or the answer (failed)."""
        try:
            reply = await _pool().call({"gold": gold, "answer": None, "rounding": self.decimals}, self.timeout_s)
        except (WorkerTimeout, WorkerDied):
            return NotGraded("timeout", f"the reference cannot be worked out in {self.timeout_s:g} s")
        if reply["state"] != "ok":
            return bad_reference("the reference cannot be read as mathematics")
        why = f"the answer cannot be worked out in {self.timeout_s:g} s"
        return Grade(0.0, False, "timeout", why, excerpt(said))


def find_formula(text: str) -> str | Grade:
    """The formula a text gives as its answer, or the failed grade that says why there is none."""
    found = declarations(text)
    if found:
        return _cut(found[-1])
    spans = [next(g for g in m.groups() if g) for m in _MATH_SPAN.finditer(text[-20_000:])]
    different = {plain_form(to_latex(s)) for s in spans}
    whole = text.strip()
    if len(different) == 1:
        return _cut(spans[-1])
    line = last_line(text)
    for short in (whole, line):
        if len(short) <= MAX_ANSWER and "\n" not in short and not _PROSE.search(_no_commands(short)):
            return short
    why = "several formulas and none is declared as the answer" if different else "there is no formula"
    return not_found(why, "ambiguous" if different else "no_answer")


def _cut(said: str) -> str | Grade:
    """A declaration without the sentence around its formula."""
    spans = [next(g for g in m.groups() if g) for m in _MATH_SPAN.finditer(said)]
    if len(spans) == 1:
        return spans[0]
    if len(said) > MAX_ANSWER:
        return not_found(f"the declared answer is longer than {MAX_ANSWER} characters", "too_long")
    head = re.split(r"(?<=[\w)}\]])\s*[.;](?:\s|$)|,?\s+(?:because|since|as|where|which|so|for)\b", said, maxsplit=1)[0]
    return head.strip() or not_found("nothing is declared")


def _no_commands(text: str) -> str:
    return re.sub(
        r"\\(?:text|mathrm|mbox|textbf)\s*\{[^{}]*\}|\\[a-zA-Z]+|sqrt|cbrt|theta|alpha|beta|lambda|infinity", " ", text
    )


def _quick(gold: str, answer: str) -> bool | None:
    """The verdict where spelling decides: the same text, or two plain numbers. None where mathematics must."""
    if plain_form(gold) == plain_form(answer):
        return True if plain_form(gold).strip("?") else None
    left, right = plain_number(without_name(gold)), plain_number(without_name(answer))
    if left is None or right is None or (("." in gold or "." in answer) and left != right):
        return None
    return left == right


def _grade(same: bool, said: str, reference: str) -> Grade:
    why = f"{'equals' if same else 'does not equal'} {excerpt(reference)}"
    return Grade(float(same), same, "right" if same else "wrong", why, excerpt(said))


@cache
def _pool() -> Pool:
    """The processes, shared by every grader of the program. Nothing starts before the first formula."""
    return Pool("harness.toolkit.math_worker", size=2)
