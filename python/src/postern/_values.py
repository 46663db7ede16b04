"""Python values as JSON and back: the tagged form of docs/abi.md, "Values". Nothing is pickled, and nothing is evaluated."""

from __future__ import annotations

import base64
import binascii
import datetime
import decimal
import math
import zoneinfo
from collections.abc import Callable
from typing import Any

_MAX_PLAIN = 2**53 - 1
_MAX_DIGITS = 100_000
_CHUNK = 4000  # digits that int() and str() convert whatever sys.set_int_max_str_digits says


class Repr(str):
    """Stands for an object that cannot leave the sandbox: its ``repr()``. ``type`` is the name of its class."""

    type: str

    def __new__(cls, text: str, type: str = "") -> Repr:
        self = super().__new__(cls, text)
        self.type = type
        return self


def encode(value: Any, other: Callable[[Any], Any] | None = None) -> Any:
    """What ``json.dumps`` takes for a value. ``other`` is asked about what has no form of its own; without it, that is a TypeError."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        for base, candidate in _BASES:
            if isinstance(value, base):
                encoder = candidate
                break
        else:
            if other is not None:
                return other(value)
            raise TypeError(f"a {type(value).__name__} cannot cross into the sandbox")
    return encoder(value, other)


def _int(value: int, other: Any) -> Any:
    value = int(value)
    return value if -_MAX_PLAIN <= value <= _MAX_PLAIN else {"$int": _digits(value)}


def _digits(value: int) -> str:
    sign, value = ("-" if value < 0 else ""), abs(value)
    chunks: list[str] = []
    while value >= 10**_CHUNK and len(chunks) <= _MAX_DIGITS // _CHUNK:
        value, chunk = divmod(value, 10**_CHUNK)
        chunks.append(f"{chunk:0{_CHUNK}d}")
    if len(chunks) * _CHUNK + (len(str(value)) if value < 10**_CHUNK else _CHUNK + 1) > _MAX_DIGITS:
        raise ValueError(f"an integer of more than {_MAX_DIGITS} digits cannot cross into the sandbox")
    return sign + "".join([str(value), *reversed(chunks)])


def _number(digits: str) -> int:
    sign, digits = (-1, digits[1:]) if digits.startswith("-") else (1, digits)
    value = 0
    for start in range(0, len(digits), _CHUNK):
        chunk = digits[start : start + _CHUNK]
        value = value * 10 ** len(chunk) + int(chunk)
    return sign * value


def _float(value: float, other: Any = None) -> Any:
    value = float(value)
    return value if math.isfinite(value) else {"$float": repr(value)}


def _dict(value: dict[Any, Any], other: Any) -> Any:
    for n, key in enumerate(value):
        if type(key) is not str or n == 0 and key.startswith("$"):
            return {"$dict": [[encode(k, other), encode(v, other)] for k, v in value.items()]}
    return {key: encode(member, other) for key, member in value.items()}


def _datetime(value: datetime.datetime, other: Any) -> Any:
    encoded: dict[str, Any] = {"$datetime": value.isoformat()}
    if isinstance(value.tzinfo, zoneinfo.ZoneInfo) and value.tzinfo.key:
        encoded["zone"] = value.tzinfo.key
    if value.fold:
        encoded["fold"] = 1
    return encoded


def _base64(tag: str) -> Callable[[Any, Any], Any]:
    return lambda value, other: {tag: base64.b64encode(value).decode()}


def _members(tag: str) -> Callable[[Any, Any], Any]:
    return lambda value, other: {tag: [encode(member, other) for member in value]}


_BASES: list[tuple[type, Callable[[Any, Any], Any]]] = [
    (type(None), lambda value, other: None),
    (bool, lambda value, other: bool(value)),
    (int, _int),
    (float, _float),
    (str, lambda value, other: str.__str__(value)),
    (list, lambda value, other: [encode(member, other) for member in value]),
    (dict, _dict),
    (tuple, _members("$tuple")),
    (set, _members("$set")),
    (frozenset, _members("$frozenset")),
    (bytes, _base64("$bytes")),
    (bytearray, _base64("$bytearray")),
    (complex, lambda value, other: {"$complex": [_float(value.real), _float(value.imag)]}),
    (datetime.datetime, _datetime),
    (datetime.date, lambda value, other: {"$date": value.isoformat()}),
    (datetime.time, lambda value, other: {"$time": value.replace(tzinfo=None).isoformat()}),
    (datetime.timedelta, lambda value, other: {"$timedelta": [value.days, value.seconds, value.microseconds]}),
    (decimal.Decimal, lambda value, other: {"$decimal": str(value)}),
]
_ENCODERS = dict(_BASES)


def decode(value: Any) -> Any:
    """The value that ``json.loads`` has read the tagged form of. A ValueError says that it is not one."""
    if type(value) is list:
        return [decode(member) for member in value]
    if type(value) is not dict:
        return value
    tag = next(iter(value), "")
    if not tag.startswith("$"):
        return {key: decode(member) for key, member in value.items()}
    try:
        return _DECODERS[tag](value[tag], value)
    except (ValueError, TypeError, KeyError, ArithmeticError, binascii.Error) as error:
        raise ValueError(f"malformed value with the tag {tag[:20]!r}") from error


def _decode_datetime(text: str, whole: dict[str, Any]) -> datetime.datetime:
    value = datetime.datetime.fromisoformat(text)
    if "zone" in whole:
        try:
            value = value.replace(tzinfo=zoneinfo.ZoneInfo(whole["zone"]))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            pass  # this machine does not know the zone: the offset remains
    return value.replace(fold=1) if whole.get("fold") == 1 else value


def _decode_float(value: Any) -> float:
    return float(value["$float"] if isinstance(value, dict) else value)


_DECODERS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "$int": lambda text, whole: _number(text),
    "$float": lambda text, whole: float(text),
    "$dict": lambda pairs, whole: {decode(k): decode(v) for k, v in pairs},
    "$tuple": lambda members, whole: tuple(map(decode, members)),
    "$set": lambda members, whole: set(map(decode, members)),
    "$frozenset": lambda members, whole: frozenset(map(decode, members)),
    "$bytes": lambda text, whole: base64.b64decode(text, validate=True),
    "$bytearray": lambda text, whole: bytearray(base64.b64decode(text, validate=True)),
    "$complex": lambda parts, whole: complex(*map(_decode_float, parts)),
    "$datetime": _decode_datetime,
    "$date": lambda text, whole: datetime.date.fromisoformat(text),
    "$time": lambda text, whole: datetime.time.fromisoformat(text),
    "$timedelta": lambda parts, whole: datetime.timedelta(*parts),
    "$decimal": lambda text, whole: decimal.Decimal(text),
    "$repr": lambda text, whole: Repr(text, whole.get("type", "")),
}
