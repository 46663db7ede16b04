"""Dataclasses, enums, named tuples and typing: an inventory with validation and copies."""
from __future__ import annotations

import copy
from collections import namedtuple
from dataclasses import KW_ONLY, FrozenInstanceError, InitVar, asdict, astuple, dataclass, field, fields, replace
from enum import Enum, Flag, IntEnum, auto
from typing import ClassVar, Generic, NamedTuple, TypeVar, get_type_hints


class Unit(Enum):
    PIECE = "pc"
    KILO = "kg"

    @classmethod
    def _missing_(cls, value):
        return next((m for m in cls if m.name.lower() == str(value).lower()), None)


class Access(Flag):
    READ = auto()
    WRITE = auto()
    ALL = READ | WRITE


class Level(IntEnum):
    LOW = 1
    HIGH = 5


@dataclass(order=True)
class Item:
    name: str
    price: float
    _: KW_ONLY
    unit: Unit = Unit.PIECE
    tags: list[str] = field(default_factory=list, compare=False)
    scale: InitVar[float] = 1.0
    label: str = field(init=False, repr=False)
    count: ClassVar[int] = 0

    def __post_init__(self, scale):
        if self.price < 0:
            raise ValueError("negative price")
        self.price *= scale
        self.label = f"{self.name}@{self.price:.2f}/{self.unit.value}"
        Item.count += 1


@dataclass(frozen=True, slots=True)
class Point:
    x: int = 0
    y: int = 0


class Row(NamedTuple):
    key: str
    value: int = 0

    def doubled(self):
        return self._replace(value=self.value * 2)


T = TypeVar("T")


class Box(Generic[T]):
    def __init__(self, content: T):
        self.content = content


apple = Item("apple", 0.5, tags=["fruit"])
flour = Item("flour", 1.2, unit=Unit("kilo"), scale=2)
print(apple, flour.label, apple < flour, Item.count)
other = replace(apple, name="pear", scale=1.0)
other.tags.append("green")
print(apple.tags is other.tags, copy.deepcopy(apple).tags is apple.tags, apple == Item("apple", 0.5))
print(asdict(flour), astuple(Point(3)), [f.name for f in fields(Item)])
for attempt in (lambda: Item("bad", -1), lambda: setattr(Point(), "x", 1), lambda: Item(), lambda: Unit("stone"), lambda: Item("a", 1, Unit.KILO)):
    try:
        attempt()
    except (ValueError, FrozenInstanceError, TypeError) as error:
        print(type(error).__name__, error)
print({Point(1, 2): "here"}[Point(1, 2)], Row("a", 4).doubled(), Row._fields, Row("b") + (9,))
print(Access.READ | Access.WRITE, Access.ALL & ~Access.READ, Access.WRITE in Access.ALL, Level.HIGH + 1, f"{Level.LOW}", list(Unit))
print(get_type_hints(Point), Box[int].__origin__.__name__, Item.__annotations__["tags"])
Pair = namedtuple("Pair", "left right", defaults=[None])
print(Pair(1), Pair(right=2, left=1)._asdict(), Pair.__doc__)
