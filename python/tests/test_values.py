from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import zoneinfo
from collections import OrderedDict, namedtuple

import pytest
from conftest import POLICY

from postern import Postern, Repr
from postern._values import decode, encode

UTC = datetime.timezone.utc
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
VALUES = [
    None, True, False, 0, -1, 2**53 - 1, 2**53, -(2**53), 10**4999 + 7, -(10**9000),
    0.0, -0.0, 1.0, 1e16, 1e-300, math.inf, -math.inf, 0.1,
    "", "a\n\"\\", "é 漢 🎈", "\ud800 lone", "$tag", "\u2028",
    [], [1, [2, [3]]], {}, {"a": 1}, {"$a": 1}, {"b": {"$c": 1}}, {1: 2, (1, 2): [3]}, {"x": 1, 2: 3},
    (), (1, (2,)), set(), {1, "a"}, frozenset({(1, 2)}),
    b"", b"\x00\xff", bytearray(b"ab"), 1 + 2j, complex(-0.0, math.inf),
    datetime.datetime(2025, 1, 31, 12, 0, 0, 1), datetime.datetime(2025, 1, 31, tzinfo=UTC),
    datetime.datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN), datetime.datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN, fold=1),
    datetime.date(2025, 1, 31), datetime.time(12, 30, 1), datetime.timedelta(days=-1, microseconds=5),
    decimal.Decimal("1.10"), decimal.Decimal("-0"), decimal.Decimal("1E+30"), decimal.Decimal("Infinity"),
]  # fmt: skip


def same(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))  # type: ignore[arg-type]
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))  # type: ignore[attr-defined,call-overload]
    if isinstance(a, (float, complex, datetime.datetime)):
        return repr(a) == repr(b)
    return a == b


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__} {str(type(value))[:0]}")
def test_round_trip(value: object) -> None:
    assert same(decode(json.loads(json.dumps(encode(value), allow_nan=False))), value)


def test_through_the_sandbox() -> None:
    with Postern(policy_text=POLICY) as postern, postern.session() as session:
        session.set(values=VALUES)
        returned = session.exec("values").unwrap()
        for before, after in zip(VALUES, returned, strict=True):
            assert same(after, before), before
        # The sandbox has them as what they are, not as something that looks like them.
        names = session.exec("[type(v).__name__ for v in values]").unwrap()
        assert names == [type(value).__name__ for value in VALUES]
        assert session.exec("float('nan')").unwrap() != session.exec("float('nan')").unwrap()


def test_bases_of_subclasses() -> None:
    class Colour(enum.IntEnum):
        RED = 1

    class Text(str):
        pass

    point = namedtuple("point", "x y")
    assert encode([Colour.RED, Text("t"), OrderedDict(a=1), point(1, 2)]) == [1, "t", {"a": 1}, {"$tuple": [1, 2]}]


def test_what_cannot_cross() -> None:
    with pytest.raises(TypeError, match="a object cannot cross"):
        encode([object()])
    with pytest.raises(ValueError, match="digits"):
        encode(10**100_000)
    assert len(encode(10**100_000 - 1)["$int"]) == 100_000
    with Postern(policy_text=POLICY) as postern, postern.session() as session:
        with pytest.raises(TypeError, match="variable 'x': a object"):
            session.set(x=object())
        value = session.exec("class A:\n  def __repr__(self): return '<an A>'\nA()").unwrap()
        assert value == "<an A>" and isinstance(value, Repr) and value.type == "A"


@pytest.mark.parametrize("text", ['{"$nope":1}', '{"$set":[[1]]}', '{"$bytes":"!"}', '{"$date":"x"}', '{"$int":"1.5"}', '{"$complex":[1]}', '{"$decimal":"x"}'])
def test_decoding_refuses(text: str) -> None:
    if text == '{"$complex":[1]}':
        assert decode(json.loads(text)) == 1 + 0j
        return
    with pytest.raises(ValueError, match="malformed value"):
        decode(json.loads(text))
