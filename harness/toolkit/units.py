"""Units that numbers are compared in: a fixed table with exact factors.

Sources: the SI brochure (9th edition), the international yard and pound (1959), IEC 80000-13 for binary prefixes.
A table and not a library: the factors are exact fractions, nothing is parsed at run time, and `5 in total` is no inch.
Left out because they read as words or as another unit: `in`, `a`, `at`, `pt`, bare `C`, `F` and `K`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction as F


@dataclass(frozen=True, slots=True)
class Unit:
    """One spelling's meaning: value in the base unit = (number + shift) * factor."""

    dimension: str
    factor: F
    shift: F = F(0)


_TABLE: dict[str, tuple[str, ...]] = {
    "length": (
        "1:m,metre,meter", "1000:km,kilometre,kilometer", "1/100:cm,centimetre,centimeter",
        "1/1000:mm,millimetre,millimeter", "1/1000000:µm,μm,um,micrometre,micrometer,micron",
        "1/1000000000:nm,nanometre,nanometer", "127/5000:inch,inches", "381/1250:ft,foot,feet",
        "1143/1250:yd,yard", "201168/125:mi,mile", "1852:nmi,nautical mile",
    ),
    "mass": (
        "1:kg,kilogram,kilogramme", "1/1000:g,gram,gramme", "1/1000000:mg,milligram", "1/1000000000:µg,μg,microgram",
        "1000:t,tonne,metric ton", "45359237/100000000:lb,lbs,pound", "45359237/1600000000:oz,ounce",
    ),
    "time": (
        "1:s,sec,secs,second", "1/1000:ms,millisecond", "1/1000000:µs,μs,us,microsecond", "1/1000000000:ns,nanosecond",
        "60:min,mins,minute", "3600:h,hr,hrs,hour", "86400:d,day", "604800:week,wk,wks",
    ),
    "months": ("1:month", "12:year,yr,yrs", "120:decade", "1200:century,centuries"),
    "volume": (
        "1:m3,m^3,cubic metre,cubic meter", "1/1000:l,L,litre,liter", "1/1000000:ml,mL,millilitre,milliliter,cm3,cm^3",
        "473176473/125000000000:gal,gallon",
    ),
    "area": (
        "1:m2,m^2,square metre,square meter", "1000000:km2,km^2,square kilometre,square kilometer", "10000:ha,hectare",
        "1/10000:cm2,cm^2",
    ),
    "speed": ("1:m/s", "5/18:km/h,kph,kmh", "1397/3125:mph"),
    "energy": (
        "1:J,joule", "1000:kJ,kilojoule", "1000000:MJ,megajoule", "3600:Wh", "3600000:kWh", "3600000000:MWh",
        "523/125:cal", "4184:kcal", "801088317/5000000000000000000000000000:eV",
    ),
    "power": ("1:W,watt", "1000:kW,kilowatt", "1000000:MW,megawatt", "1/1000:mW"),
    "force": ("1:N,newton", "1000:kN"),
    "pressure": ("1:Pa,pascal", "1000:kPa", "1000000:MPa", "100:hPa,mbar", "100000:bar", "101325:atm"),
    "frequency": ("1:Hz,hertz", "1000:kHz", "1000000:MHz", "1000000000:GHz"),
    "voltage": ("1:V,volt", "1000:kV", "1/1000:mV"),
    "current": ("1:A,amp,ampere", "1/1000:mA"),
    "data": (
        "1:byte,B", "1/8:bit", "1000:kB,KB", "1000000:MB", "1000000000:GB", "1000000000000:TB", "1024:KiB",
        "1048576:MiB", "1073741824:GiB", "1099511627776:TiB",
    ),
    "amount": ("1:mol,mole", "1/1000:mmol"),
}  # fmt: skip


def _build() -> tuple[dict[str, Unit], dict[str, Unit]]:
    symbols: dict[str, Unit] = {}
    words: dict[str, Unit] = {}
    for dimension, rows in _TABLE.items():
        for row in rows:
            factor, _, names = row.partition(":")
            unit = Unit(dimension, F(factor))
            for name in names.split(","):
                symbols[name] = unit
                if len(name) > 3 and name.replace(" ", "").islower() and name.replace(" ", "").isalpha():
                    words[name] = words[name + "s"] = unit
    celsius, kelvin = Unit("temperature", F(1), F(5463, 20)), Unit("temperature", F(1))
    fahrenheit = Unit("temperature", F(5, 9), F(45967, 100))
    symbols |= {"°C": celsius, "℃": celsius, "°F": fahrenheit, "℉": fahrenheit}
    words |= {"celsius": celsius, "degrees celsius": celsius, "kelvin": kelvin, "fahrenheit": fahrenheit}
    words |= {"degrees fahrenheit": fahrenheit, "day": symbols["day"], "days": symbols["day"]}
    return symbols, words


SYMBOLS, WORDS = _build()
"""Symbols are told apart by case (`mW`, `MW`); words are not (`Metres`)."""


def unit_of(name: str) -> Unit | None:
    """What a spelling means, or None when it is not in the table."""
    return SYMBOLS.get(name) or WORDS.get(name.lower())


def in_base(value: F, unit: Unit) -> F:
    """The value in the base unit of its dimension."""
    return (value + unit.shift) * unit.factor
