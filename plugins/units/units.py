"""Conversion between units of measurement, exact until the last step.

Factors are fractions, as the units' definitions give them: an inch is 254/10000 m and not about 0.0254 m. Only the result is rounded, to a float.
"""

import math
from fractions import Fraction

__all__ = ["convert", "units"]

# What one of each unit is in the first unit of its kind. Each has its symbol, and names that are taken too.
_TABLE = {
    "length": """
        m metre meter = 1
        km kilometre kilometer = 1000
        dm = 1/10
        cm centimetre centimeter = 1/100
        mm millimetre millimeter = 1/1000
        µm um micrometre micrometer micron = 1/1000000
        nm nanometre nanometer = 1/1000000000
        in inch inches = 254/10000
        ft foot feet = 3048/10000
        yd yard = 9144/10000
        mi mile = 1609344/1000
        nmi nautical_mile = 1852
        au = 149597870700
        ly light_year = 9460730472580800
    """,
    "mass": """
        kg kilogram = 1
        g gram = 1/1000
        mg milligram = 1/1000000
        µg ug microgram = 1/1000000000
        t tonne = 1000
        lb pound = 45359237/100000000
        oz ounce = 45359237/1600000000
        st stone = 635029318/100000000
    """,
    "time": """
        s second sec = 1
        ms millisecond = 1/1000
        µs us microsecond = 1/1000000
        ns nanosecond = 1/1000000000
        min minute = 60
        h hour = 3600
        d day = 86400
        wk week = 604800
        yr year = 31557600
    """,
    "temperature": """
        K kelvin = 1
        °C C celsius = 1 + 27315/100
        °F F fahrenheit = 5/9 + 45967/180
        °R R rankine = 5/9
    """,
    "area": """
        m² m2 square_metre square_meter = 1
        km² km2 = 1000000
        cm² cm2 = 1/10000
        mm² mm2 = 1/1000000
        ha hectare = 10000
        a are = 100
        in² in2 = 64516/100000000
        ft² ft2 square_foot square_feet = 9290304/100000000
        acre = 40468564224/10000000
        mi² mi2 square_mile = 2589988110336/1000000
    """,
    "volume": """
        l L litre liter = 1
        ml mL millilitre milliliter = 1/1000
        cl cL centilitre centiliter = 1/100
        m³ m3 cubic_metre cubic_meter = 1000
        cm³ cm3 = 1/1000
        gal gallon = 3785411784/1000000000
        qt quart = 946352946/1000000000
        pt pint = 473176473/1000000000
        cup = 2365882365/10000000000
        floz fluid_ounce = 295735295625/10000000000000
        tbsp tablespoon = 1478676478125/100000000000000
        tsp teaspoon = 492892159375/100000000000000
    """,
    "speed": """
        m/s = 1
        km/h kmh kph = 5/18
        mph mi/h = 44704/100000
        kn knot = 463/900
        ft/s = 3048/10000
    """,
    "energy": """
        J joule = 1
        kJ kilojoule = 1000
        MJ megajoule = 1000000
        cal calorie = 4184/1000
        kcal kilocalorie = 4184
        Wh = 3600
        kWh kilowatt_hour = 3600000
        eV electronvolt = 1602176634/10000000000000000000000000000
        BTU btu = 105505585262/100000000
    """,
    "power": """
        W watt = 1
        mW milliwatt = 1/1000
        kW kilowatt = 1000
        MW megawatt = 1000000
        hp horsepower = 74569987158227022/100000000000000
    """,
    "pressure": """
        Pa pascal = 1
        hPa = 100
        kPa = 1000
        bar = 100000
        mbar = 100
        atm atmosphere = 101325
        psi = 44482216152605/6451600000
        mmHg torr = 101325/760
    """,
    "data": """
        B byte = 1
        bit = 1/8
        kB kilobyte = 1000
        MB megabyte = 1000000
        GB gigabyte = 1000000000
        TB terabyte = 1000000000000
        KiB kibibyte = 1024
        MiB mebibyte = 1048576
        GiB gibibyte = 1073741824
        TiB tebibyte = 1099511627776
    """,
    "angle": """
        ° deg degree = 1
        rad radian = rad
        grad gon = 9/10
        arcmin = 1/60
        arcsec = 1/3600
        turn = 360
    """,
}

_RADIAN = Fraction(180) / Fraction(math.pi)


def _read(table: dict) -> tuple[dict, dict]:
    """Gives what each name means, (kind, factor, offset), and the symbols of each kind."""
    meanings, symbols = {}, {}
    for kind, lines in table.items():
        symbols[kind] = []
        for line in lines.strip().splitlines():
            names, _, amount = line.partition(" = ")
            factor, _, offset = amount.partition(" + ")
            meaning = (kind, _RADIAN if factor == "rad" else Fraction(factor), Fraction(offset or 0))
            names = names.split()
            symbols[kind].append(names[0])
            for name in names:
                meanings[name] = meaning
    return meanings, symbols


_MEANINGS, _SYMBOLS = _read(_TABLE)


def _find(name: str) -> tuple[str, Fraction, Fraction]:
    if not isinstance(name, str):
        raise TypeError(f"a unit is a str, not {type(name).__name__}")
    plain = name.strip().replace(" ", "_").replace("μ", "µ")  # two letters that look the same
    for candidate in (plain, plain.lower(), plain.lower().removesuffix("s")):
        if candidate in _MEANINGS:
            return _MEANINGS[candidate]
    raise ValueError(f"unknown unit {name[:50]!r}; units() lists them")


def convert(value: float, from_unit: str, to_unit: str) -> float:
    """Converts a value from one unit to another of the same kind: convert(5, "km", "miles")."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"the value must be a number, not {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"the value must be finite, not {value}")
    kind, factor, offset = _find(from_unit)
    other, divisor, less = _find(to_unit)
    if kind != other:
        raise ValueError(f"{from_unit} is a unit of {kind}, and {to_unit} of {other}")
    try:
        return float((Fraction(value) * factor + offset - less) / divisor)
    except OverflowError:
        raise ValueError("the result is too large for a float") from None


def units(kind: str | None = None) -> dict[str, list[str]]:
    """Lists the units that convert knows, by kind; or those of one kind."""
    if kind is None:
        return {kind: list(names) for kind, names in _SYMBOLS.items()}
    if kind not in _SYMBOLS:
        raise ValueError(f"unknown kind {str(kind)[:50]!r}; there are {', '.join(_SYMBOLS)}")
    return {kind: list(_SYMBOLS[kind])}
