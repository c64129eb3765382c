"""Go's text forms of values: floats, JSON, ``%v`` and ``%q``."""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal

from airfreight.errors import ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.gotime import format_span, format_time
from airfreight.expr.limits import Meter
from airfreight.expr.values import AnyMap, Moment, Named, Span, Struct, Value, Zone, type_name

_HTML = str.maketrans({c: f"\\u{ord(c):04x}" for c in ("<", ">", "&", "\u2028", "\u2029")})
_CONTROLS = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}


def float_text(number: float, *, smallest: float, largest: float = 1e21) -> str:
    """Return the shortest text; below `smallest` and from `largest` on with an exponent."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else ("+Inf" if number > 0 else "-Inf")
    exact = Decimal(repr(number))
    if number != 0 and not smallest <= abs(number) < largest:
        digits = "".join(map(str, exact.as_tuple().digits)).rstrip("0")
        mantissa = f"{digits[0]}.{digits[1:]}".rstrip(".")
        return f"{'-' if number < 0 else ''}{mantissa}e{exact.adjusted():+03d}"
    return f"{exact:f}".removesuffix(".0")


def json_text(value: Value, meter: Meter, indent: int | None = None) -> str:
    """Return `value` as Go's encoding/json writes it: sorted keys, ``<>&`` escaped."""
    plain = plain_json(value, meter)
    return "".join(_encoded(plain, "" if indent is None else "\n", indent or 0))


def plain_json(value: Value, meter: Meter) -> Value:
    """Return `value` as None, bool, int, float, str, list and dict; raises where JSON has no form."""
    meter.step()
    if isinstance(value, list):
        meter.container(len(value))
        return [plain_json(item, meter) for item in value]
    if isinstance(value, dict):
        meter.container(len(value))
        if isinstance(value, AnyMap):
            raise ExpressionError("a map that groupBy or fromPairs made has no JSON form")
        return {key: plain_json(item, meter) for key, item in value.items()}
    if isinstance(value, Struct):
        return (
            value.text
            if value.text is not None
            else {
                value.json_names.get(name, name): plain_json(item, meter)
                for name, item in value.fields.items()
                if not isinstance(item, Function)
            }
        )
    return _plain_scalar(value, meter)


def _plain_scalar(value: Value, meter: Meter) -> Value:
    if value is None or isinstance(value, bool | int | float | str):
        if isinstance(value, str):
            meter.text(len(value))
        return value
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if isinstance(value, Moment):
        return format_time(value, "2006-01-02T15:04:05.999999999Z07:00")
    if isinstance(value, Span):
        return value.nanoseconds
    if isinstance(value, Named):
        return value.number
    if isinstance(value, Zone):
        return {}
    raise ExpressionError(f"a value of type {type_name(value)} has no JSON form")


def _encoded(value: Value, newline: str, indent: int) -> Iterator[str]:
    inner = newline + " " * indent
    colon = ": " if indent else ":"
    if isinstance(value, dict) and value:
        for number, key in enumerate(sorted(value, key=lambda key: key.encode("utf-8", "replace"))):
            yield ("{" if number == 0 else ",") + inner + json_string(key) + colon
            yield from _encoded(value[key], inner, indent)
        yield newline + "}"
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield ("[" if number == 0 else ",") + inner
            yield from _encoded(item, inner, indent)
        yield newline + "]"
    elif isinstance(value, str):
        yield json_string(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError("JSON has no number for infinity and NaN")
        yield re.sub(r"e-0(\d)$", r"e-\1", float_text(value, smallest=1e-6))
    else:
        yield json.dumps(value)


def json_string(text: str) -> str:
    """Return the JSON string of `text`, fit for embedding in HTML."""
    sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.dumps(sound, ensure_ascii=False).translate(_HTML)


def plain_text(value: Value, meter: Meter) -> str:
    """Return what ``string(value)`` does: Go's ``%v``."""
    meter.step()
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value, smallest=1e-4, largest=1e6)
    if isinstance(value, list | bytes):
        meter.container(len(value))
        return "[" + " ".join(plain_text(item, meter) for item in value) + "]"
    if isinstance(value, dict):
        meter.container(len(value))
        keys = sorted(value, key=str)
        parts = (f"{plain_text(key, meter)}:{plain_text(value[key], meter)}" for key in keys)
        return "map[" + " ".join(parts) + "]"
    return _plain_object(value, meter)


def _plain_object(value: Value, meter: Meter) -> str:
    if isinstance(value, Moment):
        return format_time(value, "2006-01-02 15:04:05.999999999 -0700 MST")
    if isinstance(value, Span):
        return format_span(value)
    if isinstance(value, Named):
        return value.text
    if isinstance(value, Zone):
        return value.name
    if isinstance(value, Struct) and value.text is not None:
        return value.text
    if isinstance(value, Struct):
        shown = (i for i in value.fields.values() if not isinstance(i, Function))
        return "{" + " ".join(plain_text(item, meter) for item in shown) + "}"
    text = str(value) if isinstance(value, str | int) else type_name(value)
    meter.text(len(text))
    return text


def quoted(text: str) -> str:
    """Return Go's ``%q``: a literal with everything unprintable escaped."""
    return '"' + "".join(map(_quoted_character, text)) + '"'


def _quoted_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character in _CONTROLS:
        return "\\" + _CONTROLS[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
