"""JSON Schemas out of manifests: what they may hold, the form they make, and what does not fit them.

A schema comes from a pipeline's author and the values from whoever answers, so neither may cost more than they are
worth: nothing is fetched, and patterns are RE2's, whose time is linear.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema
from jsonschema import Draft4Validator, Draft6Validator, Draft7Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from airfreight.errors import TerminalStepError
from airfreight.model.patterns import compile_regex, pattern_fault, sound

_DRAFTS: Final = {
    "http://json-schema.org/draft-04/schema": Draft4Validator,
    "http://json-schema.org/draft-06/schema": Draft6Validator,
    "http://json-schema.org/draft-07/schema": Draft7Validator,
}
_MOST_FAULTS = 3
_LONGEST_FAULT = 300


def read_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema`; raises TerminalStepError where it is none, or holds what a form cannot ask for."""
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        raise _refused("expected type: object with properties: each becomes a field of the form")
    validator = _draft(schema)
    try:
        validator.check_schema(schema)
        faults = list(_unsafe(schema))
    except jsonschema.SchemaError as error:
        raise _refused(f"{error.json_path}: {error.message[:_LONGEST_FAULT]}") from None
    except RecursionError:
        raise _refused("it is nested too deep") from None
    if faults:
        raise _refused(faults[0])
    return schema


def form_fields(schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the name of each field of the form and its own schema; one that is not required may be left empty."""
    required = schema.get("required", ())
    return {
        name: _field(name, part if isinstance(part, dict) else {}, needed=name in required)
        for name, part in schema["properties"].items()
    }


def find_faults(schema: dict[str, Any], values: dict[str, Any]) -> str:
    """Return what does not fit, empty where all does; raises TerminalStepError for a reference to nothing."""
    kind = extend(_draft(schema), {"pattern": _check_pattern})
    try:
        errors = sorted(kind(schema, registry=Registry()).iter_errors(values), key=_place)
    except Unresolvable as error:
        raise _refused(f"$ref: there is no {error.ref!r}") from None
    except RecursionError:
        raise _refused("$ref leads back to itself") from None
    shown = [f"{_place(error)}: {error.message}"[:_LONGEST_FAULT] for error in errors]
    more = [f"and {len(shown) - _MOST_FAULTS} more"] if len(shown) > _MOST_FAULTS else []
    return "; ".join([*shown[:_MOST_FAULTS], *more])


def _refused(fault: str) -> TerminalStepError:
    return TerminalStepError(f"schema: {fault}", failed=True)


def _draft(schema: Mapping[str, Any]) -> Any:
    named = str(schema.get("$schema", "http://json-schema.org/draft-07/schema")).rstrip("#")
    if named not in _DRAFTS:
        raise _refused(f"$schema {named!r} is none of {', '.join(_DRAFTS)}")
    return _DRAFTS[named]


def _unsafe(part: Any) -> Iterator[str]:
    """Name what would fetch something, or take more than linear time."""
    if isinstance(part, list):
        for item in part:
            yield from _unsafe(item)
    if not isinstance(part, dict):
        return
    reference, pattern = part.get("$ref"), part.get("pattern")
    if isinstance(reference, str) and not reference.startswith("#"):
        yield f"$ref {reference!r} leads out of it; put what it names into definitions"
    if isinstance(pattern, str) and (fault := pattern_fault(pattern)):
        yield f"pattern {pattern!r}: {fault}; patterns are RE2's"
    if "patternProperties" in part:
        yield "patternProperties cannot be asked for in a form; name the properties"
    for item in part.values():
        yield from _unsafe(item)


def _field(name: str, part: dict[str, Any], *, needed: bool) -> dict[str, Any]:
    field = {"title": name, **part}
    kinds = part.get("type")
    if needed or kinds is None:
        return field
    listed = kinds if isinstance(kinds, list) else [kinds]
    return {**field, "type": [*listed, *([] if "null" in listed else ["null"])]}


def _place(error: Any) -> str:
    return str(error.json_path).removeprefix("$.").replace("$", "values", 1)


def _check_pattern(
    _validator: Any, pattern: str, instance: Any, _schema: Any
) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, str) and not compile_regex(pattern).search(sound(instance)):
        yield jsonschema.ValidationError(f"does not match {pattern!r}")
