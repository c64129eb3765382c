"""Members, indices and slices: map keys, list elements and declared fields, nothing else."""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.limits import Meter
from airfreight.expr.values import AnyMap, Struct, Value, is_number, type_name

ABSENT: Any = object()
"""The bound of a slice that is left out."""


def fetch(target: Value, key: Value) -> Value:
    """Return ``target.key`` or ``target[key]``; a missing map key is nil, a missing field an error."""
    if isinstance(target, Struct):
        return _field(target, key)
    if isinstance(target, str):
        # Only where no literal shows that it is a string; Go takes the byte.
        target = target.encode("utf-8", "replace")
    if isinstance(target, list | bytes):
        position = _position(target, key)
        if not 0 <= position < len(target):
            raise ExpressionError(
                f"index {position} is out of range: the list has {len(target)} elements"
            )
        return target[position]
    if isinstance(target, dict):
        return _entry(target, key)
    if target is None:
        raise ExpressionError(
            f'cannot take {_shown(key)} of nil; write "?." where it may be missing'
        )
    raise ExpressionError(f"a value of type {type_name(target)} has no {_shown(key)}")


def find(target: Value, key: Value) -> Value:
    """Return what ``get(target, key)`` does: nil where `fetch` would fail for want of an element."""
    if isinstance(target, str):
        target = target.encode("utf-8", "replace")
    if isinstance(target, list | bytes):
        position = _position(target, key)
        return target[position] if 0 <= position < len(target) else None
    if isinstance(target, dict):
        return _entry(target, key)
    if isinstance(target, Struct):
        return target.members.get(key) if isinstance(key, str) else None
    return None


def slice_value(target: Value, start: Value, stop: Value, meter: Meter) -> Value:
    """Return ``target[start:stop]``; strings are cut by UTF-8 bytes, ends are clipped.

    A bound that is left out is 0 or the length; nil is none.
    """
    if not isinstance(target, list | str | bytes):
        raise ExpressionError(f"a value of type {type_name(target)} cannot be sliced")
    if isinstance(target, str):
        meter.scan(len(target))
        return slice_value(target.encode("utf-8", "replace"), start, stop, meter).decode(
            "utf-8", "replace"
        )
    length = len(target)
    first = _bound(0 if start is ABSENT else _integer(start), length)
    last = _bound(length if stop is ABSENT else _integer(stop), length)
    meter.container(max(0, last - first))
    return target[min(first, last) : last]


def _bound(position: int, length: int) -> int:
    return min(max(position + length if position < 0 else position, 0), length)


def _field(target: Struct, key: Value) -> Value:
    members = target.members
    if isinstance(key, str) and key in members:
        return members[key]
    near = get_close_matches(str(key), members, n=1, cutoff=0.5)
    near = near or [name for name in members if name.lower() == str(key).lower()]
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise ExpressionError(f"{target.type_name} has no field {_shown(key)}{hint}")


def _entry(target: dict[Value, Value], key: Value) -> Value:
    if isinstance(target, AnyMap):
        return target.entry(key)
    if key is not None and not isinstance(key, str):
        raise ExpressionError(f"a map is indexed by a string, not by {type_name(key)}")
    return target.get(key or "")


def _position(target: list[Value] | bytes, key: Value) -> int:
    position = _integer(key)
    return position + len(target) if position < 0 else position


def _integer(key: Value) -> int:
    if is_number(key) and math.isfinite(key):
        return int(key)
    raise ExpressionError(f"a list is indexed by a number, not by {type_name(key)}")


def _shown(key: Value) -> str:
    return f'"{key[:60]}"' if isinstance(key, str) else type_name(key)


def method_of(target: Value, name: str) -> Function | None:
    """Return the function that ``target.name(…)`` calls, where the value itself holds one."""
    held = find(target, name)
    return held if isinstance(held, Function) else None
