"""The ``${{ … }}`` templates of Kargo.

Scanning is plain text: the first closer ends an expression, whatever stands around it; ``${% … %}``
is there for expressions that hold ``}}``. Results are put in once and never scanned again. The final
text is then read as a number, bool or JSON where it is one, as Kargo does; `quote` prevents that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.gofloat import parse_float
from airfreight.expr.gotext import json_text, quoted
from airfreight.expr.goyaml import yaml_text
from airfreight.expr.limits import DEFAULT_LIMITS, Limits, Meter
from airfreight.expr.program import Program, compile_expression
from airfreight.expr.text_functions import count_json, read_json
from airfreight.expr.values import Value

JSON = Any
"""None, bool, int, float, str, and lists and string-keyed dicts of these."""

_NO_FUNCTIONS: Mapping[str, Function] = MappingProxyType({})
_CLOSERS = {"${{": "}}", "${%": "%}"}
_RESERVED = ("quote", "asYAML", "asJSON")
_TRUE = {"t", "T", "true", "TRUE", "True"}
_FALSE = {"f", "F", "false", "FALSE", "False"}


@dataclass(frozen=True)
class _Hole:
    offset: int
    source: str


def evaluate_template(
    text: str,
    env: Mapping[str, Any],
    functions: Mapping[str, Function] = _NO_FUNCTIONS,
    limits: Limits = DEFAULT_LIMITS,
) -> Any:
    """Return what `text` gives over `env`: a text without expressions itself, untouched.

    Otherwise str, float, bool, None, list or dict; numbers are floats, as in Go. Raises
    `ExpressionError` with the offset in `text`, and what injected functions raise.
    """
    if "${{" not in text and "${%" not in text:
        return text
    meter = Meter(limits)
    pieces = [
        piece if isinstance(piece, str) else _filled(text, piece, env, functions, meter)
        for piece in _pieces(text)
    ]
    return _typed("".join(pieces), meter)


def evaluate_config(
    value: JSON,
    env: Mapping[str, Any],
    functions: Mapping[str, Function] = _NO_FUNCTIONS,
    limits: Limits = DEFAULT_LIMITS,
) -> JSON:
    """Return `value` with every string in it evaluated as a template, keys excepted.

    The result is JSON: whole numbers come back as int, infinity and NaN are errors. Raises
    `ExpressionError` also where `env` has a variable of a reserved name. `limits` are each string's.
    """
    for name in _RESERVED:
        if name in env:
            raise ExpressionError(f'the variable name "{name}" is reserved for the function')

    def evaluated(item: JSON) -> JSON:
        if isinstance(item, dict):
            return {key: evaluated(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [evaluated(inner) for inner in item]
        if isinstance(item, str):
            return _json_numbers(evaluate_template(item, env, functions, limits), item)
        return item

    try:
        return evaluated(value)
    except RecursionError:
        raise ExpressionError("the value nests too deeply") from None


def check_template(
    text: str, functions: Mapping[str, Function] = _NO_FUNCTIONS
) -> list[ExpressionError]:
    """Return what is wrong with the expressions of `text`, without running any of them."""
    errors: list[ExpressionError] = []
    try:
        for hole in _holes(text):
            try:
                _compiled(text, hole, functions, DEFAULT_LIMITS)
            except ExpressionError as error:
                errors.append(error)
    except ExpressionError as error:
        errors.append(error)
    return errors


def holds_expression(text: str) -> bool:
    """Say whether evaluation may change `text`."""
    return _opener(text, 0) >= 0


def template_names(text: str, functions: Mapping[str, Function] = _NO_FUNCTIONS) -> set[str]:
    """Return the variables that the expressions of `text` use; broken ones use none.

    `functions` are those that `evaluate_template` will get.
    """
    names: set[str] = set()
    try:
        for hole in _holes(text):
            names |= _compiled(text, hole, functions, DEFAULT_LIMITS).names
    except ExpressionError:
        return names
    return names


def _pieces(text: str) -> Iterator[str | _Hole]:
    position = 0
    while (start := _opener(text, position)) >= 0:
        yield text[position:start]
        closer = _CLOSERS[text[start : start + 3]]
        end = text.find(closer, start + 3)
        if end < 0:
            raise ExpressionError(f'the expression is not closed by "{closer}"', text, start)
        position = end + 2
        if end == start + 3:
            # Kargo's scanner stops at an empty expression and copies what is left.
            break
        yield _Hole(start + 3, text[start + 3 : end])
    yield text[position:]


def _opener(text: str, position: int) -> int:
    found = [place for opener in _CLOSERS if (place := text.find(opener, position)) >= 0]
    return min(found, default=-1)


def _holes(text: str) -> Iterator[_Hole]:
    return (piece for piece in _pieces(text) if isinstance(piece, _Hole))


def _compiled(text: str, hole: _Hole, functions: Mapping[str, Function], limits: Limits) -> Program:
    try:
        return compile_expression(hole.source, {**TEMPLATE_FUNCTIONS, **functions}, limits)
    except ExpressionError as error:
        raise _moved(error, text, hole) from None


def _moved(error: ExpressionError, text: str, hole: _Hole) -> ExpressionError:
    return ExpressionError(error.message, text, hole.offset + (error.offset or 0))


def _filled(
    text: str,
    hole: _Hole,
    env: Mapping[str, Any],
    functions: Mapping[str, Function],
    meter: Meter,
) -> str:
    program = _compiled(text, hole, functions, meter.limits)
    try:
        value = program.run_metered(env, meter)
        if isinstance(value, str):
            meter.text(len(value))
            return value
        return json_text(value, meter)
    except ExpressionError as error:
        raise _moved(error, text, hole) from None


def _typed(text: str, meter: Meter) -> Any:
    newline = "\n" if text.endswith("\n") else ""
    body = text.removesuffix("\n")
    if len(body) > 1 and body[0] == body[-1] == '"':
        return body[1:-1] + newline
    number = parse_float(body)
    if number is not None:
        return number
    if body in _TRUE | _FALSE:
        return body in _TRUE
    if body.lstrip()[:1] in ("[", "{"):
        count_json(body, meter)
    try:
        return read_json(body)
    except ExpressionError:
        return body + newline


def _json_numbers(value: JSON, source: str) -> JSON:
    if isinstance(value, dict):
        return {key: _json_numbers(item, source) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_numbers(item, source) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError("the result is no number of JSON; write quote(…)", source)
        is_whole = value.is_integer() and abs(value) < 1e21
        # Minus zero stays a float: JSON has it as -0.
        return int(value) if is_whole and str(value) != "-0.0" else value
    return value


def _quote(meter: Meter, value: Value) -> str:
    if not isinstance(value, str):
        return _unsafe_quote(meter, value)
    return quoted(value, meter)


def _unsafe_quote(meter: Meter, value: Value) -> str:
    return f'"{json_text(value, meter)}"'


def _as_yaml(meter: Meter, value: Value) -> str:
    return f'"{yaml_text(value, meter)}"'


def _as_json(meter: Meter, value: Value) -> str:
    return f'"{json_text(value, meter, indent=2)}\n"'


TEMPLATE_FUNCTIONS: Mapping[str, Function] = {
    name: Function(name, call, 1, 1, metered=True)
    for name, call in (
        ("quote", _quote),
        ("unsafeQuote", _unsafe_quote),
        ("asYAML", _as_yaml),
        ("asJSON", _as_json),
    )
}
"""Available in every template, beside those of the language and of the caller."""
