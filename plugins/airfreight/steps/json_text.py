"""A JSON text as places: where the members of its objects and the elements of its arrays begin and end."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from airfreight.errors import TerminalStepError

BOM = "\ufeff"

_SPACE = re.compile(r"[ \t\r\n]*")
# No possessive groups: before Python 3.11.4 they end too soon.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_SCALAR = re.compile(r"[^\s,\[\]{}\"]+")
_BRACKET = re.compile(r'[^\[\]{}"]*(?:"[^"\\]*(?:\\.[^"\\]*)*"[^\[\]{}"]*)*([\[\]{}])')
_MUST_ESCAPE = re.compile(r"[^ !#-\[\]-\x7f]")
_GO_ESCAPE = re.compile("[<>&\u2028\u2029]")


class Span(NamedTuple):
    """Where a value begins, and where what follows it begins."""

    start: int
    end: int


class Child(NamedTuple):
    """A member of an object or an element of an array; `name` is empty for an element."""

    name: str
    span: Span


class Children(NamedTuple):
    """What is directly in an object or an array; `close` is the place of its last bracket."""

    items: list[Child]
    close: int


def parse_json(text: str) -> Any:
    """Return what `text` says; a byte order mark is passed over.

    Raises TerminalStepError, with the place, for what is no JSON: NaN, comments and a second value are none.
    """
    try:
        return json.loads(text.removeprefix(BOM), parse_constant=_no_json)
    except json.JSONDecodeError as error:
        raise TerminalStepError(
            f"not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except ValueError as error:
        raise TerminalStepError(f"not valid JSON: {error}") from error
    except RecursionError as error:
        raise TerminalStepError("the JSON is nested too deeply") from error


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def root_span(text: str) -> Span:
    """Return the place of the only value of `text`; all functions here take text that `parse_json` has passed."""
    return _value(text, _after_space(text, 1 if text.startswith(BOM) else 0))


def children(text: str, start: int) -> Children:
    """Return what is in the object or array that begins at `start`."""
    items: list[Child] = []
    place = _after_space(text, start + 1)
    while text[place] not in "]}":
        name = ""
        if text[start] == "{":
            key = _value(text, place)
            name = json.loads(text[key.start : key.end])
            place = _after_space(text, _after_space(text, key.end) + 1)
        span = _value(text, place)
        items.append(Child(name, span))
        place = _after_space(text, span.end)
        if text[place] == ",":
            place = _after_space(text, place + 1)
    return Children(items, place)


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _value(text: str, start: int) -> Span:
    if text[start] in "[{":
        return Span(start, _closed(text, start))
    found = (_STRING if text[start] == '"' else _SCALAR).match(text, start)
    return Span(start, found.end() if found else start)


def _closed(text: str, start: int) -> int:
    """Return the end of the object or array that begins at `start`; no recursion, whatever the depth."""
    depth, place = 0, start
    while found := _BRACKET.match(text, place):
        depth += 1 if found[1] in "[{" else -1
        place = found.end()
        if not depth:
            break
    return place


def written(key: str, value: Any) -> str:
    """Return `value` as Kargo writes it into JSON: numbers without an exponent, strings as Go's encoder has them.

    Raises TerminalStepError for what is no string, finite number or bool.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return written_string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and Decimal(value).is_finite():
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    raise TerminalStepError(f'value for key "{key}" is not a scalar type')


def written_string(text: str) -> str:
    """Return `text` as a JSON string; one that needs an escape is escaped as in HTML, too, as Go does."""
    if not _MUST_ESCAPE.search(text):
        return f'"{text}"'
    return _GO_ESCAPE.sub(
        lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False)
    )
