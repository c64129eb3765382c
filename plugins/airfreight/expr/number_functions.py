"""Built-in functions on numbers, one by one and in lists."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterator

from airfreight.errors import ExpressionError
from airfreight.expr.builtin import Builtin, number
from airfreight.expr.gofloat import parse_float
from airfreight.expr.limits import Meter
from airfreight.expr.values import Span, Value, is_integer, is_number, type_name, wrap


def _int(_: Meter, value: Value) -> int:
    if isinstance(value, str):
        if re.fullmatch(r"[+-]?[0-9]{1,19}", value) and wrap(int(value)) == int(value):
            return int(value)
        raise ExpressionError(f'"{value[:40]}" is no integer of 64 bits')
    if isinstance(value, Span):
        return value.nanoseconds
    found = number(value)
    if not math.isfinite(found):
        raise ExpressionError("infinity and NaN have no integer")
    # Beyond 64 bits Go gives the smallest integer.
    return int(found) if abs(found) < 2**63 else -(2**63)


def _abs(_: Meter, value: Value) -> Value:
    found = abs(number(value))
    return wrap(found) if isinstance(found, int) else found


def _float(_: Meter, value: Value) -> float:
    if isinstance(value, str):
        parsed = parse_float(value)
        if parsed is None:
            raise ExpressionError(f'"{value[:40]}" is no number')
        return parsed
    return float(number(value))


def _rounded(change: Callable[[float], float]) -> Callable[..., float]:
    def call(_: Meter, value: Value) -> float:
        if not is_number(value):
            raise ExpressionError(f"a number is expected, not {type_name(value)}; write int(…)")
        found = float(value)
        return float(change(found)) if math.isfinite(found) else found

    return call


def _away_from_zero(value: float) -> float:
    whole = math.trunc(value)
    return whole + math.copysign(1, value) if abs(value - whole) >= 0.5 else whole


def _flat(meter: Meter, values: tuple[Value, ...]) -> Iterator[Value]:
    for value in values:
        meter.step()
        if isinstance(value, list):
            yield from _flat(meter, tuple(value))
        else:
            number(value)
            yield value


def _extreme(choose: Callable[..., Value]) -> Callable[..., Value]:
    def call(meter: Meter, *values: Value) -> Value:
        if len(values) == 1 and not isinstance(values[0], list):
            return values[0]
        found = list(_flat(meter, values))
        if any(is_number(value) != is_number(found[0]) for value in found):
            raise ExpressionError("numbers and durations are not compared; write int(…)")
        return choose(found, default=None, key=number)

    return call


def _mean(meter: Meter, *values: Value) -> float:
    found = [float(number(value)) for value in _flat(meter, values)]
    return sum(found) / len(found) if found else 0.0


def _median(meter: Meter, *values: Value) -> float:
    found = [float(number(value)) for value in _flat(meter, values)]
    return statistics.median(found) if found else 0.0


def _bits(name: str, combine: Callable[[int, int], int]) -> Builtin:
    def call(_: Meter, left: Value, right: Value) -> int:
        return wrap(combine(_word(left), _word(right)))

    return Builtin(name, call, 2, 2)


def _word(value: Value) -> int:
    if is_integer(value):
        return int(value)
    hint = "; write int(…)" if is_number(value) else ""
    raise ExpressionError(f"bits are of an int, not of {type_name(value)}{hint}")


def _shift(apply: Callable[[int, int], int]) -> Callable[[int, int], int]:
    def combine(value: int, distance: int) -> int:
        if distance < 0:
            raise ExpressionError(f"a shift goes by 0 or more bits, not by {distance}")
        return apply(value, min(distance, 64))

    return combine


NUMBER_FUNCTIONS = (
    Builtin("int", _int, 1, 1),
    Builtin("float", _float, 1, 1),
    Builtin("abs", _abs, 1, 1),
    Builtin("ceil", _rounded(math.ceil), 1, 1),
    Builtin("floor", _rounded(math.floor), 1, 1),
    Builtin("round", _rounded(_away_from_zero), 1, 1),
    Builtin("min", _extreme(min), 1, None),
    Builtin("max", _extreme(max), 1, None),
    Builtin("mean", _mean, 1, None),
    Builtin("median", _median, 1, None),
    Builtin("bitnot", lambda _, value: ~_word(value), 1, 1),
    _bits("bitand", lambda a, b: a & b),
    _bits("bitor", lambda a, b: a | b),
    _bits("bitxor", lambda a, b: a ^ b),
    _bits("bitnand", lambda a, b: a & ~b),
    _bits("bitshl", _shift(lambda a, n: a << n)),
    _bits("bitshr", _shift(lambda a, n: a >> n)),
    _bits("bitushr", _shift(lambda a, n: (a % 2**64) >> n)),
)
