"""Kargo's own functions in expressions: their arguments, what they give, where they are available.

Manifests are checked by these declarations, and promotions run by them: `runtime` puts what each does in
its place. `quote` and its siblings are available everywhere and `expr`'s own (`kargo.md` §3.2-3.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal, NoReturn

from airfreight.expr.functions import Function
from airfreight.expr.shapes import (
    BOOL,
    INT,
    MAP,
    STRING,
    TEXT,
    UNKNOWN,
    Shape,
    kinds,
)

Place = Literal["step", "vars", "verification", "criteria", "bare"]
"""Where an expression stands; `bare` are those that see one document, such as an http response."""

_WORDS: Final[Mapping[Place, str]] = MappingProxyType(
    {
        "step": "a step's if and config",
        "vars": "vars",
        "verification": "the arguments of a verification",
        "criteria": "freightCreationCriteria",
        "bare": "an expression over a response or document",
    }
)
_STEP: Final[tuple[Place, ...]] = ("step",)
_PROMOTION: Final[tuple[Place, ...]] = ("step", "vars")
_STAGE: Final[tuple[Place, ...]] = (*_PROMOTION, "verification")
_ALL: Final[tuple[Place, ...]] = (*_STAGE, "criteria")


def _struct(name: str, **fields: Shape) -> Shape:
    return Shape("struct", name, fields=fields)


_ORIGIN = Shape("origin", "FreightOrigin", fields={"Kind": STRING, "Name": STRING})
_COMMIT = _struct(
    "GitCommit",
    **dict.fromkeys(
        ("RepoURL", "ID", "Branch", "Tag", "Message", "Author", "Committer", "SubscriptionName"),
        STRING,
    ),
)
_IMAGE = _struct(
    "Image",
    **dict.fromkeys(("RepoURL", "Tag", "Digest", "SubscriptionName"), STRING),
    Annotations=MAP,
)
_CHART = _struct(
    "Chart", **dict.fromkeys(("RepoURL", "Name", "Version", "SubscriptionName"), STRING)
)
_ARTIFACT = _struct(
    "ArtifactReference",
    **dict.fromkeys(("ArtifactType", "SubscriptionName", "Version"), STRING),
    Metadata=UNKNOWN,
)
# What a Warehouse has just found is no part of a Freight yet: it has other fields (`kargo.md` §3.5).
_DISCOVERED: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "commitFrom": _struct(
            "DiscoveredCommit",
            **dict.fromkeys(("ID", "Branch", "Tag", "Subject", "Author", "Committer"), STRING),
            CreatorDate=UNKNOWN,
        ),
        "imageFrom": _struct(
            "DiscoveredImageReference",
            **dict.fromkeys(("Tag", "Digest"), STRING),
            Annotations=MAP,
            CreatedAt=UNKNOWN,
        ),
    }
)


def _version_shape() -> Shape:
    """What ``semverParse`` gives: Go's pointer. ``IncMajor()`` and its kin give values, which have fewer methods."""
    members: dict[str, Shape] = {}
    value = Shape("version", "semver.Version", fields=members)
    none, one, other = (), (TEXT,), kinds("struct")

    def method(result: Shape, *parameters: frozenset[str]) -> Shape:
        return Shape("function", "function", parameters=parameters, result=result)

    members |= dict.fromkeys(("Major", "Minor", "Patch"), method(INT, *none))
    members |= dict.fromkeys(("Prerelease", "Metadata", "String"), method(STRING, *none))
    members |= dict.fromkeys(("IncMajor", "IncMinor", "IncPatch"), method(value, *none))
    members |= dict.fromkeys(("SetPrerelease", "SetMetadata"), method(value, *one))
    order = ("LessThan", "LessThanEqual", "GreaterThan", "GreaterThanEqual", "Equal")
    compared = dict.fromkeys(order, method(BOOL, other)) | {"Compare": method(INT, other)}
    return _struct("semver.Version", **members, **compared, Original=method(STRING, *none))


@dataclass(frozen=True)
class _Declaration:
    function: Function
    places: tuple[Place, ...]


def _never_called(*_: Any) -> NoReturn:
    raise AssertionError("a declaration is checked, not called")


def _declare(
    name: str,
    places: tuple[Place, ...],
    parameters: tuple[frozenset[str], ...],
    result: Shape = UNKNOWN,
    *,
    optional: int = 0,
) -> tuple[str, _Declaration]:
    most = len(parameters)
    function = Function(name, _never_called, most - optional, most, parameters, result)
    return name, _Declaration(function, places)


_LAST = kinds("origin")
_NAMED: Final = (TEXT,)
_DECLARED: Final[Mapping[str, _Declaration]] = MappingProxyType(
    dict(
        (
            _declare("imageFrom", _ALL, (TEXT, _LAST), _IMAGE, optional=1),
            _declare("commitFrom", _ALL, (TEXT, _LAST), _COMMIT, optional=1),
            _declare("chartFrom", _ALL, (TEXT, TEXT | _LAST, _LAST), _CHART, optional=2),
            _declare("artifactFrom", _ALL, (TEXT, _LAST), _ARTIFACT, optional=1),
            _declare("warehouse", _STAGE, _NAMED, _ORIGIN),
            *(
                _declare(name, _STAGE, _NAMED)
                for name in ("freightMetadata", "freightStatus", "stageMetadata")
            ),
            *(
                _declare(name, _STAGE, _NAMED, MAP)
                for name in ("configMap", "sharedConfigMap", "secret", "sharedSecret")
            ),
            _declare("semverDiff", _STAGE, (TEXT, TEXT), STRING),
            _declare("semverParse", _STAGE, _NAMED, _version_shape()),
            *(_declare(name, _STEP, (), BOOL) for name in ("always", "success", "failure")),
            _declare("status", _STEP, _NAMED, STRING),
        )
    )
)


def declared(place: Place) -> dict[str, Function]:
    """Return all of Kargo's functions for expressions at `place`; a misplaced one says where it belongs."""
    found = _DISCOVERED if place == "criteria" else {}
    return {
        name: replace(declaration.function, result=found.get(name, declaration.function.result))
        if place in declaration.places
        else replace(declaration.function, refusal=_refusal(name, declaration.places, place))
        for name, declaration in _DECLARED.items()
    }


def _refusal(name: str, places: tuple[Place, ...], place: Place) -> str:
    words = [_WORDS[known] for known in places]
    where = " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
    return f"{name}() is available in {where}, not in {_WORDS[place]}"
