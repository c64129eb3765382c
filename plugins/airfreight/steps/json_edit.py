"""Sets single values in a JSON text and nothing else: the engine of json-update.

Keys that are missing are made, as in Kargo: before the bracket that closes their object, without a new line. Kargo also
drops space within arrays and around the document on the way; here all of it stays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from airfreight.errors import TerminalStepError
from airfreight.steps.json_path import (
    JsonPart,
    is_search,
    pattern,
    read_query,
    split_path,
    split_search,
)
from airfreight.steps.json_text import (
    BOM,
    Child,
    Children,
    Span,
    children,
    parse_json,
    root_span,
    written,
    written_string,
)

# Kargo fills the elements before a new one with null; a mistyped index must not fill the disk.
_MAX_FILL = 10_000


def set_values(text: str, updates: Sequence[tuple[str, Any]]) -> str:
    """Return `text` with each value set in its turn; a file without any text becomes an object or array.

    Raises TerminalStepError where the text is no JSON, a key is twice in its object, finds nothing or names no element
    of an array, or a value is no string, number or bool.
    """
    replacements = [(key, written(key, value)) for key, value in updates]
    if text.strip(" \t\r\n" + BOM):
        parse_json(text)
    for key, value in replacements:
        text = _set(text, key, value)
    if replacements:
        parse_json(text)
    return text


def _set(text: str, key: str, value: str) -> str:
    try:
        if is_search(key):
            return _set_found(text, split_search(key), value)
        return _set_one(text, split_path(key), value)
    except TerminalStepError as error:
        raise TerminalStepError(f'error setting key "{key}" in JSON file: {error}') from error


def _set_one(text: str, parts: list[JsonPart], value: str) -> str:
    if not text.strip(" \t\r\n" + BOM):
        mark = BOM if text.startswith(BOM) else ""
        return mark + _built(parts, value) + text.removeprefix(BOM)
    span = root_span(text)
    for number, part in enumerate(parts):
        left = parts[number:]
        if text[span.start] not in "[{":
            return _replaced(text, span, _built(left, value))
        inside = children(text, span.start)
        child = _child(text, span, inside, part)
        if child is None:
            added = _added(inside, left, value, is_array=text[span.start] == "[")
            return _replaced(text, Span(inside.close, inside.close), added)
        span = child.span
    return _replaced(text, span, value)


def _replaced(text: str, span: Span, value: str) -> str:
    return text[: span.start] + value + text[span.end :]


def _child(text: str, span: Span, inside: Children, part: JsonPart) -> Child | None:
    if text[span.start] == "[":
        index = JsonPart(part.text).index
        return inside.items[index] if index is not None and index < len(inside.items) else None
    found = [child for child in inside.items if child.name == part.text]
    if len(found) > 1:
        raise TerminalStepError(f"{part.text!r} is {len(found)} times in one object; keep one")
    return found[0] if found else None


def _added(inside: Children, parts: list[JsonPart], value: str, *, is_array: bool) -> str:
    """Return what stands before the closing bracket then: the new value, with nulls up to its index."""
    comma = "," if inside.items else ""
    if not is_array:
        return comma + _member(parts, value)
    first = parts[0]
    if first.index is None and not first.appends:
        raise TerminalStepError(f"cannot set array element for non-numeric key '{first.text}'")
    missing = 0 if first.index is None else first.index - len(inside.items)
    return comma + _filled(missing, _inner(parts, value))


def _filled(missing: int, value: str) -> str:
    if missing > _MAX_FILL:
        raise TerminalStepError(
            f"{missing} elements are missing before this index, more than {_MAX_FILL}"
        )
    return "null," * missing + value


def _built(parts: list[JsonPart], value: str) -> str:
    """Return the object or array that takes the place of a scalar."""
    if parts[0].index is None:
        return "{" + _member(parts, value) + "}"
    return "[" + _filled(parts[0].index, _inner(parts, value)) + "]"


def _member(parts: list[JsonPart], value: str) -> str:
    return f"{written_string(parts[0].text)}:{_inner(parts, value)}"


def _inner(parts: list[JsonPart], value: str) -> str:
    """Return `value` within the objects and arrays of all parts but the first."""
    for part in reversed(parts[1:]):
        value = _wrapped(part, value)
    return value


def _wrapped(part: JsonPart, value: str) -> str:
    if part.appends or part.index is not None:
        return "[" + _filled(part.index or 0, value) + "]"
    return "{" + f"{written_string(part.text)}:{value}" + "}"


def _set_found(text: str, parts: list[str], value: str) -> str:
    if not text.strip(" \t\r\n" + BOM):
        raise TerminalStepError("it finds nothing")
    spans = _found(text, root_span(text), parts)
    if not spans:
        raise TerminalStepError("it finds nothing; a key with a wildcard or query makes no value")
    for span in sorted(spans, reverse=True):
        text = _replaced(text, span, value)
    return text


def _found(text: str, span: Span, parts: list[str]) -> list[Span]:
    if not parts:
        return [span]
    if text[span.start] not in "[{":
        return []
    items, (part, *left) = children(text, span.start).items, parts
    if text[span.start] == "{":
        named = pattern(part)
        items = [child for child in items if named.fullmatch(child.name)][:1]
    elif part == "#":
        items = items if left else []
    elif query := read_query(part):
        met = [c for c in items if query.holds(json.loads(text[c.span.start : c.span.end]))]
        items = met if query.every else met[:1]
    else:
        index = JsonPart(part).index
        items = items[index : index + 1] if index is not None else []
    return [found for child in items for found in _found(text, child.span, left)]
