"""Which operands an operator takes and what it gives, as far as that is known before a run."""

from __future__ import annotations

from collections.abc import Mapping

from airfreight.errors import ExpressionError
from airfreight.expr.shapes import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    MAPPING,
    STRING,
    TIME,
    UNKNOWN,
    Shape,
    array,
    comparable,
    joined,
)

_Table = Mapping[tuple[str, str], Shape]


def _numbers(result: Shape | None = None) -> dict[tuple[str, str], Shape]:
    names = ("int", "float")
    pairs = {(a, b): result or FLOAT for a in names for b in names}
    return pairs | {("int", "int"): result or INT}


_SUM = _numbers() | {
    ("string", "string"): STRING,
    ("time", "duration"): TIME,
    ("duration", "time"): TIME,
    ("duration", "duration"): DURATION,
}
_DIFFERENCE = _numbers() | {
    ("time", "time"): DURATION,
    ("time", "duration"): TIME,
    ("duration", "duration"): DURATION,
}
_FACTORS = ("int", "float", "duration")
_PRODUCT = _numbers() | {
    (a, b): DURATION for a in _FACTORS for b in _FACTORS if "duration" in (a, b)
}
_ORDER = _numbers(BOOL) | {(name, name): BOOL for name in ("string", "time", "duration")}
_LOGIC = {("bool", "bool"): BOOL}
_TEXTS = {("string", "string"): BOOL}
_TABLES: Mapping[str, _Table] = {
    "+": _SUM,
    "-": _DIFFERENCE,
    "*": _PRODUCT,
    "/": _numbers(FLOAT),
    "**": _numbers(FLOAT),
    "^": _numbers(FLOAT),
    "%": {("int", "int"): INT},
    "..": {("int", "int"): array(INT)},
    "matches": _TEXTS | {("bytes", "string"): BOOL},
    **dict.fromkeys(("<", "<=", ">", ">="), _ORDER),
    **dict.fromkeys(("and", "&&", "or", "||"), _LOGIC),
    **dict.fromkeys(("contains", "startsWith", "endsWith"), _TEXTS),
}
_OPEN = ("+", "-", "*")
"""Operators whose result depends on an operand that is not known."""


def binary_shape(operator: str, left: Shape, right: Shape) -> Shape:
    """Return what ``left operator right`` gives; raises `ExpressionError` where it never works."""
    if operator == "??":
        return joined(left, right)
    if operator in ("==", "!="):
        if not comparable(left, right):
            raise ExpressionError(f"{left.name} and {right.name} are never equal")
        return BOOL
    if operator == "in":
        if not _may_hold(right, left):
            raise ExpressionError(f"{_article(left)} is never in {_article(right)}")
        return BOOL
    return _from_table(operator, left, right)


def _article(shape: Shape) -> str:
    return f"{'an' if shape.name[0] in 'aeiou' else 'a'} {shape.name}"


def _from_table(operator: str, left: Shape, right: Shape) -> Shape:
    table = _TABLES[operator]
    fitting = [
        result
        for (a, b), result in table.items()
        if left.kind in (a, "unknown") and right.kind in (b, "unknown")
    ]
    if not fitting:
        raise ExpressionError(
            f'"{operator}" does not take {left.name} and {right.name}; '
            "convert one of them, as with string(…) or int(…)"
        )
    is_open = operator in _OPEN and (left.is_unknown or right.is_unknown)
    return UNKNOWN if is_open else fitting[0]


def _may_hold(collection: Shape, needle: Shape) -> bool:
    if collection.is_unknown or collection.kind == "any map":
        return True
    if collection.kind in ("array", "bytes"):
        return comparable(needle, collection.element or UNKNOWN)
    if collection.kind in ("map", "time", "zone", "struct"):
        return needle.kind in ("string", "unknown")
    return collection.kind == "string" and needle.is_unknown


def unary_shape(operator: str, operand: Shape) -> Shape:
    """Return what the operator gives before `operand`; raises `ExpressionError` likewise."""
    if operator in ("not", "!"):
        check_condition(operand)
        return BOOL
    if operand.kind not in ("int", "float", "unknown"):
        raise ExpressionError(f'"{operator}" takes a number, not {operand.name}')
    return operand


def check_condition(shape: Shape) -> None:
    """Raise `ExpressionError` where the value is never a bool."""
    if shape.kind not in ("bool", "unknown"):
        raise ExpressionError(f"a condition must be a bool, not {shape.name}")


def element_shape(target: Shape, key: Shape) -> Shape:
    """Return the shape of ``target[key]`` for all but structs and methods."""
    if target.is_unknown:
        return UNKNOWN
    if target.kind in MAPPING:
        if target.kind == "map" and key.kind not in ("string", "unknown"):
            raise ExpressionError(f"a map is indexed by a string, not by {key.name}")
        return target.element or UNKNOWN
    if target.kind in ("array", "bytes"):
        if key.kind not in ("int", "unknown"):
            raise ExpressionError(f"an array is indexed by an int, not by {key.name}")
        return target.element or UNKNOWN
    raise ExpressionError(f"{_article(target)} has no elements")


def slice_shape(target: Shape, bounds: list[Shape]) -> Shape:
    """Return the shape of ``target[start:stop]``."""
    if target.is_unknown:
        return UNKNOWN
    if target.kind not in ("array", "bytes", "string"):
        raise ExpressionError(f"{_article(target)} cannot be sliced")
    for bound in bounds:
        if bound.kind not in ("int", "unknown"):
            raise ExpressionError(f"the bound of a slice is an int, not {_article(bound)}")
    return target
