"""Plain data → model: pydantic's findings as located problems in the manifest's own field names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from airfreight.manifests.findings import Findings, suggest
from airfreight.manifests.nodes import Path

_MOST_HINTS = 200  # whoever has more fields than this has not mistyped one

ModelT = TypeVar("ModelT", bound=BaseModel)
Where = Callable[[Path], Path]

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
    "repoURL": "[host[:port]/]path, without scheme, login, tag or digest",
    "name": "a letter or '_', then letters, digits or '_'",
    "operator": "In, NotIn, Exists or DoesNotExist",
}


def read_model(
    model: type[ModelT], data: Mapping[str, Any], where: Where, found: Findings
) -> ModelT | None:
    """Return the model of `data`, pruned of what Kargo would prune; None where errors were found.

    `where` turns a path within the model into the path within the document.
    """
    pruned = _prune(model, dict(data), (), where, found)
    try:
        return model.model_validate(pruned)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        for details in errors:
            if not follows(details, errors):
                path = where(details["loc"])
                found.error(path, *expectation(path, details))
        return None


def _prune(model: type[BaseModel], data: Any, path: Path, where: Where, found: Findings) -> Any:
    """Drop unknown fields, with a warning, and nulls, which Kubernetes reads as absent."""
    if not isinstance(data, dict):
        return data
    fields = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    kept = {}
    known = fields if len(data) <= _MOST_HINTS else ()
    for key, value in data.items():
        here = (*path, key)
        if key not in fields:
            hint = suggest(key, known)
            found.warn_key(where(here), "unknown field; it is ignored, as Kargo ignores it", hint)
        elif value is not None:
            kept[key] = _prune_value(fields[key], value, here, where, found)
    return kept


def _prune_value(annotation: Any, value: Any, path: Path, where: Where, found: Findings) -> Any:
    nested = next(models_in(annotation), None)
    if nested is None:
        return value
    if isinstance(value, list):
        return [
            _prune(nested, item, (*path, index), where, found) for index, item in enumerate(value)
        ]
    return _prune(nested, value, path, where, found)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a field's annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def field_at(model: type[BaseModel], location: Sequence[str | int]) -> FieldInfo | None:
    """Return the innermost field that pydantic's `location` names, or None."""
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    for index, part in enumerate(location):
        info = fields.get(str(part))
        if info is not None:
            rest = location[index + 1 :]
            inner = (field_at(nested, rest) for nested in models_in(info.annotation))
            return next((field for field in inner if field is not None), info)
    return None


def follows(details: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Say whether a list is only too short because pydantic left out its wrong entries."""
    path = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(path) and other["loc"][: len(path)] == path for other in errors
    )


def expectation(path: Path, details: ErrorDetails) -> tuple[str, str]:
    """Return what was expected of the value at `path`, and a hint; the value is shown where few words are possible."""
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
        expected = str(context.get("expected", ""))
        hint = suggest(str(given), expected.replace("'", "").replace(" or ", ", ").split(", "))
        return f"expected {expected}, found {given!r}", hint
    if kind == "too_short":
        return f"expected at least {context.get('min_length')} entry", ""
    if kind in ("less_than_equal", "greater_than_equal"):
        limit = f"at most {context['le']}" if "le" in context else f"at least {context.get('ge')}"
        return f"expected {limit}", ""
    if kind == "value_error":
        return str(context.get("error", details["msg"])), ""
    if kind == "string_pattern_mismatch":
        expected = _PATTERNS.get(str(path[-1]), f"a text that matches {context.get('pattern')}")
        return f"expected {expected}", ""
    return details["msg"][:1].lower() + details["msg"][1:], ""


def _is_scalar(value: Any) -> bool:
    return isinstance(value, bool | int | float)


def _name(value: Any) -> str:
    return _NAMES.get(type(value), "nothing")
