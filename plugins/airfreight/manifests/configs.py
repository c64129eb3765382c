"""A step's `config` against its kind's model, as far as no value of the run decides (`kargo.md` §2.1).

A string with `${{ }}` may become anything, so nothing is said of it, nor of a rule over fields of which one holds such
a string: the promotion checks those after evaluation.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from airfreight.errors import ExpressionError
from airfreight.expr.limits import DEFAULT_LIMITS
from airfreight.expr.program import compile_expression
from airfreight.expr.templates import holds_expression
from airfreight.manifests.findings import Findings
from airfreight.manifests.nodes import Path
from airfreight.manifests.shapes import models_in
from airfreight.model.expectations import expectation, follows
from airfreight.model.suggestions import suggest
from airfreight.steps.base import BareExpression, PromotionStep, read_config
from airfreight.steps.functions import declared

_BARE: Final = declared("bare")
_MISSING = "missing"
_UNKNOWN = "extra_forbidden"


def check_config(
    config: dict[str, Any], path: Path, found: Findings, kind: PromotionStep[Any]
) -> None:
    """Note what is wrong with `config` whatever its expressions yield; `path` is its place."""
    for place, text in _bare_expressions(kind.config_type, config, path):
        try:
            compile_expression(text, _BARE, DEFAULT_LIMITS)
        except ExpressionError as error:
            found.error(place, error.message, offset=error.offset)
    try:
        read_config(kind, config)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        for details in errors:
            if not follows(details, errors) and not _may_change(details):
                _explain(details, config, path, found, kind)
    except Exception as error:
        message = f"the check of its config raised {type(error).__name__}"
        found.error(path, message, "this is a fault of the step kind")


def _bare_expressions(
    model: type[BaseModel], config: Any, path: Path
) -> Iterator[tuple[Path, str]]:
    """Yield the place and the text of all that stands where an expression is expected, unless a template makes it."""
    if not isinstance(config, dict):
        return
    for name, info in model.model_fields.items():
        key = info.alias or name
        value, place = config.get(key), (*path, key)
        if any(isinstance(mark, BareExpression) for mark in info.metadata):
            if isinstance(value, str) and value and not holds_expression(value):
                yield place, value
            continue
        for nested in models_in(info.annotation):
            for index, item in enumerate(value if isinstance(value, list) else ()):
                yield from _bare_expressions(nested, item, (*place, index))


def _may_change(details: ErrorDetails) -> bool:
    """Say whether evaluation may mend this: keys hold no expressions, so a field is there or not."""
    if details["type"] in (_MISSING, _UNKNOWN):
        return False
    return any(holds_expression(text) for text in _texts(details["input"]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _explain(
    details: ErrorDetails, config: Any, path: Path, found: Findings, kind: PromotionStep[Any]
) -> None:
    here = (*path, *_place(details["loc"], config))
    if details["type"] == _UNKNOWN:
        name = str(details["loc"][-1])
        hint = suggest(name, _siblings(kind.config_type, details["loc"]))
        found.error_key(here, f"step kind {kind.kind!r} has no such field", hint)
        return
    if details["type"] == _MISSING:
        here = (*here, details["loc"][-1])
    found.error(here, *expectation(details))


def _place(steps: Iterable[str | int], config: Any) -> Path:
    """Return where in the manifest pydantic's location is: it also names what stands in no manifest.

    That is the index of a single mapping that is read as a list of one, and the members of a union.
    """
    place: list[str | int] = []
    value = config
    for step in steps:
        if step in _keys(value):
            value = value[step]
            place.append(step)
    return tuple(place)


def _keys(value: Any) -> Container[str | int]:
    if isinstance(value, list):
        return range(len(value))
    return value if isinstance(value, dict) else ()


def _siblings(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """Return the names of the fields that may stand where the last part of `location` does."""
    fields = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    for index, part in enumerate(location[:-1]):
        for nested in models_in(fields.get(str(part))):
            return _siblings(nested, location[index + 1 :])
    return list(fields)
