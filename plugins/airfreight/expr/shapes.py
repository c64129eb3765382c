"""What is known of a value before anything runs: its type, as far as expr-lang infers one.

An environment is not declared, so a variable and all that comes of it is `UNKNOWN`; literals,
operators, built-in functions and injected ones with a declared result are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shape:
    """A type; two are equal where expr-lang does not tell them apart.

    :param kind: the group of types that share their rules, such as ``array``.
    :param name: its name in messages.
    :param element: what an array or a map holds.
    :param fields: the members of a struct; None where `name` itself has methods or none.
    :param parameters: the arguments of a function, each the kinds that it takes.
    :param result: what a function returns; None where the shape is no function.
    """

    kind: str
    name: str
    element: Shape | None = field(default=None, compare=False)
    fields: Mapping[str, Shape] | None = field(default=None, compare=False, repr=False)
    parameters: tuple[frozenset[str], ...] | None = field(default=None, compare=False)
    result: Shape | None = field(default=None, compare=False, repr=False)

    @property
    def is_unknown(self) -> bool:
        """Tell whether anything may turn out."""
        return self.kind == "unknown"

    def fits(self, kinds: frozenset[str]) -> bool:
        """Tell whether the value may be of one of `kinds`; no kinds stand for any."""
        return not kinds or self.kind in kinds or self.is_unknown


def kinds(*names: str) -> frozenset[str]:
    """Return the kinds that an argument may have."""
    return frozenset(names)


UNKNOWN = Shape("unknown", "unknown")
NIL = Shape("nil", "nil")
BOOL = Shape("bool", "bool")
INT = Shape("int", "int")
FLOAT = Shape("float", "float")
STRING = Shape("string", "string")
MAP = Shape("map", "map", UNKNOWN)
TIME = Shape("time", "time.Time")
DURATION = Shape("duration", "time.Duration")
ZONE = Shape("zone", "time.Location")
MONTH = Shape("named", "time.Month")
WEEKDAY = Shape("named", "time.Weekday")
BYTES = Shape("bytes", "array", INT)
FUNCTION = Shape("function", "function", result=UNKNOWN)


def array(element: Shape) -> Shape:
    """Return the shape of an array of `element`."""
    return Shape("array", "array", element)


def any_map(element: Shape) -> Shape:
    """Return the shape of a map whose keys may be other than strings."""
    return Shape("any map", "map", element)


ARRAY = array(UNKNOWN)

ANY = kinds()
TEXT = kinds("string")
INTEGER = kinds("int")
NUMERIC = kinds("int", "float", "duration", "named")
LIST = kinds("array", "bytes")
MAPPING = kinds("map", "any map")


def joined(left: Shape, right: Shape) -> Shape:
    """Return the shape of a value that is one or the other; nil counts as any."""
    if left.kind == "nil":
        return right
    if right.kind == "nil" or left == right:
        return left
    return UNKNOWN


def comparable(left: Shape, right: Shape) -> bool:
    """Tell whether ``==`` may compare the two."""
    if "unknown" in (left.kind, right.kind) or "nil" in (left.kind, right.kind):
        return True
    numbers = {"int", "float"}
    lists = {"array", "bytes"}
    pair = {left.kind, right.kind}
    # Go's pointers and what they point to share their name.
    is_same = left.name == right.name and pair <= {"struct", "version"}
    return left == right or is_same or pair <= numbers or pair <= lists
