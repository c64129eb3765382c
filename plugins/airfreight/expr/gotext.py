"""Go's text forms of values: floats, JSON, ``%v`` and ``%q``."""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from airfreight.errors import ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.gotime import format_span, format_time
from airfreight.expr.limits import Meter
from airfreight.expr.values import AnyMap, Moment, Named, Span, Struct, Value, Zone, type_name

_HTML = str.maketrans({c: f"\\u{ord(c):04x}" for c in ("<", ">", "&", "\u2028", "\u2029")})
_PART = 65_536
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
    newline = "" if indent is None else "\n"
    try:
        return "".join(_encoded(plain_json(value, meter), newline, indent or 0, meter))
    except RecursionError:
        raise ExpressionError("a value nests too deeply for JSON") from None


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


def _encoded(value: Value, newline: str, indent: int, meter: Meter) -> Iterator[str]:
    meter.step()
    if newline:
        meter.text(len(newline))
    inner = newline + " " * indent
    colon = ": " if indent else ":"
    if isinstance(value, dict) and value:
        for number, key in enumerate(sorted(value, key=lambda key: key.encode("utf-8", "replace"))):
            yield ("{" if number == 0 else ",") + inner
            yield from json_string(key, meter)
            yield colon
            yield from _encoded(value[key], inner, indent, meter)
        yield newline + "}"
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield ("[" if number == 0 else ",") + inner
            yield from _encoded(item, inner, indent, meter)
        yield newline + "]"
    elif isinstance(value, str):
        yield from json_string(value, meter)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError("JSON has no number for infinity and NaN")
        yield re.sub(r"e-0(\d)$", r"e-\1", float_text(value, smallest=1e-6))
    else:
        yield json.dumps(value)


def json_string(text: str, meter: Meter) -> Iterator[str]:
    """Yield the parts of the JSON string of `text`, fit for embedding in HTML."""
    yield '"'
    for part in _parts(text):
        sound = part.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        shown = json.dumps(sound, ensure_ascii=False).translate(_HTML)[1:-1]
        meter.text(len(shown))
        yield shown
    yield '"'


def _parts(text: str) -> Iterator[str]:
    """Cut `text`, so that what is made of each part is counted before the next one is made."""
    return (text[start : start + _PART] for start in range(0, len(text), _PART))


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
        return _joined("[", (plain_text(item, meter) for item in value), "]", meter)
    if isinstance(value, dict):
        meter.container(len(value))
        keys = sorted(value, key=str)
        parts = (f"{plain_text(key, meter)}:{plain_text(value[key], meter)}" for key in keys)
        return _joined("map[", parts, "]", meter)
    return _plain_object(value, meter)


def _joined(opener: str, parts: Iterable[str], closer: str, meter: Meter) -> str:
    text = opener + " ".join(parts) + closer
    # Every level copies what is within.
    meter.scan(len(text))
    return text


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
        return _joined("{", (plain_text(item, meter) for item in shown), "}", meter)
    text = str(value) if isinstance(value, str | int) else type_name(value)
    meter.text(len(text))
    return text


def quoted(text: str, meter: Meter) -> str:
    """Return Go's ``%q``: a literal with everything unprintable escaped."""
    pieces = ['"']
    for part in _parts(text):
        pieces.append(part.translate(Translation(_quoted_character)))
        meter.text(len(pieces[-1]))
    return "".join((*pieces, '"'))


class Translation(dict[int, str]):
    """What `change` makes of each character, for `str.translate`; it asks once for each."""

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change

    def __missing__(self, code: int) -> str:
        return self.setdefault(code, self._change(chr(code)))


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
