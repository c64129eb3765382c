"""``semverParse`` and ``semverDiff``: versions in expressions, as Masterminds/semver gives them to Kargo's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from airfreight.artifacts.semver import Version
from airfreight.errors import ExpressionError, VersionError
from airfreight.expr.functions import Function
from airfreight.expr.values import Struct, type_name

_LONGEST = 1_000
_LARGEST = 2**64 - 1
_Method = tuple[Callable[..., Any], int]

_PARTS = (("Major", "major"), ("Minor", "minor"), ("Patch", "patch"), ("Metadata", "metadata"))


def semver_diff(left: Any, right: Any) -> str:
    """Return the first part in which two versions differ; pre-releases count for nothing."""
    try:
        a = Version.parse(_text("semverDiff: the first argument", left))
        b = Version.parse(_text("semverDiff: the second argument", right))
    except VersionError:
        return "Incomparable"
    return next((name for name, part in _PARTS if getattr(a, part) != getattr(b, part)), "None")


def semver_parse(text: Any) -> Struct:
    """Return the version that `text` is, loosely read; raises `ExpressionError` where it is none."""
    try:
        return _pointer(Version.parse(_text("semverParse: the argument", text)))
    except VersionError as error:
        raise ExpressionError(f"semverParse: {error}") from None


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ExpressionError(f"{what} must be a string, not {type_name(value)}")
    if len(value) > _LONGEST:
        raise ExpressionError(f"{what} may have {_LONGEST} characters, not {len(value)}")
    return value


def _pointer(version: Version) -> Struct:
    """Return what Go's pointer to a version shows: it alone is compared and knows its original text."""
    return _struct(
        version,
        {
            "Original": (lambda: version.original, 0),
            "Compare": (lambda other: _order(version, other), 1),
            "LessThan": (lambda other: _order(version, other) < 0, 1),
            "LessThanEqual": (lambda other: _order(version, other) <= 0, 1),
            "GreaterThan": (lambda other: _order(version, other) > 0, 1),
            "GreaterThanEqual": (lambda other: _order(version, other) >= 0, 1),
            "Equal": (lambda other: _order(version, other) == 0, 1),
        },
    )


def _struct(version: Version, more: Mapping[str, _Method]) -> Struct:
    rows: dict[str, _Method] = {
        "Major": (lambda: version.major, 0),
        "Minor": (lambda: version.minor, 0),
        "Patch": (lambda: version.patch, 0),
        "Prerelease": (lambda: version.prerelease, 0),
        "Metadata": (lambda: version.metadata, 0),
        "String": (lambda: str(version), 0),
        "IncMajor": (lambda: _struct(_next(version, "major"), {}), 0),
        "IncMinor": (lambda: _struct(_next(version, "minor"), {}), 0),
        "IncPatch": (lambda: _struct(_next(version, "patch"), {}), 0),
        "SetPrerelease": (lambda text: _struct(_changed(version, prerelease=text), {}), 1),
        "SetMetadata": (lambda text: _struct(_changed(version, metadata=text), {}), 1),
    }
    rows |= more
    methods = {name: Function(name, call, count, count) for name, (call, count) in rows.items()}
    # What is equal to what: the library compares the original text too.
    hidden = {"version": str(version), "original": version.original}
    return Struct("semver.Version", hidden, methods=methods, text=str(version))


def _next(version: Version, part: str) -> Version:
    """Return the next version of `part`; of a pre-release the next patch is the release itself."""
    if getattr(version, part) == _LARGEST and not (part == "patch" and version.prerelease):
        raise ExpressionError(f"the next {part} version of {version} is beyond 64 bits")
    plain = replace(version, prerelease="", metadata="")
    if part == "major":
        moved = replace(plain, major=version.major + 1, minor=0, patch=0)
    elif part == "minor":
        moved = replace(plain, minor=version.minor + 1, patch=0)
    else:
        moved = replace(plain, patch=version.patch + (not version.prerelease))
    return _renamed(moved)


def _changed(version: Version, **suffix: Any) -> Version:
    for name, value in suffix.items():
        _text(name, value)
    try:
        moved = replace(version, **suffix)
        Version.parse(str(moved))
    except VersionError as error:
        raise ExpressionError(str(error)) from None
    return _renamed(moved)


def _renamed(version: Version) -> Version:
    prefix = "v" if version.original.startswith("v") else ""
    return replace(version, original=f"{prefix}{version}")


def _order(version: Version, other: Any) -> int:
    if not isinstance(other, Struct) or "Compare" not in other.methods:
        raise ExpressionError(
            f"a version is compared with what semverParse gives, not with {type_name(other)}"
        )
    second = Version.parse(other.fields["version"])
    return (version > second) - (version < second)
