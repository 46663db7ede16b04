"""A class hierarchy: abstract bases, properties, operators, descriptors, slots, metaclass hooks."""
from abc import ABC, abstractmethod
from functools import total_ordering
from math import pi, hypot


class Positive:
    """A descriptor that only takes positive numbers."""

    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner):
        return self if instance is None else getattr(instance, self.name)

    def __set__(self, instance, value):
        if value <= 0:
            raise ValueError(f"{self.name[1:]} must be positive, not {value}")
        setattr(instance, self.name, value)


@total_ordering
class Shape(ABC):
    registry = {}

    def __init_subclass__(cls, /, tag, **kwargs):
        super().__init_subclass__(**kwargs)
        Shape.registry[tag] = cls

    @property
    @abstractmethod
    def area(self): ...

    def __eq__(self, other):
        return isinstance(other, Shape) and self.area == other.area

    def __lt__(self, other):
        return self.area < other.area

    def __hash__(self):
        return hash(self.area)

    def __repr__(self):
        values = ", ".join(f"{k.lstrip('_')}={v}" for k, v in sorted(vars(self).items()))
        return f"{type(self).__name__}({values})"


class Circle(Shape, tag="c"):
    radius = Positive()

    def __init__(self, radius):
        self.radius = radius

    @property
    def area(self):
        return round(pi * self.radius**2, 6)


class Rectangle(Shape, tag="r"):
    width = Positive()
    height = Positive()

    def __init__(self, width, height):
        self.width, self.height = width, height

    @property
    def area(self):
        return self.width * self.height


class Square(Rectangle, tag="s"):
    def __init__(self, side):
        super().__init__(side, side)


class Vector:
    __slots__ = ("x", "y")
    __match_args__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, factor):
        return NotImplemented if isinstance(factor, Vector) else Vector(self.x * factor, self.y * factor)

    __rmul__ = __mul__

    def __matmul__(self, other):
        return self.x * other.x + self.y * other.y

    def __abs__(self):
        return hypot(self.x, self.y)

    def __iter__(self):
        yield self.x
        yield self.y

    def __getitem__(self, index):
        return (self.x, self.y)[index]

    def __bool__(self):
        return bool(self.x or self.y)

    def __format__(self, spec):
        return f"<{self.x:{spec}}, {self.y:{spec}}>"


shapes = [Circle(1), Rectangle(2, 3), Square(1.5), Shape.registry["c"](0.5)]
for shape in sorted(shapes):
    print(f"{shape!r:<34} {shape.area:>10.4f}")
print(max(shapes), Square(2) == Rectangle(1, 4), len({Square(2), Rectangle(1, 4)}), Square.__mro__[1:3])
for attempt in (lambda: Circle(-1), lambda: Shape(), lambda: Vector(1, 2) * Vector(3, 4), lambda: setattr(Vector(0, 0), "z", 1)):
    try:
        attempt()
    except (ValueError, TypeError, AttributeError) as error:
        print(type(error).__name__, "-", error)
v = 3 * Vector(1, 0) + Vector(0, 4) * 1
print(abs(v), v @ Vector(1, 1), [*v], v[-1], bool(Vector(0, 0)), f"{v:.1f}")
match v:
    case Vector(x, y) if x < y:
        print("steep", x, y)
print([c.__name__ for c in Shape.registry.values()], isinstance(True, int), type("Made", (Square,), {}, tag="m")(3).area)
