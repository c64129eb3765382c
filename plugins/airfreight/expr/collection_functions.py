"""Built-in functions on lists and maps that take no predicate."""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr.access import find
from airfreight.expr.builtin import Builtin, entries, items, number, text
from airfreight.expr.limits import Meter
from airfreight.expr.operators import equal, less
from airfreight.expr.values import AnyMap, Named, Span, Value, is_integer, type_name


def _len(_: Meter, value: Value) -> int:
    if isinstance(value, list | dict | str | bytes):
        return len(value)
    raise ExpressionError(f"len takes a string, an array or a map, not {type_name(value)}")


def _end(position: int) -> Any:
    return lambda _, value: None if isinstance(value, dict) else find(value, position)


def _take(meter: Meter, values: Value, count: Value) -> list[Value]:
    if not (is_integer(count) or isinstance(count, Span | Named)):
        raise ExpressionError(f"take needs an int, not {type_name(count)}; write int(…)")
    most = int(number(count))
    if most < 0:
        raise ExpressionError(f"take needs a count from 0 on, not {most}")
    meter.container(len(items(values)))
    return items(values)[:most]


def _listed(meter: Meter, found: Any) -> list[Value]:
    meter.container(len(found))
    return list(found)


def _to_pairs(meter: Meter, value: Value) -> list[Value]:
    meter.container(len(entries(value)) * 11)
    return [[key, item] for key, item in entries(value).items()]


def _from_pairs(meter: Meter, value: Value) -> AnyMap:
    meter.container(len(items(value)))
    result = AnyMap()
    for pair in items(value):
        if len(items(pair)) != 2:
            raise ExpressionError(f"a pair has two elements, not {len(pair)}")
        result[hashable(pair[0])] = pair[1]
    return result


def hashable(key: Value) -> Any:
    """Return `key` where Go lets it be a key of a map."""
    if key is None or isinstance(key, str | int | float):
        return key
    raise ExpressionError(f"a value of type {type_name(key)} cannot be a key of a map")


def _uniq(meter: Meter, values: Value) -> list[Value]:
    result: list[Value] = []
    for value in items(values):
        if not any(equal(value, known, meter) for known in result):
            result.append(value)
    meter.container(len(result))
    return result


def _concat(meter: Meter, *lists: Value) -> list[Value]:
    parts = [value if isinstance(value, bytes) else items(value) for value in lists]
    meter.container(sum(map(len, parts)))
    return [item for part in parts for item in part]


def _flatten(meter: Meter, values: Value) -> list[Value]:
    result: list[Value] = []
    for value in items(values):
        meter.step()
        nested = _flatten(meter, value) if isinstance(value, list) else [value]
        meter.container(len(nested))
        result.extend(nested)
    return result


def _sort(meter: Meter, values: Value, order: Value = "asc") -> list[Value]:
    # Of what is no array at run time Go makes an empty one.
    found = values if isinstance(values, list) else []
    return ordered(meter, found, found, order)


def ordered(meter: Meter, values: list[Value], keys: list[Value], order: Value) -> list[Value]:
    """Return `values` in the order of `keys`, "asc" or "desc"; equal ones keep their places."""
    if text(order) not in ("asc", "desc"):
        raise ExpressionError(f'the order is "asc" or "desc", not "{text(order)[:20]}"')
    meter.container(len(values))
    sign = 1 if order == "asc" else -1

    def by_key(left: int, right: int) -> int:
        meter.step()
        if less(keys[left], keys[right]):
            return -sign
        return sign if less(keys[right], keys[left]) else 0

    return [values[place] for place in sorted(range(len(values)), key=cmp_to_key(by_key))]


COLLECTION_FUNCTIONS = (
    Builtin("len", _len, 1, 1),
    Builtin("type", lambda _, value: type_name(value), 1, 1),
    Builtin("first", _end(0), 1, 1),
    Builtin("last", _end(-1), 1, 1),
    Builtin("get", lambda _, target, key: find(target, key), 2, 2),
    Builtin("take", _take, 2, 2),
    Builtin("keys", lambda meter, value: _listed(meter, entries(value).keys()), 1, 1),
    Builtin("values", lambda meter, value: _listed(meter, entries(value).values()), 1, 1),
    Builtin("toPairs", _to_pairs, 1, 1),
    Builtin("fromPairs", _from_pairs, 1, 1),
    Builtin("reverse", lambda meter, value: _listed(meter, items(value)[::-1]), 1, 1),
    Builtin("uniq", _uniq, 1, 1),
    Builtin("concat", _concat, 1, None),
    Builtin("flatten", _flatten, 1, 1),
    Builtin("sort", _sort, 1, 2),
)
