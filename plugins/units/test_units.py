"""Tests of units, for any Python and for Postern's guest alike: run it behind units.py, or beside it."""

if "convert" not in globals():
    from units import convert, units


def raises(kind, call):
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind.__name__} was not raised")


for value, from_unit, to_unit, want in [
    (1, "in", "cm", 2.54),
    (5, "km", "miles", 3.1068559611866697),
    (26, "mile", "km", 41.842944),
    (0, "°C", "°F", 32.0),
    (-40, "celsius", "fahrenheit", -40.0),
    (0, "K", "C", -273.15),
    (451, "F", "K", 505.9277777777778),
    (100, "kg", "lb", 220.46226218487757),
    (1, "h", "s", 3600.0),
    (36, "km/h", "m/s", 10.0),
    (1, "GiB", "MB", 1073.741824),
    (180, "deg", "rad", 3.141592653589793),
    (1, "gallon", "l", 3.785411784),
    (1, "nautical mile", "m", 1852.0),
    (3, "μm", "nm", 3000.0),
    (2, "Hours", "minutes", 120.0),
    (0.1, "m", "m", 0.1),
    (10**30, "mm", "km", 1e24),
]:
    got = convert(value, from_unit, to_unit)
    assert got == want and type(got) is float, (value, from_unit, to_unit, got)

# There and back again is where it began.
for kind, names in units().items():
    for name in names:
        there = convert(12.5, name, names[0])
        assert abs(convert(there, names[0], name) - 12.5) < 1e-9, (kind, name)

assert units("angle") == {"angle": ["°", "rad", "grad", "arcmin", "arcsec", "turn"]}
units()["length"].clear()
assert units("length")["length"][0] == "m", "what units gives is the caller's"

assert raises(ValueError, lambda: convert(1, "km", "kg")) == "km is a unit of length, and kg of mass"
assert raises(ValueError, lambda: convert(1, "smoot", "m")) == "unknown unit 'smoot'; units() lists them"
assert raises(ValueError, lambda: convert(float("nan"), "m", "m")) == "the value must be finite, not nan"
assert raises(ValueError, lambda: convert(10**400, "km", "m")) == "the result is too large for a float"
assert raises(TypeError, lambda: convert("1", "m", "m")) == "the value must be a number, not str"
assert raises(TypeError, lambda: convert(True, "m", "m")) == "the value must be a number, not bool"
assert raises(TypeError, lambda: convert(1, 2, "m")) == "a unit is a str, not int"
assert raises(ValueError, lambda: units("taste")).startswith("unknown kind 'taste'; there are length, mass,")
print("units: all is well")
