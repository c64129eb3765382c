"""Plain data → model: pydantic's findings as located problems in the manifest's own field names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from airfreight.manifests.findings import Findings
from airfreight.manifests.nodes import Path
from airfreight.model.expectations import expectation, follows
from airfreight.model.suggestions import suggest

_MOST_HINTS = 200  # whoever has more fields than this has not mistyped one

ModelT = TypeVar("ModelT", bound=BaseModel)
Where = Callable[[Path], Path]


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
                found.error(path, *expectation(details))
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
