"""What pydantic finds wrong with a value, in the words of every message about manifests and configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from airfreight.model.base import LABEL_OPERATOR, VARIABLE_NAME
from airfreight.model.subscription import CHART_REPOSITORY, IMAGE_REPOSITORY
from airfreight.model.suggestions import suggest

_NAMES: Mapping[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a mapping",
}
_EXPECTED: Mapping[str, str] = {
    "string_type": "a string",
    "bool_type": "a boolean",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_PATTERNS: Mapping[str, str] = {  # the value itself may hold a login: it is not shown
    IMAGE_REPOSITORY: "[host[:port]/]path, without scheme, login, tag or digest",
    CHART_REPOSITORY: "a URL that begins with https://, http:// or oci://",
    VARIABLE_NAME: "a letter or '_', then letters, digits or '_'",
    LABEL_OPERATOR: "In, NotIn, Exists or DoesNotExist",
}


def follows(details: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Say whether a list is only too short because pydantic left out its wrong entries."""
    path = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(path) and other["loc"][: len(path)] == path for other in errors
    )


def expectation(details: ErrorDetails, *, show: bool = True) -> tuple[str, str]:
    """Return what was expected of a value, and a hint.

    Where few words are possible the value is shown as well, unless it may hold a login (`show`).
    """
    given = details["input"]
    kind = details["type"]
    context = details.get("ctx", {})
    if kind == "missing":
        return "required field is missing", ""
    if kind.startswith(("datetime_", "timezone_")):
        return "expected a time with its zone, such as 2026-05-04T00:00:00Z", ""
    if kind == "extra_forbidden":
        return "there is no such field", ""
    if kind in _EXPECTED:
        hint = "put it in quotes" if kind == "string_type" and _is_scalar(given) else ""
        return f"expected {_EXPECTED[kind]}, found {_name(given)}", hint
    if kind == "literal_error":
        return _one_of(str(context.get("expected", "")), given, show=show)
    if kind == "too_short":
        least = context.get("min_length")
        return f"expected at least {least} {'entry' if least == 1 else 'entries'}", ""
    if kind in ("less_than_equal", "greater_than_equal"):
        limit = f"at most {context['le']}" if "le" in context else f"at least {context.get('ge')}"
        return f"expected {limit}", ""
    if kind == "value_error":
        return str(context.get("error", details["msg"])), ""
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        expected = _PATTERNS.get(pattern, f"a text that matches {pattern}")
        return f"expected {expected}", ""
    return details["msg"][:1].lower() + details["msg"][1:], ""


def _one_of(words: str, given: Any, *, show: bool) -> tuple[str, str]:
    if not show:
        return f"expected {words}", ""
    hint = suggest(str(given), words.replace("'", "").replace(" or ", ", ").split(", "))
    return f"expected {words}, found {given!r}", hint


def _is_scalar(value: Any) -> bool:
    return isinstance(value, bool | int | float)


def _name(value: Any) -> str:
    return _NAMES.get(type(value), "nothing")
