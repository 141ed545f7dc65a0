"""Numbers read from text: exactly, or not at all."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.toolkit.numbers import Separators, base_value, read_numbers, read_reference
from harness.toolkit.units import SYMBOLS, WORDS


def values(text: str, separators: Separators = "english") -> list[Fraction]:
    reading = read_numbers(text, separators)
    assert not reading.unclear, reading.unclear
    return [n.value for n in reading.numbers]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14", 14),
        ("-3", -3),
        ("−7", -7),
        ("+5", 5),
        ("1,234.5", "2469/2"),
        ("12,34,567", 1234567),
        ("1'234", 1234),
        ("1’234", 1234),
        ("1_000", 1000),
        ("1\u202f234", 1234),
        ("1\u00a0234", 1234),
        (".5", "1/2"),
        ("3/4", "3/4"),
        ("1 1/2", "3/2"),
        ("3½", "7/2"),
        ("¾", "3/4"),
        ("6.02e23", 602 * 10**21),
        ("6.02 × 10^23", 602 * 10**21),
        ("6×10²³", 6 * 10**23),
        ("2 x 10**-3", "1/500"),
        ("$5M", 5_000_000),
        ("5 million", 5_000_000),
        ("$1,234.56.", "30864/25"),
        ("-$5", -5),
        ("$-5", -5),
        ("٣٫٥", "7/2"),
        ("１４", 14),
        ("x=5", 5),
        ("(5)", 5),
        ("14.", 14),
    ],
)
def test_one_number(text: str, expected: int | str) -> None:
    assert values(text) == [Fraction(expected)]


@pytest.mark.parametrize(
    "text",
    ["COVID-19", "3rd", "2024-01-05", "1/2/2024", "12:30", "12:30:15", "H2O", "v1.2.3", "five", "", "NaN", "inf"],
)
def test_what_is_no_number(text: str) -> None:
    assert values(text) == []


@pytest.mark.parametrize("text", ["1.234,5", "12,5", "1,2,3", "5.5.5", "1e9999999", "9" * 500, "1/0"])
def test_what_cannot_be_read_one_way_in_english(text: str) -> None:
    assert read_numbers(text).unclear


@pytest.mark.parametrize(
    ("text", "separators", "expected"),
    [
        ("1.234,5", "continental", "2469/2"),
        ("1.234", "continental", 1234),
        ("1 234,5", "continental", "2469/2"),
        ("12,5", "continental", "25/2"),
        ("1.234,5", "auto", "2469/2"),
        ("1,234.5", "auto", "2469/2"),
        ("12,5", "auto", "25/2"),
        ("0,123", "auto", "123/1000"),
        ("1.234.567", "auto", 1234567),
    ],
)
def test_separators(text: str, separators: Separators, expected: int | str) -> None:
    assert values(text, separators) == [Fraction(expected)]


@pytest.mark.parametrize("text", ["1,234", "1.234", "12.345"])
def test_auto_refuses_what_has_two_readings(text: str) -> None:
    assert read_numbers(text, "auto").unclear == (text,)


@pytest.mark.parametrize(("text", "count"), [("5-10", 2), ("5 to 10", 2), ("3 x 4", 2), ("1 2 3", 3)])
def test_several_numbers(text: str, count: int) -> None:
    assert len(values(text)) == count


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1.4 km", "1400 m"),
        ("2 weeks", "14 days"),
        ("20 °C", "68 °F"),
        ("20 degrees Celsius", "293.15 kelvin"),
        ("36 km/h", "10 m/s"),
        ("1 mile", "1609.344 metres"),
        ("1 GiB", "1073741824 bytes"),
        ("5 square metres", "5 m^2"),
        ("1 kWh", "3.6 MJ"),
        ("12 months", "1 year"),
    ],
)
def test_units_convert_exactly(a: str, b: str) -> None:
    left, right = read_reference(a, "english"), read_reference(b, "english")
    assert left and right and left.unit and right.unit
    assert left.unit.dimension == right.unit.dimension
    assert base_value(left) == base_value(right)


def test_case_tells_symbols_apart() -> None:
    assert SYMBOLS["mW"].factor != SYMBOLS["MW"].factor


def test_a_preposition_is_no_unit() -> None:
    assert read_numbers("5 in total").numbers[0].unit is None
    assert not {"in", "a", "at"} & {*SYMBOLS, *WORDS}


@given(st.integers(-(10**12), 10**12))
def test_grouped_integers_round_trip(n: int) -> None:
    assert values(f"{n:,}") == [n]
    assert values(f"{n:,}".replace(",", "."), "continental") == [n]


@given(st.decimals(-(10**9), 10**9, places=4))
def test_decimals_round_trip(d: object) -> None:
    text = f"{d:,.4f}"
    assert values(text) == [Fraction(str(d))]
    assert values(text.translate(str.maketrans(",.", ".,")), "continental") == [Fraction(str(d))]


@given(st.fractions(max_denominator=10**6))
def test_fractions_round_trip(f: Fraction) -> None:
    assert values(f"{f.numerator}/{f.denominator}") == [f]


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
def test_floats_round_trip(x: float) -> None:
    assert float(values(repr(x))[0]) == x


@given(st.text())
def test_no_text_makes_reading_raise(text: str) -> None:
    for separators in ("english", "continental", "auto"):
        read_numbers(text, separators)
