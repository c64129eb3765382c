"""Built-in functions on strings, and those between strings and other forms."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr.builtin import Builtin, integer, items, text
from airfreight.expr.gotext import Translation, json_text, plain_text
from airfreight.expr.limits import Meter
from airfreight.expr.values import Value

_GO_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_REPEATS = 1_000_000


def _trim(meter: Meter, value: Value, characters: Value = _GO_SPACE) -> str:
    meter.text(len(text(value)))
    return text(value).strip(text(characters))


def _pieces(meter: Meter, value: Value, separator: Value, limit: Value, keep: bool) -> list[str]:
    whole, cut, most = text(value), text(separator), integer(limit)
    if most == 0:
        return []
    meter.container(2 * (whole.count(cut) + 1))
    meter.text(len(whole))
    found = whole.split(cut, -1 if most < 0 else most - 1) if cut else list(whole)
    if not cut and 0 < most < len(found):
        found[most - 1 :] = ["".join(found[most - 1 :])]
    if keep:
        return [piece + cut for piece in found[:-1]] + found[-1:]
    return found


def _replace(meter: Meter, value: Value, old: Value, new: Value, limit: Value = -1) -> str:
    whole, before, after, most = text(value), text(old), text(new), integer(limit)
    found = whole.count(before)
    count = found if most < 0 else min(most, found)
    meter.text(len(whole) + count * max(0, len(after) - len(before)))
    return whole.replace(before, after, count)


def _repeat(meter: Meter, value: Value, count: Value) -> str:
    times = integer(count)
    if times < 0:
        raise ExpressionError(f"repeat takes a count from 0 on, not {times}")
    if times > _REPEATS:
        raise ExpressionError(f"repeat takes a count up to {_REPEATS}, not {times}")
    meter.text(len(text(value)) * times)
    return text(value) * times


def _join(meter: Meter, values: Value, separator: Value = "") -> str:
    parts, between = [text(value) for value in items(values)], text(separator)
    meter.step(len(parts))
    meter.text(sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


def _byte_index(find: Callable[[bytes, bytes], int]) -> Callable[..., int]:
    def call(_: Meter, value: Value, part: Value) -> int:
        return find(text(value).encode("utf-8", "replace"), text(part).encode("utf-8", "replace"))

    return call


def _last_index(whole: bytes, part: bytes) -> int:
    # Python's own search from the end takes quadratic time, the one from the start does not.
    found = whole[::-1].find(part[::-1])
    return found if found < 0 else len(whole) - len(part) - found


def _cased(change: Callable[[str], str]) -> Callable[..., str]:
    # Go maps one character to one: "ß" stays in upper case, "İ" becomes "i".
    def one(character: str) -> str:
        changed = change(character)
        if len(changed) == 1:
            return changed
        simple = changed[0] if change is str.lower else character.title()
        return simple if len(simple) == 1 else character

    def call(meter: Meter, value: Value) -> str:
        meter.text(len(text(value)))
        return text(value).translate(Translation(one))

    return call


def _to_json(meter: Meter, value: Value) -> str:
    return json_text(value, meter, indent=2)


def _from_json(meter: Meter, value: Value) -> Value:
    count_json(text(value), meter)
    return read_json(text(value))


def count_json(source: str, meter: Meter) -> None:
    """Count what `read_json` will make of `source`."""
    meter.text(len(source))
    meter.container(16 * source.count("{") + 8 * (source.count("[") + source.count(",")))


def read_json(source: str) -> Value:
    """Read JSON as Go does into an interface: every number is a float; NaN is none of JSON."""
    try:
        return json.loads(source, parse_int=_finite, parse_float=_finite, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ExpressionError(f"the text is not JSON: {error}") from None


def _finite(number: str) -> float:
    value = float(number)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {number[:40]} is too large")
    return value


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _to_base64(meter: Meter, value: Value) -> str:
    meter.text(len(text(value)) * 2)
    return base64.b64encode(text(value).encode("utf-8", "replace")).decode("ascii")


def _from_base64(meter: Meter, value: Value) -> str:
    meter.text(len(text(value)))
    encoded = text(value).replace("\r", "").replace("\n", "")
    try:
        if len(encoded) % 4:
            raise ValueError
        return base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise ExpressionError("the text is not base64 with padding") from None


def _string(meter: Meter, value: Value) -> str:
    return plain_text(value, meter)


def _affix(change: Callable[[str, str], Any]) -> Callable[..., Any]:
    def call(meter: Meter, value: Value, part: Value = " ") -> Any:
        meter.text(len(text(value)))
        return change(text(value), text(part))

    return call


def _has(test: Callable[[str, str], bool]) -> Callable[..., bool]:
    return lambda _, value, part: test(text(value), text(part))


TEXT_FUNCTIONS = (
    Builtin("trim", _trim, 1, 2),
    Builtin("trimPrefix", _affix(str.removeprefix), 1, 2),
    Builtin("trimSuffix", _affix(str.removesuffix), 1, 2),
    Builtin("hasPrefix", _has(str.startswith), 2, 2),
    Builtin("hasSuffix", _has(str.endswith), 2, 2),
    Builtin("upper", _cased(str.upper), 1, 1),
    Builtin("lower", _cased(str.lower), 1, 1),
    Builtin("split", lambda m, s, by, n=-1: _pieces(m, s, by, n, False), 2, 3),
    Builtin("splitAfter", lambda m, s, by, n=-1: _pieces(m, s, by, n, True), 2, 3),
    Builtin("replace", _replace, 3, 4),
    Builtin("repeat", _repeat, 2, 2),
    Builtin("join", _join, 1, 2),
    Builtin("indexOf", _byte_index(bytes.find), 2, 2),
    Builtin("lastIndexOf", _byte_index(_last_index), 2, 2),
    Builtin("string", _string, 1, 1),
    Builtin("toJSON", _to_json, 1, 1),
    Builtin("fromJSON", _from_json, 1, 1),
    Builtin("toBase64", _to_base64, 1, 1),
    Builtin("fromBase64", _from_base64, 1, 1),
)
