"""`numeric`: a number with tolerance, units, percent, currency and the separators of several locales."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from harness.api import Grade, Grader, GraderCase, Json, Verdict, Work
from harness.toolkit.answers import bad_reference, last_declaration, no_answer, no_reference, not_found
from harness.toolkit.normalise import excerpt
from harness.toolkit.numbers import Number, Separators, base_value, comparable, read_numbers, read_reference
from harness.toolkit.units import Unit, unit_of

_APPROXIMATELY = re.compile(
    r"^(?:[\s*_`$(\[≈~=:]|\\text\{|\\?approx|about|approximately|roughly|around|exactly|about|ca\.?|circa)*$",
    re.IGNORECASE,
)
_NEXT_NUMBER = re.compile(r"^\W*(?:or|to|and|-|–|bis|oder|ou|o|или|或)\W*$", re.IGNORECASE)


class Numeric(Grader):
    """The answer's number equals the reference's, within a tolerance, in the same kind of unit.

    Passes when `|answer - reference| <= max(tolerance, relative * |reference|)`, computed exactly. A list as reference
    means any of them. A number that can be read in two ways, or two different numbers where one is asked, is a failed
    grade labelled `ambiguous`: nothing is guessed. Known units are converted (`1.4 km` is `1400 m`); another
    dimension or another currency is wrong; a unit that only one side names is taken to be meant.
    """

    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Largest absolute difference, in the unit of the reference (or of `unit`)."""
    relative: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Largest difference as a share of the reference: 0.02 is 2 %."""
    unit: str = ""
    """The unit of numbers that name none, e.g. `km`; see docs/reference/graders-normalisation.md for the table."""
    percent: Literal["value", "optional"] = "value"
    """`value`: 50 % is 0.5 and never 50. `optional`: a percent sign that only one side writes is overlooked."""
    separators: Separators = "english"
    """How `1,234.5` is written: english, continental (`1.234,5`) or auto (either; `1,234` alone is ambiguous)."""
    pick: Literal["declared", "only", "first", "last"] = "declared"
    """Which number is the answer: the declared one (`Answer: 5`, `#### 5`, a box) or else the only one; or by place."""

    example: ClassVar[Mapping[str, Json]] = {"tolerance": 0.01, "unit": "km"}
    cases = (
        GraderCase("The answer is 1,400 m.", True, "1.4 km"),
        GraderCase("#### 18", True, 18),
        GraderCase("about 3.14159", True, 3.14, {"tolerance": 0.01}),
        GraderCase("140", False, 14),
        GraderCase("either 14 or 15", False, 14),
        GraderCase("five", False, 5),
        GraderCase("5", None, "no number"),
    )

    def check(self, workspace: Path) -> Sequence[str]:
        """A unit that is not in the table."""
        return (f"unknown unit '{self.unit}'",) if self.unit and not self._unit else ()

    def check_reference(self, reference: Json) -> str:
        """Every reference must hold exactly one number."""
        if reference is None:
            return "numeric needs a reference with one number"
        each = reference if isinstance(reference, list) else [reference]
        if not each:
            return "the list of references is empty"
        bad = [r for r in each if self._reference(r) is None]
        return f"'{excerpt(str(bad[0]))}' is not one number with separators '{self.separators}'" if bad else ""

    async def grade(self, work: Work) -> Verdict:
        """Read one number, compare it with each reference."""
        return no_answer(work.output) or self.grade_text(work.output.answer or "", work.task.reference)

    def grade_text(self, text: str, reference: Json) -> Verdict:
        """The verdict on a text; used by `match` in mode numeric too."""
        if reference is None:
            return no_reference()
        wanted = [self._reference(r) for r in (reference if isinstance(reference, list) else [reference])]
        if fault := (None in wanted or not wanted) and self.check_reference(reference):
            return bad_reference(fault)
        number = self._answer(text)
        if isinstance(number, Grade):
            return number
        faults = [self._fault(number, w) for w in wanted if w is not None]
        passed = "" in faults
        shown = excerpt(number.text)
        why = f"{shown} matches" if passed else f"{shown}: {faults[0]}"
        return Grade(float(passed), passed, "right" if passed else "wrong", why, shown)

    def _reference(self, reference: Json) -> Number | None:
        if isinstance(reference, bool) or not isinstance(reference, (int, float, str)):
            return None
        if isinstance(reference, str):
            return read_reference(reference, self.separators)
        return read_reference(repr(reference), "english")

    def _answer(self, text: str) -> Number | Grade:
        """The answer's number, or the failed grade that says why there is none."""
        declared = last_declaration(text) if self.pick == "declared" else None
        reading = read_numbers(text if declared is None else declared, self.separators)
        numbers = reading.numbers
        if self.pick in ("first", "last") and numbers:
            return numbers[0 if self.pick == "first" else -1]
        if reading.unclear:
            return not_found(
                f"'{excerpt(reading.unclear[0])}' can be read in more than one way or not at all", "ambiguous"
            )
        if not numbers:
            return not_found("there is no number")
        if declared is not None and _leads(declared, numbers):
            return numbers[0]
        different = {(base_value(n), n.unit.dimension if n.unit else "", n.percent) for n in numbers}
        if len(different) > 1:
            said = ", ".join(excerpt(n.text, 30) for n in numbers[:5])
            return not_found(f"several numbers and none is declared as the answer: {said}", "ambiguous")
        return numbers[0]

    def _fault(self, number: Number, wanted: Number) -> str:
        """Why the number is not the wanted one, or nothing."""
        if clash := comparable(number, wanted):
            return f"the {clash} is not that of {excerpt(wanted.text)}"
        unit = self._unit
        if unit and ((number.unit or unit).dimension != (wanted.unit or unit).dimension):
            return f"the unit is not that of {excerpt(wanted.text)}"
        scale = wanted.unit or unit or number.unit
        got, want = base_value(number, scale), base_value(wanted, scale)
        if number.percent != wanted.percent and self.percent == "value":
            got, want = (got / 100 if number.percent else got), (want / 100 if wanted.percent else want)
        room = max(_exact(self.tolerance) * (scale.factor if scale else 1), abs(want) * _exact(self.relative))
        return "" if abs(got - want) <= room else f"is not {excerpt(wanted.text)}"

    @property
    def _unit(self) -> Unit | None:
        return unit_of(self.unit) if self.unit else None


def _exact(value: float) -> Fraction:
    """The decimal that was written, not its binary neighbour: 0.1 is 1/10."""
    return Fraction(repr(value)) if value else Fraction(0)


def _leads(declared: str, numbers: tuple[Number, ...]) -> bool:
    """Whether the declaration opens with its number, and does not go on to another one (`5 or 6`, `5 to 10`)."""
    first = numbers[0]
    if not _APPROXIMATELY.match(declared[: first.start]):
        return False
    second = numbers[1] if len(numbers) > 1 else None
    return second is None or not _NEXT_NUMBER.match(declared[first.end : second.start] or "-")
