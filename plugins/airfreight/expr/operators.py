"""The operators on values: Go's arithmetic, comparison and membership."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from airfreight.errors import ExpressionError
from airfreight.expr.limits import Meter
from airfreight.expr.regular import compile_pattern
from airfreight.expr.values import (
    AnyMap,
    Moment,
    Span,
    Struct,
    Value,
    is_integer,
    is_number,
    type_name,
    wrap,
)
from airfreight.model.patterns import sound

Operator: TypeAlias = Callable[[Value, Value, Meter], Value]


def mismatch(sign: str, left: Value, right: Value) -> ExpressionError:
    """Return the error of an operator that its operands do not have."""
    return ExpressionError(
        f'"{sign}" does not take {type_name(left)} and {type_name(right)}; '
        "convert one of them, as with string(…) or int(…)"
    )


def equal(left: Value, right: Value, meter: Meter) -> bool:
    """Compare as ``==`` does: numbers by value, lists element by element, otherwise same types."""
    meter.step()
    if is_number(left) and is_number(right):
        return bool(_alike(left, right) == _alike(right, left))
    if isinstance(left, bytes | list) and isinstance(right, bytes | list):
        return len(left) == len(right) and all(
            equal(a, b, meter) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, dict) and isinstance(right, dict):
        return _identical(left, right, meter)
    return _same(left, right)


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, Moment) and isinstance(right, Moment):
        return left.nanoseconds == right.nanoseconds
    return type(left) is type(right) and bool(left == right)


def _identical(left: Value, right: Value, meter: Meter) -> bool:
    """Compare as Go's reflection does, which is how maps are compared: 1 and 1.0 are two values."""
    meter.step()
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            _identical(left[key], right[key], meter) for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            _identical(a, b, meter) for a, b in zip(left, right, strict=True)
        )
    return _same(left, right)


def _alike(number: int | float, other: int | float) -> int | float:
    """Return `number` as a float beside a float: Go compares no int with one exactly."""
    return float(number) if isinstance(other, float) else number


def less(left: Value, right: Value) -> bool:
    """Tell whether `left` sorts before `right`."""
    return bool(compare("<", left, right))


def compare(sign: str, left: Value, right: Value) -> bool:
    """Apply ``<``, ``<=``, ``>`` or ``>=``; strings compare by their UTF-8 bytes."""
    a, b = _ordered(left), _ordered(right)
    same = is_number(left) and is_number(right)
    if a is None or b is None or not (same or type(left) is type(right)):
        raise mismatch(sign, left, right)
    if same:
        a, b = _alike(a, b), _alike(b, a)
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign])


def _ordered(value: Value) -> Any:
    if is_number(value) or isinstance(value, str):
        return value
    return value.nanoseconds if isinstance(value, Moment | Span) else None


def contains_element(needle: Value, collection: Value, meter: Meter) -> bool:
    """Apply ``in``: an element of a list, a key of a map, a field of a struct."""
    if collection is None:
        return False
    if isinstance(collection, list | bytes):
        return any(equal(item, needle, meter) for item in collection)
    if isinstance(collection, Struct) and isinstance(needle, str):
        return needle in collection.members
    if isinstance(collection, AnyMap) and not isinstance(needle, list | dict):
        return needle in collection
    if isinstance(collection, dict) and (needle is None or isinstance(needle, str)):
        return needle in collection
    raise mismatch("in", needle, collection)


def add(left: Value, right: Value, meter: Meter) -> Value:
    """Apply ``+``: numbers, strings, times and durations."""
    if isinstance(left, str) and isinstance(right, str):
        meter.text(len(left) + len(right))
        return left + right
    if isinstance(left, Span) and isinstance(right, Span):
        return Span(wrap(left.nanoseconds + right.nanoseconds))
    if isinstance(left, Span) and isinstance(right, Moment):
        left, right = right, left
    if isinstance(left, Moment) and isinstance(right, Span):
        return Moment(left.nanoseconds + right.nanoseconds, left.zone)
    return _arithmetic("+", left, right)


def _subtract(left: Value, right: Value) -> Value:
    if isinstance(left, Moment) and isinstance(right, Moment):
        return Span(wrap(left.nanoseconds - right.nanoseconds))
    if isinstance(left, Moment) and isinstance(right, Span):
        return Moment(left.nanoseconds - right.nanoseconds, left.zone)
    if isinstance(left, Span) and isinstance(right, Span):
        return Span(wrap(left.nanoseconds - right.nanoseconds))
    return _arithmetic("-", left, right)


def _multiply(left: Value, right: Value) -> Value:
    if isinstance(right, Span):
        left, right = right, left
    if isinstance(left, Span):
        factor = right.nanoseconds if isinstance(right, Span) else right
        if is_integer(factor):
            return Span(wrap(left.nanoseconds * factor))
        left, right = left.nanoseconds, factor
    return _arithmetic("*", left, right)


_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


def _arithmetic(sign: str, left: Value, right: Value) -> Value:
    if not (is_number(left) and is_number(right)):
        raise mismatch(sign, left, right)
    result = _PLAIN[sign](left, right)
    return wrap(result) if isinstance(result, int) else result


