"""Changes single values in an HCL text and nothing else: the engine of hcl-update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from airfreight.errors import TerminalStepError
from airfreight.steps.hcl_text import Value, values
from airfreight.steps.key_path import split_key
from airfreight.steps.splice import splice

# "$" and "%" begin a template only before "{"; doubled they stand for themselves there.
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def set_values(text: str, updates: Sequence[tuple[str, Any]]) -> str:
    """Return `text` with the value at each key replaced by the one beside it; of two for one place the last wins.

    Keys are read by `split_key`. Raises TerminalStepError where the text is no HCL, a key is not found, is at several
    places or holds an object or a tuple, or a value is no string, number or bool.
    """
    found = values(text)
    edits = {_find(found, key): written(value, key) for key, value in updates}
    changed = splice(text, edits)
    expected = [_told(value, text, edits) for value in found]
    if [_told(value, changed, {}) for value in values(changed)] != expected:
        raise TerminalStepError("the change cannot be written at its place without changing more")
    return changed


def _told(value: Value, text: str, edits: dict[Value, str]) -> tuple[Any, ...]:
    """Return a value's path, and what a scalar says once the edits are made."""
    if not value.is_scalar:
        return (value.path,)
    return value.path, edits.get(value, text[value.start : value.end])


def _find(found: Sequence[Value], key: str) -> Value:
    parts = [part.text for part in split_key(key)]
    places = [value for value in found if value.is_at(parts)]
    if len(places) > 1:
        shown = " and ".join(".".join(map(str, place.path)) for place in places[:2])
        raise TerminalStepError(
            f"error finding key {key}: {len(places)} values have it; tell blocks by number: {shown}"
        )
    if places and places[0].is_scalar:
        return places[0]
    if places or any(value.is_within(parts) for value in found):
        raise TerminalStepError(
            f"error finding key {key}: it names a block, an object or a tuple instead of one value"
        )
    raise TerminalStepError(f"error finding key {key}: there is no such attribute")


def written(value: Any, key: str = "") -> str:
    """Return `value` in HCL; nothing in a string is a template."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return f"{Decimal(repr(value)):f}"
    raise TerminalStepError(
        f"error formatting value for key {key}: expected a string, a number or a boolean"
    )


def _escaped(text: str) -> str:
    plain = "".join(_ESCAPES.get(char) or _printable(char) for char in text)
    return plain.replace("${", "$${").replace("%{", "%%{")


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
