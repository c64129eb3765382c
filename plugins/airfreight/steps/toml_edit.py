"""Changes single values in a TOML text and nothing else: the engine of toml-update."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from airfreight.errors import TerminalStepError
from airfreight.steps.key_path import split_key
from airfreight.steps.splice import splice
from airfreight.steps.toml_text import Path, Value, parse_toml, values

_INT64 = range(-(2**63), 2**63)
_ESCAPES = {
    "\\": "\\\\",
    '"': '\\"',
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


def set_values(text: str, updates: Sequence[tuple[str, Any]]) -> str:
    """Return `text` with the scalar at each key replaced by the value beside it; of two for one place the last wins.

    Keys are read by `split_key`. Raises TerminalStepError where the text is no TOML, a key is not found, is at several
    places or holds no scalar, or a value is no string, number or bool.
    """
    parse_toml(text)
    found = list(values(text))
    by_path: dict[Path, list[Value]] = {}
    for value in found:
        by_path.setdefault(value.path, []).append(value)
    edits = dict(_edit(text, by_path, key, value) for key, value in updates)
    changed = splice(text, edits)
    parse_toml(changed)
    expected = [edits.get(value, text[value.start : value.end]) for value in _scalars(found)]
    got = [changed[value.start : value.end] for value in _scalars(list(values(changed)))]
    if got != expected:
        raise TerminalStepError("the change cannot be written at its place without changing more")
    return changed


def _scalars(found: list[Value]) -> list[Value]:
    return [value for value in found if value.is_scalar]


def _edit(text: str, by_path: dict[Path, list[Value]], key: str, value: Any) -> tuple[Value, str]:
    path = tuple(part.text for part in split_key(key))
    places = by_path.get(path, [])
    if len(places) > 1:
        raise TerminalStepError(
            f"error finding key {key}: {len(places)} tables of an array have it; "
            "only a value of the array's own tables can be told by its index"
        )
    if places and places[0].is_scalar:
        place = places[0]
        return place, written(key, value, text[place.start : place.end])
    if places or any(known[: len(path)] == path for known in by_path):
        raise TerminalStepError(
            f"error finding key {key}: key path addresses a table or an array instead of a scalar node"
        )
    raise TerminalStepError(f"error finding key {key}: key path not found")


def written(key: str, value: Any, old: str = "") -> str:
    """Return `value` in TOML; a whole number becomes a float only where it replaces one that can hold it, `old`.

    Kargo, whose numbers are all floats, makes floats of integers, which few readers take for a port.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        stays = value in _INT64 and not (_is_float(old) and float(value) == value)
        return str(value) if stays else f"{value}.0"
    if isinstance(value, float) and math.isfinite(value):
        text = f"{Decimal(repr(value)):f}"
        return text if "." in text else f"{text}.0"
    raise TerminalStepError(
        f"error formatting value for key {key}: value is not a TOML scalar type"
    )


def _is_float(raw: str) -> bool:
    return bool(raw) and isinstance(tomllib.loads(f"value = {raw}")["value"], float)


def _string(text: str) -> str:
    """Return a literal string where TOML allows, as Kargo's encoder does."""
    if all(char >= " " and char not in "'\x7f" for char in text):
        return f"'{text}'"
    return '"' + "".join(_ESCAPES.get(char) or _escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    return char if char >= " " and char != "\x7f" else f"\\u{ord(char):04X}"