def _divide(left: Value, right: Value) -> float:
    if not (is_number(left) and is_number(right)):
        raise mismatch("/", left, right)
    a, b = float(left), float(right)
    if b == 0:
        if a == 0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def _remainder(left: Value, right: Value) -> int:
    if not (is_integer(left) and is_integer(right)):
        raise mismatch("%", left, right)
    if right == 0:
        raise ExpressionError("division by zero")
    result: int = abs(left) % abs(right)
    return -result if left < 0 else result


def _power(left: Value, right: Value) -> float:
    if not (is_number(left) and is_number(right)):
        raise mismatch("**", left, right)
    try:
        return math.pow(left, right)
    except OverflowError:
        raise ExpressionError("the power is too large for a float of 64 bits") from None
    except ValueError:
        return math.inf if left == 0 else math.nan


def _range(left: Value, right: Value, meter: Meter) -> list[int]:
    if not (is_number(left) and is_number(right)) or not math.isfinite(left + right):
        raise mismatch("..", left, right)
    first, last = int(left), int(right)
    meter.container(max(0, last - first + 1))
    return list(range(first, last + 1))


def _matches(left: Value, right: Value, meter: Meter) -> bool:
    if left is None or right is None:
        return False
    if not isinstance(right, str) or not isinstance(left, str | bytes):
        raise mismatch("matches", left, right)
    text = left.decode("utf-8", "replace") if isinstance(left, bytes) else left
    pattern = compile_pattern(right)
    meter.search(len(text), pattern.programsize)
    return pattern.search(sound(text)) is not None


def _textual(name: str, test: Callable[[str, str], bool]) -> Callable[[Value, Value], bool]:
    def apply(left: Value, right: Value) -> bool:
        if left is None or right is None:
            return False
        if isinstance(left, str) and isinstance(right, str):
            return test(left, right)
        raise mismatch(name, left, right)

    return apply


_holds_part = _textual("contains", operator.contains)


def _contains(left: Value, right: Value, meter: Meter) -> bool:
    if isinstance(left, str):
        meter.scan(len(left))
    return _holds_part(left, right)


def _plain(apply: Callable[[Value, Value], Value]) -> Operator:
    return lambda left, right, _: apply(left, right)


def _fast(plain: Callable[[Any, Any], Any], apply: Operator) -> Operator:
    """Return `apply` with the short way for two floats, and for a float and an int."""

    def call(left: Value, right: Value, meter: Meter) -> Value:
        kinds = type(left), type(right)
        if kinds in _FLOATS:
            return plain(left, right)
        return apply(left, right, meter)

    return call


def _fast_comparison(plain: Callable[[Any, Any], Any], apply: Operator) -> Operator:
    """Return `apply` with the short way for two values of one plain type."""

    def call(left: Value, right: Value, meter: Meter) -> Value:
        if type(left) is type(right) and type(left) in _COMPARED:
            return plain(left, right)
        return apply(left, right, meter)

    return call


def _ordering(sign: str) -> Operator:
    return lambda left, right, _: compare(sign, left, right)


_FLOATS = {(float, float), (float, int), (int, float)}
_COMPARED = {str, int, float}
BINARY: Mapping[str, Operator] = {
    "+": _fast(operator.add, add),
    "-": _fast(operator.sub, _plain(_subtract)),
    "*": _fast(operator.mul, _plain(_multiply)),
    "/": _plain(_divide),
    "%": _plain(_remainder),
    "**": _plain(_power),
    "^": _plain(_power),
    "..": _range,
    "in": contains_element,
    "==": _fast_comparison(operator.eq, equal),
    "!=": _fast_comparison(operator.ne, lambda a, b, meter: not equal(a, b, meter)),
    "<": _fast_comparison(operator.lt, _ordering("<")),
    "<=": _fast_comparison(operator.le, _ordering("<=")),
    ">": _fast_comparison(operator.gt, _ordering(">")),
    ">=": _fast_comparison(operator.ge, _ordering(">=")),
    "matches": _matches,
    "contains": _contains,
    "startsWith": _plain(_textual("startsWith", str.startswith)),
    "endsWith": _plain(_textual("endsWith", str.endswith)),
}
"""Operators that evaluate both operands; they raise `ExpressionError` on wrong types."""


def apply_unary(sign: str, value: Value) -> Value:
    """Apply ``not``, ``!``, ``-`` or ``+``."""
    if sign in ("not", "!"):
        return not truth(value)
    if sign == "+":
        # A literal that is no number has been refused; of anything else Go just takes the value.
        return value
    if not is_number(value):
        raise ExpressionError(f'"{sign}" takes a number, not {type_name(value)}')
    return wrap(-value) if isinstance(value, int) else -value


def truth(value: Value) -> bool:
    """Return a condition's value; nothing but a bool is one."""
    if isinstance(value, bool):
        return value
    raise ExpressionError(f"a condition must be a bool, not {type_name(value)}")
